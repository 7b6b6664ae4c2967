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

    /// <summary>Columns that are projected to the last inputs; 0: none.</summary>
    public int NarrowInputs { get; init; }

    /// <summary>Number of these inputs.</summary>
    public int NarrowUnits { get; init; }

    public override long Weights => base.Weights + (long)NarrowInputs * NarrowUnits;

    public override long ParameterCount => Weights + (HasBias ? Outputs : 0);

    public override long StoredBytes => ParameterCount * sizeof(float);

    public override NodeParameters CreateParameters(bool compact) => new LinearParameters(Inputs, Outputs, HasBias, compact)
    {
        Narrow = NarrowInputs == 0 ? null : new LinearParameters(NarrowInputs, NarrowUnits, bias: false, compact),
    };

    /// <summary>
    /// Weights are uniform in ±sqrt(3 g² / inputs), with g² the squared gain; biases stay zero, and so does a projection: what a rare
    /// category adds is what its rows have taught it, and no more.
    /// </summary>
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
        if (linear.Narrow is { } narrow)
            input = AddNarrow(graph, name, input, narrow);
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

    /// <summary>The columns with the last ones projected.</summary>
    private string AddNarrow(OnnxGraph graph, string name, string input, LinearParameters narrow)
    {
        int direct = Inputs - NarrowUnits;
        var axis = new OnnxAttribute("axis", 1L);
        var weights = new float[checked(narrow.Inputs * narrow.Outputs)];
        for (int i = 0; i < weights.Length; i++)
            weights[i] = narrow.Weight(i % narrow.Outputs, i / narrow.Outputs);
        string many = graph.Node(
            "Gather", $"{name}.projected",
            [input, graph.Integers($"{name}.projected_columns", [.. Enumerable.Range(direct, NarrowInputs).Select(c => (long)c)])], axis);
        string units = graph.Node(
            "MatMul", $"{name}.projection", [many, graph.Floats($"{name}.projection_weight", weights, narrow.Inputs, narrow.Outputs)]);
        if (direct == 0)
            return units;
        string first = graph.Node(
            "Gather", $"{name}.direct",
            [input, graph.Integers($"{name}.direct_columns", [.. Enumerable.Range(0, direct).Select(c => (long)c)])], axis);
        return graph.Node("Concat", $"{name}.inputs", [first, units], axis);
    }

    public override FoldedMap Fold(NetworkParameters parameters, Node? before, Node? behind, bool compact) =>
        new FoldedDense(this, before, behind, parameters, new LinearParameters(Inputs, Outputs, bias: true, compact)
        {
            Narrow = ((LinearParameters)parameters[this]!).Narrow,
        });

    public override FoldedLinear FoldTable(NetworkParameters parameters, Node? behind, EncodedForm form) =>
        new FoldedTable(this, behind, parameters, form);

    public override FoldedLinear ShareTable(NetworkParameters parameters, EncodedForm form) => new FoldedTable(this, parameters, form);

    public override FoldedLinear Share(NetworkParameters parameters) =>
        new FoldedDense(this, ((LinearParameters)parameters[this]!).ToScore());
}
