using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Reporting.Tests;

/// <summary>The numbers of the page, against numbers worked out by hand.</summary>
[TestClass]
public sealed class StatisticsTests
{
    [TestMethod]
    public void ConfusionMatrix_CountsTruthsAgainstDecisions()
    {
        // Truths a a a b b c, decisions a b a b b a: of c none is recognized, and nothing is taken for it.
        var matrix = new ConfusionMatrix(["a", "b", "c"], [0, 0, 0, 1, 1, 2], [0, 1, 0, 1, 1, 0]);

        CollectionAssert.AreEqual(new[,] { { 2, 1, 0 }, { 0, 2, 0 }, { 1, 0, 0 } }, matrix.Counts);
        Assert.AreEqual(4 / 6.0, matrix.Accuracy, 1e-12);
        Assert.AreEqual(2 / 3.0, matrix.Precision(0));
        Assert.AreEqual(2 / 3.0, matrix.Recall(0));
        Assert.AreEqual((2 / 3.0, 1.0), (matrix.Precision(1), matrix.Recall(1)));
        Assert.AreEqual((null, 0.0), (matrix.Precision(2), matrix.Recall(2)));
    }

    [TestMethod]
    public void RocCurve_OfTies_CountsThemHalf()
    {
        // Pairs (positive, negative): .9>.5, .9>.1, .5=.5 (half), .5>.1: 3.5 of 4.
        var points = RocCurve.Points([0.9, 0.5, 0.5, 0.1], [true, true, false, false]);

        CollectionAssert.AreEqual(new[] { (0.0, 0.0), (0, 0.5), (0.5, 1), (1, 1) }, points.ToArray());
        Assert.AreEqual(3.5 / 4, RocCurve.Area(points), 1e-12);
        Assert.IsEmpty(RocCurve.Points([0.9, 0.5], [true, true]));
    }

    [TestMethod]
    public void Reliability_OfProbabilities_PutsLikeOnesTogether()
    {
        IReadOnlyList<ReliabilityBin> bins = Reliability.OfProbabilities([0.11, 0.19, 0.75, 1], [false, true, true, true]);

        Assert.HasCount(3, bins);
        Assert.AreEqual((2, 0.15, 0.5), (bins[0].Count, Math.Round(bins[0].Predicted, 12), bins[0].Observed));
        Assert.AreEqual(new ReliabilityBin(1, 0.75, 1), bins[1]);
        Assert.AreEqual(new ReliabilityBin(1, 1, 1), bins[2]);
        Assert.AreEqual((2 * 0.35 + 0.25) / 4, Reliability.Error(bins), 1e-12);
    }

    [TestMethod]
    public void Reliability_OfNumbers_TakesEquallyManyRows()
    {
        IReadOnlyList<ReliabilityBin> bins = Reliability.OfNumbers([4, 1, 3, 2], [40, 10, 30, 20], bins: 2);

        CollectionAssert.AreEqual(new[] { new ReliabilityBin(2, 1.5, 15), new ReliabilityBin(2, 3.5, 35) }, bins.ToArray());
    }

    [TestMethod]
    public void Histogram_CoversLeastToGreatest()
    {
        Histogram histogram = Histogram.Of([0, 0.4, 1, 1.5, 2], 4);

        CollectionAssert.AreEqual(new[] { 0, 0.5, 1, 1.5, 2 }, histogram.Edges.ToArray());
        CollectionAssert.AreEqual(new[] { 2, 0, 1, 2 }, histogram.Counts.ToArray());
        Assert.AreEqual(3, Histogram.Of([7, 7, 7], 4).Counts.Single());
    }

    [TestMethod]
    [DataRow(0, 1)]
    [DataRow(0.5, 2.5)]
    [DataRow(0.25, 1.75)]
    [DataRow(1, 4)]
    public void Quantile_LiesBetweenItsNeighbours(double part, double expected) =>
        Assert.AreEqual(expected, Histogram.Quantile([4, 1, 3, 2], part), 1e-12);
}
