using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>The shape of a network: everything that is decided before training and never changes.</summary>
/// <remarks>What the placement comes to, node by node, is in <see cref="Plan"/>.</remarks>
internal sealed class NetworkDefinition
{
    /// <summary>Limits of the counts in a file, so that a damaged or hostile one is refused before anything is allocated for it.</summary>
    public const int MaximumInputs = InputEncoder.MaximumColumns;

    /// <inheritdoc cref="MaximumInputs"/>
    public const int MaximumUnits = 1 << 20;

    /// <inheritdoc cref="MaximumInputs"/>
    public const int MaximumHiddenLayers = 1 << 10;

    /// <inheritdoc cref="MaximumInputs"/>
    public const int MaximumConvolutions = 64;

    /// <summary>Numbers of a map, and weights of a convolution, at most: 64 MB each.</summary>
    public const int MaximumMapValues = 1 << 24;

    /// <summary>Numbers of one map of all pictures of a mini-batch: what an array of floats holds, less its alignment.</summary>
    public const int MaximumBatchValues = 0x7FFFFFC7 - 64;

    private Plan? _plan;

    /// <summary>Number of columns the first operation sees.</summary>
    public required int Inputs { get; init; }

    /// <summary>The size of a row that is a picture; null where it is none.</summary>
    public MapShape? Picture { get; init; }

    /// <summary>In which order the numbers of a picture stand.</summary>
    public PixelOrder PixelOrder { get; init; }

    /// <summary>The convolutional layers in front of the hidden layers; only where a row is a picture.</summary>
    public ConvolutionDefinition[] Convolutions { get; init; } = [];

    /// <summary>Whether the mean of each channel of the last map goes to the hidden layers, and not all its pixels.</summary>
    public bool AveragesPixels { get; init; }

    /// <summary>How the last columns enter through projections, in their order; their columns do not enter by themselves.</summary>
    public IReadOnlyList<ProjectionShape> Projections { get; private set; } = [];

    /// <summary>Numbers that columns are projected to, of all projections: the last inputs of the first linear map.</summary>
    public int ProjectedUnits => Projections.Sum(projection => projection.Units);

    /// <summary>Units of each hidden layer, in order; may be empty (a linear model).</summary>
    public required int[] HiddenUnits { get; init; }

    /// <summary>Number of outputs: logits or predictions.</summary>
    public required int Outputs { get; init; }

    /// <summary>f, the same in all hidden layers.</summary>
    public ActivationFunction Activation { get; init; } = ActivationFunction.ReLU;

    /// <summary>Where batch normalization stands.</summary>
    public BatchNormalizationPlacement Placement { get; init; } = BatchNormalizationPlacement.BeforeActivation;

    /// <summary>With <see cref="BatchNormalizationPlacement.LayerInput"/>: one more normalization in front of the output layer.</summary>
    public bool NormalizeOutputLayerInput { get; init; }

    /// <summary>Added to the variance under the root; positive.</summary>
    public double Epsilon { get; init; } = 1e-5;

    /// <summary>Weight of the newest batch in the running statistics, in (0, 1].</summary>
    public double RunningStatisticsMomentum { get; init; } = 0.1;

    /// <summary>How the statistics used in prediction are made.</summary>
    public BatchNormalizationStatistics Statistics { get; init; } = BatchNormalizationStatistics.RunningAverage;

    /// <summary>Rows of one virtual (ghost) batch, over which statistics are taken (Hoffer et al. 2017); 0: the whole mini-batch.</summary>
    public int VirtualBatchSize { get; init; }

    /// <summary>Initial value of every gamma.</summary>
    public double InitialGamma { get; init; } = 1;

    /// <summary>Probability that a hidden unit is dropped in training, in [0, 1).</summary>
    public double DropoutRate { get; init; }

    /// <summary>The same for an encoder, which says what is projected.</summary>
    public NetworkDefinition Reading(InputEncoder encoder)
    {
        // A single map has a weight for each column and output in any case.
        if (encoder.Projected.Count == 0 || HiddenUnits.Length == 0)
            return this;
        var definition = (NetworkDefinition)MemberwiseClone();
        definition._plan = null;
        definition.Projections =
        [
            .. encoder.Projected.Select(part => new ProjectionShape(part.Columns, part.Units, part.DropsEntries ? EntryDropout : 0)),
        ];
        return definition;
    }

    /// <summary>
    /// Probability that a word of a text is left out in training. A text says the same several times over, in words, pairs of words and
    /// parts of words, and by heart it is known by any of them.
    /// </summary>
    private double EntryDropout => Math.Min(MostEntryDropout, EntryDropoutPerDropout * DropoutRate);

    private const double EntryDropoutPerDropout = 4, MostEntryDropout = 0.8;

    /// <summary>The network node by node.</summary>
    public Plan Plan => _plan ??= new Plan(this);

    /// <summary>Number of linear maps: hidden layers and the output layer.</summary>
    public int LinearCount => HiddenUnits.Length + 1;

    /// <summary>Number of layers: convolutional, hidden, and the output layer.</summary>
    public int LayerCount => Convolutions.Length + LinearCount;

    /// <summary>What convolutional layer <paramref name="layer"/> reads; of the number of these: what the last one writes.</summary>
    public MapShape MapOf(int layer)
    {
        MapShape map = Picture!.Value;
        for (int i = 0; i < layer; i++)
            map = Convolutions[i].After(map);
        return map;
    }

    /// <summary>Columns that linear map <paramref name="layer"/> reads.</summary>
    public int InputsOf(int layer) => layer > 0 ? HiddenUnits[layer - 1]
        : Convolutions.Length == 0 ? Inputs - Projections.Sum(projection => projection.Columns) + ProjectedUnits
        : ColumnsOfMaps;

    private int ColumnsOfMaps
    {
        get
        {
            MapShape map = MapOf(Convolutions.Length);
            return AveragesPixels ? map.Channels : checked((int)map.Values);
        }
    }

    /// <summary>Columns that linear map <paramref name="layer"/> writes.</summary>
    public int OutputsOf(int layer) => layer == HiddenUnits.Length ? Outputs : HiddenUnits[layer];

    /// <summary>Number of trained numbers: weights, biases, gammas and betas.</summary>
    public long ParameterCount => Plan.Nodes.Sum(node => node.ParameterCount);

    /// <summary>Whether any layer is normalized.</summary>
    public bool UsesBatchNormalization => Plan.Nodes.Any(node => node is BatchNormNode);

    /// <summary>
    /// Whether any layer takes statistics over one value in each row, so that a batch of one row cannot be trained on; a map has many.
    /// </summary>
    public bool NeedsTwoRows => Plan.Nodes.Any(node => node is BatchNormNode { Positions: 1 });

    /// <summary>
    /// Numbers of the largest map that a row becomes, channels in whole panels; 0 where there are no maps. The pictures themselves are one
    /// only where they are normalized; a convolution reads them as rows.
    /// </summary>
    public long LargestMap => Enumerable.Range(0, Convolutions.Length)
        .Select(layer => (Map: MapOf(layer), Convolution: Convolutions[layer], IsRow: layer == 0 && Plan.Nodes[0] is RowNode))
        .SelectMany(layer => new[] { layer.IsRow ? layer.Map.Values : Padded(layer.Map), Padded(layer.Convolution.Convolved(layer.Map)) })
        .DefaultIfEmpty().Max();

    private static long Padded(MapShape map) => (long)map.Pixels * PanelLayout.PanelCount(map.Channels) * PanelLayout.Width;

    /// <summary>Multiplications and additions of a row on its way through the network.</summary>
    public double WeightsOfRow => Plan.Nodes.Sum(node => node switch
    {
        ConvolutionNode convolution => convolution.WeightsOfRow,
        LinearNode => (double)node.Inputs * node.Outputs,
        _ => 0,
    });

    /// <summary>Throws if a number is outside its range; the ML.NET layer checks the same with messages for its users.</summary>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Outputs, 1);
        foreach (int units in HiddenUnits)
            ArgumentOutOfRangeException.ThrowIfLessThan(units, 1, nameof(HiddenUnits));
        if (!(Epsilon > 0 && double.IsFinite(Epsilon)))
            throw new ArgumentOutOfRangeException(nameof(Epsilon), Epsilon, "Epsilon must be positive and finite.");
        if (!(RunningStatisticsMomentum > 0 && RunningStatisticsMomentum <= 1))
        {
            throw new ArgumentOutOfRangeException(
                nameof(RunningStatisticsMomentum), RunningStatisticsMomentum, "The weight of the newest batch must be in (0, 1].");
        }
        if (VirtualBatchSize is < 0 or 1)
        {
            throw new ArgumentOutOfRangeException(
                nameof(VirtualBatchSize), VirtualBatchSize, "Batch statistics need at least 2 rows; 0 takes the whole mini-batch.");
        }
        if (!(DropoutRate >= 0 && DropoutRate < 1))
            throw new ArgumentOutOfRangeException(nameof(DropoutRate), DropoutRate, "The dropout rate must be in [0, 1).");
        if (!double.IsFinite(InitialGamma))
            throw new ArgumentOutOfRangeException(nameof(InitialGamma), InitialGamma, "The initial gamma must be finite.");
    }

    /// <summary>The same network with pictures in front.</summary>
    public NetworkDefinition With(MapShape picture, PixelOrder order, ConvolutionDefinition[] convolutions, bool averagesPixels) => new()
    {
        Inputs = Inputs,
        Picture = picture,
        PixelOrder = order,
        Convolutions = convolutions,
        AveragesPixels = averagesPixels,
        HiddenUnits = HiddenUnits,
        Outputs = Outputs,
        Activation = Activation,
        Placement = Placement,
        NormalizeOutputLayerInput = NormalizeOutputLayerInput,
        Epsilon = Epsilon,
        RunningStatisticsMomentum = RunningStatisticsMomentum,
        Statistics = Statistics,
        VirtualBatchSize = VirtualBatchSize,
        InitialGamma = InitialGamma,
        DropoutRate = DropoutRate,
    };

    /// <summary>Writes it, pictures included.</summary>
    public void WriteWhole(BinaryWriter writer)
    {
        Write(writer);
        writer.WriteFlag(Picture is not null);
        if (Picture is not null)
            PictureFormat.Write(writer, this);
    }

    /// <summary>Reads what <see cref="WriteWhole"/> has written.</summary>
    /// <exception cref="NetworkFormatException">A value is not allowed.</exception>
    public static NetworkDefinition ReadWhole(BinaryReader reader)
    {
        NetworkDefinition definition = Read(reader);
        return reader.ReadFlag("flag of pictures") ? PictureFormat.Read(reader, definition) : definition;
    }

    /// <summary>Writes all but pictures at the writer's position; the layout is in docs/model-format.md.</summary>
    public void Write(BinaryWriter writer)
    {
        writer.Write(Inputs);
        writer.Write(HiddenUnits.Length);
        foreach (int units in HiddenUnits)
            writer.Write(units);
        writer.Write(Outputs);
        writer.Write((byte)Activation);
        writer.Write((byte)Placement);
        writer.Write((byte)Statistics);
        writer.WriteFlag(NormalizeOutputLayerInput);
        writer.Write(Epsilon);
        writer.Write(RunningStatisticsMomentum);
        writer.Write(InitialGamma);
        writer.Write(DropoutRate);
        writer.Write(VirtualBatchSize);
    }

    /// <summary>Reads what <see cref="Write"/> has written.</summary>
    /// <exception cref="NetworkFormatException">A value is not allowed.</exception>
    public static NetworkDefinition Read(BinaryReader reader)
    {
        int inputs = reader.ReadCount("inputs", 1, MaximumInputs, 0);
        int hiddenLayers = reader.ReadCount("hidden layers", 0, MaximumHiddenLayers, sizeof(int));
        int[] hiddenUnits = new int[hiddenLayers];
        for (int layer = 0; layer < hiddenLayers; layer++)
        {
            // Not ReadCount: the text of every layer would take more memory than the file.
            hiddenUnits[layer] = reader.ReadInt32();
            if (hiddenUnits[layer] is < 1 or > MaximumUnits)
            {
                throw new NetworkFormatException(CheckedBytes.Text(
                    $"The number of units of hidden layer {layer + 1} is {hiddenUnits[layer]}; it must be in [1, {MaximumUnits}]."));
            }
        }

        return new NetworkDefinition
        {
            Inputs = inputs,
            HiddenUnits = hiddenUnits,
            Outputs = reader.ReadCount("outputs", 1, MaximumUnits, 0),
            Activation = reader.ReadEnumeration<ActivationFunction>("activation"),
            Placement = reader.ReadEnumeration<BatchNormalizationPlacement>("placement of batch normalization"),
            Statistics = reader.ReadEnumeration<BatchNormalizationStatistics>("kind of statistics"),
            NormalizeOutputLayerInput = reader.ReadFlag("flag of the normalization in front of the output layer"),
            Epsilon = reader.ReadNumber("epsilon", value => value > 0, "positive"),
            RunningStatisticsMomentum = reader.ReadNumber("running statistics momentum", value => value is > 0 and <= 1, "in (0, 1]"),
            InitialGamma = reader.ReadNumber("initial gamma", _ => true, "finite"),
            DropoutRate = reader.ReadNumber("dropout rate", value => value is >= 0 and < 1, "in [0, 1)"),
            VirtualBatchSize = ReadVirtualBatchSize(reader),
        };
    }

    private static int ReadVirtualBatchSize(BinaryReader reader)
    {
        int size = reader.ReadInt32();
        if (size is < 0 or 1)
            throw new NetworkFormatException(CheckedBytes.Text($"The virtual batch size is {size}; it must be 0 or at least 2."));
        return size;
    }
}
