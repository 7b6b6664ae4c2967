namespace MLNetBatchNorm.Encoding;

/// <summary>How the values of a slot are to be treated.</summary>
internal enum SlotKind
{
    /// <summary>A quantity: centred, scaled, clipped, cut.</summary>
    Numeric,

    /// <summary>Passes unchanged: an indicator, or what is scaled already.</summary>
    Indicator,

    /// <summary>Mostly absent: its zeros stay zeros.</summary>
    Sparse,
}
