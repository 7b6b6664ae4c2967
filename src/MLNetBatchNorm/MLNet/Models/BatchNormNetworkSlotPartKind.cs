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

    /// <summary>
    /// Of a slot that begins a category, such as the first one of a one-hot column: 1 where no slot of the category is set or one is
    /// missing, else 0.
    /// </summary>
    NoCategory,

    /// <summary>
    /// Of a slot that begins a category: 1 where the row's category was in no training row, and the part of 1 that its own slot lacks where
    /// it was in fewer than four.
    /// </summary>
    OtherCategory,
}
