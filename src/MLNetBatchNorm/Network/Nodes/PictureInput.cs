using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Pictures as encoded rows one behind the other: what a convolution that is the first node reads.</summary>
internal sealed class PictureInput(MapShape picture, PixelOrder order, int rowCapacity) : NodeInput
{
    // Whole lines of 16, so that an encoder may write the last one whole.
    private readonly int _stride = PanelLayout.PanelCount(checked((int)picture.Values)) * PanelLayout.Width;
    private readonly AlignedBuffer _values = new(
        (long)rowCapacity * PanelLayout.PanelCount(checked((int)picture.Values)) * PanelLayout.Width);

    private PictureChanges _changes;
    private ulong _key;
    private int _firstRow;

    // The pictures before they are changed; null until some are.
    private AlignedBuffer? _unchanged;

    /// <summary>The pictures.</summary>
    public PictureSource Source => PictureSource.Rows(_values.Span, _stride, order);

    /// <summary>The memory.</summary>
    public AlignedBuffer Storage => _values;

    /// <summary>One picture.</summary>
    public Span<float> Row(int row) => _values.Span.Slice(row * _stride, (int)picture.Values);

    public override void Change(PictureChanges changes, ulong key, int firstRow = 0)
    {
        (_changes, _key, _firstRow) = (changes, key, firstRow);
        if (!changes.AreNone)
            _unchanged ??= new AlignedBuffer(_values.Length);
    }

    public override void Fill(EncodedRows data, int first, int begin, int end)
    {
        if (_changes.AreNone)
        {
            data.GatherRows(first + begin, end - begin, _values.Span[(begin * _stride)..], _stride);
            return;
        }
        Span<float> unchanged = _unchanged!.Span;
        data.GatherRows(first + begin, end - begin, unchanged[(begin * _stride)..], _stride);
        for (int row = begin; row < end; row++)
        {
            _changes.Apply(
                new RandomStream(_key, (ulong)(_firstRow + row)), unchanged.Slice(row * _stride, (int)picture.Values), picture.Height,
                picture.Width, picture.Channels, order, Row(row));
        }
    }

    /// <summary>Takes raw rows.</summary>
    public void Encode(InputEncoder encoder, ReadOnlySpan<float> raw, int rows)
    {
        for (int row = 0; row < rows; row++)
            encoder.Encode(raw.Slice(row * encoder.RawInputs, encoder.RawInputs), Row(row));
    }
}
