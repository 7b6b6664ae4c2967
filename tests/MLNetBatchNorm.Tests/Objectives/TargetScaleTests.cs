using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Tests.Objectives;

/// <summary>What scales labels and restores predictions.</summary>
[TestClass]
public sealed class TargetScaleTests
{
    [TestMethod]
    [DataRow(0.0, 1.0)]
    [DataRow(1e7, 10.0)]
    [DataRow(-1.6e9, 3000.0)]
    [DataRow(1e-38, 1e-40)]
    [DataRow(1e37, 1e38)]
    public void Restore_OfAScaledLabel_IsTheLabelToItsLastPlaces(double mean, double deviation)
    {
        var scale = new TargetScale(mean, deviation);
        foreach (double distance in new[] { -2.5, -0.3, 0, 0.7, 1.9 })
        {
            float label = (float)(mean + distance * deviation);
            float restored = scale.Restore(scale.Apply(label));
            // One rounding of the scaled label, one of the sum.
            float lastPlace = MathF.BitIncrement(MathF.Abs(label)) - MathF.Abs(label);
            Assert.AreEqual(label, restored, Math.Abs(distance) * deviation * 1.2e-7 + lastPlace, $"{distance}");
        }

        Assert.AreEqual(mean + deviation, scale.Restore(1), 1e-7 * (Math.Abs(mean) + deviation));
    }

    [TestMethod]
    public void Restore_WithoutDeviation_IsTheMeanWhateverTheOutput()
    {
        var scale = new TargetScale(0.1f, 0);
        foreach (float output in new[] { 0, 1, -1e30f, float.PositiveInfinity, float.NaN })
            Assert.AreEqual(0.1f, scale.Restore(output));
        Assert.AreEqual(1, scale.Unit);
        Assert.AreEqual(0f, scale.Apply(0.1f));
        Assert.AreEqual(2f, scale.Apply(2.1f), 1e-6f);
    }

    [TestMethod]
    public void Restore_OfWhatNoFloatCanHold_IsTheLargest()
    {
        var scale = new TargetScale(1e38, 1e38);
        Assert.AreEqual(float.MaxValue, scale.Restore(3));
        Assert.AreEqual(-float.MaxValue, scale.Restore(-5));
        Assert.AreEqual(float.MaxValue, scale.Restore(float.PositiveInfinity));
        Assert.IsTrue(float.IsNaN(scale.Restore(float.NaN)), "what is not a number is not made one");
    }

    [TestMethod]
    public void Bytes_ComeBack_AndOthersAreRefused()
    {
        var scale = new TargetScale(1e7 + 1e-9, 12.5);
        using var stream = new MemoryStream();
        scale.Write(new BinaryWriter(stream));
        Assert.AreEqual(2 * sizeof(double), stream.Length);
        Assert.AreEqual(scale, Read([1e7 + 1e-9, 12.5]));
        Assert.AreEqual(new TargetScale(3, 0), Read([3, 0]));
        foreach ((double mean, double deviation) in new (double, double)[]
        {
            (double.NaN, 1), (double.PositiveInfinity, 1), (0, -1), (0, double.NaN), (0, double.PositiveInfinity),
        })
        {
            Assert.ThrowsExactly<NetworkFormatException>(() => Read([mean, deviation]));
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new TargetScale(mean, deviation));
        }

        static TargetScale Read(double[] numbers) =>
            TargetScale.Read(new BinaryReader(new MemoryStream([.. numbers.SelectMany(BitConverter.GetBytes)])));
    }
}
