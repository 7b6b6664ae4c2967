using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Tests.Golden;
using MLNetBatchNorm.Tests.Gradients;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>Epochs, events, early stopping and the restored best epoch: all exact.</summary>
[TestClass]
public sealed class TrainingLoopTests
{
    [TestMethod]
    public void Train_EveryEpoch_IsReportedOnceInOrder()
    {
        var observer = new Recorder();
        var settings = new TrainingSettings
        {
            Objective = KnownObjectives.SquaredError,
            BatchSize = 16,
            MaximumEpochs = 7,
            LearningRate = 0.01,
            Schedule = new CosineSchedule(),
        };
        EncodedRows data = Generated.Data(KnownObjectives.SquaredError, 50, 5, 1, seed: 1);
        TrainingHistory history = TrainingLoop.Train(Network(), data, Validation(), settings, observer, CancellationToken.None);

        CollectionAssert.AreEqual(new[] { 1, 2, 3, 4, 5, 6, 7 }, observer.Events.Select(e => e.Record.Epoch).ToArray());
        CollectionAssert.AreEqual(history.Epochs.ToArray(), observer.Events.Select(e => e.Record).ToArray());
        Assert.IsTrue(observer.Events.All(e => e.MaximumEpochs == 7));
        Assert.AreEqual(TrainingStopReason.AllEpochsDone, history.StopReason);
        // 50 rows in batches of 16 are 4 steps an epoch; the rate reported is that of the epoch's last one.
        for (int epoch = 1; epoch <= 7; epoch++)
            Assert.AreEqual(settings.Schedule.Rate(4 * epoch - 1, 28, 0.01), history.Epochs[epoch - 1].LearningRate);
        // The best epoch as reported on the way is the best so far.
        for (int i = 0; i < 7; i++)
            Assert.AreEqual(BestOf(history.Epochs.Take(i + 1)), observer.Events[i].BestEpoch);
    }

    /// <summary>
    /// At rate 0 nothing changes, so every epoch's training loss is the weighted mean over the batches, each normalized by itself.
    /// </summary>
    [TestMethod]
    [DataRow(50, 16, DisplayName = "16, 16, 16 and 2 rows")]
    [DataRow(49, 16, DisplayName = "16, 16 and 17 rows: a remainder of one row joins the batch before it")]
    [DataRow(10, 256, DisplayName = "fewer rows than a batch")]
    [DataRow(2, 256, DisplayName = "two rows")]
    public void Train_AnyNumberOfRows_ReportsTheMeanLossOfAll(int rows, int batchSize)
    {
        double[][] x = Generated.Rows(rows, 5, 3), y = Generated.Targets(KnownObjectives.SquaredError, x, 1, 3);
        double[] w = Generated.Weights(rows, 3);
        var settings = new TrainingSettings
        {
            Objective = KnownObjectives.SquaredError, BatchSize = batchSize, MaximumEpochs = 2, LearningRate = 0, Shuffle = false,
            Optimizer = new SgdOptimizer(),
        };
        NetworkParameters parameters = Network();
        var reference = new ReferenceNetwork(parameters);
        TrainingHistory history = TrainingLoop.Train(
            parameters, new EncodedRows(Generated.Table(x, y, w)), null, settings, null, CancellationToken.None);

        double sum = 0;
        foreach ((int begin, int end) in ReferenceNetwork.Batches(rows, batchSize))
            sum += reference.Loss(x[begin..end], y[begin..end], w[begin..end], settings) * w[begin..end].Sum();
        foreach (EpochRecord epoch in history.Epochs)
            Assert.AreEqual(sum / w.Sum(), epoch.TrainingLoss, 1e-4 * (sum / w.Sum()));
        Assert.AreEqual(2, history.BestEpoch, "without validation rows the last epoch is the best");
        Assert.AreEqual(2 * ReferenceNetwork.Batches(rows, batchSize).Count, parameters.BatchNormalization[0]!.BatchesTracked);
    }

    [TestMethod]
    [DataRow(1, 256)]
    [DataRow(10, 1)]
    public void Train_OneRowInABatch_IsRefusedWithBatchNormalizationOnly(int rows, int batchSize)
    {
        var settings = new TrainingSettings { Objective = KnownObjectives.SquaredError, BatchSize = batchSize, MaximumEpochs = 1 };
        Assert.ThrowsExactly<ArgumentException>(
            () => TrainingLoop.Train(
                Network(), Generated.Data(KnownObjectives.SquaredError, rows, 5, 1, 1), null, settings, null, CancellationToken.None));

        TrainingHistory history = TrainingLoop.Train(
            Network(BatchNormalizationPlacement.None), Generated.Data(KnownObjectives.SquaredError, rows, 5, 1, 1), null, settings,
            null, CancellationToken.None);
        Assert.IsTrue(double.IsFinite(history.Epochs[0].TrainingLoss));
    }

    /// <summary>
    /// All training targets are 10 and all validation targets -10, so that every epoch is worse
    /// than the first and patience is all that counts.
    /// </summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(5)]
    public void Train_ValidationLossOnlyRises_StopsAfterExactlyPatienceEpochs(int patience)
    {
        TrainingHistory history = TrainingLoop.Train(
            Network(), AllTargets(10), AllTargets(-10), Settings(20, patience), null, CancellationToken.None);

        Assert.HasCount(1 + patience, history.Epochs);
        Assert.AreEqual(1, history.BestEpoch);
        Assert.AreEqual(TrainingStopReason.ValidationLossStoppedImproving, history.StopReason);
    }

    [TestMethod]
    public void Train_PatienceZeroOrNeverReached_RunsAllEpochs()
    {
        foreach (int patience in new[] { 0, 8 })
        {
            TrainingHistory history = TrainingLoop.Train(
                Network(), AllTargets(10), AllTargets(-10), Settings(8, patience), null, CancellationToken.None);
            Assert.HasCount(8, history.Epochs);
            Assert.AreEqual(TrainingStopReason.AllEpochsDone, history.StopReason);
        }
    }

    /// <summary>
    /// Where the validation loss goes up and down, patience counts from the best epoch so far;
    /// stopping changes nothing of what went before.
    /// </summary>
    [TestMethod]
    public void Train_UnsteadyValidationLoss_StopsWhereTheRuleSays()
    {
        EncodedRows Data() => Generated.Data(KnownObjectives.SquaredError, 40, 5, 1, 1);
        TrainingHistory all = TrainingLoop.Train(Network(), Data(), Validation(), Settings(40, 0, rate: 0.3), null, CancellationToken.None);
        Assert.AreEqual(BestOf(all.Epochs), all.BestEpoch);
        Assert.IsTrue(
            all.Epochs.Zip(all.Epochs.Skip(1)).Count(p => p.Second.ValidationLoss > p.First.ValidationLoss) > 3,
            "the loss does not go up and down");
        for (int patience = 1; patience <= 4; patience++)
        {
            TrainingHistory stopped = TrainingLoop.Train(
                Network(), Data(), Validation(), Settings(40, patience, rate: 0.3), null, CancellationToken.None);
            int expected = Enumerable.Range(1, 40).FirstOrDefault(epoch => epoch - BestOf(all.Epochs.Take(epoch)) >= patience, 40);
            CollectionAssert.AreEqual(all.Epochs.Take(expected).ToArray(), stopped.Epochs.ToArray(), $"patience {patience}");
            Assert.AreEqual(BestOf(all.Epochs.Take(expected)), stopped.BestEpoch);
        }
    }

    /// <summary>
    /// The parameters at the end are, bit for bit, those of a run that was told to stop at the best epoch; statistics included.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(BatchNormalizationPlacement.BeforeActivation))]
    [DataRow(nameof(BatchNormalizationPlacement.LayerInput))]
    public void Train_LaterEpochsAreWorse_RestoresTheBestBitForBit(string placement)
    {
        EncodedRows Data() => Generated.Data(KnownObjectives.SquaredError, 40, 5, 1, 1);
        NetworkParameters restored = Network(Enum.Parse<BatchNormalizationPlacement>(placement));
        TrainingHistory history = TrainingLoop.Train(
            restored, Data(), Validation(), Settings(40, 0, rate: 0.3), null, CancellationToken.None);
        Assert.IsTrue(history.BestEpoch is > 1 and < 40, $"the best epoch is {history.BestEpoch}: this data does not test restoring");

        NetworkParameters stopped = Network(Enum.Parse<BatchNormalizationPlacement>(placement));
        TrainingLoop.Train(stopped, Data(), null, Settings(history.BestEpoch, 0, rate: 0.3), null, CancellationToken.None);
        Assert.AreEqual(Generated.Hash(stopped), Generated.Hash(restored));

        NetworkParameters last = Network(Enum.Parse<BatchNormalizationPlacement>(placement));
        TrainingLoop.Train(last, Data(), null, Settings(40, 0, rate: 0.3), null, CancellationToken.None);
        Assert.AreNotEqual(
            Generated.Hash(last), Generated.Hash(restored), "the last epoch must not be the best one's equal, or nothing was tested");
    }

    /// <summary>
    /// Rows that do not count are not looked at: neither a class that does not exist nor NaN may stop training or validation.
    /// </summary>
    [TestMethod]
    public void Train_RowsOfWeightZero_MayHoldAnyTarget()
    {
        TrainingTable table = Generated.Data(KnownObjectives.SoftmaxCrossEntropy, 30, 5, 3, 1, weighted: true).TableInMemory();
        for (int r = 0; r < table.Rows; r++)
        {
            if (table.Weights[r] == 0)
                table.Targets[r] = r % 4 == 1 ? 99 : float.NaN;
        }
        var settings = new TrainingSettings { Objective = KnownObjectives.SoftmaxCrossEntropy, BatchSize = 8, MaximumEpochs = 2 };
        NetworkParameters parameters = Generated.Network(new NetworkDefinition { Inputs = 5, HiddenUnits = [6], Outputs = 3 }, 1);
        TrainingHistory history = TrainingLoop.Train(
            parameters, new EncodedRows(table), new EncodedRows(table), settings, null, CancellationToken.None);

        Assert.IsTrue(history.Epochs.All(e => double.IsFinite(e.TrainingLoss) && double.IsFinite(e.ValidationLoss!.Value)));
    }

    /// <summary>Nothing counts, so nothing is learned; only statistics, which ignore weights, move.</summary>
    [TestMethod]
    public void Train_AllWeightsZero_LearnsNothing()
    {
        TrainingTable table = Generated.Data(KnownObjectives.SquaredError, 30, 5, 1, 1, weighted: true).TableInMemory();
        table.Weights.Clear();
        NetworkParameters parameters = Network();
        double[] before = NetworkState.Read(parameters)["linear1.weight"];
        TrainingHistory history = TrainingLoop.Train(
            parameters, new EncodedRows(table), null, Settings(2, 0), null, CancellationToken.None);

        Assert.AreEqual(0, history.Epochs[1].TrainingLoss);
        CollectionAssert.AreEqual(before, NetworkState.Read(parameters)["linear1.weight"]);
        Assert.AreNotEqual(0, parameters.BatchNormalization[0]!.RunningMean[0]);
    }

    /// <summary>
    /// The validation loss is that of the network in prediction mode: computed again here by the reference network with frozen statistics.
    /// </summary>
    [TestMethod]
    public void Train_ValidationLoss_IsThatOfPredictionMode()
    {
        double[][] x = Generated.Rows(23, 5, 8), y = Generated.Targets(KnownObjectives.SquaredError, x, 1, 8);
        double[] w = Generated.Weights(23, 8);
        NetworkParameters parameters = Network();
        var validation = new EncodedRows(Generated.Table(x, y, w));
        TrainingHistory history = TrainingLoop.Train(
            parameters, Generated.Data(KnownObjectives.SquaredError, 64, 5, 1, 1), validation, Settings(1, 0),
            null, CancellationToken.None);

        double[][] z = new ReferenceNetwork(parameters).Forward(x, training: false);
        double expected = z.Select((row, r) => w[r] * (row[0] - y[r][0]) * (row[0] - y[r][0])).Sum() / w.Sum();
        Assert.AreEqual(expected, history.Epochs[0].ValidationLoss!.Value, 1e-4 * expected);
    }

    internal static int BestOf(IEnumerable<EpochRecord> epochs) => epochs.MinBy(e => e.ValidationLoss)!.Epoch;

    internal static NetworkParameters Network(BatchNormalizationPlacement placement = BatchNormalizationPlacement.BeforeActivation)
        => Generated.Network(new NetworkDefinition { Inputs = 5, HiddenUnits = [18, 7], Outputs = 1, Placement = placement }, 1);

    internal static EncodedRows Validation() => Generated.Data(KnownObjectives.SquaredError, 40, 5, 1, seed: 2);

    private static EncodedRows AllTargets(float target)
    {
        EncodedRows data = Generated.Data(KnownObjectives.SquaredError, 64, 5, 1, seed: 1);
        data.TableInMemory().Targets.Fill(target);
        return data;
    }

    private static TrainingSettings Settings(int epochs, int patience, double rate = 0.01) => new()
    {
        Objective = KnownObjectives.SquaredError,
        BatchSize = 16,
        MaximumEpochs = epochs,
        EarlyStoppingPatience = patience,
        LearningRate = rate,
        Optimizer = new SgdOptimizer(),
        Seed = 5,
    };

    /// <summary>Writes down what it is told.</summary>
    internal sealed class Recorder : ITrainingObserver
    {
        public List<(EpochRecord Record, int BestEpoch, int MaximumEpochs)> Events { get; } = [];

        public void EpochEnded(EpochRecord record, int bestEpoch, int maximumEpochs) => Events.Add((record, bestEpoch, maximumEpochs));
    }
}
