using System.Text.Json;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Tests.Fixtures;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>
/// The statistics that prediction uses, made by a network's layer over batches: running averages, cumulative averages, and the two kinds of
/// population statistics that a pass over the training rows makes.
/// </summary>
/// <remarks>
/// Of the README's readings of algorithm 2 for a smaller last batch ours is <c>all_batches_per_batch_m</c>: every batch counts the same and
/// has its own factor m / (m - 1). Full batches only is the cumulative average with the last batch left out. The other two are not offered.
/// </remarks>
[TestClass]
public sealed class StatisticsTests
{
    private const string Kind = "ema_vs_population";

    public TestContext TestContext { get; set; } = null!;

    public static IEnumerable<object[]> Files => FixtureFile.NamesOfKind(Kind);

    [TestMethod]
    [DynamicData(nameof(Files))]
    public void Averages_OverBatches_AgreeWithPyTorch(string name)
        => CompareAverages(FixtureFile.Read(name), momentum => momentum).AssertAgrees(name, TestContext);

    [TestMethod]
    [DynamicData(nameof(Files))]
    public void Population_AllBatchesAlike_AgreesWithAlgorithm2(string name)
    {
        FixtureFile file = FixtureFile.Read(name);
        JsonElement expected = file["expected"].GetProperty("population_algorithm2").GetProperty("all_batches_per_batch_m");
        Compare(file, BatchNormalizationStatistics.Population, expected.Vector("mean"), expected.Vector("var"))
            .AssertAgrees(name, TestContext);
    }

    [TestMethod]
    [DynamicData(nameof(Files))]
    public void PopulationPooled_AgreesWithMomentsOfAllRows(string name)
    {
        FixtureFile file = FixtureFile.Read(name);
        JsonElement expected = file["expected"].GetProperty("pooled_exact");
        Compare(file, BatchNormalizationStatistics.PopulationPooled, expected.Vector("mean"), expected.Vector("var_unbiased"))
            .AssertAgrees(name, TestContext);
    }

    [TestMethod]
    public void Averages_MomentumOfTheOldValue_IsNoticed()
        => NegativeControl.MustBeNoticed(Kind, "momentum of the old value", file => CompareAverages(file, momentum => 1 - momentum));

    [TestMethod]
    [DataRow("biased variance")]
    [DataRow("batches weighted by rows")]
    [DataRow("variance between batches left out")]
    [DataRow("variance between batches counted in")]
    public void Population_OneConventionWrong_IsNoticed(string wrong)
        => NegativeControl.MustBeNoticed(Kind, wrong, file =>
        {
            JsonElement algorithm = file["expected"].GetProperty("population_algorithm2"),
                pooled = file["expected"].GetProperty("pooled_exact");
            JsonElement weighted = algorithm.GetProperty("row_weighted_per_batch_m"),
                plain = algorithm.GetProperty("all_batches_per_batch_m");
            return wrong switch
            {
                "biased variance" => Compare(
                    file, BatchNormalizationStatistics.PopulationPooled, pooled.Vector("mean"), pooled.Vector("var_biased")),
                "batches weighted by rows" => Compare(
                    file, BatchNormalizationStatistics.Population, weighted.Vector("mean"), weighted.Vector("var")),
                "variance between batches left out" => Compare(
                    file, BatchNormalizationStatistics.PopulationPooled, plain.Vector("mean"), plain.Vector("var")),
                _ => Compare(file, BatchNormalizationStatistics.Population, pooled.Vector("mean"), pooled.Vector("var_unbiased")),
            };
        });

    private static Comparison CompareAverages(FixtureFile file, Func<double, double> momentumOf)
    {
        var comparison = new Comparison();
        JsonElement expected = file["expected"];
        foreach (JsonElement average in expected.GetProperty("ema").EnumerateArray())
        {
            double? momentum = average.NumberOrNull("momentum_pytorch");
            bool dropLast = average.GetProperty("drop_last").GetBoolean();
            string what = $"momentum {momentum?.ToString() ?? "cumulative"}{(dropLast ? " without the last batch" : "")}";
            var run = new StatisticsRun(
                file, momentum is null ? BatchNormalizationStatistics.Cumulative : BatchNormalizationStatistics.RunningAverage,
                momentum is { } m ? momentumOf(m) : 0.1);
            (int Begin, int End)[] ranges = StatisticsRun.Ranges(file);
            int batchSize = (int)file.Root.Number("batch_size");
            var traceMean = new List<double[]>();
            var traceVariance = new List<double[]>();
            foreach ((int begin, int end) in ranges.Where(r => !dropLast || r.End - r.Begin == batchSize))
            {
                run.Step.RunForward(begin, end - begin);
                traceMean.Add([.. run.Normalization.RunningMean]);
                traceVariance.Add([.. run.Normalization.RunningVariance]);
            }
            Add(comparison, file, what, average.Vector("running_mean"), average.Vector("running_var_unbiased"), run.Normalization);
            if (average.TryGetProperty("trace_running_mean", out JsonElement trace))
            {
                comparison.Relative($"{what}, trace of means", trace.Matrix(), [.. traceMean], 1e-5);
                comparison.Relative($"{what}, trace of variances", average.Matrix("trace_running_var_unbiased"), [.. traceVariance], 1e-5);
            }
            if (momentum is null)
            {
                JsonElement algorithm = expected.GetProperty("population_algorithm2").GetProperty(
                    dropLast ? "full_batches_only" : "all_batches_per_batch_m");
                Add(comparison, file, $"{what}, as algorithm 2", algorithm.Vector("mean"), algorithm.Vector("var"), run.Normalization);
            }
        }
        return comparison;
    }

    private static Comparison Compare(FixtureFile file, BatchNormalizationStatistics statistics, double[] mean, double[] variance)
    {
        var run = new StatisticsRun(file, statistics, momentum: 0.1);
        // Some training first: whatever it tracked must be forgotten.
        run.Step.RunForward(0, run.Plan.Batch(0).Rows);
        PopulationStatistics.Compute(run.Network, run.Definition, run.Step, run.Plan, CancellationToken.None);
        var comparison = new Comparison();
        Add(comparison, file, statistics.ToString(), mean, variance, run.Normalization);
        return comparison;
    }

    /// <summary>
    /// The README's 1e-5 of the largest entry; and for means, because columns differ by six
    /// orders here, 1e-5 of the column's own deviation.
    /// </summary>
    private static void Add(
        Comparison comparison, FixtureFile file, string what, double[] mean, double[] variance, BatchNormalizationParameters actual)
    {
        comparison.Relative($"{what}, mean", mean, actual.RunningMean, 1e-5);
        comparison.Relative($"{what}, variance", variance, actual.RunningVariance, 1e-5);
        double[] pooled = file["expected"].GetProperty("pooled_exact").Vector("var_biased");
        for (int c = 0; c < mean.Length; c++)
        {
            comparison.Absolute(
                $"{what}, mean[{c}]", [mean[c]], [actual.RunningMean[c]], 1e-5 * Math.Sqrt(pooled[c]) + 1e-12 * Math.Abs(mean[c]));
        }
    }

    /// <summary>A network whose first operation is batch normalization of the file's rows.</summary>
    private sealed class StatisticsRun
    {
        public StatisticsRun(FixtureFile file, BatchNormalizationStatistics statistics, double momentum)
        {
            float[][] rows = file.Root.Matrix("X").ToSingle();
            Definition = new NetworkDefinition
            {
                Inputs = rows[0].Length,
                HiddenUnits = [],
                Outputs = 1,
                Placement = BatchNormalizationPlacement.LayerInput,
                NormalizeOutputLayerInput = true,
                Statistics = statistics,
                RunningStatisticsMomentum = momentum,
            };
            var parameters = new NetworkParameters(Definition);
            Normalization = parameters.BatchNormalization[0]!;
            file.Root.Vector("initial_running_mean").CopyTo(Normalization.RunningMean, 0);
            file.Root.Vector("initial_running_var").CopyTo(Normalization.RunningVariance, 0);
            var table = new TrainingTable(Definition.Inputs, 1, weighted: false);
            foreach (float[] row in rows)
                table.Add(row, [0], 1);
            Plan = new BatchPlan(rows.Length, (int)file.Root.Number("batch_size"), needsTwoRows: true);
            CollectionAssert.AreEqual(
                Ranges(file),
                Enumerable.Range(0, Plan.Batches).Select(b => Plan.Batch(b)).Select(b => (b.First, b.First + b.Rows)).ToArray());
            Network = new FeedForwardNetwork(parameters, Plan.LargestBatch);
            var settings = new TrainingSettings { Objective = KnownObjectives.SquaredError };
            Step = new TrainingStep(
                settings, new EncodedRows(table), Network,
                OptimizerState.Create(settings.Optimizer, Network.Parameters), new WorkerTeam(1));
        }

        public NetworkDefinition Definition { get; }

        public BatchNormalizationParameters Normalization { get; }

        public BatchPlan Plan { get; }

        public FeedForwardNetwork Network { get; }

        public TrainingStep Step { get; }

        public static (int Begin, int End)[] Ranges(FixtureFile file)
            => [.. file.Root.Matrix("batch_row_ranges").Select(r => ((int)r[0], (int)r[1]))];
    }
}
