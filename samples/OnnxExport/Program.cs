// Does a network that leaves .NET as an ONNX file still give the same scores? Trains a pipeline, writes it in two ways, and scores the
// held-out rows with both.
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MLNetBatchNorm.Samples;

var ml = new MLContext(seed: 42);
var split = ml.Data.TrainTestSplit(ml.Data.LoadFromEnumerable(Fare.Generate(3000)), testFraction: 0.2);
var pipeline = ml.Transforms.Categorical.OneHotEncoding("Paid", "Payment")
    .Append(ml.Transforms.Concatenate("Features", "Distance", "Hour", "Paid"))
    .Append(ml.Regression.Trainers.BatchNormNetwork(labelColumnName: "Amount"));
var model = pipeline.Fit(split.TrainSet);
IDataView scored = model.Transform(split.TestSet);
float[] mlNet = [.. scored.GetColumn<float>("Score")];

string folder = Directory.CreateTempSubdirectory("onnx-").FullName;
string networkFile = Path.Combine(folder, "network.onnx"), pipelineFile = Path.Combine(folder, "pipeline.onnx");
try
{
    // MLNetBatchNorm.Onnx: the network alone. It reads what the network reads, the column of features.
    using (FileStream file = File.Create(networkFile))
        ml.Model.ConvertBatchNormNetworkToOnnx(model.LastTransformer, file);
    float[] network = RunNetwork(networkFile, [.. scored.GetColumn<float[]>("Features")]);

    // ML.NET's own converter: everything from the raw columns on. What it is given has no column for the fare, and so the file asks for
    // none.
    using (FileStream file = File.Create(pipelineFile))
        ml.Model.ConvertToOnnx(model, ml.Data.LoadFromEnumerable<Ride>([]), file);
    var onnx = ml.Transforms.ApplyOnnxModel(["Score.output"], ["Distance", "Hour", "Payment"], pipelineFile);
    using var transformer = onnx.Fit(split.TestSet);
    float[] whole = [.. transformer.Transform(split.TestSet).GetColumn<float[]>("Score").Select(score => score[0])];

    long networkBytes = new FileInfo(networkFile).Length, pipelineBytes = new FileInfo(pipelineFile).Length;
    Console.WriteLine($"the network alone: {networkBytes:N0} bytes; the whole pipeline: {pipelineBytes:N0} bytes");
    Console.WriteLine($"{mlNet.Length} fares, the first three of ML.NET: {First(mlNet)}");
    Console.WriteLine($"of the network's file: {First(network)}");
    Console.WriteLine($"of the pipeline's file: {First(whole)}");
    bool same = Difference(network) < 1e-5 && Difference(whole) < 1e-5;
    Console.WriteLine($"greatest difference below 0.00001 of the range: {(same ? "yes" : "no")}");
    return same ? 0 : 1;
}
finally
{
    Directory.Delete(folder, recursive: true);
}

static float[] RunNetwork(string path, float[][] rows)
{
    using var session = new InferenceSession(path);
    var features = new DenseTensor<float>(rows.SelectMany(row => row).ToArray(), [rows.Length, rows[0].Length]);
    using var outputs = session.Run([NamedOnnxValue.CreateFromTensor("Features", features)]);
    return [.. outputs.Single(output => output.Name == "Score").AsEnumerable<float>()];
}

static string First(float[] scores) => string.Join(", ", scores.Take(3).Select(score => score.ToString("F4")));

double Difference(float[] scores) => scores.Zip(mlNet).Max(pair => Math.Abs(pair.First - pair.Second)) / (mlNet.Max() - mlNet.Min());

/// <summary>What is known of a ride before it is paid.</summary>
internal sealed class Ride
{
    public float Distance { get; set; }

    public float Hour { get; set; }

    public string Payment { get; set; } = "";
}
