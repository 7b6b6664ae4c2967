using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A linear map <c>y = x W^T + b</c>.</summary>
/// <param name="index">Position in the plan.</param>
/// <param name="layer">The layer it belongs to.</param>
/// <param name="inputs">Columns it reads.</param>
/// <param name="outputs">Columns it writes.</param>
/// <param name="hasBias">Whether there is a b: everywhere but directly in front of batch normalization.</param>
/// <param name="squaredGain">What it multiplies the variance of its inputs by when its weights are drawn.</param>
internal sealed class DenseNode(int index, int layer, int inputs, int outputs, bool hasBias, double squaredGain) : LinearNode(
    index, layer, inputs, outputs)
{
    /// <summary>Whether there is a b.</summary>
    public bool HasBias => hasBias;

    public override long ParameterCount => (Inputs + (HasBias ? 1L : 0)) * Outputs;

    public override long StoredBytes => ParameterCount * sizeof(float);

    public override NodeParameters CreateParameters(bool compact) => new LinearParameters(Inputs, Outputs, HasBias, compact);

    /// <summary>Weights are uniform in ±sqrt(3 g² / inputs), with g² the squared gain; biases stay zero.</summary>
    /// <remarks>Uniform, not normal: it needs no logarithm or cosine, whose last bit differs between systems.</remarks>
    public override void Initialize(NodeParameters? parameters, ulong seed)
    {
        var linear = (LinearParameters)parameters!;
        double bound = Math.Sqrt(3 * squaredGain / Inputs);
        var random = new RandomStream(seed, RandomPurpose.InitialWeights + (ulong)Layer);
        for (int o = 0; o < Outputs; o++)
        {
            for (int i = 0; i < Inputs; i++)
                linear.Weight(o, i) = (float)((2 * random.NextDouble() - 1) * bound);
        }
    }

    public override LinearLayer CreateLayer(
        NodeInput input, NodeParameters? parameters, int rowCapacity, bool passesGradient, MatrixProducts products)
    {
        var linear = (LinearParameters)parameters!;
        var output = new PanelMatrix(rowCapacity, Outputs);
        return input switch
        {
            PanelInput panels => new DenseLayer(Name, linear, panels.Values, output, passesGradient, products),
            TableInput table => new TableLayer(Name, linear, table, output, products),
            SparseRowsInput sparse => new SparseLayer(Name, linear, sparse.Rows, output),
            _ => throw new ArgumentException($"A linear map does not read {input.GetType().Name}.", nameof(input)),
        };
    }

    /// <remarks>A map without bias needs opset 11, all others 9.</remarks>
    public override string AddTo(OnnxGraph graph, string input, NodeParameters? parameters, string prefix, string? output)
    {
        var linear = (LinearParameters)parameters!;
        string name = prefix + Name;
        var weights = new float[checked(Outputs * Inputs)];
        for (int o = 0; o < Outputs; o++)
        {
            for (int i = 0; i < Inputs; i++)
                weights[o * Inputs + i] = linear.Weight(o, i);
        }

        string weight = graph.Floats($"{name}.weight", weights, Outputs, Inputs);
        string[] inputs = linear.Bias is { } bias
            ? [input, weight, graph.Floats($"{name}.bias", bias.Span[..Outputs].ToArray(), Outputs)]
            : [input, weight];
        return graph.NodeAs(output, "Gemm", name, inputs, new OnnxAttribute("transB", 1L));
    }

    public override FoldedMap Fold(NetworkParameters parameters, Node? before, Node? behind, bool compact) =>
        new FoldedDense(this, before, behind, parameters, new LinearParameters(Inputs, Outputs, bias: true, compact));

    public override FoldedLinear FoldTable(NetworkParameters parameters, Node? behind, EncodedForm form) =>
        new FoldedTable(this, behind, parameters, form);

    public override FoldedLinear ShareTable(NetworkParameters parameters, EncodedForm form) => new FoldedTable(this, parameters, form);

    public override FoldedLinear Share(NetworkParameters parameters) =>
        new FoldedDense(this, ((LinearParameters)parameters[this]!).ToScore());
}
