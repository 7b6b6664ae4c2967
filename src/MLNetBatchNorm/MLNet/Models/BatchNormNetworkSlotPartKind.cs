namespace MLNetBatchNorm;

/// <summary>What a <see cref="BatchNormNetworkSlotPart"/> says of its slot. More may be added.</summary>
public enum BatchNormNetworkSlotPartKind
{
    /// <summary>
    /// The value, scaled as <see cref="BatchNormNetworkSlot.Scale"/> says; where <c>ScaleInputs</c> is false as it is, NaN included.
    /// </summary>
    Value,

    /// <summary>1 where the value is missing (NaN), else 0.</summary>
    Missing,

    /// <summary>
    /// How far the value x has come from the piece's start to its end: <c>(x - From) / (To - From)</c>, held between 0 and 1.
    /// </summary>
    Piece,
}
