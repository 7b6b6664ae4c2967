using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Pictures as a map in panels: what a node that treats every channel by itself reads where it is the first one.</summary>
internal sealed class MapInput(MapShape picture, PixelOrder order, int rowCapacity) : PanelInput(
    new PanelMatrix(rowCapacity * picture.Pixels, picture.Channels) { Positions = picture.Pixels })
{
    private readonly PictureInput _rows = new(picture, order, rowCapacity);

    public override void Fill(EncodedRows data, int first, int begin, int end)
    {
        _rows.Fill(data, first, begin, end);
        TakeRows(begin, end);
    }

    public override void Change(PictureChanges changes, ulong key, int firstRow = 0) => _rows.Change(changes, key, firstRow);

    /// <summary>Takes raw rows.</summary>
    public void Encode(InputEncoder encoder, ReadOnlySpan<float> raw, int rows)
    {
        _rows.Encode(encoder, raw, rows);
        TakeRows(0, rows);
    }

    private void TakeRows(int begin, int end)
    {
        Span<float> map = Values.Span;
        (int channelStep, int pixelStep) = order == PixelOrder.Planar ? (picture.Pixels, 1) : (1, picture.Channels);
        for (int row = begin; row < end; row++)
        {
            ReadOnlySpan<float> values = _rows.Row(row);
            for (int channel = 0; channel < picture.Channels; channel++)
            {
                int to = PanelLayout.Index(row * picture.Pixels, channel, Values.RowCapacity), from = channel * channelStep;
                for (int p = 0; p < picture.Pixels; p++, to += PanelLayout.Width, from += pixelStep)
                    map[to] = values[from];
            }
        }
    }
}
