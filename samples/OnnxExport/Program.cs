// Does a network that leaves .NET as an ONNX file still give the same scores? Trains, exports, and scores the held-out rows with ONNX Runtime.
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

var ml = new MLContext(seed: 42);
IDataView table = ml.Data.LoadFromTextFile(
    Path.Combine(AppContext.BaseDirectory, "data", "breast_cancer.csv"),
    [new TextLoader.Column("Features", DataKind.Single, 0, 29), new TextLoader.Column("Label", DataKind.Boolean, 30)],
    separatorChar: ',', hasHeader: true);
var split = ml.Data.TrainTestSplit(table, testFraction: 0.2);
var model = ml.BinaryClassification.Trainers.BatchNormNetwork().Fit(split.TrainSet);

string path = Path.Combine(Path.GetTempPath(), $"tumours-{Environment.ProcessId}.onnx");
using (FileStream file = File.Create(path))
    ml.Model.ConvertBatchNormNetworkToOnnx(model, file);
Console.WriteLine($"ONNX file of {new FileInfo(path).Length:N0} bytes");

float[][] rows = [.. split.TestSet.GetColumn<float[]>("Features")];
using (var session = new InferenceSession(path))
{
    var features = new DenseTensor<float>(rows.SelectMany(row => row).ToArray(), [rows.Length, rows[0].Length]);
    using var outputs = session.Run([NamedOnnxValue.CreateFromTensor("Features", features)]);
    float[] onnx = [.. outputs.Single(output => output.Name == "Probability").AsEnumerable<float>()];
    float[] mlNet = [.. model.Transform(split.TestSet).GetColumn<float>("Probability")];
    double difference = onnx.Zip(mlNet).Max(pair => Math.Abs(pair.First - pair.Second));
    Console.WriteLine($"{rows.Length} rows, first three probabilities of ML.NET {string.Join(", ", mlNet.Take(3).Select(p => p.ToString("F4")))}, of ONNX Runtime {string.Join(", ", onnx.Take(3).Select(p => p.ToString("F4")))}");
    Console.WriteLine($"greatest difference below 0.00001: {(difference < 1e-5 ? "yes" : "no")}");
    File.Delete(path);
    return difference < 1e-5 ? 0 : 1;
}
