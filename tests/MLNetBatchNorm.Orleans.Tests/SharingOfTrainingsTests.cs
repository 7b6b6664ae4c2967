using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>
/// No training waits behind another while a core is free elsewhere. The silos are fakes, whose trainings end by rules that a client which
/// lets one wait never fulfils: then the fit is cancelled after a while, and the test fails.
/// </summary>
[TestClass]
public sealed class SharingOfTrainingsTests
{
    private const int Members = 8;
    private static readonly Lazy<string> s_expected = new(() => Fit(null));

    /// <summary>Trainings of the same length: one ends on each silo when one is at work on each, or all were begun.</summary>
    [TestMethod]
    [DataRow(2, false)]
    [DataRow(2, true)]
    [DataRow(3, false)]
    [DataRow(4, false)]
    [DataRow(8, true)]
    public void Fit_TrainingsOfTheSameLength_EachSiloGetsItsShare(int silos, bool losesAnswers)
    {
        var cluster = new FakeCluster(
            silos, (all, _) => all.Begun == Members || all.Silos.All(silo => silo.Here.Count > 0)) { LosesAnswers = losesAnswers };
        Assert.AreEqual(s_expected.Value, Fit(cluster));
        int most = (Members + silos - 1) / silos;
        Assert.AreEqual(most, cluster.Silos.Max(silo => silo.Begun.Count));
        AssertEachBegunOnce(cluster);
    }

    /// <summary>The first training of one silo takes as long as the seven others on the other: what waits behind it is fetched.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Fit_TrainingWaitsBehindALongOne_AnotherSiloTakesIt(bool losesAnswers)
    {
        var cluster = new FakeCluster(2, (all, silo) => silo == all.Silos[0]
            ? all.Begun == Members && all.Silos[1].Here.Count == 0
            : all.Silos[0].HadWaiting) { LosesAnswers = losesAnswers };
        Assert.AreEqual(s_expected.Value, Fit(cluster));
        Assert.HasCount(1, cluster.Silos[0].Begun);
        Assert.HasCount(Members - 1, cluster.Silos[1].Begun);
        Assert.AreEqual(1, cluster.Silos[0].Withdrawn, "it has waited, so that it was fetched and not only never sent");
        Assert.AreEqual(0, cluster.Silos[1].Withdrawn);
        AssertEachBegunOnce(cluster);
    }

    /// <summary>As many trainings as silos: none is sent behind another, whichever silo answers first.</summary>
    [TestMethod]
    public void Fit_OneTrainingForEachSilo_NoneWaits()
    {
        var cluster = new FakeCluster(2, (all, _) => all.Begun == 2);
        Fit(cluster, members: 2);
        foreach (FakeSilo silo in cluster.Silos)
        {
            Assert.HasCount(1, silo.Begun);
            Assert.IsFalse(silo.HadWaiting);
        }
    }

    /// <summary>A handler keeps the thread that called Fit: the silo hears of its client all the same, and keeps what it has.</summary>
    [TestMethod]
    public void Fit_HandlerThatTakesLong_SilosHearOfTheClient()
    {
        var cluster = new FakeCluster(1, (all, silo) => silo.Here.Count == 2 || all.Begun >= Members - 1);
        bool isHeard = false;
        Assert.AreEqual(s_expected.Value, Fit(cluster, new Listener
        {
            Then = () => isHeard = isHeard || cluster.Silos[0].SignOfLife.Wait(TimeSpan.FromSeconds(30)),
        }));
        Assert.IsTrue(isHeard);
    }

    private static string Fit(FakeCluster? cluster, IProgress<TrainingProgress>? progress = null, int members = Members)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        return Fits.Regression(new MLContext(1), new BatchNormNetworkRegressionTrainer.Options
        {
            TrainingRunner = cluster?.CreateRunner(), CancellationToken = limit.Token, Progress = progress, HiddenUnits = [4],
        }, members, epochs: 2, count: 200);
    }

    private static void AssertEachBegunOnce(FakeCluster cluster) => CollectionAssert.AreEquivalent(
        Enumerable.Range(0, Members).ToArray(), cluster.Silos.SelectMany(silo => silo.Begun).ToArray());
}
