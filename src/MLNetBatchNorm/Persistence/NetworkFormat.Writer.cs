using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Persistence;

internal static partial class NetworkFormat
{
    /// <summary>Writes <paramref name="network"/> at the writer's position.</summary>
    /// <remarks>
    /// <code>
    /// *** Layout, version 3 (read by Read in NetworkFormat.Reader.cs) ***
    /// uint32   magic "MNBN"
    /// int32    version
    /// then sections, see Formats/Sections.cs: 4 letters, int64 number of bytes, the bytes
    /// -- "DEFI" definition
    /// int32    inputs of the first layer, after encoding
    /// int32    number of hidden layers L
    /// int32    units of each hidden layer                      L times
    /// int32    outputs
    /// byte     activation, placement, statistics               3 bytes, numbers of the enumerations
    /// byte     output layer's input is normalized: 0 or 1
    /// float64  epsilon, running statistics momentum, initial gamma, dropout rate
    /// int32    virtual batch size, 0: the whole batch
    /// -- "PICT" pictures and convolutions, behind the definition; absent where rows are no pictures
    ///          Network/PictureFormat.cs
    /// -- "ENCO" encoding of the features
    ///          Encoding/EncoderFormat.cs
    /// -- "NETS" networks, behind the two before
    /// int32    number of networks M; what follows is there M times
    ///          each of the C + L + 1 layers, convolutional ones first, then hidden ones; of the L + 1 linear maps:
    /// float32  weights, row-major [outputs, inputs]
    /// byte     has a bias: 0 or 1;  float32 bias               one for each output, if there is one
    ///          of all layers:
    /// byte     has a batch normalization: 0 or 1; if 1, for its C columns:
    ///          float32 gamma, float32 beta, float64 running mean, float64 running variance   C times each
    ///          int64   batches tracked
    ///          what other nodes of the layer have learned, as they write it; of the C convolutions:
    /// float32  weights, [filters, channels, kernel rows, kernel columns]
    /// byte     has a bias: 0 or 1;  float32 bias               one for each filter, if there is one
    /// -- "HALF" instead of "NETS" where all weights are a half times a power of two: the same but for the weights of a linear map,
    ///          which are int32 exponent, then the low and then the high bytes of binary16, Network/Nodes/Dense/HalfWeights.cs
    /// -- "HIST" histories, behind the networks; what follows is there M times
    /// int32    number of epochs E
    /// int32    best epoch, 0 if there is none
    /// byte     reason of the end, number of the enumeration
    ///          int32 epoch, float64 learning rate, float64 training loss,
    ///          byte has a validation loss: 0 or 1, float64 validation loss or 0,
    ///          byte has a validation metric: 0 or 1, float64 validation metric or 0    E times
    /// -- "TMET" validation metrics of several targets, behind the histories; absent where there are none; what follows is there M times
    /// int32    number of targets T, as many as there are outputs, or 0 where there are none
    ///          float64 validation metric of each, T times, of each epoch that has a validation metric
    /// -- "OBJE" objective; absent where it is not known
    /// byte     its number
    /// -- "SCAL" mean and deviation of the labels; absent where outputs are scores already, as those of classes
    ///          Objectives/TargetScale.cs
    /// -- "TSCA" the same of each of several targets, behind the definition: as many as there are outputs
    /// -- "CHOS" what was chosen; absent where it is not known
    /// int32    rows of a step, epochs at most;  float64 learning rate, validation fraction;  int32 seed;  int64 training rows
    /// int32    number of bytes of the library's version, then these in UTF-8
    /// -- "SLOT" names of the feature slots, behind the encoding; absent where there are none
    /// uint16   number of bytes of the slot's name              S times
    ///          the names in UTF-8
    /// -- "RANG" slots that are one column of the table, behind the encoding; absent where there are none
    /// int32    number of ranges R
    ///          int32 first slot, int32 number of slots         R times, rising
    /// -- "TNAM" names of several targets, behind the definition, as those of the slots; absent where there are none
    /// -- "CNAM" what the keys of classes stand for, behind the definition, as the names of the slots; absent where they do not say it
    /// -- "SHIF" what priors of classes added to the last biases of all networks, behind the definition; absent without
    /// float32  shift of each output, as many as there are
    /// -- "TAUG" networks that have taught the only one, behind the networks; absent where it has learned from labels
    /// int32    their number
    /// -- "INTV" prediction intervals, behind encoding, networks and objective; absent where there are none
    /// int32    number of levels L, number of knots K
    /// float64  knot, rising                                    K times
    ///          float64 level, K factors of the lower bound, K of the upper bound      L times
    /// float64  power of the spread
    /// int64    rows that the factors were measured on
    /// byte     has a spread: 0 or 1; if 1 a whole block as this one, of one slot more and without intervals
    /// -- "TRIA" trials, behind definition, encoding and networks; absent where nothing was tried
    ///          Persistence/TrialsFormat.cs
    /// -- "END ", empty
    /// </code>
    /// </remarks>
    public static void Write(BinaryWriter writer, TrainedNetwork network)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(network);
        writer.Write(Magic);
        writer.Write(CurrentVersion);
        writer.WriteSection(DefinitionTag, network.Parameters.Definition.Write);
        if (network.Parameters.Definition.Picture is not null)
            writer.WriteSection(PicturesTag, section => PictureFormat.Write(section, network.Parameters.Definition));
        writer.WriteSection(EncoderTag, section => EncoderFormat.Write(section, network.Encoder));
        bool isHalf = network.Networks.All(parameters => Array.TrueForAll(parameters.Linear, HalfWeights.Holds));
        writer.WriteSection(isHalf ? HalfNetworksTag : NetworksTag, section =>
        {
            section.Write(network.Members.Count);
            foreach (NetworkMember member in network.Members)
                WriteParameters(section, member.Parameters, isHalf);
        });
        writer.WriteSection(HistoriesTag, section =>
        {
            foreach (NetworkMember member in network.Members)
                WriteHistory(section, member.History);
        });
        if (network.Members.Any(member => HasTargetMetrics(member.History)))
        {
            writer.WriteSection(TargetMetricsTag, section =>
            {
                foreach (NetworkMember member in network.Members)
                    WriteTargetMetrics(section, member.History.Epochs);
            });
        }

        if (network.Objective is { } objective)
            writer.WriteSection(ObjectiveTag, section => section.Write(objective.Number));
        if (network.Scale is { } scale)
            writer.WriteSection(ScaleTag, scale.Write);
        if (network.Scales is { Only: null } scales)
            writer.WriteSection(TargetScalesTag, scales.Write);
        if (network.Chosen is { } chosen)
            writer.WriteSection(ChosenTag, section => WriteChosen(section, chosen));
        if (network.SlotNames is { } names)
            writer.WriteSection(SlotNamesTag, names.Write);
        if (network.SlotRanges is { } ranges)
            writer.WriteSection(SlotRangesTag, ranges.Write);
        if (network.TargetNames is { } targets)
            writer.WriteSection(TargetNamesTag, targets.Write);
        if (network.ClassNames is { } classes)
            writer.WriteSection(ClassNamesTag, classes.Write);
        if (network.OutputShifts is { } shifts)
            writer.WriteSection(OutputShiftsTag, section => section.WriteSingles([.. shifts]));
        if (network.Teachers > 0)
            writer.WriteSection(TeachersTag, section => section.Write(network.Teachers));
        if (network.Intervals is { } intervals)
            writer.WriteSection(IntervalsTag, section => WriteIntervals(section, intervals));
        if (network.Trials.Count > 0)
        {
            writer.WriteSection(TrialsTag, section =>
            {
                TrialsFormat.Write(section, network);
                foreach (TrainedNetwork other in network.Others)
                    Write(section, other);
            });
        }
        writer.WriteEnd();
    }

    /// <summary>Writes one network, its history, and the metrics of its targets.</summary>
    internal static void WriteMember(BinaryWriter writer, NetworkMember member)
    {
        WriteParameters(writer, member.Parameters);
        WriteHistory(writer, member.History);
        WriteTargetMetrics(writer, member.History.Epochs);
    }

    /// <summary>Writes the validation metrics of each of several targets of the epochs that have them.</summary>
    internal static void WriteTargetMetrics(BinaryWriter writer, IReadOnlyList<EpochRecord> epochs)
    {
        writer.Write(epochs.Select(epoch => epoch.TargetValidationMetrics.Count).DefaultIfEmpty().Max());
        foreach (double metric in epochs.SelectMany(epoch => epoch.TargetValidationMetrics))
            writer.Write(metric);
    }

    /// <summary>
    /// Writes what the nodes of one network have learned: in each layer the linear map and the batch normalization, then all others.
    /// </summary>
    internal static void WriteParameters(BinaryWriter writer, NetworkParameters parameters, bool isHalf = false)
    {
        for (int layer = 0; layer < parameters.Definition.LayerCount; layer++)
        {
            if (isHalf)
                parameters.LinearOf(layer)?.WriteHalf(writer);
            else
                parameters.LinearOf(layer)?.Write(writer);
            writer.WriteFlag(parameters.BatchNormalization[layer] is not null);
            parameters.BatchNormalization[layer]?.Write(writer);
            foreach (NodeParameters others in parameters.OthersOf(layer))
                others.Write(writer);
        }
    }

    private static void WriteHistory(BinaryWriter writer, TrainingHistory history)
    {
        writer.Write(history.Epochs.Count);
        writer.Write(history.BestEpoch);
        writer.Write((byte)history.StopReason);
        foreach (EpochRecord epoch in history.Epochs)
        {
            writer.Write(epoch.Epoch);
            writer.Write(epoch.LearningRate);
            writer.Write(epoch.TrainingLoss);
            writer.WriteOptional(epoch.ValidationLoss);
            writer.WriteOptional(epoch.ValidationMetric);
        }
    }

    private static bool HasTargetMetrics(TrainingHistory history) => history.Epochs.Any(epoch => epoch.TargetValidationMetrics.Count > 0);

    private static void WriteIntervals(BinaryWriter writer, PredictionIntervals intervals)
    {
        writer.Write(intervals.Levels.Count);
        writer.Write(intervals.Knots.Length);
        foreach (double knot in intervals.Knots)
            writer.Write(knot);
        foreach (IntervalLevel level in intervals.Levels)
        {
            writer.Write(level.Level);
            foreach (double factor in level.Lower.Concat(level.Upper))
                writer.Write(factor);
        }

        writer.Write(intervals.Power);
        writer.Write(intervals.Rows);
        writer.WriteFlag(intervals.Spread is not null);
        if (intervals.Spread is { } spread)
            Write(writer, spread);
    }

    private static void WriteChosen(BinaryWriter writer, ChosenSettings chosen)
    {
        writer.Write(chosen.BatchSize);
        writer.Write(chosen.MaximumNumberOfEpochs);
        writer.Write(chosen.LearningRate);
        writer.Write(chosen.ValidationFraction);
        writer.Write(chosen.Seed);
        writer.Write(chosen.NumberOfTrainingRows);
        writer.WriteText(chosen.LibraryVersion);
    }
}
