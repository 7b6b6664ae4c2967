using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.MLNet.Trainers;

/// <summary>Networks of pictures through everything that ML.NET does with a trainer and a model.</summary>
[TestClass]
public sealed class PictureTests
{
    private const int Rows = 300;

    /// <summary>They learn what a linear model of pixels cannot: where the bar is does not matter.</summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Fit_EveryTask_LearnsAndScoresAlikeEverywhere(string kindName)
    {
        NetworkKind kind = Enum.Parse<NetworkKind>(kindName);
        var context = new MLContext(1);
        IDataView test = Picture.View(context, kind, Picture.Rows(120, seed: 2));
        ITransformer model = NetworkExamples.Quick(context, kind, Picture.Shape).Fit(Picture.View(context, kind, Picture.Rows(Rows)));
        float[] scores = Scores(model.Transform(test));
        double quality = kind switch
        {
            NetworkKind.Binary => context.BinaryClassification.Evaluate(model.Transform(test)).Accuracy,
            NetworkKind.Multiclass => context.MulticlassClassification.Evaluate(model.Transform(test)).MicroAccuracy,
            _ => context.Regression.Evaluate(model.Transform(test)).RSquared,
        };
        Assert.IsGreaterThan(kind == NetworkKind.Regression ? 0.7 : 0.9, quality);

        using var stream = new MemoryStream();
        context.Model.Save(model, test.Schema, stream);
        stream.Position = 0;
        ITransformer loaded = new MLContext(3).Model.Load(stream, out _);
        CollectionAssert.AreEqual(scores, Scores(loaded.Transform(test)));

        // One row at a time: the same bits as in blocks.
        var single = new List<float>();
        foreach (VBuffer<float> row in test.GetColumn<VBuffer<float>>("Features"))
        {
            var one = new Picture { Features = [.. row.DenseValues()] };
            single.AddRange(Scores(loaded.Transform(Unlabelled(context, one))));
        }
        CollectionAssert.AreEqual(scores, single.ToArray());
    }

    /// <summary>Neither threads nor the order of a picture's numbers change a bit.</summary>
    [TestMethod]
    public void Fit_ThreadsAndOrder_SameBits()
    {
        var context = new MLContext(1);
        float[] Train(int threads, bool interleaved) => Scores(NetworkExamples.Quick(context, NetworkKind.Multiclass, options =>
        {
            Picture.Shape(options);
            options.NumberOfThreads = threads;
            options.InputShape = new ImageShape(Picture.Height, Picture.Width, Picture.Channels)
            {
                Order = interleaved ? PixelOrder.Interleaved : PixelOrder.Planar,
            };
        }).Fit(View(interleaved)).Transform(View(interleaved)));
        IDataView View(bool interleaved) =>
            Picture.View(context, NetworkKind.Multiclass, Picture.Rows(100, interleaved: interleaved));
        float[] one = Train(1, interleaved: false);
        CollectionAssert.AreEqual(one, Train(3, interleaved: false));
        CollectionAssert.AreEqual(one, Train(2, interleaved: true));
    }

    /// <summary>All placements, statistics and kinds of layers; a batch of a single picture at the end where that is possible.</summary>
    [TestMethod]
    [DataRow(BatchNormalizationPlacement.None, BatchNormalizationStatistics.RunningAverage)]
    [DataRow(BatchNormalizationPlacement.BeforeActivation, BatchNormalizationStatistics.Population)]
    [DataRow(BatchNormalizationPlacement.AfterActivation, BatchNormalizationStatistics.PopulationPooled)]
    [DataRow(BatchNormalizationPlacement.LayerInput, BatchNormalizationStatistics.Cumulative)]
    public void Fit_PlacementsAndStatistics_Learn(BatchNormalizationPlacement placement, BatchNormalizationStatistics statistics)
    {
        var context = new MLContext(1);
        foreach (bool averages in new[] { false, true })
        {
            ITransformer model = NetworkExamples.Quick(context, NetworkKind.Multiclass, options =>
            {
                Picture.Shape(options);
                options.Placement = placement;
                options.Statistics = statistics;
                options.GlobalAveragePooling = averages;
                options.HiddenUnits = averages ? [] : [16];
                options.VirtualBatchSize = averages ? 8 : null;
                options.NumberOfEnsembleMembers = 2;
                options.MaximumNumberOfEpochs = 12;
                options.Convolutions![0].DropoutRate = 0.05;
            }).Fit(Picture.View(context, NetworkKind.Multiclass, Picture.Rows(Rows + 1)));
            IDataView test = Picture.View(context, NetworkKind.Multiclass, Picture.Rows(120, seed: 2));
            Assert.IsGreaterThan(0.8, context.MulticlassClassification.Evaluate(model.Transform(test)).MicroAccuracy);
        }
    }

    /// <summary>A shape alone is enough, for pictures and for signals.</summary>
    [TestMethod]
    public void Fit_ShapeAlone_ChoosesLayers()
    {
        var context = new MLContext(1);
        BatchNormNetwork Train(ImageShape shape)
        {
            var options = new BatchNormNetworkRegressionTrainer.Options
            {
                InputShape = shape, MaximumNumberOfEpochs = 1, NumberOfEnsembleMembers = 1, Seed = 1,
            };
            IDataView view = Picture.View(context, NetworkKind.Regression, Picture.Rows(40));
            return context.Regression.Trainers.BatchNormNetwork(options).Fit(view).Model.Network;
        }

        IReadOnlyList<BatchNormNetworkLayer> layers =
            Train(new ImageShape(Picture.Height, Picture.Width, Picture.Channels)).Members[0].Layers;
        CollectionAssert.AreEqual(new[] { 32, 64, 128, 1 }, layers.Select(layer => layer.Outputs).ToArray());
        var second = (BatchNormNetworkConvolutionLayer)layers[1];
        Assert.AreEqual((9, 10, 4, 5), (second.InputHeight, second.InputWidth, second.OutputHeight, second.OutputWidth));
        Assert.AreEqual((3, 3, 32), (second.KernelHeight, second.KernelWidth, second.Inputs));
        Assert.AreEqual(64 * 4 * 5, layers[2].Inputs);
        Assert.Throws<ArgumentOutOfRangeException>(() => second[64, 0, 0, 0]);

        layers = Train(new ImageShape(1, 90, 2)).Members[0].Layers;
        BatchNormNetworkConvolutionLayer[] signals = [.. layers.OfType<BatchNormNetworkConvolutionLayer>()];
        Assert.AreEqual((1, 3), (signals[0].KernelHeight, signals[0].KernelWidth));
        CollectionAssert.AreEqual(new[] { 32, 32, 64, 64, 128, 128, 128, 128 }, signals.Select(layer => layer.Outputs).ToArray());
        CollectionAssert.AreEqual(new[] { 90, 45, 45, 22, 22, 11, 11, 5 }, signals.Select(layer => layer.OutputWidth).ToArray());
        Assert.AreEqual(1, signals[7].OutputHeight);
    }

    /// <summary>Sparse rows are written out, missing pixels are the mean, and both score as the same pictures do when dense.</summary>
    [TestMethod]
    public void Fit_SparseRowsAndMissingPixels_Learn()
    {
        var context = new MLContext(1);
        List<Picture> rows = Picture.Rows(Rows);
        foreach (Picture row in rows)
        {
            for (int i = 0; i < Picture.Height * Picture.Width; i++)
                row.Features[i] = row.Features[i] < 0.5f ? 0 : i % 17 == 0 ? float.NaN : row.Features[i];
        }
        IDataView dense = Picture.View(context, NetworkKind.Multiclass, rows);
        IDataView sparse = new SparseView(dense, "Features");
        var trainer = (IEstimator<ITransformer>)NetworkExamples.Quick(context, NetworkKind.Multiclass, Picture.Shape);
        float[] expected = Scores(trainer.Fit(dense).Transform(dense));
        CollectionAssert.AreEqual(expected, Scores(trainer.Fit(sparse).Transform(sparse)));
        Assert.IsTrue(expected.All(float.IsFinite));
    }

    [TestMethod]
    public void Fit_WarmStartAndCheckpoint_GoOn()
    {
        var context = new MLContext(1);
        IDataView view = Picture.View(context, NetworkKind.Multiclass, Picture.Rows(Rows));
        var options = NetworkExamples.QuickOptions<BatchNormNetworkMulticlassTrainer.Options>(Picture.Shape);
        var model = context.MulticlassClassification.Trainers.BatchNormNetwork(options).Fit(view);
        float[] expected = Scores(model.Transform(view));

        var again = context.MulticlassClassification.Trainers.BatchNormNetwork(options).Fit(view, null, model.Model);
        CollectionAssert.AreNotEqual(expected, Scores(again.Transform(view)));
        options.InputShape = new ImageShape(Picture.Width, Picture.Height, Picture.Channels);
        var counting = new CountingView(view);
        Exception e = Assert.Throws<ArgumentOutOfRangeException>(
            () => context.MulticlassClassification.Trainers.BatchNormNetwork(options).Fit(counting, null, model.Model));
        Assert.AreEqual(0, counting.Rows);
        Assert.Contains("9 x 10 x 2", e.Message);
        Assert.Contains("10 x 9 x 2", e.Message);

        Picture.Shape(options);
        string path = Path.Combine(Path.GetTempPath(), $"pictures-{Guid.NewGuid():N}.checkpoint");
        using var cancellation = new CancellationTokenSource();
        options.Checkpoint = new CheckpointOptions { Path = path, IntervalInSeconds = 0 };
        options.CancellationToken = cancellation.Token;
        options.Progress = new Cancelling(cancellation);
        Assert.Throws<OperationCanceledException>(() => context.MulticlassClassification.Trainers.BatchNormNetwork(options).Fit(view));
        Assert.IsTrue(File.Exists(path));
        options.CancellationToken = default;
        options.Progress = null;
        var resumed = context.MulticlassClassification.Trainers.BatchNormNetwork(options).Fit(view);
        CollectionAssert.AreEqual(expected, Scores(resumed.Transform(view)));
    }

    [TestMethod]
    [DataRow("9 x 9", "InputShape is 9 x 9 x 2, which is 162 numbers, but feature column 'Features' has 180.")]
    [DataRow("zero", "InputShape.Height is 0; it must be in [1, 4096].")]
    [DataRow("kernel", "has a kernel of 12 x 12, larger than the map that it reads, which is 9 x 10 with its padding.")]
    [DataRow("stride", "Convolutions[0].Stride is 0; it must be in [1, 255].")]
    [DataRow("pooling", "Convolutions[0] pools windows of 11 x 11, but its map is 9 x 10: nothing is left.")]
    [DataRow("stride and pooling", "Convolutions[0] pools windows of 3 x 3, but its map is 2 x 2: nothing is left.")]
    [DataRow("stride and kernel", "Convolutions[1] has a kernel of 3 x 3, larger than the map that it reads, which is 2 x 2 with")]
    [DataRow("filters", "Convolutions[0].Filters is 0; it must be in [1, 65536].")]
    [DataRow("empty", "Convolutions is empty;")]
    [DataRow("null", "Convolutions[1] is null;")]
    [DataRow("large", "makes a map of 9 x 10 x 65536 and has")]
    [DataRow("no shape", "Convolutions is set, but InputShape is null;")]
    [DataRow("mean without shape", "GlobalAveragePooling is set, but InputShape is null;")]
    [DataRow("shift", "RandomShift is 9, but pictures are 9 x 10 x 2: nothing of them would be left. Set it to at most 8.")]
    [DataRow("shift without shape", "RandomShift is set, but InputShape is null;")]
    [DataRow("flip without shape", "RandomHorizontalFlip is set, but InputShape is null;")]
    [DataRow("flip of one column", "RandomHorizontalFlip is set, but pictures are 180 x 1 x 1: one column has no mirror image.")]
    [DataRow("shift of one pixel", "RandomShift is 2, but pictures are 1 x 1 x 180: a single pixel cannot be moved. Set it to 0.")]
    [DataRow("pieces", "NumberOfInputPieces is 8, but InputShape is set;")]
    public void Fit_WhatCannotWork_IsRefusedBeforeARowIsRead(string what, string message)
    {
        var context = new MLContext(1);
        IDataView view = new CountingView(Picture.View(context, NetworkKind.Multiclass, Picture.Rows(10)));
        var options = NetworkExamples.QuickOptions<BatchNormNetworkMulticlassTrainer.Options>(Picture.Shape);
        switch (what)
        {
            case "9 x 9": options.InputShape = new ImageShape(9, 9, 2); break;
            case "zero": options.InputShape = new ImageShape(0, 9, 2); break;
            case "kernel": options.Convolutions = [new ConvolutionLayer(4, 12) { Padding = 0 }]; break;
            case "stride": options.Convolutions![0].Stride = 0; break;
            case "pooling": options.Convolutions![0].PoolingSize = 11; break;
            case "stride and pooling": (options.Convolutions![0].Stride, options.Convolutions[0].PoolingSize) = (5, 3); break;
            case "stride and kernel":
                options.Convolutions = [new ConvolutionLayer(4, 3) { Stride = 5 }, new ConvolutionLayer(4, 3) { Padding = 0 }];
                break;
            case "filters": options.Convolutions![0].Filters = 0; break;
            case "empty": options.Convolutions = []; break;
            case "null": options.Convolutions![1] = null!; break;
            case "large": options.Convolutions = [new ConvolutionLayer(65536, 3), new ConvolutionLayer(65536, 9)]; break;
            case "no shape": options.InputShape = null; break;
            case "mean without shape": (options.InputShape, options.Convolutions, options.GlobalAveragePooling) = (null, null, true); break;
            case "shift": options.RandomShift = 9; break;
            case "shift without shape": (options.InputShape, options.Convolutions, options.RandomShift) = (null, null, 1); break;
            case "flip without shape": (options.InputShape, options.Convolutions, options.RandomHorizontalFlip) = (null, null, true); break;
            case "flip of one column":
                (options.InputShape, options.RandomHorizontalFlip) = (new ImageShape(180, 1, 1), true);
                break;
            case "shift of one pixel": (options.InputShape, options.RandomShift) = (new ImageShape(1, 1, 180), 2); break;
            case "pieces": options.NumberOfInputPieces = 8; break;
        }
        Exception e = Assert.Throws<ArgumentOutOfRangeException>(
            () => context.MulticlassClassification.Trainers.BatchNormNetwork(options).Fit(view));
        Assert.Contains(message, e.Message);
        Assert.AreEqual(0, ((CountingView)view).Rows);
    }

    /// <summary>The model knows the size of its pictures; what cannot be done with it is refused all the same.</summary>
    [TestMethod]
    public void Fit_WarmStartWithoutShape_ChangesPictures()
    {
        var context = new MLContext(1);
        IDataView view = Picture.View(context, NetworkKind.Multiclass, Picture.Rows(60));
        var options = NetworkExamples.QuickOptions<BatchNormNetworkMulticlassTrainer.Options>(Picture.Shape);
        options.MaximumNumberOfEpochs = 1;
        var model = context.MulticlassClassification.Trainers.BatchNormNetwork(options).Fit(view);
        options.InputShape = null;
        options.Convolutions = null;
        float[] Again(int shift, bool flips)
        {
            (options.RandomShift, options.RandomHorizontalFlip) = (shift, flips);
            return Scores(context.MulticlassClassification.Trainers.BatchNormNetwork(options).Fit(view, null, model.Model).Transform(view));
        }

        float[] unchanged = Again(0, false);
        CollectionAssert.AreEqual(unchanged, Again(0, false));
        CollectionAssert.AreNotEqual(unchanged, Again(1, false));
        CollectionAssert.AreNotEqual(unchanged, Again(0, true));
        Exception e = Assert.Throws<ArgumentOutOfRangeException>(() => Again(9, false));
        Assert.Contains("RandomShift is 9, but pictures are 9 x 10 x 2: nothing of them would be left. Set it to at most 8.", e.Message);
    }

    /// <summary>A batch whose map has more numbers than an array holds; none is made.</summary>
    [TestMethod]
    public void Fit_BatchOfTooManyPixels_IsRefused()
    {
        var context = new MLContext(1);
        // 4 x 4 x 2 numbers become 2^20 each.
        var rows = Enumerable.Range(0, 2_100).Select(n => new Picture { Features = new float[32], Value = n }).ToList();
        var options = NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>();
        options.InputShape = new ImageShape(4, 4, 2);
        options.Convolutions = [new ConvolutionLayer(65_536, 1), new ConvolutionLayer(16, 1)];
        options.BatchSize = 4_096;
        options.ValidationFraction = 0;
        Exception e = Assert.Throws<ArgumentOutOfRangeException>(() => context.Regression.Trainers.BatchNormNetwork(options)
            .Fit(Picture.View(context, NetworkKind.Regression, rows)));
        Assert.Contains("BatchSize is 4096, and a picture has a map of 1048576 numbers", e.Message);
        Assert.Contains("Set it to at most 2046.", e.Message);
    }

    /// <summary>A model file of pictures in which bits were changed is refused, or is a model; nothing else happens.</summary>
    [TestMethod]
    public void Read_DamagedBytes_AreRefusedOrAreAModel()
    {
        byte[] bytes = Bytes();
        var random = new Random(5);
        int refused = 0;
        for (int i = 0; i < 2_000; i++)
        {
            byte[] damaged = (byte[])bytes.Clone();
            // Most of them in the definition, where sizes are.
            int at = i % 4 == 0 ? random.Next(damaged.Length) : random.Next(240);
            damaged[at] = (byte)random.Next(256);
            using var reader = new BinaryReader(new MemoryStream(i % 7 == 0 ? damaged[..at] : damaged));
            try
            {
                TrainedNetwork network = NetworkFormat.Read(reader);
                Assert.IsGreaterThan(0, network.Members.Count);
            }
            catch (NetworkFormatException)
            {
                refused++;
            }
        }
        Assert.IsGreaterThan(500, refused);
    }

    /// <summary>What is known of no layer is not shown: contributions of single pixels.</summary>
    [TestMethod]
    public void Contributions_OfPixels_AreRefused()
    {
        var context = new MLContext(1);
        IDataView view = Picture.View(context, NetworkKind.Regression, Picture.Rows(40));
        var options = NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(Picture.Shape);
        var model = context.Regression.Trainers.BatchNormNetwork(options).Fit(view);
        // ML.NET calls it through reflection.
        Exception e = Assert.Throws<Exception>(
            () => context.Transforms.CalculateFeatureContribution(model, normalize: false).Fit(view).Transform(view).Preview());
        Assert.IsInstanceOfType<NotSupportedException>(e.GetBaseException());
        Assert.Contains("convolutions", e.GetBaseException().Message);
    }

    private static byte[] Bytes()
    {
        var context = new MLContext(1);
        var options = NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(Picture.Shape);
        options.MaximumNumberOfEpochs = 1;
        var model = context.Regression.Trainers.BatchNormNetwork(options)
            .Fit(Picture.View(context, NetworkKind.Regression, Picture.Rows(40)));
        using var stream = new MemoryStream();
        NetworkFormat.Write(new BinaryWriter(stream), ((INetworkModel)model.Model).Network);
        return stream.ToArray();
    }

    private static IDataView Unlabelled(MLContext context, Picture picture)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Picture));
        schema[nameof(Picture.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, picture.Features.Length);
        return context.Transforms.SelectColumns("Features").Fit(context.Data.LoadFromEnumerable([picture], schema))
            .Transform(context.Data.LoadFromEnumerable([picture], schema));
    }

    private static float[] Scores(IDataView scored) => scored.Schema["Score"].Type is VectorDataViewType
        ? [.. scored.GetColumn<VBuffer<float>>("Score").SelectMany(row => row.DenseValues())]
        : [.. scored.GetColumn<float>("Score")];

    private sealed class Cancelling(CancellationTokenSource cancellation) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.Epoch == 3)
                cancellation.Cancel();
        }
    }
}
