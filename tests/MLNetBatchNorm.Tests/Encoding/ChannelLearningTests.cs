using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Encoding;

/// <summary>Scaling is learned a channel, over all its pixels.</summary>
[TestClass]
public sealed class ChannelLearningTests
{
    private const int Pixels = 3;

    /// <summary>
    /// Channel 0 has the numbers 1 to 6 in its pixels, channel 1 these times -100 and one missing: the mean of a channel and its deviation
    /// over all pixels, a missing one its mean, a constant channel 0.
    /// </summary>
    [TestMethod]
    [DataRow(PixelOrder.Planar)]
    [DataRow(PixelOrder.Interleaved)]
    public void Learn_Channels_MeanAndDeviationOverPixels(PixelOrder order)
    {
        var table = new TrainingTable(3 * Pixels, 1, weighted: false);
        for (int row = 0; row < 2; row++)
        {
            Span<float> features = table.Add([0f], 1);
            for (int pixel = 0; pixel < Pixels; pixel++)
            {
                float number = 1 + row * Pixels + pixel;
                features[Slot(order, 0, pixel)] = number;
                features[Slot(order, 1, pixel)] = row == 1 && pixel == 2 ? float.NaN : -100 * number;
                features[Slot(order, 2, pixel)] = 7;
            }
        }
        var store = new MemoryRows(table);
        InputEncoder encoder = ChannelLearning.Learn(store, channels: 3, order, scale: true);
        var encoded = new float[16];
        encoder.Encode(table.Features(1), encoded);
        // Mean of 1 to 6: 3.5, variance 35 / 12; of -100 to -500: -300, variance 20,000.
        for (int pixel = 0; pixel < Pixels; pixel++)
        {
            Assert.AreEqual((4 + pixel - 3.5) / Math.Sqrt(35 / 12.0), encoded[Slot(order, 0, pixel)], 1e-6);
            Assert.AreEqual(
                pixel == 2 ? 0 : (-100 * (4 + pixel) + 300) / Math.Sqrt(20_000), encoded[Slot(order, 1, pixel)], 1e-6);
            Assert.AreEqual(0, encoded[Slot(order, 2, pixel)]);
        }
        // The other order takes other slots for a channel: the test can tell.
        ChannelLearning.Learn(store, 3, order == PixelOrder.Planar ? PixelOrder.Interleaved : PixelOrder.Planar, scale: true)
            .Encode(table.Features(1), encoded);
        Assert.AreNotEqual((4 - 3.5) / Math.Sqrt(35 / 12.0), encoded[Slot(order, 0, 0)], 1e-3);
    }

    private static int Slot(PixelOrder order, int channel, int pixel) =>
        order == PixelOrder.Planar ? channel * Pixels + pixel : pixel * 3 + channel;
}
