namespace MLNetBatchNorm.Objectives;

/// <summary>What a label means to a trainer.</summary>
internal enum LabelKind
{
    /// <summary>False or true, as 0 or 1.</summary>
    Binary,

    /// <summary>The number of a class, from 0.</summary>
    Class,

    /// <summary>A number.</summary>
    Number,
}
