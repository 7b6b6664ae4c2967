using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Tests.Gradients;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>
/// Columns that break careless statistics: far from zero, constant, tiny, or of one odd row. Never a negative variance, never NaN.
/// </summary>
[TestClass]
public sealed class NumericsTests
{
    /// <summary>A column by its number: mean and deviation, or what else is special about it.</summary>
    private static readonly Func<int, double, double>[] s_columns =
    [
        (_, bell) => 1e6 + bell,
        (_, bell) => -1e6 + bell,
        (_, _) => 0,
        (_, _) => 3.7,
        (_, _) => 1000000.5,
        (_, bell) => 1e-20 * bell,
        (_, bell) => 1e-30 * bell,
        (_, bell) => 1e-42 * bell,                     // below the normal floats
        (_, bell) => 1e-4 + 1e-8 * bell,
        (_, bell) => 1e15 + 1e9 * bell,
        (row, _) => row == 1 ? 1 : 0,
        (row, _) => row == 0 ? 1e6 : 1e-6,             // the row that a pivot is likely to be taken from is the odd one
        (row, _) => row % 2 == 0 ? 16777216 : 16777218,
        (_, bell) => bell,
        (_, bell) => 1e18 * bell,
        (_, bell) => -123456.789 + 1e-3 * bell,
        (row, _) => row == 1 ? -1e-30 : 0,
    ];

    /// <summary>
    /// Mean and variance of the float32 values themselves, which are exact in the reference: to 1e-5 of the deviation and of the variance,
    /// where float32 can hold the variance.
    /// </summary>
    [TestMethod]
    [DataRow(2)]
    [DataRow(3)]
    [DataRow(64)]
    [DataRow(65)]
    [DataRow(1000)]
    public void Moments_HardColumns_AreExactAndNotNegative(int rows)
    {
        double[][] x = HardRows(rows, seed: (ulong)rows);
        PanelMatrix input = Panels.Of(x);
        float[] pivot = new float[16], offset = new float[16], variance = new float[16];
        for (int c = 0; c < s_columns.Length; c++)
        {
            if (c % 16 == 0)
                ColumnStatistics.Moments(input.Rows(c / 16, 0, rows), rows, pivot, offset, variance);
            (double mean, double exact) = ReferenceNetwork.Moments(x, 0, rows, c);
            Assert.IsTrue(variance[c % 16] >= 0, $"column {c}: variance {variance[c % 16]}");
            // Squares below 1e-45 are not float32 numbers; beside any epsilon they are nothing.
            Assert.AreEqual(exact, variance[c % 16], 1e-5 * exact + 1e-40, $"variance of column {c}");
            Assert.AreEqual(mean, (double)pivot[c % 16] + offset[c % 16], 1e-5 * Math.Sqrt(exact) + 1e-44, $"mean of column {c}");
            if (exact == 0)
                Assert.AreEqual(0f, variance[c % 16], $"column {c} is constant");
        }
    }

    /// <summary>
    /// Forward and backward of the layer on the same columns: finite everywhere, and beta, exactly, where a column is constant.
    /// </summary>
    [TestMethod]
    [DataRow(2, 0)]
    [DataRow(64, 0)]
    [DataRow(65, 8)]
    public void Layer_HardColumns_IsFiniteAndExactWhereConstant(int rows, int virtualBatchSize)
    {
        int columns = s_columns.Length;
        var definition = new NetworkDefinition { Inputs = columns, HiddenUnits = [], Outputs = 1, VirtualBatchSize = virtualBatchSize };
        var parameters = new BatchNormalizationParameters(columns, 1);
        for (int c = 0; c < columns; c++)
            parameters.Beta.Span[c] = 0.1f * c;
        double[][] x = HardRows(rows, 5);
        PanelMatrix input = Panels.Of(x);
        var layer = new BatchNormLayer(new BatchNormNode(0, 0, columns, definition), parameters, input, new PanelMatrix(rows, columns));
        for (int step = 0; step < 5; step++)
        {
            layer.Forward(rows, 0, input.Panels);
            PanelMatrix gradient = Panels.Of(Generated.Rows(rows, columns, 6));
            layer.Backward(gradient, rows, 0, input.Panels);
            AssertFinite(gradient.Span.ToArray(), "dX");
            AssertFinite(layer.Parameters[0].Gradient.Span.ToArray(), "dGamma");
        }
        AssertFinite(layer.Output.Span.ToArray(), "Y");
        Assert.IsTrue(parameters.RunningVariance.All(v => v >= 0 && double.IsFinite(v)));
        for (int c = 0; c < columns; c++)
        {
            if (ReferenceNetwork.Moments(x, 0, rows, c).Variance == 0)
                Assert.IsTrue(Panels.Rows(layer.Output).All(row => row[c] == parameters.Beta.Span[c]), $"column {c} is constant");
        }
    }

    /// <summary>
    /// Whole networks on such inputs, trained and then used: with normalization at the input (C) any column will do; with it behind the
    /// first linear map, columns as far as 1e6 from zero. The statistics stay sound and predictions finite.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(BatchNormalizationPlacement.LayerInput), nameof(BatchNormalizationStatistics.RunningAverage), 0)]
    [DataRow(nameof(BatchNormalizationPlacement.LayerInput), nameof(BatchNormalizationStatistics.PopulationPooled), 8)]
    [DataRow(nameof(BatchNormalizationPlacement.BeforeActivation), nameof(BatchNormalizationStatistics.Cumulative), 0)]
    [DataRow(nameof(BatchNormalizationPlacement.BeforeActivation), nameof(BatchNormalizationStatistics.Population), 8)]
    [DataRow(nameof(BatchNormalizationPlacement.AfterActivation), nameof(BatchNormalizationStatistics.PopulationPooled), 0)]
    public void Train_HardColumns_StaysFinite(string placement, string statistics, int virtualBatchSize)
    {
        bool anyColumn = placement == nameof(BatchNormalizationPlacement.LayerInput);
        double[][] hard = HardRows(100, 9);
        double[][] x = [.. hard.Select(row => row.Where((_, c) => anyColumn || c is not (9 or 14)).ToArray())];
        double[][] y = [.. x.Select((row, r) => new[] { Math.Sin(r) })];
        var definition = new NetworkDefinition
        {
            Inputs = x[0].Length,
            HiddenUnits = [20, 9],
            Outputs = 1,
            Placement = Enum.Parse<BatchNormalizationPlacement>(placement),
            NormalizeOutputLayerInput = anyColumn,
            Statistics = Enum.Parse<BatchNormalizationStatistics>(statistics),
            VirtualBatchSize = virtualBatchSize,
            Activation = ActivationFunction.SELU,
        };
        NetworkParameters parameters = Initialization.Create(definition, 1);
        var settings =
            new TrainingSettings { Objective = KnownObjectives.SquaredError, BatchSize = 32, MaximumEpochs = 5, LearningRate = 1e-3 };
        TrainingTable table = Generated.Table(x, y);
        TrainingHistory history = TrainingLoop.Train(
            parameters, new EncodedRows(table), new EncodedRows(table), settings, null, CancellationToken.None);

        Assert.IsTrue(parameters.IsFinite());
        Assert.IsTrue(history.Epochs.All(e => double.IsFinite(e.TrainingLoss) && double.IsFinite(e.ValidationLoss!.Value)));
        foreach (BatchNormalizationParameters normalization in parameters.BatchNormalization.OfType<BatchNormalizationParameters>())
            Assert.IsTrue(normalization.RunningVariance.All(v => v >= 0));
        var outputs = new float[x.Length];
        FoldedNetwork folded = FoldedNetwork.Create(InputEncoder.Identity(definition.Inputs), parameters);
        folded.Score([.. x.SelectMany(r => r).Select(v => (float)v)], x.Length, outputs, folded.CreateScratch());
        AssertFinite(outputs, "predictions");
    }

    /// <summary>
    /// A column of mean 1e6 carries the whole signal: normalized at the input it is learned as if it had mean 0, and scored so too.
    /// </summary>
    [TestMethod]
    public void Train_SignalFarFromZero_IsLearnedAsNearZero()
    {
        double near = ErrorAt(0), far = ErrorAt(1e6);
        Assert.IsLessThan(0.05, near);
        Assert.IsLessThan(0.05, far);
    }

    private static double ErrorAt(double mean)
    {
        double[][] x = [.. Generated.Rows(400, 4, 11).Select(row => new[] { (double)(float)(mean + Math.Round(row[3] * 16) / 16) })];
        double[][] y = [.. x.Select(row => new[] { Math.Tanh(row[0] - mean) })];
        var definition = new NetworkDefinition
        {
            Inputs = 1,
            HiddenUnits = [16],
            Outputs = 1,
            Placement = BatchNormalizationPlacement.LayerInput,
            Statistics = BatchNormalizationStatistics.PopulationPooled,
            Activation = ActivationFunction.Tanh,
        };
        // All rows in one batch: statistics of smaller ones differ from each other, which would be an error of its own.
        NetworkParameters parameters = Initialization.Create(definition, 2);
        var settings =
            new TrainingSettings { Objective = KnownObjectives.SquaredError, BatchSize = 400, MaximumEpochs = 500, LearningRate = 0.02 };
        TrainingTable table = Generated.Table(x, y);
        TrainingHistory history = TrainingLoop.Train(parameters, new EncodedRows(table), null, settings, null, CancellationToken.None);
        double[][] predicted = Golden.TrajectoryRun.FrozenOutputs(parameters, [.. x.Select(row => row.Select(v => (float)v).ToArray())]);
        double scored = Math.Sqrt(predicted.Zip(y, (p, t) => (p[0] - t[0]) * (p[0] - t[0])).Average());
        return Math.Max(scored, Math.Sqrt(history.Epochs[^1].TrainingLoss));
    }

    private static double[][] HardRows(int rows, ulong seed)
    {
        double[][] bells = Generated.Rows(rows, 8, seed);
        // Column 3 of these rows has mean 0; a different stretch of it for each column would need more rows, so columns 3 and 0 are mixed.
        return [.. Enumerable.Range(0, rows).Select(r =>
            s_columns.Select((column, c) => (double)(float)column(r, bells[r][3] / 3.5 * Math.Cos(c) + (bells[r][0] + 3) * Math.Sin(c)))
                .ToArray())];
    }

    private static void AssertFinite(float[] values, string what) =>
        Assert.IsTrue(values.All(float.IsFinite), $"{what} has a number that is not finite");
}
