using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A convolution in prediction, with what is affine behind it, and in front of it where nothing is padded, folded in.</summary>
internal sealed class FoldedConvolution : FoldedMap
{
    private readonly ConvolutionNode _node;
    private readonly ConvolutionParameters _folded;

    // The kernels transformed, where the convolution takes them so.
    private readonly AlignedBuffer? _transformed;
    private readonly Node? _before;
    private readonly Node? _behind;

    /// <summary>The convolution with its neighbours.</summary>
    public FoldedConvolution(ConvolutionNode node, Node? before, Node? behind, NetworkParameters network)
        : this(node, before, behind, network, Create(node))
    {
    }

    private FoldedConvolution(
        ConvolutionNode node, Node? before, Node? behind, NetworkParameters network, ConvolutionParameters folded)
        : base(node, folded)
    {
        _node = node;
        _folded = folded;
        _before = before;
        _behind = behind;
        if (IsTransformed(node))
            _transformed = new AlignedBuffer(WinogradConvolution.TransformedLength(node.Inputs, node.Outputs));
        Refold(network);
    }

    /// <summary>Whether it keeps the transformed kernels too; of the network's own input, which need not be a map, it does not.</summary>
    public static bool IsTransformed(ConvolutionNode node) =>
        node.Index > 0 && WinogradConvolution.Takes(node.Grid, node.Inputs, node.Outputs);

    public override void Refold(NetworkParameters network)
    {
        var weights = (ConvolutionParameters)network[Node]!;
        (double[] Scale, double[] Shift)? input = _before?.Affine(network[_before]), output = _behind?.Affine(network[_behind]);
        for (int filter = 0; filter < weights.Filters; filter++)
        {
            // In double, rounded once, as in Folding.Fold.
            double scale = output?.Scale[filter] ?? 1, sum = weights.Bias is null ? 0 : weights.Bias.Span[filter];
            int at = weights.WeightIndex(filter, 0, 0, 0);
            for (int i = 0; i < weights.Inputs; i++, at += PanelLayout.Width)
            {
                double weight = weights.Weights.Span[at];
                if (input is { } affine)
                {
                    sum += weight * affine.Shift[i % weights.Channels];
                    weight *= affine.Scale[i % weights.Channels];
                }
                _folded.Weights.Span[at] = (float)(weight * scale);
            }
            _folded.Bias!.Span[filter] = (float)(sum * scale + (output?.Shift[filter] ?? 0));
        }
        if (_transformed is not null)
            WinogradConvolution.Transform(_folded.Weights.Span, _node.Inputs, _node.Outputs, _transformed.Span);
    }

    public override MapOutput CreateOutput(PanelMatrix output) => new(output)
    {
        Patches = _transformed is null ? new PatchPanels(_node.Grid, _node.Inputs, output.RowCapacity) : null,
        Winograd = _transformed is null ? null : new WinogradConvolution(_node.Grid, _node.Inputs, _node.Outputs),
    };

    public override void Apply(NodeInput input, int rows, MapOutput output)
    {
        if (_transformed is not null)
        {
            output.Winograd!.Multiply(((PanelInput)input).Values, rows, _transformed.Span, _folded.Bias!.Span, output.Values);
            return;
        }
        PictureSource source = input is PictureInput pictures ? pictures.Source : PictureSource.Map(((PanelInput)input).Values);
        output.Patches!.Multiply(source, 0, rows * _node.Grid.Positions, _folded.Weights.Span, _folded.Bias!.Span, output.Values);
    }

    private static ConvolutionParameters Create(ConvolutionNode node) =>
        new(node.Inputs, node.Outputs, node.Convolution.KernelHeight, node.Convolution.KernelWidth, bias: true);
}
