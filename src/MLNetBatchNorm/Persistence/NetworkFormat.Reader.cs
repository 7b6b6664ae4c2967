using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Persistence;

internal static partial class NetworkFormat
{
    /// <summary>Reads a network at the reader's position and leaves the position behind its last byte.</summary>
    /// <remarks>
    /// <code>
    /// *** Layout, version 3: at Write in NetworkFormat.Writer.cs ***
    /// *** Layout, versions 1 and 2 ***
    /// uint32   magic "MNBN"
    /// int32    version
    /// -- definition
    /// int32    inputs of the first layer, after encoding
    /// int32    number of hidden layers L
    /// int32    units of each hidden layer                      L times
    /// int32    outputs
    /// byte     activation, placement, statistics               3 bytes, numbers of the enumerations
    /// byte     output layer's input is normalized: 0 or 1
    /// float64  epsilon, running statistics momentum, initial gamma, dropout rate
    /// int32    virtual batch size, 0: the whole batch
    /// -- encoding of the features
    /// int32    number of feature slots S
    /// byte     values pass untouched, NaN included: 0 or 1; the rest of this part only if 0
    /// float32  centre                                          S times
    /// float32  scale                                           S times
    /// byte     1: smoothly clipped, 2: has a missing effect, or the sum   S times; the k-th slot with an effect owns encoded column S + k
    /// -- each of the L + 1 linear maps, hidden layers first
    /// float32  weights, row-major [outputs, inputs]
    /// byte     has a bias: 0 or 1;  float32 bias               one for each output, if there is one
    /// byte     has a batch normalization: 0 or 1; if 1, for its C columns:
    ///          float32 gamma, float32 beta, float64 running mean, float64 running variance   C times each
    ///          int64   batches tracked
    /// -- history
    /// int32    number of epochs E
    /// int32    best epoch, 0 if there is none
    /// byte     reason of the end, number of the enumeration
    ///          int32 epoch, float64 learning rate, float64 training loss,
    ///          byte has a validation loss: 0 or 1, float64 validation loss or 0,
    ///          from version 2 on: byte has a validation metric: 0 or 1, float64 validation metric or 0    E times
    /// </code>
    /// Every count is held against its limit and against the bytes that are left before memory is taken for it. All that is allocated,
    /// together and with what the networks take once more when they are folded for scoring, comes to no more than
    /// <see cref="LargestGrowth"/> times the data (or <see cref="SmallNetworks"/>), added up over the blocks that stand in others
    /// (<see cref="NetworkMemory"/>).
    /// </remarks>
    /// <exception cref="NetworkFormatException">A value is not allowed, or the bytes end too early.</exception>
    public static TrainedNetwork Read(BinaryReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        if (!reader.BaseStream.CanSeek)
        {
            throw new NetworkFormatException(
                "The stream of a network must be seekable, so that sizes can be checked before memory is taken.");
        }
        try
        {
            return ReadNetwork(reader, new NetworkMemory());
        }
        catch (EndOfStreamException e)
        {
            throw new NetworkFormatException("The data of the network ends too early.", e);
        }
    }

    private static TrainedNetwork ReadNetwork(BinaryReader reader, NetworkMemory memory, BlockKind kind = BlockKind.Model)
    {
        uint magic = reader.ReadUInt32();
        if (magic != Magic)
            throw new NetworkFormatException($"The data of the network begins with 0x{magic:X8} instead of 0x{Magic:X8}.");
        int version = reader.ReadInt32();
        if (version is < OldestVersion or > CurrentVersion)
        {
            throw new NetworkFormatException(CheckedBytes.Text(
                $"The data of the network has version {version}; this library reads versions {OldestVersion} to {CurrentVersion}."));
        }

        if (version >= VersionOfSections)
            return ReadSections(reader, memory, kind);
        if (kind != BlockKind.Model)
            throw new NetworkFormatException(CheckedBytes.Text($"{NameOf(kind)} has version {version}, which had none."));
        NetworkDefinition definition = NetworkDefinition.Read(reader);
        InputEncoder encoder = EncoderFormat.ReadVersion2(reader);
        CheckEncodedColumns(encoder.EncodedInputs, definition.Inputs);
        var members = new NetworkMember[reader.ReadCount("networks", 1, MaximumMembers, sizeof(float))];
        CheckNetworks(reader, memory, definition, encoder, members.Length);
        for (int member = 0; member < members.Length; member++)
            members[member] = ReadMember(reader, definition, version);
        return new TrainedNetwork(encoder, members);
    }

    private static TrainedNetwork ReadSections(BinaryReader reader, NetworkMemory memory, BlockKind kind)
    {
        NetworkDefinition? definition = null;
        InputEncoder? encoder = null;
        NetworkParameters[]? networks = null;
        TrainingHistory[]? histories = null;
        Objective? objective = null;
        TargetScales? scales = null;
        ChosenSettings? chosen = null;
        SlotNames? names = null;
        PredictionIntervals? intervals = null;
        SlotRanges? ranges = null;
        SlotNames? targetNames = null;
        IReadOnlyList<BatchNormNetworkTrial> trials = [];
        (int Trial, double Share)[] parts = [(0, 1)];
        TrainedNetwork[] others = [];
        SlotNames? classNames = null;
        float[]? shifts = null;
        int teachers = 0;
        Sections.Read(reader, "the data of the network", new Dictionary<string, Action<BinaryReader>>
        {
            [DefinitionTag] = section => definition = NetworkDefinition.Read(section),
            [PicturesTag] = section => definition = ReadPictures(section, Required(definition, DefinitionTag), networks),
            [EncoderTag] = section => encoder = EncoderFormat.Read(section),
            [NetworksTag] = section => networks = ReadOnce(section, isHalf: false),
            [HalfNetworksTag] = section => networks = ReadOnce(section, isHalf: true),
            [HistoriesTag] = section => histories = [.. Required(networks, NetworksTag).Select(_ => ReadHistory(section, CurrentVersion))],
            [TargetMetricsTag] = section => histories = ReadTargetMetrics(
                section, Required(histories, HistoriesTag), Required(definition, DefinitionTag).Outputs),
            [ObjectiveTag] = section => objective = ReadObjective(section),
            [ScaleTag] = section => scales = ReadScales(section, 1, scales),
            [TargetScalesTag] = section => scales = ReadScales(section, Required(definition, DefinitionTag).Outputs, scales),
            [ChosenTag] = section => chosen = ReadChosen(section),
            [IntervalsTag] = section => intervals = kind != BlockKind.Model
                ? throw new NetworkFormatException($"{NameOf(kind)} has a section '{IntervalsTag}' itself.")
                : ReadIntervals(
                    section, memory, Required(networks, NetworksTag), Required(encoder, EncoderTag), Required(objective, ObjectiveTag)),
            [SlotNamesTag] = section => names = SlotNames.Read(section, Required(encoder, EncoderTag).RawInputs),
            [SlotRangesTag] = section => ranges = SlotRanges.Read(section, Required(encoder, EncoderTag).RawInputs),
            [TargetNamesTag] = section =>
                targetNames = SlotNames.Read(section, Required(definition, DefinitionTag).Outputs, "target", "targets"),
            [ClassNamesTag] = section =>
                classNames = SlotNames.Read(section, Required(definition, DefinitionTag).Outputs, "class", "classes"),
            [OutputShiftsTag] = section => shifts = ReadOutputShifts(section, Required(definition, DefinitionTag).Outputs),
            [TeachersTag] = section => teachers = kind != BlockKind.Model
                ? throw new NetworkFormatException($"{NameOf(kind)} has a section '{TeachersTag}' itself.")
                : ReadTeachers(section, Required(networks, NetworksTag)),
            [TrialsTag] = section => (trials, parts, others) = kind != BlockKind.Model
                ? throw new NetworkFormatException($"{NameOf(kind)} has a section '{TrialsTag}' itself.")
                : ReadTrials(
                    section, memory, Required(encoder, EncoderTag), Required(definition, DefinitionTag), Required(networks, NetworksTag)),
        });

        NetworkParameters[] ReadOnce(BinaryReader section, bool isHalf) => networks is null
            ? ReadNetworks(
                section, memory, Required(definition, DefinitionTag).Reading(Required(encoder, EncoderTag)), Required(encoder, EncoderTag),
                isHalf)
            : throw new NetworkFormatException($"The data of the network has a section '{NetworksTag}' and a section '{HalfNetworksTag}'.");

        if (teachers > 0 && others.Length > 0)
            throw new NetworkFormatException($"There is a section '{TeachersTag}' of the networks of several trials.");
        TrainingHistory[] known = Required(histories, HistoriesTag);
        NetworkMember[] members = [.. networks!.Zip(known, (parameters, history) => new NetworkMember(parameters, history))];
        return new TrainedNetwork(encoder!, members, chosen)
        {
            Objective = objective, Scales = scales, SlotNames = names, SlotRanges = ranges, TargetNames = targetNames,
            ClassNames = classNames, OutputShifts = shifts, Teachers = teachers, Intervals = intervals, Trials = trials,
            Trial = parts[0].Trial, Share = parts[0].Share, Others = others,
        };
    }

    private static string NameOf(BlockKind kind) => kind == BlockKind.Spread ? "The spread of the intervals" : "A trial of the model";

    private static (IReadOnlyList<BatchNormNetworkTrial> Trials, (int Trial, double Share)[] Parts, TrainedNetwork[] Others) ReadTrials(
        BinaryReader reader, NetworkMemory memory, InputEncoder encoder, NetworkDefinition definition, NetworkParameters[] networks)
    {
        (IReadOnlyList<BatchNormNetworkTrial> trials, (int Trial, double Share)[] parts) = TrialsFormat.Read(reader);
        var others = new TrainedNetwork[parts.Length - 1];
        long members = networks.Length;
        for (int i = 0; i < others.Length; i++)
        {
            TrainedNetwork other = ReadNetwork(reader, memory, BlockKind.Trial);
            TrialsFormat.Check(other, encoder, definition);
            members += other.Members.Count;
            if (members > MaximumMembers)
                throw new NetworkFormatException(CheckedBytes.Text($"The trials have more than {MaximumMembers} networks."));
            others[i] = new TrainedNetwork(other.Encoder, other.Members) { Trial = parts[i + 1].Trial, Share = parts[i + 1].Share };
        }

        return (trials, parts, others);
    }

    private static NetworkDefinition ReadPictures(BinaryReader reader, NetworkDefinition definition, NetworkParameters[]? networks) =>
        networks is null
            ? PictureFormat.Read(reader, definition)
            : throw new NetworkFormatException($"Section '{PicturesTag}' stands behind the networks; it must stand in front of them.");

    /// <summary>What a section gave that others need.</summary>
    private static T Required<T>(T? read, string tag) where T : class =>
        read ?? throw new NetworkFormatException($"The data of the network has no section '{tag}', or it stands behind one that needs it.");

    private static NetworkParameters[] ReadNetworks(
        BinaryReader reader, NetworkMemory memory, NetworkDefinition definition, InputEncoder encoder, bool isHalf)
    {
        CheckEncodedColumns(encoder.EncodedInputs, definition.Inputs);
        var networks = new NetworkParameters[reader.ReadCount("networks", 1, MaximumMembers, sizeof(float))];
        CheckNetworks(reader, memory, definition, encoder, networks.Length, isHalf);
        for (int network = 0; network < networks.Length; network++)
            networks[network] = ReadParameters(reader, definition, isHalf);
        return networks;
    }

    private static Objective ReadObjective(BinaryReader reader)
    {
        byte number = reader.ReadByte();
        return Objective.Find(number) ?? throw new NetworkFormatException($"The objective has number {number}, which is not known.");
    }

    private static TargetScales ReadScales(BinaryReader reader, int targets, TargetScales? known) => known is null
        ? TargetScales.Read(reader, targets)
        : throw new NetworkFormatException(
            $"The data of the network has both a section '{ScaleTag}' and a section '{TargetScalesTag}'.");

    private static float[] ReadOutputShifts(BinaryReader reader, int outputs)
    {
        reader.RequireBytes("shifts of outputs", outputs, sizeof(float));
        var shifts = new float[outputs];
        reader.ReadSingles(shifts, "shift of an output");
        return shifts;
    }

    private static int ReadTeachers(BinaryReader reader, NetworkParameters[] networks) => networks.Length == 1
        ? reader.ReadCount("networks that have taught the only one", 2, MaximumMembers, 0)
        : throw new NetworkFormatException(CheckedBytes.Text($"There is a section '{TeachersTag}' of {networks.Length} networks."));

    private static PredictionIntervals ReadIntervals(
        BinaryReader reader, NetworkMemory memory, NetworkParameters[] networks, InputEncoder encoder, Objective objective)
    {
        if (objective.Labels.Kind != LabelKind.Number || networks[0].Definition.Outputs != 1)
            throw new NetworkFormatException("There are prediction intervals of a network that does not predict one number.");
        var levels = new IntervalLevel[reader.ReadCount("levels of intervals", 1, PredictionIntervals.MaximumLevels, 3 * sizeof(double))];
        var knots = new double[reader.ReadCount("knots of intervals", 1, PredictionIntervals.MaximumKnots, 3 * sizeof(double))];
        for (int knot = 0; knot < knots.Length; knot++)
        {
            double below = knot == 0 ? double.NegativeInfinity : knots[knot - 1];
            knots[knot] = reader.ReadNumber("knot of intervals", value => value > below, "above the one before");
        }

        for (int i = 0; i < levels.Length; i++)
        {
            double level = reader.ReadNumber("level of an interval", value => value is > 0 and < 1, "in (0, 1)");
            var lower = new double[knots.Length];
            var upper = new double[knots.Length];
            for (int knot = 0; knot < knots.Length; knot++)
                lower[knot] = reader.ReadNumber("factor of a lower bound", value => value <= 0, "not above 0");
            for (int knot = 0; knot < knots.Length; knot++)
                upper[knot] = reader.ReadNumber("factor of an upper bound", value => value >= 0, "not below 0");
            levels[i] = new IntervalLevel(level, lower, upper);
        }

        double power = reader.ReadNumber("power of the spread", value => value is >= 0 and <= 1, "in [0, 1]");
        long rows = reader.ReadInt64() is >= 0 and long count
            ? count
            : throw new NetworkFormatException("The number of rows behind the intervals is negative.");
        TrainedNetwork? spread = reader.ReadFlag("flag of a spread") ? ReadNetwork(reader, memory, BlockKind.Spread) : null;
        if (spread is not null
            && (spread.Encoder.RawInputs != encoder.RawInputs + 1 || spread.Parameters.Definition.Outputs != 1
                || spread.Objective is not { PredictsLogarithm: true } || spread.Scale is null))
        {
            throw new NetworkFormatException("The spread of the intervals does not go with the network.");
        }

        return new PredictionIntervals(knots, levels, power, spread) { Rows = rows };
    }

    private static ChosenSettings ReadChosen(BinaryReader reader) => new()
    {
        BatchSize = reader.ReadCount("rows of a step", 0, int.MaxValue, 0),
        MaximumNumberOfEpochs = reader.ReadCount("epochs at most", 0, int.MaxValue, 0),
        LearningRate = reader.ReadNumber("learning rate", value => value >= 0, "not negative"),
        ValidationFraction = reader.ReadNumber("validation fraction", value => value is >= 0 and < 1, "in [0, 1)"),
        Seed = reader.ReadInt32(),
        NumberOfTrainingRows = reader.ReadInt64() is >= 0 and long rows
            ? rows
            : throw new NetworkFormatException("The number of training rows is negative."),
        LibraryVersion = reader.ReadText("version of the library", MaximumVersionLength),
    };

    /// <summary>
    /// Reads one network of a known shape, its history, and from the first version of sections on the metrics of its targets.
    /// </summary>
    internal static NetworkMember ReadMember(BinaryReader reader, NetworkDefinition definition, int version = CurrentVersion)
    {
        NetworkParameters parameters = ReadParameters(reader, definition);
        TrainingHistory history = ReadHistory(reader, version);
        return new NetworkMember(
            parameters, version < VersionOfSections ? history : ReadTargetMetrics(reader, [history], definition.Outputs)[0]);
    }

    /// <summary>Puts the validation metrics of several targets, which need not be finite, into the epochs that have a metric.</summary>
    /// <param name="reader">Behind the epochs.</param>
    /// <param name="epochs">Without them.</param>
    /// <param name="targets">How many targets there are; null where that is not known.</param>
    internal static EpochRecord[] ReadTargetMetrics(BinaryReader reader, IReadOnlyList<EpochRecord> epochs, int? targets = null)
    {
        const string what = "validation metrics of targets";
        int count = reader.ReadCount(what, 0, targets ?? NetworkDefinition.MaximumUnits, 0);
        if (count == 0)
            return [.. epochs];
        if (count != (targets ?? count))
        {
            throw new NetworkFormatException(
                CheckedBytes.Text($"There are {count} {what} in an epoch, but the network has {targets} outputs."));
        }

        return [.. epochs.Select(epoch => epoch.ValidationMetric is null ? epoch : epoch with { TargetValidationMetrics = Metrics() })];

        double[] Metrics()
        {
            reader.RequireBytes(what, count, sizeof(double));
            double[] metrics = new double[count];
            for (int target = 0; target < count; target++)
                metrics[target] = reader.ReadDouble();
            return metrics;
        }
    }

    private static TrainingHistory[] ReadTargetMetrics(BinaryReader reader, TrainingHistory[] histories, int targets) =>
        [.. histories.Select(history => history with { Epochs = ReadTargetMetrics(reader, history.Epochs, targets) })];

    /// <summary>Reads the linear maps and batch normalizations of one network of a known shape.</summary>
    internal static NetworkParameters ReadParameters(BinaryReader reader, NetworkDefinition definition, bool isHalf = false)
    {
        CheckSizes(reader, definition, isHalf);
        var parameters = new NetworkParameters(definition, compact: true);
        for (int layer = 0; layer < definition.LayerCount; layer++)
        {
            if (isHalf)
                parameters.LinearOf(layer)?.ReadHalf(reader, layer);
            else
                parameters.LinearOf(layer)?.Read(reader, layer);
            BatchNormalizationParameters? normalization = parameters.BatchNormalization[layer];
            bool present = reader.ReadFlag("flag of a batch normalization");
            if (present != normalization is not null)
            {
                string fault = present
                    ? "has a batch normalization its placement forbids"
                    : "lacks the batch normalization its placement demands";
                throw new NetworkFormatException(CheckedBytes.Text($"Layer {layer} {fault}."));
            }
            normalization?.Read(reader, layer);
            foreach (NodeParameters others in parameters.OthersOf(layer))
                others.Read(reader, layer);
        }

        return parameters;
    }

    private static void CheckEncodedColumns(int columns, int inputs)
    {
        if (columns != inputs)
        {
            throw new NetworkFormatException(
                CheckedBytes.Text($"The encoding gives {columns} columns, but the first layer has {inputs} inputs."));
        }
    }

    /// <summary>Holds what so many networks need against the bytes that are left and the memory that they may take.</summary>
    private static void CheckNetworks(
        BinaryReader reader, NetworkMemory memory, NetworkDefinition definition, InputEncoder encoder, int networks, bool isHalf = false)
    {
        int growth = isHalf ? LargestGrowth * sizeof(float) / HalfWeights.Size : LargestGrowth;
        memory.AddData(reader.BaseStream.Length, growth);
        // First without the plan, which takes memory for each layer itself.
        memory.Check((double)LayerOverhead * definition.LayerCount * networks);
        CheckSizes(reader, definition, isHalf);
        memory.Take(BytesInMemory(definition, encoder, networks) * networks);
    }

    /// <summary>Holds all arrays the definition asks for against the bytes that are left, and against what one array can hold.</summary>
    private static void CheckSizes(BinaryReader reader, NetworkDefinition definition, bool isHalf)
    {
        long needed = 0;
        foreach (Node node in definition.Plan.Nodes)
        {
            if (node is LinearNode && Padded(node.Outputs) * node.Inputs > Array.MaxLength - PanelLayout.Width)
            {
                throw new NetworkFormatException(CheckedBytes.Text(
                    $"Linear map {node.Layer} has {(long)node.Inputs * node.Outputs} weights, more than one array can hold."));
            }
            needed += node.StoredBytes;
            if (isHalf && node is LinearNode linear)
                needed -= linear.Weights * (sizeof(float) - HalfWeights.Size);
        }

        if (needed > reader.Remaining())
        {
            throw new NetworkFormatException(
                CheckedBytes.Text($"The network needs {needed} bytes of parameters, but only {reader.Remaining()} are left."));
        }
    }

    /// <summary>What one of so many networks will take in memory, as it is and folded.</summary>
    private static double BytesInMemory(NetworkDefinition definition, InputEncoder encoder, int members)
    {
        double bytes = 0;
        // A slot's pieces and one more are its rows of a table; slots of a single piece would be twice as many, others are fewer.
        if (encoder.Part<Pieces>() is { } pieces && FoldedNetwork.MayBeTable(definition.Plan, members))
            bytes += (double)Padded(definition.OutputsOf(0)) * pieces.Columns / 2 * sizeof(float);
        foreach (Node node in definition.Plan.Nodes)
        {
            if (node is LinearNode map)
            {
                long kept = map.Outputs < PanelLayout.Width ? map.Outputs : Padded(map.Outputs);
                long folded = FoldedNetwork.KeepsCompact(map, members) ? 1 : Padded(map.Outputs);
                bytes += (double)(kept + folded) * map.Inputs * sizeof(float) + LayerOverhead + (double)ColumnBytes * map.Outputs;
                // A projection as it is kept, and in whole panels for scoring.
                for (int i = 0; map.Layer == 0 && i < definition.Projections.Count; i++)
                {
                    (int columns, int units, _) = definition.Projections[i];
                    long inPanels = units % PanelLayout.Width == 0 ? 0 : Padded(units);
                    bytes += (double)columns * (units + inPanels) * sizeof(float);
                }
            }
            else if (node is ConvolutionNode convolution)
            {
                // As it is and folded, padded to whole panels.
                bytes += 2.0 * Padded(node.Outputs) * convolution.WindowInputs * sizeof(float) + LayerOverhead
                    + (double)ColumnBytes * node.Outputs;
                if (FoldedConvolution.IsTransformed(convolution))
                    bytes += (double)WinogradConvolution.TransformedLength(convolution.Inputs, convolution.Outputs) * sizeof(float);
            }
            else if (node.ParameterCount > 0)
            {
                bytes += (double)ColumnBytes * node.Outputs;
            }
        }

        return bytes;
    }

    /// <summary>Outputs with the padding of the last panel.</summary>
    private static long Padded(long outputs) => (outputs + PanelLayout.Width - 1) / PanelLayout.Width * PanelLayout.Width;

    private static TrainingHistory ReadHistory(BinaryReader reader, int version)
    {
        int count = reader.ReadCount("epochs", 0, MaximumEpochs, version < VersionOfMetrics ? BytesOfEpoch - BytesOfMetric : BytesOfEpoch);
        int bestEpoch = reader.ReadInt32();
        TrainingStopReason reason = reader.ReadEnumeration<TrainingStopReason>("reason of the end of training");
        var epochs = new EpochRecord[count];
        for (int i = 0; i < count; i++)
        {
            int epoch = reader.ReadInt32();
            if (epoch != i + 1)
                throw new NetworkFormatException(CheckedBytes.Text($"Epoch {i + 1} of the history has number {epoch}."));
            double learningRate = reader.ReadNumber("learning rate", value => value >= 0, "not negative");
            double trainingLoss = reader.ReadNumber("training loss", _ => true, "finite");
            // Not finite where the network of an early epoch answered nonsense; the best epoch is another one.
            double? validationLoss = reader.ReadOptional("flag of a validation loss");
            double? metric = version < VersionOfMetrics ? null : reader.ReadOptional("flag of a validation metric");
            epochs[i] = new EpochRecord
            {
                Epoch = epoch,
                LearningRate = learningRate,
                TrainingLoss = trainingLoss,
                ValidationLoss = validationLoss,
                ValidationMetric = metric,
            };
        }

        if (bestEpoch < 0 || bestEpoch > count)
            throw new NetworkFormatException(CheckedBytes.Text($"The best epoch is {bestEpoch} of {count}."));
        return new TrainingHistory { Epochs = epochs, BestEpoch = bestEpoch, StopReason = reason };
    }

    /// <summary>Bytes of a validation metric in the history, and of all that is there about an epoch.</summary>
    private const int BytesOfMetric = 1 + sizeof(double);

    /// <inheritdoc cref="BytesOfMetric"/>
    internal const int BytesOfEpoch = sizeof(int) + 2 * sizeof(double) + 1 + sizeof(double) + BytesOfMetric;
}
