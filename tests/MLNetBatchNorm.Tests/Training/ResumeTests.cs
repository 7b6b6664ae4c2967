using System.Security.Cryptography;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>A training that goes on from its state after any epoch ends in the same bits as one that was never interrupted.</summary>
[TestClass]
public sealed class ResumeTests
{
    private const int Epochs = 6;

    public static IEnumerable<object[]> Trainings =>
    [
        ["AdamW, validation, population statistics", new AdamWOptimizer(), nameof(BatchNormalizationPlacement.BeforeActivation),
            nameof(BatchNormalizationStatistics.PopulationPooled), true, false],
        ["cumulative statistics, which count batches", new AdamOptimizer(), nameof(BatchNormalizationPlacement.LayerInput),
            nameof(BatchNormalizationStatistics.Cumulative), false, false],
        ["no optimizer memory", new SgdOptimizer(), nameof(BatchNormalizationPlacement.AfterActivation),
            nameof(BatchNormalizationStatistics.RunningAverage), true, false],
        ["momentum", new SgdOptimizer { OptimizerMomentum = 0.9 }, nameof(BatchNormalizationPlacement.None),
            nameof(BatchNormalizationStatistics.RunningAverage), false, false],
        ["three arrays a block", new RmsPropOptimizer { Centered = true, OptimizerMomentum = 0.5 },
            nameof(BatchNormalizationPlacement.BeforeActivation), nameof(BatchNormalizationStatistics.Population), true, false],
        ["sparse rows", new AdamWOptimizer(), nameof(BatchNormalizationPlacement.BeforeActivation),
            nameof(BatchNormalizationStatistics.RunningAverage), true, true],
    ];

    [TestMethod]
    [DynamicData(nameof(Trainings))]
    public void Train_ResumedAfterAnyEpoch_EndsInTheSameBits(
        string what, Optimizer optimizer, string placement, string statistics, bool validated, bool sparse)
    {
        var training = new Run(
            optimizer, Enum.Parse<BatchNormalizationPlacement>(placement),
            Enum.Parse<BatchNormalizationStatistics>(statistics), validated, sparse);
        foreach (Run run in new[] { training, training with { AveragedEpochs = 0.7 } })
        {
            var kept = new Keeper();
            string expected = run.Train(kept);
            Assert.AreEqual(expected, run.Train(null), "checkpoints have no influence");
            Assert.HasCount(Epochs, kept.Files);
            foreach (byte[] file in kept.Files)
                Assert.AreEqual(expected, run.Train(new Keeper { Start = file }), what);
        }
    }

    /// <summary>The test above would notice a part of the state that is lost.</summary>
    [TestMethod]
    [DataRow("parameters")]
    [DataRow("optimizer")]
    [DataRow("epochs")]
    [DataRow("average")]
    public void Train_ResumedWithAPartOfTheStateLost_Differs(string part)
    {
        var training = new Run(
            new AdamWOptimizer(), BatchNormalizationPlacement.BeforeActivation, BatchNormalizationStatistics.RunningAverage, true, false)
        {
            AveragedEpochs = part == "average" ? 5 : 0,
        };
        var kept = new Keeper();
        string expected = training.Train(kept);
        string actual = training.Train(new Keeper
        {
            Start = kept.Files[2],
            Spoil = state =>
            {
                if (part == "parameters")
                    state.Parameters.BatchNormalization[0]!.RunningMean[3] += 1e-9;
                else if (part == "optimizer")
                    state.OptimizerMemory[^1].Span.Clear();
                else if (part == "average")
                    state.Average!.CopyFrom(state.Parameters);
                else
                    state.Epochs[0] = state.Epochs[0] with { TrainingLoss = 0 };
            },
        });
        Assert.AreNotEqual(expected, actual);
    }

    /// <summary>
    /// The last epoch's checkpoint holds a training that has ended early; the reason must survive, and no further epoch be trained.
    /// </summary>
    [TestMethod]
    public void Train_ResumedWhereItStoppedEarly_StopsAgain()
    {
        var training = new Run(
            new SgdOptimizer(), BatchNormalizationPlacement.BeforeActivation, BatchNormalizationStatistics.RunningAverage, true, false)
        {
            Patience = 1, LearningRate = 1,
        };
        var kept = new Keeper();
        string expected = training.Train(kept);
        Assert.IsLessThan(Epochs, kept.Files.Count, "the training was to stop early");
        Assert.Contains(nameof(TrainingStopReason.ValidationLossStoppedImproving), expected);
        foreach (byte[] file in kept.Files)
            Assert.AreEqual(expected, training.Train(new Keeper { Start = file }));
    }

    /// <summary>
    /// A training that has had its rung goes on for another as if it had been meant to from the start, and one rung is what it always was.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Trainings))]
    public void Train_ExtendedByAnotherRung_EndsInTheBitsOfTwoRungsInOneGo(
        string what, Optimizer optimizer, string placement, string statistics, bool validated, bool sparse)
    {
        var one = new Run(
            optimizer, Enum.Parse<BatchNormalizationPlacement>(placement),
            Enum.Parse<BatchNormalizationStatistics>(statistics), validated, sparse);
        ExtendedByAnotherRung(one, what);
        ExtendedByAnotherRung(one with { AveragedEpochs = 0.7 }, what);
    }

    private static void ExtendedByAnotherRung(Run one, string what)
    {
        Run two = one with { Rungs = 2 };
        var keptOfOne = new Keeper();
        var keptOfTwo = new Keeper();
        string first = one.Train(keptOfOne), both = two.Train(keptOfTwo);

        Assert.HasCount(2 * Epochs, keptOfTwo.Files);
        CollectionAssert.AreEqual(
            keptOfOne.Files[..^1].Select(Hash).ToArray(), keptOfTwo.Files[..(Epochs - 1)].Select(Hash).ToArray(),
            "the first rung is that of one");
        Assert.AreEqual(both, two.Train(new Keeper { Start = keptOfOne.Files[^1] }), what);
        Assert.AreEqual(both, two.Train(new Keeper { Start = keptOfTwo.Files[Epochs + 2] }), what);
        Assert.AreEqual(first, one.Train(new Keeper { Start = keptOfOne.Files[^1] }), what);
        Assert.AreNotEqual(first, both);
        // The rate of the second rung is that of the first once more.
        double[] rates = [.. keptOfTwo.Epochs.Select(epoch => epoch.LearningRate)];
        CollectionAssert.AreEqual(rates[..Epochs], rates[Epochs..]);
        Assert.IsLessThan(rates[Epochs - 2], rates[Epochs - 1]);
    }

    /// <summary>
    /// At the start of a rung the rate is high again: the loss may be worse than at the end of
    /// the one before for as long as patience lasts.
    /// </summary>
    [TestMethod]
    public void Train_InALaterRung_HasPatienceAnew()
    {
        var training = new Run(
            new AdamWOptimizer(), BatchNormalizationPlacement.BeforeActivation, BatchNormalizationStatistics.RunningAverage, true, false)
        {
            Patience = Epochs, LearningRate = 0.1, Rungs = 3,
        };
        var kept = new Keeper();
        string expected = training.Train(kept);
        EpochRecord[] epochs = [.. kept.Epochs];
        int best = Enumerable.Range(0, epochs.Length).MinBy(i => epochs[i].ValidationLoss) + 1;
        Assert.HasCount(3 * Epochs, epochs);
        Assert.IsLessThan(epochs.Length, best + training.Patience, "counted from the best epoch of all it would have ended");
        foreach (byte[] file in kept.Files)
            Assert.AreEqual(expected, training.Train(new Keeper { Start = file }));
    }

    private static string Hash(byte[] bytes) => Convert.ToHexString(SHA256.HashData(bytes));

    private sealed record Run(
        Optimizer Optimizer, BatchNormalizationPlacement Placement, BatchNormalizationStatistics Statistics, bool Validated, bool Sparse)
    {
        public int Patience { get; init; }

        public int Rungs { get; init; } = 1;

        public double AveragedEpochs { get; init; }

        public double LearningRate { get; init; } = 0.01;

        public string Train(ITrainingCheckpoints? checkpoints)
        {
            var definition = new NetworkDefinition
            {
                Inputs = 23, HiddenUnits = [19, 5], Outputs = 3, Placement = Placement, Statistics = Statistics, DropoutRate = 0.2,
                VirtualBatchSize = 7,
            };
            var settings = new TrainingSettings
            {
                Objective = KnownObjectives.SoftmaxCrossEntropy, BatchSize = 16, MaximumEpochs = Epochs, Rungs = Rungs,
                LearningRate = LearningRate, Optimizer = Optimizer, AveragedEpochs = AveragedEpochs,
                Schedule = new OneCycleSchedule(), EarlyStoppingPatience = Patience, Seed = 5,
            };
            NetworkParameters parameters = Generated.Network(definition, 1);
            TrainingHistory history = TrainingLoop.Train(
                parameters, Data(70, 1), Validated ? Data(40, 2) : null, settings, null, CancellationToken.None, checkpoints, threads: 2);
            return $"{Generated.Hash(parameters)} {history.BestEpoch} {history.StopReason} {string.Join(' ', history.Epochs)}";
        }

        private EncodedRows Data(int rows, ulong seed) => Sparse
            ? Generated.SparseData(KnownObjectives.SoftmaxCrossEntropy, rows, 23, 3, seed)
            : Generated.Data(KnownObjectives.SoftmaxCrossEntropy, rows, 23, 3, seed, weighted: true);
    }

    /// <summary>Keeps the bytes of every epoch's state; starts from given ones.</summary>
    private sealed class Keeper : ITrainingCheckpoints
    {
        private static readonly CheckpointOwner s_owner = new(new byte[32], new byte[32], new byte[32]);

        public List<byte[]> Files { get; } = [];

        /// <summary>The epochs done since the start.</summary>
        public List<EpochRecord> Epochs { get; } = [];

        public byte[]? Start { get; init; }

        public Action<TrainingState>? Spoil { get; init; }

        public bool Restore(TrainingState state)
        {
            if (Start is null)
                return false;
            (TrainingState? read, _) = CheckpointFormat.Read(new MemoryStream(Start), s_owner, state.Parameters.Definition);
            Assert.IsTrue(read!.HasShapeOf(state));
            state.CopyFrom(read);
            Spoil?.Invoke(state);
            return true;
        }

        public void EpochEnded(TrainingState state)
        {
            using var stream = new MemoryStream();
            CheckpointFormat.Write(stream, s_owner, state);
            Files.Add(stream.ToArray());
            Epochs.Add(state.Epochs[^1]);
        }
    }
}
