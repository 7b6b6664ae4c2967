using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>
/// A whole pipeline as ML.NET's own converter (the package Microsoft.ML.OnnxConverter) writes it, to be scored in two ways.
/// </summary>
internal sealed class ConvertedPipeline(OnnxModel model)
{
    /// <summary>What ML.NET's converter appends to the name of a column to name an output.</summary>
    public const string OutputSuffix = ".output";

    private static readonly string[] s_results = ["Score", "Probability", "PredictedLabel", "Price", "Normalized"];

    public OnnxModel Model { get; } = model;

    /// <summary>Converts what leads from <paramref name="source"/> to the transformer's columns.</summary>
    public static ConvertedPipeline Of(MLContext context, ITransformer transformer, IDataView source, int opSet = 12)
    {
        using var stream = new MemoryStream();
        context.Model.ConvertToOnnx(transformer, source, opSet, stream);
        return new ConvertedPipeline(OnnxModel.Read(stream.ToArray()));
    }

    /// <summary>
    /// The outputs that are results, by the name of their column: not the inputs and columns between, which the converter passes on as
    /// well.
    /// </summary>
    public string[] Results => [.. Model.Content.Graph.Output.Select(output => output.Name)
        .Where(name => name.EndsWith(OutputSuffix, StringComparison.Ordinal))
        .Select(name => name[..^OutputSuffix.Length]).Where(name => s_results.Contains(name))];

    private string[] Outputs => [.. Results.Select(name => name + OutputSuffix)];

    /// <summary>The results that ONNX Runtime computes, all rows in one call or one after the other.</summary>
    public Dictionary<string, Array> Run(IDataView rows, bool oneByOne = false)
    {
        using SessionOptions options = OnnxModel.Options();
        using var session = new InferenceSession(Model.ToBytes(), options);
        Dictionary<string, Array> inputs = session.InputMetadata.Keys.ToDictionary(name => name, name => Parity.Column(rows, name));
        Dictionary<string, int> widths = inputs.Keys.ToDictionary(
            name => name, name => (rows.Schema[name].Type as VectorDataViewType)?.Size ?? 1);
        int count = inputs.First().Value.Length / widths[inputs.First().Key];
        int step = oneByOne ? 1 : count;
        var results = Results.ToDictionary(name => name, _ => new List<object>());
        for (int row = 0; row < count; row += step)
        {
            NamedOnnxValue[] block =
                [.. inputs.Select(input => Value(input.Key, input.Value, row * widths[input.Key], step, widths[input.Key]))];
            using IDisposableReadOnlyCollection<DisposableNamedOnnxValue> outputs = session.Run(block, Outputs);
            foreach (DisposableNamedOnnxValue output in outputs)
                results[output.Name[..^OutputSuffix.Length]].AddRange(OnnxModel.Values(output).Cast<object>());
        }

        return results.ToDictionary(result => result.Key, result => (Array)result.Value.ToArray());
    }

    /// <summary>The results of ML.NET's transform that scores an ONNX file (the package Microsoft.ML.OnnxTransformer).</summary>
    public Dictionary<string, Array> Apply(MLContext context, IDataView rows)
    {
        string path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.onnx");
        try
        {
            File.WriteAllBytes(path, Model.ToBytes());
            string[] inputs = [.. Model.Content.Graph.Input.Select(input => input.Name)];
            using var transformer = context.Transforms.ApplyOnnxModel(Outputs, inputs, path).Fit(rows);

            // The transform takes the suffix off again: the columns have the names they had in ML.NET.
            IDataView scored = transformer.Transform(rows);
            return Results.ToDictionary(name => name, name => Parity.Column(scored, name));
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static NamedOnnxValue Value(string name, Array all, int start, int rows, int width)
    {
        return all switch
        {
            float[] values => NamedOnnxValue.CreateFromTensor(name, Block(values)),
            double[] values => NamedOnnxValue.CreateFromTensor(name, Block(values)),
            int[] values => NamedOnnxValue.CreateFromTensor(name, Block(values)),
            bool[] values => NamedOnnxValue.CreateFromTensor(name, Block(values)),
            uint[] values => NamedOnnxValue.CreateFromTensor(name, Block(values)),
            string[] values => NamedOnnxValue.CreateFromTensor(name, Block(values)),
            _ => throw new NotSupportedException($"Input {name} is of type {all.GetType().Name}."),
        };

        DenseTensor<T> Block<T>(T[] values) => new(values.AsMemory(start, rows * width), [rows, width]);
    }
}
