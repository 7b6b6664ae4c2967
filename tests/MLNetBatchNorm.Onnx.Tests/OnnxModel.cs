using Google.Protobuf;
using Microsoft.ML;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MLNetBatchNorm.OnnxProtocol;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>The content of an ONNX file, to be looked at, changed and run.</summary>
internal sealed class OnnxModel(ModelProto content)
{
    public ModelProto Content { get; } = content;

    /// <summary>Exports a transformer.</summary>
    public static OnnxModel Of(MLContext context, ITransformer transformer, int opSet = 12, bool fold = true)
    {
        using var stream = new MemoryStream();
        context.Model.ConvertBatchNormNetworkToOnnx(
            transformer, stream, new BatchNormNetworkOnnxOptions { OpSetVersion = opSet, FoldBatchNormalization = fold });
        return Read(stream.ToArray());
    }

    public static OnnxModel Read(byte[] bytes) => new(ModelProto.Parser.ParseFrom(bytes));

    public byte[] ToBytes() => Content.ToByteArray();

    public OnnxModel Clone() => new(Content.Clone());

    /// <summary>One thread, and no warnings.</summary>
    public static SessionOptions Options() =>
        new() { IntraOpNumThreads = 1, InterOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };

    /// <summary>The operators of the graph, in order.</summary>
    public string[] Operations => [.. Content.Graph.Node.Select(n => n.OpType)];

    public float[] Initializer(string name)
    {
        TensorProto tensor = Content.Graph.Initializer.Single(t => t.Name == name);
        if (tensor.FloatData.Count > 0)
            return [.. tensor.FloatData];
        var values = new float[tensor.RawData.Length / sizeof(float)];
        Buffer.BlockCopy(tensor.RawData.ToByteArray(), 0, values, 0, tensor.RawData.Length);
        return values;
    }

    public void SetInitializer(string name, float[] values)
    {
        var bytes = new byte[values.Length * sizeof(float)];
        Buffer.BlockCopy(values, 0, bytes, 0, bytes.Length);
        TensorProto tensor = Content.Graph.Initializer.Single(t => t.Name == name);
        tensor.FloatData.Clear();
        tensor.RawData = ByteString.CopyFrom(bytes);
    }

    /// <summary>
    /// Runs rows of features, all at once or one at a time, and returns every output by name, its rows one after the other.
    /// </summary>
    public Dictionary<string, Array> Run(float[][] rows, bool oneByOne = false)
    {
        using SessionOptions options = Options();
        using var session = new InferenceSession(ToBytes(), options);
        if (!oneByOne)
            return Run(session, rows);
        Dictionary<string, Array>[] outputs = [.. rows.Select(row => Run(session, [row]))];
        return outputs[0].Keys.ToDictionary(name => name, name => (Array)outputs.SelectMany(o => o[name].Cast<object>()).ToArray());
    }

    /// <summary>The values of an output, row after row.</summary>
    public static Array Values(DisposableNamedOnnxValue output) => output.ElementType switch
    {
        TensorElementType.Float => output.AsTensor<float>().ToArray(),
        TensorElementType.Bool => output.AsTensor<bool>().ToArray(),
        TensorElementType.UInt32 => output.AsTensor<uint>().ToArray(),
        TensorElementType.String => output.AsTensor<string>().ToArray(),
        _ => throw new NotSupportedException($"Output {output.Name} is of type {output.ElementType}."),
    };

    private static Dictionary<string, Array> Run(InferenceSession session, float[][] rows)
    {
        string input = session.InputMetadata.Keys.Single();
        var tensor = new DenseTensor<float>(rows.SelectMany(r => r).ToArray(), [rows.Length, rows[0].Length]);
        using IDisposableReadOnlyCollection<DisposableNamedOnnxValue> outputs = session.Run(
            [NamedOnnxValue.CreateFromTensor(input, tensor)]);
        return outputs.ToDictionary(o => o.Name, Values);
    }
}
