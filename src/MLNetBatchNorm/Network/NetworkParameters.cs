namespace MLNetBatchNorm.Network;

/// <summary>Everything a network has learned, unfolded, in the form in which it is trained and saved.</summary>
internal sealed class NetworkParameters
{
    private readonly NodeParameters?[] _ofNodes;
    private readonly ILookup<int, NodeParameters> _others;

    /// <summary>Zero weights, gamma as defined.</summary>
    /// <param name="definition">The shape.</param>
    /// <param name="compact">Whether narrow maps take no more memory than they need: for a network that is kept, not trained.</param>
    public NetworkParameters(NetworkDefinition definition, bool compact = false)
    {
        definition.Validate();
        Definition = definition;
        IReadOnlyList<Node> nodes = definition.Plan.Nodes;
        _ofNodes = [.. nodes.Select(node => node.CreateParameters(compact))];
        Linear = [.. _ofNodes.OfType<LinearParameters>()];
        BatchNormalization = new BatchNormalizationParameters?[definition.LayerCount];
        foreach (BatchNormNode node in nodes.OfType<BatchNormNode>())
            BatchNormalization[node.Layer] = (BatchNormalizationParameters)this[node]!;
        _others = nodes.Where(node => this[node] is not (null or LinearParameters or BatchNormalizationParameters))
            .ToLookup(node => node.Layer, node => this[node]!);
    }

    /// <summary>The shape these parameters fill.</summary>
    public NetworkDefinition Definition { get; }

    /// <summary>What a node of <see cref="NetworkDefinition.Plan"/> has learned; null where it learns nothing.</summary>
    public NodeParameters? this[Node node] => _ofNodes[node.Index];

    /// <summary>The linear maps: hidden layers in order, then the output layer. Convolutions are not among them.</summary>
    public LinearParameters[] Linear { get; }

    /// <summary>The linear map of a layer; null where that is a convolution.</summary>
    public LinearParameters? LinearOf(int layer) =>
        layer < Definition.Convolutions.Length ? null : Linear[layer - Definition.Convolutions.Length];

    /// <summary>
    /// The batch normalization of each layer, convolutional ones first, or null; where in the layer it stands, the plan says.
    /// </summary>
    public BatchNormalizationParameters?[] BatchNormalization { get; }

    /// <summary>
    /// What the nodes of a layer have learned that are neither linear maps nor batch normalizations, in order: files have it behind those.
    /// </summary>
    public IEnumerable<NodeParameters> OthersOf(int layer) => _others[layer];

    /// <summary>Number of trained numbers: weights, biases, gammas and betas.</summary>
    public long ParameterCount => Definition.ParameterCount;

    /// <summary>Whether every weight, bias, gamma, beta and statistic is a finite number.</summary>
    public bool IsFinite() => Array.TrueForAll(_ofNodes, parameters => parameters is not { IsFinite: false });

    /// <summary>A deep copy.</summary>
    public NetworkParameters Clone()
    {
        var copy = new NetworkParameters(Definition);
        copy.CopyFrom(this);
        return copy;
    }

    /// <summary>Takes over all values and statistics of a network of the same shape.</summary>
    public void CopyFrom(NetworkParameters source)
    {
        // Dropout, which one may have and the other not, has learned nothing.
        NodeParameters[] own = [.. _ofNodes.OfType<NodeParameters>()], others = [.. source._ofNodes.OfType<NodeParameters>()];
        if (others.Length != own.Length)
        {
            throw new ArgumentException(
                $"The source has {source.Linear.Length} linear maps, this network {Linear.Length}.", nameof(source));
        }
        for (int i = 0; i < own.Length; i++)
            own[i].CopyFrom(others[i]);
    }

    /// <summary>Comes closer to a network of the same shape: every number <c>x += share (target - x)</c>, statistics included.</summary>
    public void Approach(NetworkParameters target, double share)
    {
        for (int i = 0; i < _ofNodes.Length; i++)
            _ofNodes[i]?.Approach(target._ofNodes[i]!, share);
    }
}
