using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.Fixtures;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>The transform against PyTorch's numbers: the statistics it learns and what it makes of rows with given ones.</summary>
[TestClass]
public sealed class BatchNormalizeFixtureTests
{
    /// <summary>
    /// Of the largest entry, for arithmetic in double precision throughout; see the tolerances in the README of the fixtures.
    /// </summary>
    private const double DoubleTolerance = 1e-9;

    /// <summary>A single rounding to single precision, 2^-24, and nothing else.</summary>
    private const double SingleTolerance = 6e-8;

    private static readonly MLContext s_context = new(1);

    public static IEnumerable<object[]> SingleBatches() => FixtureFile.NamesOfKind("bn_forward_backward");

    public static IEnumerable<object[]> ManyBatches() => FixtureFile.NamesOfKind("ema_vs_population");

    [TestMethod]
    [DynamicData(nameof(SingleBatches))]
    public void Transform_RunningStatisticsOfTheFixture_GivesItsPredictions(string name)
    {
        FixtureFile file = FixtureFile.Read(name);
        JsonElement expected = file["expected"];
        double tolerance = file.Root.NumberOrNull("expected_significant_digits") == 9 ? 1e-8 : DoubleTolerance;
        BatchNormalizationColumnParameters parameters = Parameters(
            file, expected.Vector("running_mean_after"), expected.Vector("running_var_after"));

        CheckTransform(parameters, file.Root.Matrix("X_eval"), expected.Matrix("Y_eval"), tolerance, "Y_eval");
    }

    [TestMethod]
    [DynamicData(nameof(SingleBatches))]
    public void Transform_BatchStatisticsOfTheFixture_GivesItsTrainingOutputs(string name)
    {
        FixtureFile file = FixtureFile.Read(name);
        JsonElement expected = file["expected"];
        double tolerance = file.Root.NumberOrNull("expected_significant_digits") == 9 ? 1e-8 : DoubleTolerance;
        BatchNormalizationColumnParameters parameters = Parameters(
            file, expected.Vector("batch_mean"), expected.Vector("batch_var_biased"));

        CheckTransform(parameters, file.Root.Matrix("X"), expected.Matrix("Y"), tolerance, "Y");
    }

    [TestMethod]
    [DynamicData(nameof(SingleBatches))]
    public void Fit_OneBatch_LearnsTheBatchStatistics(string name)
    {
        FixtureFile file = FixtureFile.Read(name);
        JsonElement expected = file["expected"];
        foreach (BatchNormalizationStatistics statistics in
            new[]
            {
                BatchNormalizationStatistics.PopulationPooled, BatchNormalizationStatistics.Population,
                BatchNormalizationStatistics.Cumulative,
            })
        {
            CheckFit(
                file.Root.Matrix("X"), Options(statistics, (int)file.Root.Number("N")), expected.Vector("batch_mean"),
                expected.Vector("batch_var_unbiased"), $"{statistics}");
        }
    }

    [TestMethod]
    [DynamicData(nameof(SingleBatches))]
    public void Fit_OneBatchOfARunningAverage_LearnsTheRunningStatistics(string name)
    {
        FixtureFile file = FixtureFile.Read(name);
        JsonElement expected = file["expected"];
        BatchNormalizeEstimator.Options options = Options(BatchNormalizationStatistics.RunningAverage, (int)file.Root.Number("N"));
        double momentum = file.Root.NumberOrNull("momentum_pytorch") ?? 1 / (file.Root.Number("num_batches_tracked_before") + 1);
        options.RunningStatisticsMomentum = momentum;

        // The transform starts at mean 0 and variance 1; where the file started is taken out, which is exact because an average is linear.
        double[] meanAfter = expected.Vector("running_mean_after")
            .Zip(file.Root.Vector("running_mean_before"), (after, before) => after - (1 - momentum) * before).ToArray();
        double[] varianceAfter = expected.Vector("running_var_after")
            .Zip(file.Root.Vector("running_var_before"), (after, before) => after - (1 - momentum) * (before - 1)).ToArray();
        CheckFit(file.Root.Matrix("X"), options, meanAfter, varianceAfter, "running average");
    }

    [TestMethod]
    [DynamicData(nameof(ManyBatches))]
    public void Fit_ManyBatches_LearnsEveryKindOfStatistics(string name)
    {
        FixtureFile file = FixtureFile.Read(name);
        JsonElement expected = file["expected"];
        double[][] rows = file.Root.Matrix("X");
        int batchSize = (int)file.Root.Number("batch_size");

        foreach (JsonElement average in expected.GetProperty("ema").EnumerateArray())
        {
            double? momentum = average.NumberOrNull("momentum_pytorch");
            bool dropLast = average.GetProperty("drop_last").GetBoolean();
            BatchNormalizeEstimator.Options options = Options(
                momentum == null ? BatchNormalizationStatistics.Cumulative : BatchNormalizationStatistics.RunningAverage, batchSize);
            options.RunningStatisticsMomentum = momentum ?? options.RunningStatisticsMomentum;
            options.MaximumExampleCount = dropLast ? rows.Length / batchSize * batchSize : options.MaximumExampleCount;
            CheckFit(
                rows, options, average.Vector("running_mean"), average.Vector("running_var_unbiased"),
                $"momentum {momentum}, last batch dropped: {dropLast}");
        }

        JsonElement population = expected.GetProperty("population_algorithm2").GetProperty("all_batches_per_batch_m");
        CheckFit(
            rows, Options(BatchNormalizationStatistics.Population, batchSize), population.Vector("mean"),
            population.Vector("var"), "population");
        JsonElement pooled = expected.GetProperty("pooled_exact");
        CheckFit(
            rows, Options(BatchNormalizationStatistics.PopulationPooled, batchSize), pooled.Vector("mean"),
            pooled.Vector("var_unbiased"), "pooled");
    }

    /// <summary>
    /// The comparison can fail: the biased variance is told from the unbiased one, and the wrong
    /// direction of the momentum from the right one.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(ManyBatches))]
    public void Fit_WrongConvention_DoesNotAgree(string name)
    {
        FixtureFile file = FixtureFile.Read(name);
        JsonElement expected = file["expected"];
        double[][] rows = file.Root.Matrix("X");
        JsonElement average = expected.GetProperty("ema").EnumerateArray()
            .First(e => e.NumberOrNull("momentum_pytorch") is { } m && m != 0.5 && m < 1);
        BatchNormalizeEstimator.Options options = Options(BatchNormalizationStatistics.RunningAverage, (int)file.Root.Number("batch_size"));

        options.RunningStatisticsMomentum = average.Number("momentum_pytorch");
        BatchNormalizationColumnParameters right = Fit(rows, options);
        options.RunningStatisticsMomentum = 1 - average.Number("momentum_pytorch");
        BatchNormalizationColumnParameters wrong = Fit(rows, options);

        Assert.IsNotNull(Close.Difference(average.Vector("running_var_biased"), right.Variance, DoubleTolerance));
        Assert.IsNotNull(Close.Difference(average.Vector("running_mean"), wrong.Mean, DoubleTolerance));
    }

    private static BatchNormalizationColumnParameters Parameters(FixtureFile file, double[] mean, double[] variance)
        => new([.. mean], [.. variance], [.. file.Root.Vector("gamma")], [.. file.Root.Vector("beta")], file.Root.Number("eps"));

    private static BatchNormalizeEstimator.Options Options(BatchNormalizationStatistics statistics, int batchSize) => new()
    {
        Columns = [new BatchNormalizeEstimator.ColumnOptions("Out", "Features")],
        Statistics = statistics,
        BatchSize = batchSize,
    };

    private static BatchNormalizationColumnParameters Fit(double[][] rows, BatchNormalizeEstimator.Options options)
        => s_context.Transforms.BatchNormalize(options).Fit(Views.OfVectors(s_context, rows)).GetBatchNormalizationParameters(0);

    private static void CheckFit(double[][] rows, BatchNormalizeEstimator.Options options, double[] mean, double[] variance, string what)
    {
        BatchNormalizationColumnParameters doubles = Fit(rows, options);
        BatchNormalizationColumnParameters singles =
            s_context.Transforms.BatchNormalize(options).Fit(Views.OfVectors(s_context, rows.ToSingle()))
                .GetBatchNormalizationParameters(0);

        Close.Check(mean, doubles.Mean, DoubleTolerance, $"mean, {what}");
        Close.Check(variance, doubles.Variance, DoubleTolerance, $"variance, {what}");
        Close.Check(mean, singles.Mean, DoubleTolerance, $"mean of a Single column, {what}");
        Close.Check(variance, singles.Variance, DoubleTolerance, $"variance of a Single column, {what}");
    }

    private static void CheckTransform(
        BatchNormalizationColumnParameters parameters, double[][] rows, double[][] expected, double tolerance, string what)
    {
        var doubles = new BatchNormalizeTransformer(
            s_context, new BatchNormalizeColumn("Out", "Features", NumberDataViewType.Double, true, parameters));
        var singles = new BatchNormalizeTransformer(
            s_context, new BatchNormalizeColumn("Out", "Features", NumberDataViewType.Single, true, parameters));

        Close.Check(
            expected, doubles.Transform(Views.OfVectors(s_context, rows)).Vectors<double>("Out"), tolerance, $"{what} of a Double column");
        Close.Check(
            expected, singles.Transform(Views.OfVectors(s_context, rows.ToSingle())).Vectors<float>("Out"), tolerance + SingleTolerance,
            $"{what} of a Single column");
    }
}
