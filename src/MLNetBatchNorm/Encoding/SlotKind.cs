namespace MLNetBatchNorm.Encoding;

/// <summary>How the values of a slot are to be treated.</summary>
internal enum SlotKind
{
    /// <summary>A quantity: centred, scaled, clipped, cut.</summary>
    Numeric,

    /// <summary>Passes unchanged: nothing is to be scaled.</summary>
    Unchanged,

    /// <summary>Part of a category that says so: passes as it is, or smaller where hardly any row has it.</summary>
    Indicator,

    /// <summary>Holds two values only, whatever they are: brought to 0 and 1.</summary>
    TwoValues,

    /// <summary>
    /// The same, and one of a group of neighbours of which exactly one is set in every row: a category that does not say so.
    /// </summary>
    OneOfGroup,

    /// <summary>The number of a category.</summary>
    Category,

    /// <summary>Mostly 0, among many others: its zeros stay zeros.</summary>
    Sparse,

    /// <summary>The same among very many, which enter through a projection (<see cref="SparseSlots"/>).</summary>
    Projected,

    /// <summary>The same where nothing is to be scaled.</summary>
    ProjectedUnchanged,

    /// <summary>Always 0, among very many: it has no column.</summary>
    Unused,
}
