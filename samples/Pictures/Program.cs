// Do convolutions pay for small pictures? Writes the handwritten digits of samples/data as PNG files, reads them as any folder of
// pictures is read, and trains a convolutional and a dense network on the same rows.
using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using MLNetBatchNorm;
using Pictures;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
const int Side = 12;
var ml = new MLContext(seed: 42);
string folder = Directory.CreateTempSubdirectory("pictures-").FullName;
try
{
    List<DigitFile> files = DigitFiles.Write(Path.Combine(AppContext.BaseDirectory, "data", "digits.csv"), folder);
    var split = ml.Data.TrainTestSplit(ml.Data.LoadFromEnumerable(files), testFraction: 0.2);
    Console.WriteLine($"{files.Count:N0} files, a fifth of them held out");

    // Files of any size become pictures of one, and these become numbers, here of one channel, because the digits are grey.
    var pixels = ml.Transforms.LoadImages("Image", folder, nameof(DigitFile.Path))
        .Append(ml.Transforms.ResizeImages("Image", Side, Side, resizing: ImageResizingEstimator.ResizingKind.Fill))
        .Append(ml.Transforms.ExtractPixels("Features", "Image", ImagePixelExtractingEstimator.ColorBits.Red))
        .Append(ml.Transforms.Conversion.MapValueToKey("Label", nameof(DigitFile.Digit)))
        // Each epoch reads rows from memory in any case; the two trainings below read the files only once.
        .AppendCacheCheckpoint(ml);

    (ITransformer convolutional, double accuracy) = Train("convolutional network", new ImageShape(Side, Side, 1));
    (_, double accuracyOfDense) = Train("dense network", null);
    bool pays = accuracy > accuracyOfDense;
    Console.WriteLine($"convolutions pay: {(pays ? "yes" : "no")}");

    // A saved model holds the whole way from the file's name to the digit.
    string model = Path.Combine(folder, "digits.zip");
    ml.Model.Save(convolutional, split.TestSet.Schema, model);
    ITransformer loaded = new MLContext().Model.Load(model, out _);
    bool same = Scores(convolutional).SequenceEqual(Scores(loaded));
    Console.WriteLine($"saved and loaded, the scores are the same: {(same ? "yes" : "no")}");
    return same && pays ? 0 : 1;

    (ITransformer Model, double Accuracy) Train(string name, ImageShape? shape)
    {
        var clock = Stopwatch.StartNew();
        var options = new BatchNormNetworkMulticlassTrainer.Options { InputShape = shape };
        ITransformer trained = pixels.Append(ml.MulticlassClassification.Trainers.BatchNormNetwork(options)).Fit(split.TrainSet);
        double accuracy = ml.MulticlassClassification.Evaluate(trained.Transform(split.TestSet)).MicroAccuracy;
        Console.WriteLine($"{name}: accuracy {accuracy:F4}, trained in {clock.Elapsed.TotalSeconds:F1} s");
        return (trained, accuracy);
    }

    IEnumerable<float> Scores(ITransformer trained) =>
        trained.Transform(split.TestSet).GetColumn<VBuffer<float>>("Score").SelectMany(score => score.DenseValues());
}
finally
{
    Directory.Delete(folder, recursive: true);
}
