using BenchmarkDotNet.Attributes;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>
/// The work of a benchmark per call, from which its columns are computed: floating-point operations, or the bytes a pass must touch.
/// </summary>
public interface IKernelWork
{
    /// <summary>What is worked on, for the tables.</summary>
    string Shape { get; }

    /// <summary>Floating-point operations; 0 where the memory's speed decides instead.</summary>
    double Operations(string method);

    /// <summary>Bytes read and written if every array is passed over once; 0 where arithmetic decides.</summary>
    double Bytes(string method);
}

/// <summary>Rows of a mini-batch, inputs and outputs of a linear layer.</summary>
public sealed record LayerShape(int Rows, int Inputs, int Outputs)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Rows}x{Inputs}x{Outputs}";
}

/// <summary>The three products of a linear layer, on one thread.</summary>
public class MatrixBenchmarks : IKernelWork
{
    private AlignedBuffer _x = null!, _w = null!, _wt = null!, _bias = null!, _z = null!, _dx = null!, _dw = null!;

    /// <summary>Layers of the networks of <c>throughput</c>.</summary>
    public static IEnumerable<LayerShape> Shapes =>
        [new(60, 784, 100), new(60, 100, 100), new(256, 32, 128), new(256, 100, 512), new(256, 512, 256), new(1024, 512, 512)];

    /// <summary>The layer.</summary>
    [ParamsSource(nameof(Shapes))]
    public LayerShape Layer { get; set; } = null!;

    /// <inheritdoc/>
    public string Shape => Layer.ToString();

    /// <summary>Allocates and fills the matrices.</summary>
    [GlobalSetup]
    public void Setup()
    {
        (int rows, int inputs, int outputs) = Layer;
        _x = Benchmark.Buffer(PanelLayout.Length(rows, inputs));
        _w = Benchmark.Buffer(PanelLayout.Length(inputs, outputs));
        _wt = Benchmark.Buffer(PanelLayout.Length(outputs, inputs));
        _bias = Benchmark.Buffer(PanelLayout.PanelCount(outputs) * PanelLayout.Width);
        _z = Benchmark.Buffer(PanelLayout.Length(rows, outputs));
        _dx = Benchmark.Buffer(PanelLayout.Length(rows, inputs));
        _dw = Benchmark.Buffer(PanelLayout.Length(inputs, outputs));
    }

    /// <summary>z = x W + b.</summary>
    [Benchmark]
    public void Forward() =>
        MatrixMultiply.Multiply(
            _x.Span, Layer.Rows, Layer.Inputs, _w.Span, _bias.Span, _z.Span, Layer.Rows, 0, Layer.Rows, 0,
            PanelLayout.PanelCount(Layer.Outputs));

    /// <summary>dx = dz W^T.</summary>
    [Benchmark]
    public void InputGradient() =>
        MatrixMultiply.Multiply(
            _z.Span, Layer.Rows, Layer.Outputs, _wt.Span, default, _dx.Span, Layer.Rows, 0, Layer.Rows, 0,
            PanelLayout.PanelCount(Layer.Inputs));

    /// <summary>dW = x^T dz.</summary>
    [Benchmark]
    public void WeightGradient() =>
        MatrixMultiply.WeightGradient(
            _x.Span, Layer.Rows, Layer.Inputs, _z.Span, Layer.Rows, Layer.Rows, _dw.Span, 0, PanelLayout.PanelCount(Layer.Outputs));

    /// <inheritdoc/>
    public double Operations(string method) => 2.0 * Layer.Rows * Layer.Inputs * Layer.Outputs;

    /// <inheritdoc/>
    public double Bytes(string method) => 0;
}

/// <summary>The passes over the activations of a layer, on one thread.</summary>
public class LayerBenchmarks : IKernelWork
{
    private AlignedBuffer _x = null!, _y = null!, _d = null!, _column = null!, _one = null!, _sums = null!, _moments = null!;

    /// <summary>Rows and columns of the hidden layers of <c>throughput</c>.</summary>
    public static IEnumerable<LayerShape> Shapes => [new(60, 0, 100), new(256, 0, 256), new(1024, 0, 512)];

    /// <summary>The layer; its inputs do not matter.</summary>
    [ParamsSource(nameof(Shapes))]
    public LayerShape Layer { get; set; } = null!;

    /// <inheritdoc/>
    public string Shape => $"{Layer.Rows}x{Layer.Outputs}";

    private int Panels => PanelLayout.PanelCount(Layer.Outputs);

    /// <summary>Allocates and fills the matrices.</summary>
    [GlobalSetup]
    public void Setup()
    {
        long length = PanelLayout.Length(Layer.Rows, Layer.Outputs);
        (_x, _y, _d) = (Benchmark.Buffer(length), Benchmark.Buffer(length), Benchmark.Buffer(length));
        (_column, _one, _sums, _moments) =
            (new(PanelLayout.Width), new(PanelLayout.Width), new(2 * PanelLayout.Width), new(3 * PanelLayout.Width));
        _one.Span.Fill(1);
    }

    /// <summary>Means and variances of the columns.</summary>
    [Benchmark]
    public void Moments()
    {
        Span<float> moments = _moments.Span;
        for (int p = 0; p < Panels; p++)
            ColumnStatistics.Moments(Panel(_x, p), Layer.Rows, moments[..16], moments.Slice(16, 16), moments.Slice(32, 16));
    }

    /// <summary>Normalization and ReLU.</summary>
    [Benchmark]
    public void NormalizeReLU()
    {
        for (int p = 0; p < Panels; p++)
        {
            BatchNormKernels.Normalize(
                ActivationFunction.ReLU, Panel(_x, p), Layer.Rows, _column.Span, _column.Span, _one.Span,
                _one.Span, _column.Span, Panel(_y, p));
        }
    }

    /// <summary>Gradients of gamma and beta, through ReLU.</summary>
    [Benchmark]
    public void BackwardSumsReLU()
    {
        for (int p = 0; p < Panels; p++)
        {
            BatchNormKernels.BackwardSums(
                ActivationFunction.ReLU, Panel(_x, p), Layer.Rows, _column.Span, _column.Span, _one.Span, _one.Span, _column.Span,
                Panel(_y, p), Panel(_d, p), _sums.Span[..16], _sums.Span[16..]);
        }
    }

    /// <summary>Gradient of the normalization's input.</summary>
    [Benchmark]
    public void BackwardInput()
    {
        // Sums of zero leave the gradient as it is, so that repeated calls do not drive it out of range.
        for (int p = 0; p < Panels; p++)
        {
            BatchNormKernels.BackwardInput(
                Panel(_x, p), Layer.Rows, _column.Span, _column.Span, _one.Span, _one.Span, _column.Span, _column.Span, Panel(_d, p));
        }
    }

    /// <summary>ReLU alone.</summary>
    [Benchmark]
    public void ReLU() => ActivationKernels.Forward(ActivationFunction.ReLU, _x.Span, _y.Span);

    /// <summary>The logistic sigmoid alone.</summary>
    [Benchmark]
    public void Sigmoid() => ActivationKernels.Forward(ActivationFunction.Sigmoid, _x.Span, _y.Span);

    /// <summary>GELU alone.</summary>
    [Benchmark]
    public void GELU() => ActivationKernels.Forward(ActivationFunction.GELU, _x.Span, _y.Span);

    /// <summary>Mish alone.</summary>
    [Benchmark]
    public void Mish() => ActivationKernels.Forward(ActivationFunction.Mish, _x.Span, _y.Span);

    /// <inheritdoc/>
    public double Operations(string method) => 0;

    /// <inheritdoc/>
    public double Bytes(string method)
    {
        int arrays = method switch
        {
            nameof(Moments) => 1,
            nameof(BackwardSumsReLU) => 4,             // x, y and d are read, d is written
            nameof(BackwardInput) => 3,
            _ => 2,
        };
        return sizeof(float) * (double)arrays * PanelLayout.Length(Layer.Rows, Layer.Outputs);
    }

    private Span<float> Panel(AlignedBuffer buffer, int panel) =>
        buffer.Span.Slice(panel * Layer.Rows * PanelLayout.Width, Layer.Rows * PanelLayout.Width);
}

/// <summary>One update of all parameters, on one thread.</summary>
public class OptimizerBenchmarks : IKernelWork
{
    private AlignedBuffer _p = null!, _g = null!, _m = null!, _v = null!;

    /// <summary>Parameters of a layer of <c>mnist</c>, and of the largest of <c>wide</c>.</summary>
    [Params(100 * 112, 512 * 512)]
    public int Parameters { get; set; }

    /// <inheritdoc/>
    public string Shape => Parameters.ToString();

    /// <summary>Allocates and fills the arrays.</summary>
    [GlobalSetup]
    public void Setup() =>
        (_p, _g, _m, _v) =
            (Benchmark.Buffer(Parameters), Benchmark.Buffer(Parameters), Benchmark.Buffer(Parameters), new AlignedBuffer(Parameters));

    /// <summary>Plain gradient descent.</summary>
    [Benchmark]
    public void Sgd() => OptimizerKernels.Sgd(_p.Span, _g.Span, 1e-9f, 0);

    /// <summary>Gradient descent with momentum.</summary>
    [Benchmark]
    public void SgdMomentum() => OptimizerKernels.SgdMomentum(_p.Span, _g.Span, _m.Span, 1e-9f, 0.9f, nesterov: false, 0);

    /// <summary>AdamW.</summary>
    [Benchmark]
    public void AdamW() =>
        OptimizerKernels.AdamW(_p.Span, _g.Span, _m.Span, _v.Span, new AdamCoefficients(1e-9, 0.9, 0.999, 1e-8, 0.01, 1000));

    /// <inheritdoc/>
    public double Operations(string method) => 0;

    /// <inheritdoc/>
    public double Bytes(string method)
    {
        int arrays = method switch
        {
            nameof(Sgd) => 3,
            nameof(SgdMomentum) => 5,
            _ => 7,
        };
        return sizeof(float) * (double)arrays * Parameters;
    }
}

/// <summary>What the kernel benchmarks share.</summary>
internal static class Benchmark
{
    /// <summary>Numbers in [-1, 1).</summary>
    public static AlignedBuffer Buffer(long length)
    {
        var buffer = new AlignedBuffer(length);
        var random = new RandomStream(1, (ulong)length);
        foreach (ref float value in buffer.Span)
            value = (float)(2 * random.NextDouble() - 1);
        return buffer;
    }
}
