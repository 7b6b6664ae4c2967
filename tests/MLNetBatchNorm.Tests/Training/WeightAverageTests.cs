using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>The average of weights: by its formula, without influence on the steps, and what is validated and returned.</summary>
[TestClass]
public sealed class WeightAverageTests
{
    private const int Epochs = 5;

    /// <summary>Against the formula in double precision, over weights that jump at random.</summary>
    [TestMethod]
    [DataRow(7, 1.0)]
    [DataRow(50, 1.0)]
    [DataRow(50, 0.01)]
    [DataRow(100, 3.0)]
    public void Follow_ManySteps_IsTheExponentialAverage(int stepsOfEpoch, double epochs)
    {
        NetworkDefinition definition = Definition(BatchNormalizationPlacement.BeforeActivation);
        NetworkParameters parameters = Generated.Network(definition, 1), average = parameters.Clone();
        var follower = new WeightAverage(average, parameters, stepsOfEpoch, epochs);
        int interval = Math.Max(1, stepsOfEpoch / 16);
        double[] expected = Numbers(parameters), first = Numbers(parameters);
        for (int step = 0; step < 3 * stepsOfEpoch; step++)
        {
            parameters.CopyFrom(Generated.Network(definition, (ulong)step + 2));
            follower.Follow(step);
            if ((step + 1) % interval != 0 && (interval < epochs * stepsOfEpoch || (step + 1) % stepsOfEpoch != 0))
                continue;
            double share = Math.Min(1, Math.Max(interval / (epochs * stepsOfEpoch), 1.0 / ((step + 1) / interval + 1)));
            double[] now = Numbers(parameters);
            for (int i = 0; i < now.Length; i++)
                expected[i] += share * (now[i] - expected[i]);
        }

        double[] actual = Numbers(average);
        for (int i = 0; i < actual.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-5, $"Number {i}.");
        Assert.IsGreaterThan(0.01, actual.Zip(first, (a, b) => Math.Abs(a - b)).Max(), "It has moved at all.");
    }

    /// <summary>
    /// Over less than the steps between two times there is nothing to average: each epoch ends with its last step's weights.
    /// </summary>
    [TestMethod]
    [DataRow(50, 1e-9)]
    [DataRow(47, 1 / 47.0)]
    [DataRow(7, 1 / 7.0)]
    [DataRow(1, 1.0)]
    [DataRow(1, 0.25)]
    public void Follow_OverVeryFewEpochs_EndsWithTheLastStep(int stepsOfEpoch, double epochs)
    {
        NetworkDefinition definition = Definition(BatchNormalizationPlacement.BeforeActivation);
        NetworkParameters parameters = Generated.Network(definition, 1), average = parameters.Clone();
        var follower = new WeightAverage(average, parameters, stepsOfEpoch, epochs);
        for (int step = 0; step < 3 * stepsOfEpoch; step++)
        {
            double[] before = Numbers(parameters);
            parameters.CopyFrom(Generated.Network(definition, (ulong)step + 2));
            Assert.IsGreaterThan(0.01, Difference(before), "The steps differ.");
            follower.Follow(step);
            if ((step + 1) % stepsOfEpoch == 0)
                Assert.AreEqual(0, Difference(Numbers(average)), 1e-6, $"Step {step}.");
        }

        double Difference(double[] others) => Numbers(parameters).Zip(others, (a, b) => Math.Abs(a - b)).Max();
    }

    /// <summary>
    /// The steps are those of a training without average; what is validated in each epoch is the average, and the best of them is returned,
    /// or the last one where nothing is validated.
    /// </summary>
    [TestMethod]
    [DataRow(true, nameof(BatchNormalizationPlacement.BeforeActivation))]
    [DataRow(false, nameof(BatchNormalizationPlacement.BeforeActivation))]
    [DataRow(true, nameof(BatchNormalizationPlacement.LayerInput))]
    [DataRow(true, nameof(BatchNormalizationPlacement.None))]
    public void Train_WithAverage_ReturnsItAndLeavesTheStepsAlone(bool validated, string placement)
    {
        NetworkDefinition definition = Definition(Enum.Parse<BatchNormalizationPlacement>(placement));
        (TrainingHistory plain, _, Keeper stepsOfPlain) = Train(definition, 0, validated);
        (TrainingHistory history, NetworkParameters result, Keeper kept) = Train(definition, 0.5, validated);

        CollectionAssert.AreEqual(stepsOfPlain.Parameters, kept.Parameters, "The weights themselves.");
        CollectionAssert.AreEqual(
            plain.Epochs.Select(epoch => epoch.TrainingLoss).ToArray(), history.Epochs.Select(epoch => epoch.TrainingLoss).ToArray());
        Assert.AreEqual(kept.Averages[history.BestEpoch - 1], Generated.Hash(result));
        Assert.AreNotEqual(kept.Parameters[history.BestEpoch - 1], kept.Averages[history.BestEpoch - 1]);
        if (!validated)
            return;
        Assert.AreNotEqual(plain.Epochs[0].ValidationLoss, history.Epochs[0].ValidationLoss);
        Assert.AreEqual(history.Epochs.Min(epoch => epoch.ValidationLoss), history.Epochs[history.BestEpoch - 1].ValidationLoss);
    }

    /// <summary>Statistics that are measured at the end are those of the averaged weights.</summary>
    [TestMethod]
    public void Train_WithPopulationStatistics_MeasuresThemUnderTheAverage()
    {
        NetworkDefinition definition = Definition(
            BatchNormalizationPlacement.BeforeActivation, BatchNormalizationStatistics.PopulationPooled);
        (_, NetworkParameters result, _) = Train(definition, 0.5, validated: true);
        EncodedRows rows = Data(90, 1);
        BatchNormalizationParameters first = result.BatchNormalization[0]!;
        var inputs = new float[rows.Count * definition.Inputs];
        rows.GatherRows(0, rows.Count, inputs, definition.Inputs);
        for (int unit = 0; unit < first.Columns; unit++)
        {
            double mean = 0;
            for (int row = 0; row < rows.Count; row++)
            {
                for (int i = 0; i < definition.Inputs; i++)
                    mean += (double)result.Linear[0].Weight(unit, i) * inputs[row * definition.Inputs + i] / rows.Count;
            }
            Assert.AreEqual(mean, first.RunningMean[unit], 1e-5, $"Unit {unit}.");
        }
    }

    private static (TrainingHistory History, NetworkParameters Result, Keeper Kept) Train(
        NetworkDefinition definition, double averagedEpochs, bool validated)
    {
        var settings = new TrainingSettings
        {
            Objective = KnownObjectives.SoftmaxCrossEntropy, BatchSize = 8, MaximumEpochs = Epochs, LearningRate = 0.02,
            AveragedEpochs = averagedEpochs, Optimizer = new AdamWOptimizer(), Seed = 3,
        };
        NetworkParameters parameters = Generated.Network(definition, 1);
        var kept = new Keeper();
        TrainingHistory history = TrainingLoop.Train(
            parameters, Data(90, 1), validated ? Data(40, 2) : null, settings, null, CancellationToken.None, kept);
        return (history, parameters, kept);
    }

    private static NetworkDefinition Definition(
        BatchNormalizationPlacement placement, BatchNormalizationStatistics statistics = BatchNormalizationStatistics.RunningAverage) =>
        new() { Inputs = 9, HiddenUnits = [11, 5], Outputs = 3, Placement = placement, Statistics = statistics, DropoutRate = 0.1 };

    private static EncodedRows Data(int rows, ulong seed) =>
        Generated.Data(KnownObjectives.SoftmaxCrossEntropy, rows, 9, 3, seed, weighted: true);

    private static double[] Numbers(NetworkParameters parameters) =>
    [
        .. parameters.Linear.SelectMany(map => map.Weights.Span.ToArray().Concat(map.Bias is null ? [] : map.Bias.Span.ToArray()))
            .Select(value => (double)value),
        .. parameters.BatchNormalization.OfType<BatchNormalizationParameters>().SelectMany(normalization =>
            normalization.Gamma.Span.ToArray().Concat(normalization.Beta.Span.ToArray()).Select(value => (double)value)
                .Concat(normalization.RunningMean).Concat(normalization.RunningVariance)),
    ];

    /// <summary>Keeps hashes of what each epoch came to.</summary>
    private sealed class Keeper : ITrainingCheckpoints
    {
        public List<string> Parameters { get; } = [];

        public List<string> Averages { get; } = [];

        public bool Restore(TrainingState state) => false;

        public void EpochEnded(TrainingState state)
        {
            Parameters.Add(Generated.Hash(state.Parameters));
            Averages.Add(state.Average is null ? "" : Generated.Hash(state.Average));
        }
    }
}
