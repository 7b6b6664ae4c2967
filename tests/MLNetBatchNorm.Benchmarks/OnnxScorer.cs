using Microsoft.ML.OnnxRuntime;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>A session of ONNX Runtime on one thread, with memory for a number of rows.</summary>
internal sealed class OnnxScorer : IDisposable
{
    private readonly InferenceSession _session;
    private readonly RunOptions _options = new();
    private readonly OrtValue[] _inputs;
    private readonly OrtValue[] _outputs;
    private readonly string[] _inputNames;
    private readonly string[] _outputNames;

    public OnnxScorer(byte[] model, float[] features, int rows, NetworkCase c)
    {
        using var options = new SessionOptions
        {
            IntraOpNumThreads = 1, InterOpNumThreads = 1, GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
        };
        _session = new InferenceSession(model, options);
        _inputNames = [_session.InputNames[0]];
        _outputNames = [_session.OutputMetadata.First(o => o.Value.ElementType == typeof(float)).Key];
        _inputs = [OrtValue.CreateTensorValueFromMemory(features.AsSpan(0, rows * c.Inputs).ToArray(), [rows, c.Inputs])];
        _outputs = [OrtValue.CreateTensorValueFromMemory(new float[rows * c.Classes], [rows, c.Classes])];
    }

    public void Run() => _session.Run(_options, _inputNames, _inputs, _outputNames, _outputs);

    public void Dispose()
    {
        _inputs[0].Dispose();
        _outputs[0].Dispose();
        _options.Dispose();
        _session.Dispose();
    }
}
