using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Tests.Network;

/// <summary>The mean over the networks of a model.</summary>
[TestClass]
public sealed class EnsembleMeanTests
{
    private const int Inputs = 5;

    /// <summary>
    /// Models of versions 1 and 2 predict labels themselves, however large: a sum over networks overflows where their mean does not.
    /// </summary>
    [TestMethod]
    [DataRow(2)]
    [DataRow(5)]
    [DataRow(8)]
    public void Score_OfNetworksWithLargeOutputs_IsTheirMean(int members)
    {
        NetworkParameters[] networks = [.. Enumerable.Range(1, members).Select(seed => Network((ulong)seed, 1e37f))];
        float[][] alone = [.. networks.Select(network => Score([network]))];
        float[] together = Score(networks);

        Assert.IsTrue(alone.All(scores => scores.All(float.IsFinite)));
        bool overflows = Enumerable.Range(0, together.Length)
            .Any(row => !float.IsFinite(alone.Aggregate(0f, (sum, scores) => sum + scores[row])));
        Assert.AreEqual(members >= 5, overflows, "whether the plain sum overflows");
        for (int row = 0; row < together.Length; row++)
        {
            double mean = alone.Average(scores => (double)scores[row]);
            Assert.AreEqual(mean, together[row], 1e-6 * alone.Max(scores => Math.Abs((double)scores[row])), $"row {row}");
        }
    }

    /// <summary>
    /// That sum is of other terms and has the same bits: of networks whose outputs are 2^k times as large the mean is 2^k times as large.
    /// </summary>
    [TestMethod]
    [DataRow(2)]
    [DataRow(5)]
    [DataRow(7)]
    public void Score_OfNetworksWithLargeOutputs_HasTheBitsOfSmallOnes(int members)
    {
        float unit = MathF.ScaleB(1, 100);
        float[] small = Score([.. Enumerable.Range(1, members).Select(seed => Network((ulong)seed, 1))]);
        float[] large = Score([.. Enumerable.Range(1, members).Select(seed => Network((ulong)seed, unit))]);

        CollectionAssert.AreEqual(small.Select(score => score * unit).ToArray(), large);
    }

    private static NetworkParameters Network(ulong seed, float unit)
    {
        NetworkParameters network = Generated.Network(new NetworkDefinition { Inputs = Inputs, HiddenUnits = [7], Outputs = 1 }, seed);
        network.Linear[^1].Rescale(unit, 8 * (double)unit);
        return network;
    }

    private static float[] Score(NetworkParameters[] networks)
    {
        FoldedNetwork folded = FoldedNetwork.Create(InputEncoder.Identity(Inputs), networks);
        double[][] rows = Generated.Rows(30, Inputs, 3);
        float[] scores = new float[rows.Length];
        folded.Score([.. rows.SelectMany(row => row.Select(v => (float)v))], rows.Length, scores, folded.CreateScratch());
        return scores;
    }
}
