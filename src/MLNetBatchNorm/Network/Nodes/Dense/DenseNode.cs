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

    /// <summary>What projects further columns to the last inputs.</summary>
    public IReadOnlyList<ProjectionShape> Projections { get; init; } = [];

    public override long Weights => base.Weights + Projections.Sum(projection => projection.Weights);

    public override long ParameterCount => Weights + (HasBias ? Outputs : 0);

    public override long StoredBytes => ParameterCount * sizeof(float);

    public override NodeParameters CreateParameters(bool compact) => new LinearParameters(Inputs, Outputs, HasBias, compact)
    {
        Projections =
        [
            .. Projections.Select(shape => new LinearParameters(shape.Columns, shape.Units, bias: false, compact)
            {
                EntryDropout = (float)shape.EntryDropout,
            }),
        ],
    };

    /// <summary>
    /// Weights are uniform in ±sqrt(3 g² / inputs), with g² the squared gain; biases stay zero; projections begin next to it.
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
        foreach (LinearParameters projection in linear.Projections)
        {
            for (int i = 0; i < projection.Inputs; i++)
            {
                for (int o = 0; o < projection.Outputs; o++)
                    projection.Weight(o, i) = (float)((2 * random.NextDouble() - 1) * BoundOfProjections);
            }
        }
    }

    /// <summary>
    /// Weights of projections begin next to zero: what a rare category or word adds is what its rows have taught it, and no more. At zero
    /// itself, with nothing else to read, units would rest at the kink of their activation, and no row could teach them.
    /// </summary>
    private const double BoundOfProjections = 0.01;

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
        if (linear.Projections.Length > 0)
            input = AddProjections(graph, name, input, linear.Projections);
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
    private string AddProjections(OnnxGraph graph, string name, string input, LinearParameters[] projections)
    {
        int direct = Inputs - Projections.Sum(shape => shape.Units), column = direct;
        var axis = new OnnxAttribute("axis", 1L);
        string Columns(string what, int first, int count) => graph.Node(
            "Gather", $"{name}.{what}",
            [input, graph.Integers($"{name}.{what}_columns", [.. Enumerable.Range(first, count).Select(c => (long)c)])], axis);
        List<string> inputs = direct == 0 ? [] : [Columns("direct", 0, direct)];
        for (int p = 0; p < projections.Length; p++)
        {
            LinearParameters projection = projections[p];
            var weights = new float[checked(projection.Inputs * projection.Outputs)];
            for (int i = 0; i < weights.Length; i++)
                weights[i] = projection.Weight(i % projection.Outputs, i / projection.Outputs);
            string number = p == 0 ? "" : $"{p + 1}";
            string many = Columns($"projected{number}", column, projection.Inputs);
            string factors = graph.Floats($"{name}.projection{number}_weight", weights, projection.Inputs, projection.Outputs);
            inputs.Add(graph.Node("MatMul", $"{name}.projection{number}", [many, factors]));
            column += projection.Inputs;
        }
        return inputs.Count == 1 ? inputs[0] : graph.Node("Concat", $"{name}.inputs", [.. inputs], axis);
    }

    public override FoldedMap Fold(NetworkParameters parameters, Node? before, Node? behind, bool compact) =>
        new FoldedDense(this, before, behind, parameters, new LinearParameters(Inputs, Outputs, bias: true, compact)
        {
            Projections = ((LinearParameters)parameters[this]!).Projections,
        });

    public override FoldedLinear FoldTable(NetworkParameters parameters, Node? behind, EncodedForm form) =>
        new FoldedTable(this, behind, parameters, form);

    public override FoldedLinear ShareTable(NetworkParameters parameters, EncodedForm form) => new FoldedTable(this, parameters, form);

    public override FoldedLinear Share(NetworkParameters parameters) =>
        new FoldedDense(this, ((LinearParameters)parameters[this]!).ToScore());
}
