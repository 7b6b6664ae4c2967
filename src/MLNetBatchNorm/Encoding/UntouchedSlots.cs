using MLNetBatchNorm.Data;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Encoding;

/// <summary>All slots as they are, NaN included.</summary>
internal sealed class UntouchedSlots(int slots) : EncodingPart
{
    public override int Columns => slots;

    public override bool KeepsZero => true;

    public override void Encode(ReadOnlySpan<float> raw, Span<float> encoded) => raw.CopyTo(encoded);

    public override void EncodeToPanels(ReadOnlySpan<float> paddedRaw, Span<float> panels, int rowCapacity, int row, int firstColumn) =>
        InputKernels.CopyToPanels(paddedRaw, panels, rowCapacity, row);

    public override void EncodeSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, SparseBatch batch, int firstColumn) =>
        batch.AddEntries(indices, values);

    public override string AddTo(OnnxGraph graph, OnnxSlots slots) => slots.Raw;

    public override IEnumerable<EncodedColumn> Describe() =>
        Enumerable.Range(0, slots).Select(slot => new EncodedColumn(slot, EncodedColumnKind.Untouched));

    public override string Tag => SectionTag;

    /// <inheritdoc cref="Tag"/>
    public const string SectionTag = "UNTO";

    /// <summary>Writes nothing: there is nothing to it.</summary>
    public override void Write(BinaryWriter writer)
    {
    }

    /// <summary>Reads nothing.</summary>
    public static UntouchedSlots Read(int slots) => new(slots);
}
