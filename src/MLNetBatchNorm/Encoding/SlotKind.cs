namespace MLNetBatchNorm.Encoding;

/// <summary>How the values of a slot are to be treated.</summary>
internal enum SlotKind
{
    /// <summary>A quantity: centred, scaled, clipped, cut.</summary>
    Numeric,

    /// <summary>Passes unchanged: an indicator that says so, or what is scaled already.</summary>
    Unchanged,

    /// <summary>Holds two values only, whatever they are: brought to 0 and 1.</summary>
    TwoValues,

    /// <summary>The same, and one of a group of neighbours of which exactly one is set in every row: a category that does not say so.</summary>
    OneOfGroup,

    /// <summary>Mostly 0, among many others: its zeros stay zeros.</summary>
    Sparse,
}
