using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>
/// Sets of small pictures: accuracy and log-loss on the test part, and how long <c>Fit</c> took, of a convolutional network and of a
/// dense one, both with the defaults for what they are given.
/// </summary>
/// <remarks>
/// Every folder under the given one, or that one itself, with <c>train</c> and <c>test</c>: <c>meta.json</c> (n, channels, height, width,
/// classes), <c>images.u8.gz</c> (bytes, picture after picture, channel after channel) and <c>labels.u8.gz</c>.
/// A folder with the four files of MNIST is read as well. With --validation the last sixth of the training part is scored and not trained
/// on, and the test part is left alone: to choose defaults by. Lines:
/// NAME images METHOD SEED acc VALUE logloss VALUE fit_s SECONDS images_per_s VALUE, the last one of training pictures and epochs.
/// </remarks>
internal static class ImagesCommand
{
    public static int Run(string[] args)
    {
        if (args.Length == 0)
            throw new ArgumentException("Give the folder of the pictures.");
        int seed = args.Length > 1 && int.TryParse(args[1], out int given) ? given : 1;
        bool validates = args.Contains("--validation");
        string[] settings = [.. args.Skip(1).Where(argument => argument.Contains('='))];
        string[] folders = Directory.Exists(Path.Combine(args[0], "train")) || MnistImages.Are(args[0])
            ? [args[0]]
            : [.. Directory.GetDirectories(args[0]).Where(folder => Directory.Exists(Path.Combine(folder, "train"))).Order()];
        foreach (string folder in folders)
        {
            (PictureSet train, PictureSet test) = PictureSet.ReadBoth(folder);
            if (validates)
                (train, test) = train.Split();
            // Options of pictures are none of a dense network.
            foreach (bool convolutional in settings.Any(IsOfPictures) ? [true] : new[] { true, false })
                Measure(Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)), train, test, convolutional, seed, settings);
        }
        return 0;
    }

    private static void Measure(string name, PictureSet train, PictureSet test, bool convolutional, int seed, string[] settings)
    {
        var context = new MLContext(seed);
        var options = new BatchNormNetworkMulticlassTrainer.Options { Seed = seed };
        if (convolutional)
            options.InputShape = train.Shape;
        foreach (string setting in settings)
            Set(options, setting);
        int epochs = 0;
        options.Progress = new Counter(() => Interlocked.Increment(ref epochs));
        IDataView training = train.View(context);
        var clock = Stopwatch.StartNew();
        ITransformer model = context.Transforms.Conversion.MapValueToKey("Label", keyOrdinality:
                Microsoft.ML.Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue)
            .Append(context.MulticlassClassification.Trainers.BatchNormNetwork(options)).Fit(training);
        double seconds = clock.Elapsed.TotalSeconds;
        MulticlassClassificationMetrics metrics = context.MulticlassClassification.Evaluate(model.Transform(test.View(context)));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{name}\timages\t{(convolutional ? "convolutional" : "dense")}\t{seed}\tacc\t{metrics.MicroAccuracy:F4}\tlogloss\t"
            + $"{metrics.LogLoss:F4}\tfit_s\t{seconds:F1}\timages_per_s\t{epochs * (double)train.Count / seconds:F0}"));
    }

    private static bool IsOfPictures(string setting) => setting.Split('=')[0] is nameof(BatchNormNetworkOptions.Convolutions)
        or nameof(BatchNormNetworkOptions.GlobalAveragePooling) or nameof(BatchNormNetworkOptions.RandomShift)
        or nameof(BatchNormNetworkOptions.RandomHorizontalFlip);

    /// <summary>One option by its name: a number, true, false, or numbers with commas between them.</summary>
    private static void Set(BatchNormNetworkMulticlassTrainer.Options options, string setting)
    {
        string[] parts = setting.Split('=', 2);
        var property = typeof(BatchNormNetworkMulticlassTrainer.Options).GetProperty(parts[0])
            ?? throw new ArgumentException($"There is no option '{parts[0]}'.");
        string json = property.PropertyType.IsArray ? $"[{parts[1]}]" : parts[1];
        property.SetValue(options, JsonSerializer.Deserialize(json, property.PropertyType));
    }

    private sealed class Counter(Action count) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => count();
    }

    /// <summary>Pictures and their classes.</summary>
    private sealed record PictureSet(ImageShape Shape, byte[] Pixels, byte[] Labels)
    {
        public int Count => Labels.Length;

        /// <summary>The training part and the test part of a folder.</summary>
        public static (PictureSet Train, PictureSet Test) ReadBoth(string folder)
        {
            if (!MnistImages.Are(folder))
                return (Read(Path.Combine(folder, "train")), Read(Path.Combine(folder, "test")));
            return (Of(MnistImages.ReadTraining(folder)), Of(MnistImages.ReadTest(folder)));
        }

        /// <summary>All but the last sixth, and that.</summary>
        public (PictureSet Train, PictureSet Held) Split()
        {
            int first = Count - Count / 6, length = Pixels.Length / Count;
            return (
                this with { Pixels = Pixels[..(first * length)], Labels = Labels[..first] },
                this with { Pixels = Pixels[(first * length)..], Labels = Labels[first..] });
        }

        private static PictureSet Of(MnistImages images) => new(new ImageShape(28, 28, 1), images.Pixels, images.Digits);

        private static PictureSet Read(string folder)
        {
            using JsonDocument meta = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "meta.json")));
            int Number(string name) => meta.RootElement.GetProperty(name).GetInt32();
            var shape = new ImageShape(Number("height"), Number("width"), Number("channels"));
            byte[] pixels = ReadBytes(Path.Combine(folder, "images.u8.gz")), labels = ReadBytes(Path.Combine(folder, "labels.u8.gz"));
            if (labels.Length != Number("n") || pixels.Length != (long)labels.Length * shape.Height * shape.Width * shape.Channels)
                throw new InvalidDataException($"{folder}: pictures, labels and meta.json do not agree on how many there are.");
            return new PictureSet(shape, pixels, labels);
        }

        public IDataView View(MLContext context)
        {
            int length = Pixels.Length / Count;
            SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
            schema[nameof(Row.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, length);
            return context.Data.LoadFromEnumerable(
                Enumerable.Range(0, Count).Select(n => new Row
                {
                    Features = Array.ConvertAll(Pixels[(n * length)..((n + 1) * length)], pixel => (float)pixel),
                    Label = Labels[n],
                }),
                schema);
        }

        private static byte[] ReadBytes(string path)
        {
            using var file = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
            using var bytes = new MemoryStream();
            file.CopyTo(bytes);
            return bytes.ToArray();
        }

        private sealed class Row
        {
            public float[] Features { get; set; } = [];

            public uint Label { get; set; }
        }
    }
}
