using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Encoding;

/// <summary>Learns an <see cref="InputEncoder"/> of pictures: all pixels of a channel are scaled alike.</summary>
internal static class ChannelLearning
{
    /// <summary>Rows that deviations are taken from; each has all pixels, so that more would change no digit that matters.</summary>
    private const int SampleRows = 2_000;

    /// <summary>Learns from rows wherever they are kept: means of all of them, deviations of some.</summary>
    /// <param name="rows">The pictures; NaN marks a missing pixel.</param>
    /// <param name="channels">Number of channels.</param>
    /// <param name="order">The order of a picture's numbers.</param>
    /// <param name="scale">Whether channels get mean 0 and deviation 1; if not, numbers pass, and a missing one is 0.</param>
    public static InputEncoder Learn(RowStore rows, int channels, PixelOrder order, bool scale)
    {
        SlotSummary slots = rows.Slots;
        int pixels = slots.Inputs / channels;
        int ChannelOf(int slot) => order == PixelOrder.Planar ? slot / pixels : slot % channels;

        var mean = new double[channels];
        var deviation = new double[channels];
        if (scale)
        {
            var known = new long[channels];
            for (int slot = 0; slot < slots.Inputs; slot++)
            {
                mean[ChannelOf(slot)] += slots[slot].Sum;
                known[ChannelOf(slot)] += slots.Rows - slots[slot].Missing;
            }
            for (int channel = 0; channel < channels; channel++)
                mean[channel] /= Math.Max(1, known[channel]);
            Array.Clear(known);
            TableRows sample = rows.Sample(SampleRows);
            foreach (int row in sample.Rows)
            {
                for (int slot = 0; slot < slots.Inputs; slot++)
                {
                    float value = sample.Table.Value(row, slot);
                    if (float.IsNaN(value))
                        continue;
                    int channel = ChannelOf(slot);
                    deviation[channel] += (value - mean[channel]) * (value - mean[channel]);
                    known[channel]++;
                }
            }
            for (int channel = 0; channel < channels; channel++)
                deviation[channel] = Math.Sqrt(deviation[channel] / Math.Max(1, known[channel]));
        }

        var center = new float[slots.Inputs];
        var factor = new float[slots.Inputs];
        for (int slot = 0; slot < slots.Inputs; slot++)
        {
            double width = deviation[ChannelOf(slot)];
            center[slot] = (float)mean[ChannelOf(slot)];
            // Of a pixel that was never there nothing is learned. What has no finite inverse is constant for every purpose.
            factor[slot] = slots[slot].Missing == slots.Rows ? 0 : !scale ? 1 : width > 1 / (double)float.MaxValue ? (float)(1 / width) : 0;
        }
        return new InputEncoder(slots.Inputs, [new ScaleAndClip(center, factor, new bool[slots.Inputs])]);
    }
}
