using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Tests.MLNet.Trainers;

/// <summary>Pictures as they come: signals, tall and flat ones, few of them, some that show nothing, some of one class only.</summary>
[TestClass]
public sealed class PictureShapesTests
{
    /// <summary>
    /// With a shape alone: a wave of the same height all over a signal or a picture, of three lengths and any phase, is told by its length.
    /// </summary>
    [TestMethod]
    [DataRow(1, 60, 1)]
    [DataRow(1, 33, 3)]
    [DataRow(40, 1, 2)]
    [DataRow(5, 30, 1)]
    [DataRow(20, 17, 3)]
    public void Fit_ShapeAlone_LearnsAndScoresAlikeEverywhere(int height, int width, int channels)
    {
        var context = new MLContext(1);
        IDataView view = View(context, Waves(150, height, width, channels, seed: 1));
        List<Signal> test = Waves(90, height, width, channels, seed: 2);
        var options = new BatchNormNetworkMulticlassTrainer.Options
        {
            InputShape = new ImageShape(height, width, channels), NumberOfEnsembleMembers = 1, MaximumNumberOfEpochs = 12, Seed = 1,
        };
        ITransformer model = Classes(context).Append(context.MulticlassClassification.Trainers.BatchNormNetwork(options)).Fit(view);
        IDataView scored = model.Transform(View(context, test));
        Assert.IsGreaterThan(0.85, context.MulticlassClassification.Evaluate(scored).MicroAccuracy);

        float[] scores = Scores(scored);
        using var stream = new MemoryStream();
        context.Model.Save(model, view.Schema, stream);
        stream.Position = 0;
        ITransformer loaded = new MLContext(3).Model.Load(stream, out DataViewSchema schema);
        CollectionAssert.AreEqual(scores, Scores(loaded.Transform(View(context, test))));
        SchemaDefinition form = SchemaDefinition.Create(typeof(Signal));
        form[nameof(Signal.Features)].ColumnType = schema[nameof(Signal.Features)].Type;
        using var engine = context.Model.CreatePredictionEngine<Signal, Prediction>(loaded, inputSchemaDefinition: form);
        CollectionAssert.AreEqual(scores, test.SelectMany(signal => engine.Predict(signal).Score).ToArray());
    }

    /// <summary>Fifty pictures of three classes and the defaults of everything: a fifth of them held out by each network.</summary>
    [TestMethod]
    public void Fit_FiftyPictures_Learns()
    {
        var context = new MLContext(1);
        var options = new BatchNormNetworkMulticlassTrainer.Options { InputShape = new ImageShape(9, 12, 1), Seed = 1 };
        ITransformer model = Classes(context).Append(context.MulticlassClassification.Trainers.BatchNormNetwork(options))
            .Fit(View(context, Waves(50, 9, 12, 1, seed: 1)));
        IDataView scored = model.Transform(View(context, Waves(150, 9, 12, 1, seed: 2)));
        Assert.IsGreaterThan(0.8, context.MulticlassClassification.Evaluate(scored).MicroAccuracy);
    }

    /// <summary>Pictures that all show the same say nothing: all rows get the same scores, whatever stands there later.</summary>
    [TestMethod]
    public void Fit_PicturesThatShowNothing_ScoreAlike()
    {
        var context = new MLContext(1);
        List<Signal> rows = [.. Enumerable.Range(0, 120).Select(n => new Signal
        {
            Features = [.. Enumerable.Repeat(7f, 64)], Class = n % 4 == 0 ? "seldom" : "often", IsPositive = true,
        })];
        var options = new BatchNormNetworkMulticlassTrainer.Options
        {
            InputShape = new ImageShape(8, 8, 1), NumberOfEnsembleMembers = 2, MaximumNumberOfEpochs = 8, Seed = 1,
        };
        ITransformer model = Classes(context).Append(context.MulticlassClassification.Trainers.BatchNormNetwork(options))
            .Fit(View(context, rows));
        rows[0].Features[9] = 1e6f;
        float[] scores = Scores(model.Transform(View(context, rows)));
        Assert.IsTrue(scores.All(float.IsFinite));
        Assert.HasCount(2, scores.Distinct().ToArray());
        Assert.IsLessThan(scores[1], scores[0]);
    }

    /// <summary>A fold in which all pictures are of one class: the model says so of every picture.</summary>
    [TestMethod]
    public void Fit_PicturesOfOneClass_GiveThatClass()
    {
        var context = new MLContext(1);
        List<Signal> rows = Waves(60, 8, 9, 1, seed: 1);
        rows.ForEach(row => row.IsPositive = true);
        var options = new BatchNormNetworkBinaryTrainer.Options
        {
            LabelColumnName = nameof(Signal.IsPositive), InputShape = new ImageShape(8, 9, 1), Seed = 1,
        };
        IDataView scored = context.BinaryClassification.Trainers.BatchNormNetwork(options).Fit(View(context, rows))
            .Transform(View(context, rows));
        Assert.IsTrue(scored.GetColumn<bool>("PredictedLabel").All(predicted => predicted));
        Assert.IsTrue(scored.GetColumn<float>("Probability").All(probability => probability > 0.9f));
    }

    /// <summary>Where something is can be a number: pictures are not moved for one, and a flattened map knows places.</summary>
    [TestMethod]
    public void Fit_NumberThatIsAPlace_IsLearned()
    {
        var context = new MLContext(1);
        IDataView Spots(int count, int seed)
        {
            var random = new Random(seed);
            return View(context, [.. Enumerable.Range(0, count).Select(_ =>
            {
                int y = random.Next(16), x = random.Next(18);
                var signal = new Signal { Features = new float[16 * 18], Label = y + 0.1f * x };
                for (int i = 0; i < signal.Features.Length; i++)
                    signal.Features[i] = 0.1f * random.NextSingle() + (i == y * 18 + x ? 1 : 0);
                return signal;
            })]);
        }

        var options = new BatchNormNetworkRegressionTrainer.Options
        {
            InputShape = new ImageShape(16, 18, 1), NumberOfEnsembleMembers = 1, MaximumNumberOfEpochs = 15, Seed = 1,
        };
        ITransformer model = context.Regression.Trainers.BatchNormNetwork(options).Fit(Spots(800, 1));
        Assert.IsGreaterThan(0.95, context.Regression.Evaluate(model.Transform(Spots(200, 2))).RSquared);
    }

    /// <summary>
    /// A class can be a place, to the pixel: pictures that are moved by default mostly stay, and the last epochs see them where they are.
    /// </summary>
    [TestMethod]
    public void Fit_ClassThatIsAPlace_IsLearnedWhileMoving()
    {
        var context = new MLContext(1);
        IDataView Lines(int count, int seed)
        {
            var random = new Random(seed);
            return View(context, [.. Enumerable.Range(0, count).Select(_ =>
            {
                int x = random.Next(16), end = random.Next(8, 16);
                var signal = new Signal { Features = new float[16 * 16], Class = $"{x:D2}" };
                for (int i = 0; i < signal.Features.Length; i++)
                    signal.Features[i] = 0.3f * random.NextSingle() + (i % 16 == x && i / 16 < end ? 1 : 0);
                return signal;
            })]);
        }

        IDataView training = Lines(1_600, 1), test = Lines(400, 2);
        double Accuracy(int? shift)
        {
            var options = new BatchNormNetworkMulticlassTrainer.Options
            {
                InputShape = new ImageShape(16, 16, 1), RandomShift = shift, NumberOfEnsembleMembers = 1, MaximumNumberOfEpochs = 15,
                Convolutions = [new ConvolutionLayer(16, 3) { Pooling = PoolingKind.Maximum }], Seed = 1,
            };
            ITransformer model = Classes(context).Append(context.MulticlassClassification.Trainers.BatchNormNetwork(options)).Fit(training);
            return context.MulticlassClassification.Evaluate(model.Transform(test)).MicroAccuracy;
        }

        double still = Accuracy(0), moved = Accuracy(null);
        Assert.IsGreaterThan(0.95, still);
        Assert.IsGreaterThan(0.95, moved);
    }

    /// <summary>Configurations that are tried for pictures keep their layers of convolutions, and draw all else.</summary>
    [TestMethod]
    public void Fit_Trials_OfPictures()
    {
        var context = new MLContext(1);
        IDataView view = Picture.View(context, NetworkKind.Multiclass, Picture.Rows(200));
        var options = NetworkExamples.QuickOptions<BatchNormNetworkMulticlassTrainer.Options>(Picture.Shape);
        (options.HiddenUnits, options.NumberOfInputPieces, options.BatchSize, options.NumberOfTrials) = (null, null, null, 5);
        var model = context.MulticlassClassification.Trainers.BatchNormNetwork(options).Fit(view);
        BatchNormNetwork network = model.Model.Network;
        Assert.HasCount(5, network.Trials);
        Assert.IsTrue(network.Trials.All(trial => trial.NumberOfInputPieces == 0));
        Assert.IsGreaterThan(1, network.Trials.Select(trial => trial.LearningRate).Distinct().Count());
        foreach (BatchNormNetworkMember member in network.Members)
        {
            CollectionAssert.AreEqual(
                new[] { 8, 20 }, member.Layers.OfType<BatchNormNetworkConvolutionLayer>().Select(layer => layer.Outputs).ToArray());
        }
        Assert.IsGreaterThan(0.8, context.MulticlassClassification.Evaluate(model.Transform(view)).MicroAccuracy);
    }

    /// <summary>
    /// All activations of a batch and their gradients: two of each convolution's map and of each pooled one, and sums of gradients, which
    /// do not grow with the batch.
    /// </summary>
    [TestMethod]
    public void ActivationBytes_OfPictures_AreTwiceTheMaps()
    {
        NetworkDefinition definition = new NetworkDefinition { Inputs = 28 * 28, HiddenUnits = [128], Outputs = 10 }.With(
            new MapShape(28, 28, 1), PixelOrder.Planar, [Halving(32), Halving(64)], averagesPixels: false);
        NetworkParameters parameters = Initialization.Create(definition, seed: 1);
        long one = new FeedForwardNetwork(parameters, 64).ActivationBytes, two = new FeedForwardNetwork(parameters, 128).ActivationBytes;
        long maps = 28 * 28 * 32 + 14 * 14 * 32 + 14 * 14 * 64 + 7 * 7 * 64;
        Assert.IsInRange(2L * sizeof(float) * maps, 2L * sizeof(float) * (maps + 28 * 28 + 2 * 7 * 7 * 64 + 1024), (two - one) / 64);
        Assert.IsLessThan(sizeof(float) * (RowChunks.Count + 2L) * parameters.ParameterCount, one - (two - one));
    }

    private static ConvolutionDefinition Halving(int filters) => new()
    {
        Filters = filters, KernelHeight = 3, KernelWidth = 3, Top = 1, Bottom = 1, Left = 1, Right = 1,
        Pooling = new PoolingDefinition(TakesMaximum: true, 2, 2, 2, 2),
    };

    private static IEstimator<ITransformer> Classes(MLContext context) =>
        context.Transforms.Conversion.MapValueToKey("Label", nameof(Signal.Class));

    private static IDataView View(MLContext context, List<Signal> rows)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Signal));
        schema[nameof(Signal.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, rows[0].Features.Length);
        return context.Data.LoadFromEnumerable(rows, schema);
    }

    /// <summary>Waves along the longer side, of any phase, on noise; in each channel of another height and around another mean.</summary>
    private static List<Signal> Waves(int count, int height, int width, int channels, int seed)
    {
        double[] lengths = [3, 5, 9];
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(n =>
        {
            var signal = new Signal { Features = new float[height * width * channels], Class = $"{lengths[n % 3]}" };
            double phase = random.NextDouble() * 2 * Math.PI;
            for (int i = 0; i < signal.Features.Length; i++)
            {
                int channel = i / (height * width), at = height > width ? i / width % height : i % width;
                double wave = Math.Sin(2 * Math.PI * at / lengths[n % 3] + phase) + 0.3 * (random.NextDouble() - 0.5);
                signal.Features[i] = (float)(100 * channel + (1 + channel) * wave);
            }
            return signal;
        })];
    }

    private static float[] Scores(IDataView scored) =>
        [.. scored.GetColumn<VBuffer<float>>("Score").SelectMany(row => row.DenseValues())];

    private sealed class Signal
    {
        public float[] Features { get; set; } = [];

        public string Class { get; set; } = "";

        public float Label { get; set; }

        public bool IsPositive { get; set; }
    }

    private sealed class Prediction
    {
        public float[] Score { get; set; } = [];
    }
}
