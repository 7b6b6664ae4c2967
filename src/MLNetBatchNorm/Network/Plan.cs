using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// A network expanded into the nodes that data meet, in order; the one place that knows what placements of batch normalization mean.
/// </summary>
/// <remarks>
/// <code>
/// placement          one hidden layer                            output layer
/// None               linear(bias) -> f -> dropout                linear(bias)
/// BeforeActivation   linear -> BN -> f -> dropout                linear(bias)
/// AfterActivation    linear(bias) -> f -> BN -> dropout          linear(bias)
/// LayerInput         BN -> linear(bias) -> f -> dropout          [BN ->] linear(bias)
/// </code>
/// A convolutional layer is the same with a convolution in place of the linear map, and a pooling in front of dropout if it has one.
/// Behind the last one the map is flattened, or the mean of its pixels taken.
///
/// The bias of a linear map is left out exactly where batch normalization is the next node. Training, prediction, files and graphs walk the
/// nodes or what is derived from them here: <see cref="Fuse"/> and <see cref="Stages"/>.
/// </remarks>
internal sealed class Plan
{
    /// <summary>
    /// Squared gain of the output layer, whose weights are uniform in ±1/sqrt(inputs), so that first predictions are small.
    /// </summary>
    private const double SquaredGainOfOutput = 1.0 / 3;

    private readonly NetworkDefinition _definition;

    /// <summary>Expands a definition.</summary>
    public Plan(NetworkDefinition definition)
    {
        (bool beforeLinear, bool behindLinear, bool behindActivation) = Normalized(definition.Placement);
        double squaredGain = Activations.SquaredGain(definition.Activation);
        _definition = definition;
        var nodes = new List<Node>();
        int convolutions = definition.Convolutions.Length;
        for (int layer = 0; layer < convolutions; layer++)
        {
            ConvolutionDefinition convolution = definition.Convolutions[layer];
            MapShape map = definition.MapOf(layer), convolved = convolution.Convolved(map);
            if (beforeLinear)
                nodes.Add(new BatchNormNode(nodes.Count, layer, map.Channels, definition, map.Pixels));
            nodes.Add(new ConvolutionNode(nodes.Count, layer, map, convolution, hasBias: !behindLinear, squaredGain));
            if (behindLinear)
                nodes.Add(new BatchNormNode(nodes.Count, layer, convolved.Channels, definition, convolved.Pixels));
            nodes.Add(new ActivationNode(nodes.Count, layer, convolved.Channels, definition.Activation));
            if (behindActivation)
                nodes.Add(new BatchNormNode(nodes.Count, layer, convolved.Channels, definition, convolved.Pixels));
            if (convolution.Pooling is { } pooling)
                nodes.Add(new PoolingNode(nodes.Count, layer, convolved, pooling));
            if (convolution.DropoutRate > 0)
                nodes.Add(new DropoutNode(nodes.Count, layer, convolved.Channels, convolution.DropoutRate));
        }
        if (convolutions > 0)
        {
            MapShape map = definition.MapOf(convolutions);
            nodes.Add(definition.AveragesPixels
                ? new MeanNode(nodes.Count, convolutions - 1, map)
                : new FlattenNode(nodes.Count, convolutions - 1, map));
        }
        for (int dense = 0; dense < definition.LinearCount; dense++)
        {
            int layer = convolutions + dense;
            bool isOutput = dense == definition.LinearCount - 1;
            int inputs = definition.InputsOf(dense), outputs = definition.OutputsOf(dense);
            if (beforeLinear && (!isOutput || definition.NormalizeOutputLayerInput))
                nodes.Add(new BatchNormNode(nodes.Count, layer, inputs, definition));
            if (isOutput)
            {
                nodes.Add(new DenseNode(nodes.Count, layer, inputs, outputs, hasBias: true, SquaredGainOfOutput));
                break;
            }
            nodes.Add(new DenseNode(nodes.Count, layer, inputs, outputs, hasBias: !behindLinear, squaredGain)
            {
                Projections = layer == 0 ? definition.Projections : [],
            });
            if (behindLinear)
                nodes.Add(new BatchNormNode(nodes.Count, layer, outputs, definition));
            nodes.Add(new ActivationNode(nodes.Count, layer, outputs, definition.Activation));
            if (behindActivation)
                nodes.Add(new BatchNormNode(nodes.Count, layer, outputs, definition));
            if (definition.DropoutRate > 0)
                nodes.Add(new DropoutNode(nodes.Count, layer, outputs, definition.DropoutRate));
        }
        Nodes = nodes;
    }

    /// <summary>Whether its first layers are convolutions over maps of pictures.</summary>
    public bool HasMaps => _definition.Convolutions.Length > 0;

    /// <summary>Where the first node finds rows that are written out.</summary>
    public NodeInput CreateInput(int rowCapacity) =>
        !HasMaps ? new PanelInput(new PanelMatrix(rowCapacity, _definition.Inputs))
        : Nodes[0] is RowNode ? new PictureInput(_definition.MapOf(0), _definition.PixelOrder, rowCapacity)
        : new MapInput(_definition.MapOf(0), _definition.PixelOrder, rowCapacity);

    /// <summary>The nodes in the order in which data meet them.</summary>
    public IReadOnlyList<Node> Nodes { get; }

    /// <summary>Whether the first node is a linear map, which can read sparse rows; others would fill every column.</summary>
    public bool StartsWithLinear => Nodes[0] is LinearNode;

    /// <summary>
    /// How the first node reads rows that are neither all columns nor all entries; null where they are either: where a normalization of the
    /// input needs all values, or workers share the first node's rows because there is no other.
    /// </summary>
    public EncodedForm? FormOf(InputEncoder encoder) =>
        StartsWithLinear && Nodes[^1].Layer > 0 ? EncodedForm.Create(encoder, takesTable: true) : null;

    /// <summary>Whether rows that have no such form are entries.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="sparse">Whether rows are sparse.</param>
    public bool TakesEntries(InputEncoder encoder, bool sparse) => sparse || (encoder.HasEntries && StartsWithLinear);

    /// <summary>Whether networks of a placement normalize their own input.</summary>
    public static bool NormalizesInput(BatchNormalizationPlacement placement) => Normalized(placement).BeforeLinear;

    /// <summary>Nodes with every batch normalization, the activation directly behind it and the pooling behind these made one.</summary>
    public static IReadOnlyList<Node> Fuse(IEnumerable<Node> nodes)
    {
        var fused = new List<Node>();
        foreach (Node node in nodes)
        {
            if (node is ActivationNode activation && fused.Count > 0 && fused[^1] is BatchNormNode { Activation: null } normalization)
                fused[^1] = normalization.With(activation);
            else if (node is PoolingNode pooling && fused.Count > 0 && fused[^1] is BatchNormNode { Pooling: null } normalized)
                fused[^1] = normalized.With(pooling);
            else
                fused.Add(node);
        }
        return fused;
    }

    /// <summary>
    /// The fused nodes in groups, each of which a worker goes through without waiting for others; between two groups all
    /// wait. A group ends where its share of the columns, or rows, is not all that the next node reads. What follows the
    /// last group is a loss, which reads whole rows.
    /// </summary>
    public IReadOnlyList<PlanStage> Stages()
    {
        var stages = new List<PlanStage>();
        var current = new List<Node>();
        NodeScope split = NodeScope.All;               // All: not decided yet
        foreach (Node node in Fuse(Nodes))
        {
            bool waits = node.Scope == NodeScope.All || (split != NodeScope.All && split != node.Scope);
            if (waits && current.Count > 0)
            {
                stages.Add(new PlanStage(current, split == NodeScope.All ? NodeScope.Columns : split));
                current = [];
                split = NodeScope.All;
            }
            current.Add(node);
            if (node.Scope != NodeScope.All)
                split = node.Scope;
        }
        stages.Add(new PlanStage(current, split == NodeScope.All ? NodeScope.Rows : split));
        return stages;
    }

    private static (bool BeforeLinear, bool BehindLinear, bool BehindActivation) Normalized(BatchNormalizationPlacement placement) =>
        placement switch
    {
        BatchNormalizationPlacement.None => (false, false, false),
        BatchNormalizationPlacement.BeforeActivation => (false, true, false),
        BatchNormalizationPlacement.AfterActivation => (false, false, true),
        BatchNormalizationPlacement.LayerInput => (true, false, false),
        _ => throw new ArgumentOutOfRangeException(nameof(placement), placement, "Unknown placement of batch normalization."),
    };
}
