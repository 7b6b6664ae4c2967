using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet.Trainers;

/// <summary>Pictures from files through ML.NET's own transforms, and networks of pictures in cross-validation.</summary>
[TestClass]
public sealed class PicturePipelineTests
{
    private const int Side = 8;

    private static readonly string s_folder = Directory.CreateTempSubdirectory("picture-files-").FullName;

    [ClassCleanup]
    public static void DeleteFiles() => Directory.Delete(s_folder, recursive: true);

    /// <summary>
    /// Both orders in which <c>ExtractPixels</c> writes a picture give the same network, and the wrong one another; a saved model leads
    /// from the name of a file to its class, also one file at a time.
    /// </summary>
    [TestMethod]
    public void Fit_PicturesFromFiles_EitherOrderAndSaved()
    {
        var context = new MLContext(1);
        var warnings = new List<string>();
        context.Log += (_, e) =>
        {
            if (e.RawMessage.Contains("dimensions", StringComparison.Ordinal))
                warnings.Add(e.RawMessage);
        };
        List<PictureFile> files = WriteFiles();
        IDataView view = context.Data.LoadFromEnumerable(files);
        ITransformer planar = Pipeline(context, interleaved: false, PixelOrder.Planar).Fit(view);
        float[] expected = Scores(planar.Transform(view));
        Assert.AreEqual(files.Count * 4, expected.Length);
        Assert.IsGreaterThan(0.9, context.MulticlassClassification.Evaluate(planar.Transform(view)).MicroAccuracy);
        CollectionAssert.AreEqual(
            expected, Scores(Pipeline(context, interleaved: true, PixelOrder.Interleaved).Fit(view).Transform(view)));
        Assert.IsEmpty(warnings, string.Join("\n", warnings));
        CollectionAssert.AreNotEqual(
            expected, Scores(Pipeline(context, interleaved: true, PixelOrder.Planar).Fit(view).Transform(view)));
        Assert.HasCount(1, warnings);
        Assert.StartsWith(
            "Feature column 'Features' has the dimensions 8 x 8 x 3, but InputShape is 8 x 8 x 3 in Planar order, which is 3 x 8 x 8.",
            warnings[0]);

        using var stream = new MemoryStream();
        context.Model.Save(planar, view.Schema, stream);
        stream.Position = 0;
        ITransformer loaded = new MLContext(3).Model.Load(stream, out _);
        CollectionAssert.AreEqual(expected, Scores(loaded.Transform(view)));
        using var engine = context.Model.CreatePredictionEngine<PictureFile, Prediction>(loaded);
        CollectionAssert.AreEqual(expected, files.SelectMany(file => engine.Predict(file).Score).ToArray());
    }

    /// <summary>ML.NET's folds, over every task.</summary>
    [TestMethod]
    public void CrossValidate_Pictures_EveryFoldLearns()
    {
        var context = new MLContext(1);
        List<Picture> rows = Picture.Rows(300);
        var classes = context.MulticlassClassification.CrossValidate(
            Picture.View(context, NetworkKind.Multiclass, rows), NetworkExamples.Quick(context, NetworkKind.Multiclass, Picture.Shape), 3);
        var labels = context.BinaryClassification.CrossValidate(
            Picture.View(context, NetworkKind.Binary, rows), NetworkExamples.Quick(context, NetworkKind.Binary, Picture.Shape), 3);
        var numbers = context.Regression.CrossValidate(
            Picture.View(context, NetworkKind.Regression, rows), NetworkExamples.Quick(context, NetworkKind.Regression, Picture.Shape), 3);
        double[] qualities =
        [
            .. classes.Select(fold => fold.Metrics.MicroAccuracy), .. labels.Select(fold => fold.Metrics.Accuracy),
            .. numbers.Select(fold => fold.Metrics.RSquared),
        ];
        Assert.HasCount(9, qualities);
        Assert.IsGreaterThan(0.6, qualities.Min(), string.Join(" ", qualities));
    }

    private static EstimatorChain<ITransformer> Pipeline(MLContext context, bool interleaved, PixelOrder order)
    {
        var options = NetworkExamples.QuickOptions<BatchNormNetworkMulticlassTrainer.Options>();
        options.InputShape = new ImageShape(Side, Side, 3) { Order = order };
        options.Convolutions = [new ConvolutionLayer(8, 3) { Pooling = PoolingKind.Maximum }];
        options.HiddenUnits = [16];
        options.MaximumNumberOfEpochs = 30;
        return context.Transforms.LoadImages("Image", s_folder, nameof(PictureFile.Path))
            .Append(context.Transforms.ResizeImages("Image", Side, Side, resizing: ImageResizingEstimator.ResizingKind.Fill))
            .Append(context.Transforms.ExtractPixels("Features", "Image", interleavePixelColors: interleaved))
            .Append(context.Transforms.Conversion.MapValueToKey("Label", nameof(PictureFile.Class)))
            .Append((IEstimator<ITransformer>)context.MulticlassClassification.Trainers.BatchNormNetwork(options));
    }

    /// <summary>A red or a blue bar, upright or lying: neither the colour nor the place alone says which.</summary>
    private static List<PictureFile> WriteFiles()
    {
        const int Width = 12, Height = 10;
        var random = new Random(5);
        var files = new List<PictureFile>();
        byte[] pixels = new byte[4 * Width * Height];
        for (int n = 0; n < 160; n++)
        {
            bool isRed = n % 2 == 0, isUpright = n / 2 % 2 == 0;
            int place = random.Next(1, (isUpright ? Width : Height) - 1);
            for (int i = 0; i < Width * Height; i++)
            {
                bool isOn = isUpright ? i % Width == place : i / Width == place;
                for (int channel = 0; channel < 3; channel++)
                {
                    bool isBright = isOn && (channel == 0 ? isRed : channel == 2 && !isRed);
                    pixels[4 * i + channel] = (byte)((isBright ? 180 : 20) + random.Next(20));
                }
                pixels[4 * i + 3] = byte.MaxValue;
            }
            var file = new PictureFile
            {
                Path = $"{n}.png", Class = $"{(isRed ? "red" : "blue")} {(isUpright ? "upright" : "lying")}",
            };
            using MLImage picture = MLImage.CreateFromPixels(Width, Height, MLPixelFormat.Rgba32, pixels);
            picture.Save(Path.Combine(s_folder, file.Path));
            files.Add(file);
        }
        return files;
    }

    private static float[] Scores(IDataView scored) =>
        [.. scored.GetColumn<VBuffer<float>>("Score").SelectMany(row => row.DenseValues())];

    private sealed class PictureFile
    {
        public string Path { get; set; } = "";

        public string Class { get; set; } = "";
    }

    private sealed class Prediction
    {
        public float[] Score { get; set; } = [];
    }
}
