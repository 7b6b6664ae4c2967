using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>The model parameters: what they show is what they compute with, and every way to score a row gives the same bits.</summary>
[TestClass]
public sealed class NetworkModelTests
{
    private readonly MLContext _context = new(1);

    /// <summary>Recomputes the scores in double precision from the layers shown, by the formulas of their documentation.</summary>
    [TestMethod]
    [DataRow(BatchNormalizationPlacement.None, BatchNormalizationStatistics.RunningAverage)]
    [DataRow(BatchNormalizationPlacement.BeforeActivation, BatchNormalizationStatistics.RunningAverage)]
    [DataRow(BatchNormalizationPlacement.BeforeActivation, BatchNormalizationStatistics.PopulationPooled)]
    [DataRow(BatchNormalizationPlacement.AfterActivation, BatchNormalizationStatistics.Cumulative)]
    [DataRow(BatchNormalizationPlacement.LayerInput, BatchNormalizationStatistics.Population)]
    public void Layers_Recomputed_GiveTheScores(BatchNormalizationPlacement placement, BatchNormalizationStatistics statistics)
    {
        List<Example> rows = NetworkExamples.Rows(80);
        // Unscaled and without missing values, a row enters the first layer as it is.
        foreach (Example row in rows)
            row.Features[0] = (row.Features[0] - 1000) / 3;
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, rows);
        BatchNormNetworkRegressionModelParameters model = Regression(view, options =>
        {
            options.Placement = placement;
            options.Statistics = statistics;
            options.ScaleInputs = false;
            options.NormalizeOutputLayerInput = placement == BatchNormalizationPlacement.LayerInput;
        });
        float[] scores = new float[rows.Count];
        model.Score(Flat(rows), rows.Count, scores);

        for (int row = 0; row < rows.Count; row++)
        {
            double expected = Predict(rows[row], normalize: true);
            Assert.AreEqual(expected, scores[row], 1e-4 * Math.Max(1000, Math.Abs(expected)));
        }

        // The comparison can fail: without the normalizations the numbers are others.
        if (placement != BatchNormalizationPlacement.None)
            Assert.IsGreaterThan(100, rows.Select((row, i) => Math.Abs(Predict(row, normalize: false) - scores[i])).Max());

        double Predict(Example row, bool normalize) =>
            model.LabelMean + model.LabelDeviation * Forward(model.Network.Members[0], row.Features, normalize);
    }

    [TestMethod]
    [DataRow(BatchNormalizationPlacement.None)]
    [DataRow(BatchNormalizationPlacement.BeforeActivation)]
    [DataRow(BatchNormalizationPlacement.AfterActivation)]
    [DataRow(BatchNormalizationPlacement.LayerInput)]
    public void Layers_Shapes_FollowThePlacement(BatchNormalizationPlacement placement)
    {
        List<Example> rows = NetworkExamples.Rows(60);
        rows[2].Features[3] = float.NaN;
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, rows);
        BatchNormNetworkRegressionModelParameters model = Regression(view, options =>
        {
            options.Placement = placement;
            options.Activation = ActivationFunction.Tanh;
            options.Epsilon = 1e-3;
        });

        IReadOnlyList<BatchNormNetworkLayer> layers = model.Network.Members[0].Layers;
        Assert.HasCount(3, layers);
        Assert.IsInstanceOfType<BatchNormNetworkInputLayer>(layers[0]);
        Assert.AreEqual(16, layers[0].Outputs);
        Assert.IsGreaterThanOrEqualTo(5, layers[0].Inputs, "A column for the missing values of slot 3 belongs to the input.");
        BatchNormNetworkWeights second = ((BatchNormNetworkDenseLayer)layers[1]).Weights,
            last = ((BatchNormNetworkDenseLayer)layers[2]).Weights;
        Assert.AreEqual(16, second.Inputs);
        Assert.AreEqual(8, last.Inputs);
        Assert.AreEqual(1, last.Outputs);
        Assert.HasCount(16 * 8, second.Values);
        Assert.AreEqual(second[5, 7], second.Values[(5 * 16) + 7]);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => second[8, 0]);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => second[0, -1]);
        for (int i = 0; i < 3; i++)
        {
            BatchNormNetworkLayer layer = layers[i];
            bool hidden = i < 2;
            Assert.AreEqual(hidden ? ActivationFunction.Tanh : null, layer.Activation);
            Assert.AreEqual(hidden && placement == BatchNormalizationPlacement.BeforeActivation, layer.Bias is null, $"layer {i}");
            Assert.AreEqual(hidden && placement != BatchNormalizationPlacement.None, layer.BatchNormalization is not null, $"layer {i}");
            if (layer.BatchNormalization is not { } normalization)
                continue;
            int columns = placement == BatchNormalizationPlacement.LayerInput ? layer.Inputs : layer.Outputs;
            Assert.HasCount(columns, normalization.Gamma);
            Assert.HasCount(columns, normalization.Beta);
            Assert.HasCount(columns, normalization.RunningMean);
            Assert.HasCount(columns, normalization.RunningVariance);
            Assert.AreEqual(1e-3, normalization.Epsilon);
            Assert.AreEqual(placement, normalization.Placement);
            Assert.IsTrue(normalization.RunningVariance.All(variance => variance >= 0));
            Assert.IsGreaterThan(1, normalization.RunningMean.Distinct().Count());
        }
    }

    /// <summary>One row, blocks of any size, the row mapper and Transform with several cursors: the same bits.</summary>
    [TestMethod]
    public void Score_InAnyCompany_GivesTheSameBits()
    {
        List<Example> rows = NetworkExamples.Rows(333);
        rows[5].Features[1] = float.NaN;
        IDataView view = NetworkExamples.View(_context, NetworkKind.Multiclass, rows);
        var transformer = (MulticlassPredictionTransformer<BatchNormNetworkMulticlassModelParameters>)NetworkExamples
            .Quick(_context, NetworkKind.Multiclass).Fit(view);
        float[] expected = [.. transformer.Transform(view).Vectors<float>("Score").SelectMany(scores => scores)];
        float[] features = Flat(rows);

        foreach (int block in new[] { 1, 2, 15, 95, 96, 97, 333 })
        {
            float[] scores = new float[rows.Count * 3];
            for (int first = 0; first < rows.Count; first += block)
            {
                int count = Math.Min(block, rows.Count - first);
                transformer.Model.Score(features.AsSpan(first * 4, count * 4), count, scores.AsSpan(first * 3, count * 3));
            }

            CollectionAssert.AreEqual(expected, scores, $"blocks of {block}");
        }
    }

    [TestMethod]
    public void Score_FromManyThreads_GivesTheSameBits()
    {
        List<Example> rows = NetworkExamples.Rows(200);
        BatchNormNetworkRegressionModelParameters model = Regression(NetworkExamples.View(_context, NetworkKind.Regression, rows));
        float[] features = Flat(rows);
        float[] expected = new float[rows.Count];
        model.Score(features, rows.Count, expected);

        Parallel.For(0, 64, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
        {
            float[] scores = new float[rows.Count];
            model.Score(features, rows.Count, scores);
            CollectionAssert.AreEqual(expected, scores);
        });
    }

    /// <summary>Threads share a block in parts of some hundred rows; one row more than whole parts leaves a part of one row.</summary>
    [TestMethod]
    [DataRow(2)]
    [DataRow(3)]
    [DataRow(8)]
    public void Score_OnSeveralThreads_GivesTheSameBits(int threads)
    {
        List<Example> rows = NetworkExamples.Rows(4 * 384 + 1);
        var multiclass = ((MulticlassPredictionTransformer<BatchNormNetworkMulticlassModelParameters>)NetworkExamples.Quick(
            _context, NetworkKind.Multiclass)
            .Fit(NetworkExamples.View(_context, NetworkKind.Multiclass, rows.Take(200)))).Model;
        BatchNormNetworkRegressionModelParameters regression = Regression(
            NetworkExamples.View(_context, NetworkKind.Regression, rows.Take(200)));
        float[] features = Flat(rows);
        float[] expectedClasses = new float[rows.Count * 3], expected = new float[rows.Count];
        multiclass.Score(features, rows.Count, expectedClasses);
        regression.Score(features, rows.Count, expected);

        float[] classes = new float[rows.Count * 3], values = new float[rows.Count];
        multiclass.Score(features, rows.Count, classes, threads);
        regression.Score(features, rows.Count, values, threads);

        CollectionAssert.AreEqual(expectedClasses, classes);
        CollectionAssert.AreEqual(expected, values);
        features[^1] += 1;
        regression.Score(features, rows.Count, values, threads);
        Assert.AreEqual(1, expected.Zip(values).Count(pair => pair.First != pair.Second), "Only the last row's features changed.");
    }

    [TestMethod]
    public void Score_WrongLengths_AreRefused()
    {
        BatchNormNetworkRegressionModelParameters model = Regression(
            NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(40)));

        Refused("features", "The features hold 7 values; 2 rows of 4 features are 8.", () => model.Score(new float[7], 2, new float[2]));
        Refused("scores", "The scores have room for 1 values; 2 rows of 1 need 2.", () => model.Score(new float[8], 2, new float[1]));
        Refused("rows", "must not be negative", () => model.Score([], -1, []));
        Refused("numberOfThreads", "The number of threads is 0", () => model.Score(new float[8], 2, new float[2], 0));
        Refused("features", "The features hold 7 values", () => model.Score(new float[7], 2, new float[2], 2));
        model.Score([], 0, []);

        static void Refused(string parameter, string message, Action action)
        {
            ArgumentOutOfRangeException exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(action);
            Assert.AreEqual(parameter, exception.ParamName);
            Assert.Contains(message, exception.Message);
            Assert.IsTrue(exception.IsMarked());
        }
    }

    /// <summary>The mapper ML.NET calls for every row allocates nothing, dense or sparse.</summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary), false)]
    [DataRow(nameof(NetworkKind.Multiclass), false)]
    [DataRow(nameof(NetworkKind.Multiclass), true)]
    [DataRow(nameof(NetworkKind.Regression), true)]
    public void Mapper_PerRow_AllocatesNothing(string kindName, bool sparse)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        List<Example> rows = NetworkExamples.Rows(60);
        ITransformer transformer = NetworkExamples.Quick(_context, kind).Fit(NetworkExamples.View(_context, kind, rows));
        var features = new VBuffer<float>(4, [1000, 0.5f, 0.01f, 1]);
        if (sparse)
            features = new VBuffer<float>(4, 2, [1000, 1], [0, 3]);

        long allocated;
        if (kind == NetworkKind.Multiclass)
        {
            var model = (IValueMapper)((MulticlassPredictionTransformer<BatchNormNetworkMulticlassModelParameters>)transformer).Model;
            allocated = Allocated(model.GetMapper<VBuffer<float>, VBuffer<float>>(), features);
        }
        else
        {
            object model = kind == NetworkKind.Binary
                ? ((BinaryPredictionTransformer<Microsoft.ML.Calibrators.CalibratedModelParametersBase<
                    BatchNormNetworkBinaryModelParameters, Microsoft.ML.Calibrators.PlattCalibrator>>)transformer).Model.SubModel
                : ((RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters>)transformer).Model;
            allocated = Allocated(((IValueMapper)model).GetMapper<VBuffer<float>, float>(), features);
        }

        Assert.AreEqual(0, allocated);
    }

    private static long Allocated<T>(ValueMapper<VBuffer<float>, T> mapper, VBuffer<float> features)
    {
        T score = default!;
        long least = long.MaxValue;
        // The runtime itself allocates a little when it compiles a method anew; that happens a few times at most, and not in every round.
        for (int round = 0; round < 5; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 1000; i++)
                mapper(features, ref score);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }

    // Without ScaleInputs the parts are the slots as they are.
    private static double Forward(BatchNormNetworkMember member, float[] features, bool normalize) =>
        ShownNetwork.Forward(member, [.. features.Select(value => (double)value)], normalize)[0];

    private static float[] Flat(List<Example> rows) => [.. rows.SelectMany(row => row.Features)];

    private BatchNormNetworkRegressionModelParameters Regression(IDataView view, Action<BatchNormNetworkOptions>? change = null) =>
        ((RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters>)NetworkExamples.Quick(
            _context, NetworkKind.Regression, change).Fit(view)).Model;
}
