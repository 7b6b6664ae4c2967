using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A convolution: the same linear map of the pixels of a window at every position.</summary>
/// <param name="index">Position in the plan.</param>
/// <param name="layer">The layer it belongs to.</param>
/// <param name="map">What it reads.</param>
/// <param name="convolution">Filters and windows.</param>
/// <param name="hasBias">Whether there is a bias: everywhere but directly in front of batch normalization.</param>
/// <param name="squaredGain">What it multiplies the variance of its inputs by when its weights are drawn.</param>
internal sealed class ConvolutionNode(
    int index, int layer, MapShape map, ConvolutionDefinition convolution, bool hasBias, double squaredGain) : RowNode(
        index, layer, map.Channels, convolution.Filters)
{
    public override string Name { get; } = $"conv{layer + 1}";

    /// <summary>The windows.</summary>
    public WindowGrid Grid { get; } = convolution.Over(map);

    /// <summary>Filters and windows as defined.</summary>
    public ConvolutionDefinition Convolution => convolution;

    /// <summary>What it reads.</summary>
    public MapShape Map => map;

    /// <summary>Whether there is a bias.</summary>
    public bool HasBias => hasBias;

    /// <summary>Numbers that a filter reads at one position.</summary>
    public int WindowInputs => convolution.KernelHeight * convolution.KernelWidth * map.Channels;

    /// <summary>Multiplications and additions of a row.</summary>
    public double WeightsOfRow => (double)WindowInputs * Outputs * Grid.Positions;

    public override int OutputPositions => Grid.Positions;

    public override long ParameterCount => (WindowInputs + (HasBias ? 1L : 0)) * Outputs;

    public override long StoredBytes => ParameterCount * sizeof(float);

    public override bool TakesAffineBehind => true;

    /// <summary>Not with padding, which is zero behind the affine map and would not be in front of it.</summary>
    public override bool TakesAffineInFront => convolution is { Top: 0, Bottom: 0, Left: 0, Right: 0 };

    public override NodeParameters CreateParameters(bool compact) =>
        new ConvolutionParameters(map.Channels, Outputs, convolution.KernelHeight, convolution.KernelWidth, HasBias);

    /// <summary>As <see cref="DenseNode.Initialize"/>, the inputs being those of one position.</summary>
    public override void Initialize(NodeParameters? parameters, ulong seed)
    {
        var weights = (ConvolutionParameters)parameters!;
        double bound = Math.Sqrt(3 * squaredGain / WindowInputs);
        var random = new RandomStream(seed, RandomPurpose.InitialWeights + (ulong)Layer);
        for (int filter = 0; filter < Outputs; filter++)
        {
            for (int channel = 0; channel < map.Channels; channel++)
            {
                for (int row = 0; row < convolution.KernelHeight; row++)
                {
                    for (int column = 0; column < convolution.KernelWidth; column++)
                        weights.Weight(filter, channel, row, column) = (float)((2 * random.NextDouble() - 1) * bound);
                }
            }
        }
    }

    public override RowOperation CreateOperation(NodeInput input, NodeParameters? parameters, int rowCapacity, bool passesGradient) =>
        new ConvolutionOperation(
            this, (ConvolutionParameters)parameters!, input,
            new PanelMatrix(rowCapacity * Grid.Positions, Outputs) { Positions = Grid.Positions }, passesGradient);

    public override FoldedMap Fold(NetworkParameters parameters, Node? before, Node? behind, bool compact) =>
        new FoldedConvolution(this, before, behind, parameters);

    public override string AddTo(OnnxGraph graph, string input, NodeParameters? parameters, string prefix, string? output)
    {
        var weights = (ConvolutionParameters)parameters!;
        string name = prefix + Name;
        var kernels = new float[WindowInputs * Outputs];
        for (int filter = 0; filter < Outputs; filter++)
            weights.CopyKernel(filter, kernels.AsSpan(filter * WindowInputs, WindowInputs));
        string weight = graph.Floats(
            $"{name}.weight", kernels, Outputs, map.Channels, convolution.KernelHeight, convolution.KernelWidth);
        string[] inputs = weights.Bias is { } bias
            ? [input, weight, graph.Floats($"{name}.bias", bias.Span[..Outputs].ToArray(), Outputs)]
            : [input, weight];
        return graph.NodeAs(
            output, "Conv", name, inputs,
            new OnnxAttribute("kernel_shape", [convolution.KernelHeight, convolution.KernelWidth]),
            new OnnxAttribute("strides", [convolution.StrideY, convolution.StrideX]),
            new OnnxAttribute("pads", [convolution.Top, convolution.Left, convolution.Bottom, convolution.Right]));
    }
}
