using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>The same seed gives the same bits, whatever the number of threads; another seed gives others.</summary>
[TestClass]
public sealed class DeterminismTests
{
    /// <summary>
    /// Layers of one panel and of several, batches that do not divide by anything, dropout, virtual
    /// batches, validation and a pass for statistics.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(BatchNormalizationPlacement.None), true)]
    [DataRow(nameof(BatchNormalizationPlacement.BeforeActivation), true)]
    [DataRow(nameof(BatchNormalizationPlacement.BeforeActivation), false)]
    [DataRow(nameof(BatchNormalizationPlacement.AfterActivation), true)]
    [DataRow(nameof(BatchNormalizationPlacement.LayerInput), true)]
    public void Train_TeamOfAnySize_SameBits(string placement, bool shuffle)
    {
        string[] runs = [.. new[] { 1, 2, 3, 8 }.Select(threads => Run(threads, placement, shuffle, seed: 3))];
        for (int i = 1; i < runs.Length; i++)
            Assert.AreEqual(runs[0], runs[i]);
        Assert.AreEqual(runs[0], Run(1, placement, shuffle, seed: 3), "a second run");
        // The seed decides on row order and dropout; both are in every one of these runs but the unshuffled one, which still drops out.
        Assert.AreNotEqual(runs[0], Run(1, placement, shuffle, seed: 4), "another seed");
    }

    [TestMethod]
    public void Train_SparseRowsWithATeamOfAnySize_SameBits()
    {
        string[] runs = [.. new[] { 1, 2, 3, 8 }.Select(threads =>
        {
            NetworkParameters parameters = Generated.Network(new NetworkDefinition { Inputs = 61, HiddenUnits = [37, 5], Outputs = 3 }, 1);
            var settings =
                new TrainingSettings { Objective = KnownObjectives.SoftmaxCrossEntropy, BatchSize = 16, MaximumEpochs = 2, Seed = 3 };
            using var team = new WorkerTeam(threads);
            TrainingLoop.Train(
                team, parameters, Generated.SparseData(KnownObjectives.SoftmaxCrossEntropy, 49, 61, 3, 1),
                Generated.SparseData(KnownObjectives.SoftmaxCrossEntropy, 30, 61, 3, 2), settings, null, CancellationToken.None);
            return Generated.Hash(parameters);
        })];
        Assert.AreEqual(1, runs.Distinct().Count(), string.Join(", ", runs));
    }

    [TestMethod]
    public void Train_ShuffledOrNot_Differs()
        => Assert.AreNotEqual(
            Run(1, nameof(BatchNormalizationPlacement.BeforeActivation), true, 3),
            Run(1, nameof(BatchNormalizationPlacement.BeforeActivation), false, 3));

    /// <summary>
    /// What users set: the number of threads that a network keeps busy, up to what is allowed. The first keeps one busy, the other four.
    /// </summary>
    [TestMethod]
    [DataRow(100, 60, 1)]
    [DataRow(200, 120, 4)]
    public void Train_ThreadsSetting_DoesNotChangeTheResult(int first, int second, int busy)
    {
        var definition = new NetworkDefinition { Inputs = 20, HiddenUnits = [first, second], Outputs = 3 };
        Assert.AreEqual(busy, UsefulThreads.Of(definition, InputEncoder.Identity(20), 256, threads: 8));
        var hashes = new List<string>();
        foreach (int threads in new[] { 1, 2, 4 })
        {
            NetworkParameters parameters = Generated.Network(definition, 1);
            var settings = new TrainingSettings { Objective = KnownObjectives.SoftmaxCrossEntropy, BatchSize = 256, MaximumEpochs = 2 };
            TrainingLoop.Train(
                parameters, Generated.Data(KnownObjectives.SoftmaxCrossEntropy, 700, 20, 3, 1),
                Generated.Data(KnownObjectives.SoftmaxCrossEntropy, 130, 20, 3, 2), settings, null, CancellationToken.None,
                threads: threads);
            hashes.Add(Generated.Hash(parameters));
        }
        Assert.AreEqual(hashes[0], hashes[1]);
        Assert.AreEqual(hashes[0], hashes[2]);
    }

    /// <summary>A row's score does not depend on how many rows are scored with it.</summary>
    [TestMethod]
    public void Score_AloneOrInBlocks_SameBits()
    {
        var definition = new NetworkDefinition { Inputs = 7, HiddenUnits = [37, 18], Outputs = 3, Activation = ActivationFunction.Mish };
        FoldedNetwork folded = FoldedNetwork.Create(InputEncoder.Identity(7), Generated.Network(definition, 1));
        float[] rows = [.. Generated.Rows(211, 7, 1).SelectMany(r => r).Select(v => (float)v)];
        var expected = new float[211 * 3];
        folded.Score(rows, 211, expected, folded.CreateScratch());
        foreach (int block in new[] { 1, 2, 13, 96 })
        {
            var scores = new float[211 * 3];
            folded.Score(rows, 211, scores, folded.CreateScratch(block));
            CollectionAssert.AreEqual(expected, scores, $"blocks of {block}");
        }
    }

    private static string Run(int threads, string placement, bool shuffle, ulong seed)
    {
        var definition = new NetworkDefinition
        {
            Inputs = 7,
            HiddenUnits = [37, 5, 18],
            Outputs = 3,
            Placement = Enum.Parse<BatchNormalizationPlacement>(placement),
            NormalizeOutputLayerInput = placement == nameof(BatchNormalizationPlacement.LayerInput),
            Activation = ActivationFunction.GELU,
            VirtualBatchSize = 6,
            DropoutRate = 0.1,
            Statistics = BatchNormalizationStatistics.PopulationPooled,
        };
        NetworkParameters parameters = Generated.Network(definition, 1);
        var settings = new TrainingSettings
        {
            Objective = KnownObjectives.SoftmaxCrossEntropy, BatchSize = 16, MaximumEpochs = 3, Shuffle = shuffle, Seed = seed,
        };
        using var team = new WorkerTeam(threads);
        TrainingHistory history = TrainingLoop.Train(
            team, parameters, Generated.Data(KnownObjectives.SoftmaxCrossEntropy, 49, 7, 3, 1, weighted: true),
            Generated.Data(KnownObjectives.SoftmaxCrossEntropy, 130, 7, 3, 2), settings, null, CancellationToken.None);
        return $"{Generated.Hash(parameters)} {string.Join(' ', history.Epochs.Select(e => $"{e.TrainingLoss:R} {e.ValidationLoss:R}"))}";
    }
}
