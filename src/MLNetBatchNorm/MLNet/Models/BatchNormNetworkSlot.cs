namespace MLNetBatchNorm;

/// <summary>One slot of the feature column, and what a network makes of its value x.</summary>
public sealed class BatchNormNetworkSlot
{
    private readonly BatchNormNetworkEncoder _encoder;

    internal BatchNormNetworkSlot(BatchNormNetworkEncoder encoder, int index)
    {
        _encoder = encoder;
        Index = index;
        Parts = encoder.PartsOf(index);
    }

    /// <summary>Number of the slot in the feature column, from 0.</summary>
    public int Index { get; }

    /// <summary>
    /// Name of the slot, as the feature column had it in training; null where it had none, where the names of all slots take more than 16
    /// MiB, and in models that format version 1 or 2 was saved in.
    /// </summary>
    public string? Name => _encoder.NameOf(Index);

    /// <summary>What is subtracted from x, in the slot's own units: a numeric slot's median; 0 where the slot is not shifted.</summary>
    public float Center => _encoder.Center(Index);

    /// <summary>
    /// What x is multiplied with, in one over the slot's own units: <c>t = (x - Center) Scale</c>. One over the distance of the quartiles
    /// of a numeric slot, 1 where the slot is not scaled, 0 where it was constant in training, or too rare among very many others to have a
    /// part.
    /// </summary>
    public float Scale => _encoder.Scale(Index);

    /// <summary>Whether t is clipped smoothly to <c>t / sqrt(1 + (t / 3)²)</c>, which stays between -3 and 3; numeric slots are.</summary>
    public bool IsClipped => _encoder.IsClipped(Index);

    /// <summary>
    /// All that the first layer reads of the slot: its value, then whether it is missing, then pieces, as far as it has them.
    /// </summary>
    public IReadOnlyList<BatchNormNetworkSlotPart> Parts { get; }

    /// <summary>The part that is the scaled value; null if there is none.</summary>
    public BatchNormNetworkSlotPart? Value => Parts.FirstOrDefault(part => part.Kind == BatchNormNetworkSlotPartKind.Value);

    /// <summary>The part that says that the value is missing; null if it never was in training.</summary>
    public BatchNormNetworkSlotPart? Missing => Parts.FirstOrDefault(part => part.Kind == BatchNormNetworkSlotPartKind.Missing);

    /// <summary>The pieces into which the slot's range is cut, rising; none where it is not cut.</summary>
    public IReadOnlyList<BatchNormNetworkSlotPart> Pieces => [.. Parts.Where(part => part.Kind == BatchNormNetworkSlotPartKind.Piece)];
}
