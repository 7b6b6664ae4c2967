using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Tests.Golden;
using MLNetBatchNorm.Tests.Gradients;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>Population statistics of trained networks against a plain computation in double precision.</summary>
[TestClass]
public sealed class PopulationStatisticsTests
{
    private const int Rows = 90;
    private const int BatchSize = 32;

    // Statistics of float32 activations behind up to two layers: errors of a few roundings, 6e-8 each, over sums of 90 terms.
    private const double Tolerance = 2e-5;

    public TestContext TestContext { get; set; } = null!;

    public static IEnumerable<object[]> Placements =>
    [
        [nameof(BatchNormalizationPlacement.BeforeActivation), 0],
        [nameof(BatchNormalizationPlacement.AfterActivation), 0],
        [nameof(BatchNormalizationPlacement.LayerInput), 0],
        [nameof(BatchNormalizationPlacement.BeforeActivation), 7],
    ];

    /// <summary>Layer by layer: the moments of all rows behind the layers that are already frozen.</summary>
    [TestMethod]
    [DynamicData(nameof(Placements))]
    public void Pooled_AreMomentsOfAllRowsBehindFrozenLayers(string placement, int virtualBatchSize)
    {
        (NetworkParameters parameters, double[][] x) = Trained(placement, virtualBatchSize, BatchNormalizationStatistics.PopulationPooled);
        var reference = new ReferenceNetwork(parameters);
        foreach (string name in reference.Normalizations)
        {
            Array.Fill(reference.Arrays[$"{name}.running_mean"], double.NaN);
            Array.Fill(reference.Arrays[$"{name}.running_var"], double.NaN);
        }
        foreach (string name in reference.Normalizations)
        {
            // What comes behind is NaN until its own turn; what this layer reads is not.
            reference.Forward(x, training: false);
            double[][] read = reference.NormalizationInputs[name];
            for (int c = 0; c < read[0].Length; c++)
            {
                (double mean, double variance) = ReferenceNetwork.Moments(read, 0, Rows, c);
                reference.Arrays[$"{name}.running_mean"][c] = mean;
                reference.Arrays[$"{name}.running_var"][c] = variance * Rows / (Rows - 1);
            }
        }
        Compare(reference, parameters).AssertAgrees(placement, TestContext);
    }

    /// <summary>
    /// So, over the training rows, every normalization's output has mean beta and variance gamma², but for epsilon and n / (n - 1).
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Placements))]
    public void Pooled_OutputsOverTheTrainingRows_HaveMeanBetaAndVarianceGammaSquared(string placement, int virtualBatchSize)
    {
        (NetworkParameters parameters, double[][] x) = Trained(placement, virtualBatchSize, BatchNormalizationStatistics.PopulationPooled);
        var network = new FeedForwardNetwork(parameters, Rows);
        foreach (BatchNormLayer layer in network.Normalizations)
            layer.Policy = StatisticsPolicy.Frozen;
        var settings = new TrainingSettings { Objective = KnownObjectives.SquaredError };
        using var team = new WorkerTeam(1);
        var data = new EncodedRows(Generated.Table(x, Generated.Targets(KnownObjectives.SquaredError, x, 1, 1)));
        new TrainingStep(settings, data, network, OptimizerState.Create(settings.Optimizer, network.Parameters), team).RunForward(0, Rows);

        var comparison = new Comparison();
        BatchNormalizationParameters[] normalizations = [.. parameters.BatchNormalization.OfType<BatchNormalizationParameters>()];
        for (int i = 0; i < normalizations.Length; i++)
        {
            var normalized = new PanelMatrix(Rows, normalizations[i].Columns);
            network.Normalizations[i].CopyNormalized(Rows, normalized);
            double[][] outputs = Panels.Rows(normalized);
            for (int c = 0; c < normalizations[i].Columns; c++)
            {
                double gamma = normalizations[i].Gamma.Span[c], unbiased = normalizations[i].RunningVariance[c];
                (double mean, double variance) = ReferenceNetwork.Moments(outputs, 0, Rows, c);
                double expected = gamma * gamma * (unbiased * (Rows - 1) / Rows) / (unbiased + parameters.Definition.Epsilon);
                comparison.Absolute(
                    $"layer {i}, column {c}, mean", [normalizations[i].Beta.Span[c]], [mean], Tolerance * Math.Max(1, Math.Abs(gamma)));
                comparison.Absolute($"layer {i}, column {c}, variance", [expected], [variance], Tolerance * Math.Max(1, gamma * gamma));
            }
        }
        comparison.AssertAgrees(placement, TestContext);
    }

    /// <summary>
    /// Algorithm 2: plain means over the batches, virtual ones included, of their means and
    /// unbiased variances, all layers normalizing by batch.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Placements))]
    public void Population_IsTheMeanOverBatchesUnderTheFinalWeights(string placement, int virtualBatchSize)
    {
        (NetworkParameters parameters, double[][] x) = Trained(placement, virtualBatchSize, BatchNormalizationStatistics.Population);
        var reference = new ReferenceNetwork(parameters);
        List<string> names = [.. reference.Normalizations];
        Dictionary<string, List<(double[] Mean, double[] Variance)>> seen = names.ToDictionary(
            n => n, _ => new List<(double[], double[])>());
        foreach ((int begin, int end) in ReferenceNetwork.Batches(Rows, BatchSize))
        {
            reference.Forward(x[begin..end], training: true);
            foreach (string name in names)
            {
                double[][] read = reference.NormalizationInputs[name];
                foreach ((int first, int last) in ReferenceNetwork.Batches(read.Length, virtualBatchSize))
                {
                    (double Mean, double Variance)[] moments = [.. Enumerable.Range(0, read[0].Length)
                        .Select(c => ReferenceNetwork.Moments(read, first, last, c))];
                    double unbiased = (double)(last - first) / (last - first - 1);
                    seen[name].Add(([.. moments.Select(m => m.Mean)], [.. moments.Select(m => m.Variance * unbiased)]));
                }
            }
        }
        foreach (string name in names)
        {
            for (int c = 0; c < reference.Arrays[$"{name}.running_mean"].Length; c++)
            {
                reference.Arrays[$"{name}.running_mean"][c] = seen[name].Average(b => b.Mean[c]);
                reference.Arrays[$"{name}.running_var"][c] = seen[name].Average(b => b.Variance[c]);
            }
        }
        Comparison comparison = Compare(reference, parameters);
        comparison.AssertAgrees(placement, TestContext);
        Assert.IsTrue(
            parameters.BatchNormalization.OfType<BatchNormalizationParameters>().All(n => n.BatchesTracked == seen[names[0]].Count));
    }

    /// <summary>The comparison can fail: the two kinds of population statistics, and the running average, are not each other.</summary>
    [TestMethod]
    public void Statistics_OfAnotherKind_AreNoticed()
    {
        NetworkParameters pooled =
            Trained(nameof(BatchNormalizationPlacement.LayerInput), 0, BatchNormalizationStatistics.PopulationPooled).Parameters;
        NetworkParameters population =
            Trained(nameof(BatchNormalizationPlacement.LayerInput), 0, BatchNormalizationStatistics.Population).Parameters;
        NetworkParameters running =
            Trained(nameof(BatchNormalizationPlacement.LayerInput), 0, BatchNormalizationStatistics.RunningAverage).Parameters;
        Assert.IsFalse(Compare(new ReferenceNetwork(pooled), population).Agrees);
        Assert.IsFalse(Compare(new ReferenceNetwork(pooled), running).Agrees);
        Assert.IsFalse(Compare(new ReferenceNetwork(population), running).Agrees);
        CollectionAssert.AreEqual(
            NetworkState.Read(pooled)["linear1.weight"], NetworkState.Read(running)["linear1.weight"],
            "the statistics do not enter training");
    }

    /// <summary>With early stopping the statistics belong to the restored weights, not to those of the last epoch.</summary>
    [TestMethod]
    public void Pooled_BestEpochRestored_BelongToItsWeights()
    {
        EncodedRows data = Generated.Data(KnownObjectives.SquaredError, 40, 5, 1, 1);
        var definition = new NetworkDefinition
        {
            Inputs = 5, HiddenUnits = [18, 7], Outputs = 1, Statistics = BatchNormalizationStatistics.PopulationPooled,
        };
        var settings = new TrainingSettings
        {
            Objective = KnownObjectives.SquaredError,
            BatchSize = 16,
            MaximumEpochs = 40,
            LearningRate = 0.3,
            Optimizer = new SgdOptimizer(),
            Seed = 5,
        };
        NetworkParameters parameters = Generated.Network(definition, 1);
        TrainingHistory history = TrainingLoop.Train(
            parameters, data, TrainingLoopTests.Validation(), settings, null, CancellationToken.None);
        Assert.IsTrue(history.BestEpoch is > 1 and < 40, $"the best epoch is {history.BestEpoch}: this data does not test restoring");

        double[][] x = Generated.Rows(40, 5, 1);
        var reference = new ReferenceNetwork(parameters);
        reference.Forward(x, training: false);
        (double mean, double variance) = ReferenceNetwork.Moments(reference.NormalizationInputs["bn1"], 0, 40, 3);
        Assert.AreEqual(mean, parameters.BatchNormalization[0]!.RunningMean[3], Tolerance);
        Assert.AreEqual(variance * 40 / 39, parameters.BatchNormalization[0]!.RunningVariance[3], Tolerance * variance);
    }

    private static (NetworkParameters Parameters, double[][] X) Trained(
        string placement, int virtualBatchSize, BatchNormalizationStatistics statistics)
    {
        double[][] x = Generated.Rows(Rows, 5, 1);
        var definition = new NetworkDefinition
        {
            Inputs = 5,
            HiddenUnits = [18, 7],
            Outputs = 1,
            Activation = ActivationFunction.SiLU,
            Placement = Enum.Parse<BatchNormalizationPlacement>(placement),
            NormalizeOutputLayerInput = placement == nameof(BatchNormalizationPlacement.LayerInput),
            VirtualBatchSize = virtualBatchSize,
            DropoutRate = 0.2,                         // off in the pass for statistics: the references know nothing of it
            Statistics = statistics,
        };
        NetworkParameters parameters = Generated.Network(definition, 1);
        var settings = new TrainingSettings
        {
            Objective = KnownObjectives.SquaredError, BatchSize = BatchSize, MaximumEpochs = 3, Shuffle = false, LearningRate = 0.01,
        };
        var data = new EncodedRows(Generated.Table(x, Generated.Targets(KnownObjectives.SquaredError, x, 1, 1)));
        using var team = new WorkerTeam(2);
        TrainingLoop.Train(team, parameters, data, null, settings, null, CancellationToken.None);
        return (parameters, x);
    }

    private static Comparison Compare(ReferenceNetwork reference, NetworkParameters parameters)
    {
        var comparison = new Comparison();
        foreach ((string name, double[] numbers) in NetworkState.Read(parameters).Where(
            a => a.Key.Contains("running", StringComparison.Ordinal)))
        {
            comparison.Relative(name, reference.Arrays[name], numbers, Tolerance);
        }
        return comparison;
    }
}
