using System.Diagnostics;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>Training that does not come to its end: cancelled in any phase, or diverged. Never a result that is not one.</summary>
[TestClass]
public sealed class InterruptionTests
{
    [TestMethod]
    public void Train_CancelledBefore_TouchesNothing()
    {
        NetworkParameters parameters = TrainingLoopTests.Network();
        string before = Generated.Hash(parameters);
        var observer = new Canceller(epoch: -1);
        observer.Source.Cancel();
        Assert.ThrowsExactly<OperationCanceledException>(() => Train(parameters, Settings(3), observer));
        Assert.AreEqual(before, Generated.Hash(parameters));
        Assert.AreEqual(0, observer.Epochs);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void Train_CancelledBetweenEpochs_StopsBeforeTheNextStep(int epoch)
    {
        var observer = new Canceller(epoch);
        Assert.ThrowsExactly<OperationCanceledException>(() => Train(TrainingLoopTests.Network(), Settings(5), observer));
        Assert.AreEqual(epoch, observer.Epochs);
    }

    [TestMethod]
    [DataRow(nameof(BatchNormalizationStatistics.Population))]
    [DataRow(nameof(BatchNormalizationStatistics.PopulationPooled))]
    public void Train_CancelledBeforeThePopulationPass_Stops(string statistics)
    {
        var observer = new Canceller(epoch: 2);
        var definition = new NetworkDefinition
        {
            Inputs = 5, HiddenUnits = [6], Outputs = 1, Statistics = Enum.Parse<BatchNormalizationStatistics>(statistics),
        };
        Assert.ThrowsExactly<OperationCanceledException>(() => Train(Generated.Network(definition, 1), Settings(2), observer));
        Assert.AreEqual(2, observer.Epochs, "the last epoch was done");
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void Evaluate_Cancelled_StopsAndLeavesTheTeamUsable(int threads)
    {
        using var team = new WorkerTeam(threads);
        NetworkParameters parameters = TrainingLoopTests.Network();
        var evaluator = new Evaluator(Generated.Data(KnownObjectives.SquaredError, 500, 5, 1, 1), parameters, Settings(1), team);
        (double Loss, double Metric) loss = evaluator.Evaluate(parameters, CancellationToken.None);
        Assert.ThrowsExactly<OperationCanceledException>(() => evaluator.Evaluate(parameters, new CancellationToken(canceled: true)));
        Assert.AreEqual(loss, evaluator.Evaluate(parameters, CancellationToken.None));
    }

    /// <summary>Cancelled by the clock at 20 moments: soon, and no thread stays behind.</summary>
    [TestMethod]
    public void Train_CancelledAtAnyMoment_StopsSoonAndLeavesNoThreads()
    {
        using var process = Process.GetCurrentProcess();
        int threadsBefore = process.Threads.Count, cancelled = 0;
        for (int moment = 0; moment < 20; moment++)
        {
            using var source = new CancellationTokenSource(TimeSpan.FromMilliseconds(2 * moment));
            var definition = new NetworkDefinition
            {
                Inputs = 5, HiddenUnits = [128, 128], Outputs = 1, Statistics = BatchNormalizationStatistics.PopulationPooled,
            };
            var settings = new TrainingSettings { Objective = KnownObjectives.SquaredError, BatchSize = 128, MaximumEpochs = 1000 };
            var watch = Stopwatch.StartNew();
            try
            {
                TrainingLoop.Train(
                    Generated.Network(definition, 1), Generated.Data(KnownObjectives.SquaredError, 600, 5, 1, 1),
                    TrainingLoopTests.Validation(), settings, null, source.Token, threads: 3);
            }
            catch (OperationCanceledException)
            {
                cancelled++;
            }
            // A step here takes a millisecond; the limit is for a machine with much else to do.
            Assert.IsLessThan(10, watch.Elapsed.TotalSeconds);
        }
        Assert.AreEqual(20, cancelled, "1000 epochs take longer than any of these moments");
        process.Refresh();
        // These trainings had forty threads of their own; a few of the runtime's may come or go.
        Assert.IsLessThan(threadsBefore + 20, process.Threads.Count);
    }

    public static IEnumerable<object[]> Divergences =>
    [
        ["a rate that throws the parameters away", 1e30, false, float.NaN, 3],
        ["a single step, whose loss was still finite", 1e38, false, float.NaN, 1],
        ["the same with validation rows", 1e38, true, float.NaN, 1],
        ["NaN in a feature", 0.01, false, 0f, 1],
        ["infinity in a feature", 0.01, true, 1f, 1],
    ];

    /// <summary>Whatever goes wrong, the exception comes and no history: nobody gets a model of NaN.</summary>
    [TestMethod]
    [DynamicData(nameof(Divergences))]
    public void Train_Diverging_Throws(string what, double rate, bool validated, float poison, int epochs)
    {
        foreach (BatchNormalizationPlacement placement in Enum.GetValues<BatchNormalizationPlacement>())
        {
            EncodedRows data = Generated.Data(KnownObjectives.SquaredError, 32, 5, 1, 1);
            if (!float.IsNaN(poison))
                data.TableInMemory().Features(7)[2] = poison == 0 ? float.NaN : float.PositiveInfinity;
            var settings = new TrainingSettings
            {
                Objective = KnownObjectives.SquaredError, BatchSize = 32, MaximumEpochs = epochs, LearningRate = rate,
                Optimizer = new SgdOptimizer(),
            };
            NetworkParameters parameters = TrainingLoopTests.Network(placement);
            var exception = Assert.ThrowsExactly<TrainingDivergedException>(
                () => TrainingLoop.Train(
                    parameters, data, validated ? TrainingLoopTests.Validation() : null, settings, null, CancellationToken.None),
                $"{what}, {placement}");
            Assert.AreEqual(rate, exception.LearningRate);
            Assert.IsTrue(exception.Epoch >= 1 && exception.Epoch <= epochs);
        }
    }

    /// <summary>
    /// Population statistics are made after the last check of the loss; values that overflow only there must be noticed too.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(BatchNormalizationStatistics.RunningAverage))]
    [DataRow(nameof(BatchNormalizationStatistics.Cumulative))]
    [DataRow(nameof(BatchNormalizationStatistics.Population))]
    [DataRow(nameof(BatchNormalizationStatistics.PopulationPooled))]
    public void Train_VarianceOverflows_Throws(string statistics)
    {
        EncodedRows data = Generated.Data(KnownObjectives.SquaredError, 32, 5, 1, 1);
        for (int r = 0; r < data.Count; r++)
            data.TableInMemory().Features(r)[0] *= 1e30f;
        var definition = new NetworkDefinition
        {
            Inputs = 5,
            HiddenUnits = [6],
            Outputs = 1,
            Placement = BatchNormalizationPlacement.LayerInput,
            Statistics = Enum.Parse<BatchNormalizationStatistics>(statistics),
        };
        var settings =
            new TrainingSettings { Objective = KnownObjectives.SquaredError, BatchSize = 32, MaximumEpochs = 1, LearningRate = 0.01 };
        Assert.ThrowsExactly<TrainingDivergedException>(
            () => TrainingLoop.Train(Generated.Network(definition, 1), data, null, settings, null, CancellationToken.None));
    }

    private static TrainingHistory Train(NetworkParameters parameters, TrainingSettings settings, Canceller observer)
        => TrainingLoop.Train(
            parameters, Generated.Data(KnownObjectives.SquaredError, 50, 5, 1, 1), TrainingLoopTests.Validation(), settings,
            observer, observer.Source.Token);

    private static TrainingSettings Settings(int epochs) =>
        new() { Objective = KnownObjectives.SquaredError, BatchSize = 16, MaximumEpochs = epochs };

    /// <summary>Cancels when an epoch has ended.</summary>
    private sealed class Canceller(int epoch) : ITrainingObserver
    {
        public CancellationTokenSource Source { get; } = new();

        public int Epochs { get; private set; }

        public void EpochEnded(EpochRecord record, int bestEpoch, int maximumEpochs)
        {
            Epochs++;
            if (record.Epoch == epoch)
                Source.Cancel();
        }
    }
}
