using MLNetBatchNorm.Encoding;

namespace MLNetBatchNorm;

/// <summary>One number that the first layer of a network reads of a slot.</summary>
/// <remarks>
/// Slot, kind and number name a part, and it is by them that <see cref="BatchNormNetworkInputLayer"/> finds its weights: a part of one
/// model can be asked for in another with the same slots and pieces, such as the same model after loading.
/// </remarks>
public sealed class BatchNormNetworkSlotPart
{
    private readonly string _slotText;

    internal BatchNormNetworkSlotPart(EncodedColumn column, string? name, int number, float valueWhereMissing)
    {
        _slotText = name is null ? $"slot {column.Slot}" : $"slot {column.Slot} ('{name}')";
        Slot = column.Slot;
        Kind = KindOf(column.Kind);
        Number = number;
        if (Kind == BatchNormNetworkSlotPartKind.Piece)
            (From, To) = (column.From, column.To);
        ValueWhereMissing = valueWhereMissing;
    }

    /// <summary>Number of the slot in the feature column, from 0.</summary>
    public int Slot { get; }

    /// <summary>What it says of the slot.</summary>
    public BatchNormNetworkSlotPartKind Kind { get; }

    /// <summary>Number among the parts of this kind of the slot, from 0.</summary>
    public int Number { get; }

    /// <summary>Where a piece begins, in the slot's own units; null for other kinds.</summary>
    public float? From { get; }

    /// <summary>Where a piece ends, in the slot's own units; null for other kinds.</summary>
    public float? To { get; }

    /// <summary>What the part is in a row in which the slot's value is missing.</summary>
    public float ValueWhereMissing { get; }

    /// <summary>Slot, kind and number, such as <c>piece 2 of slot 5 ('Age'), from 30 to 42.5</c>.</summary>
    public override string ToString() => Kind switch
    {
        BatchNormNetworkSlotPartKind.Value => $"value of {_slotText}",
        BatchNormNetworkSlotPartKind.Missing => $"missing value of {_slotText}",
        BatchNormNetworkSlotPartKind.NoCategory => $"no category from {_slotText} on",
        BatchNormNetworkSlotPartKind.OtherCategory => $"other categories from {_slotText} on",
        BatchNormNetworkSlotPartKind.Piece => FormattableString.Invariant($"piece {Number} of {_slotText}, from {From} to {To}"),
        _ => throw new InvalidOperationException($"Unknown kind of part {Kind}."),
    };

    internal static BatchNormNetworkSlotPartKind KindOf(EncodedColumnKind kind) => kind switch
    {
        EncodedColumnKind.Untouched or EncodedColumnKind.Scaled => BatchNormNetworkSlotPartKind.Value,
        EncodedColumnKind.Missing => BatchNormNetworkSlotPartKind.Missing,
        EncodedColumnKind.NoCategory => BatchNormNetworkSlotPartKind.NoCategory,
        EncodedColumnKind.OtherCategory => BatchNormNetworkSlotPartKind.OtherCategory,
        EncodedColumnKind.Piece => BatchNormNetworkSlotPartKind.Piece,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Unknown kind of encoded column."),
    };
}
