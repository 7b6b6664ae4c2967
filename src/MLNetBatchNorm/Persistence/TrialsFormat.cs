using System.Collections.Immutable;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Persistence;

/// <summary>The bytes of what was tried, and which trials the networks of a model are of.</summary>
/// <remarks>
/// <code>
/// int32    number of trials T, at least 1
///          int32 number of hidden layers L, int32 units of each      L times
///          byte activation, byte placement
///          float64 dropout rate, int32 batch size, int32 epochs, float64 learning rate
///          byte has a weight decay: 0 or 1, float64 it or 0
///          int32 pieces
///          byte has a label smoothing: 0 or 1, float64 it or 0
///          int32 networks that were trained
///          byte has a score: 0 or 1, float64 it or 0         T times
/// int32    number of trials in the model P, at least 1
///          int32 trial, float64 weight                       P times, the networks of the block itself first
/// </code>
/// Then P - 1 times a whole block as that of a model, with definition, encoding, networks and histories alone.
/// </remarks>
internal static class TrialsFormat
{
    /// <summary>Most trials.</summary>
    public const int MaximumTrials = 1 << 10;

    // Bytes of a trial without hidden layers, and of a part.
    private const int BytesOfTrial = 65;
    private const int BytesOfPart = sizeof(int) + sizeof(double);

    /// <summary>By how much the weights may be off 1 together: they are rounded.</summary>
    private const double Tolerance = 1e-6;

    /// <summary>Writes the trials, and which the ensembles are of.</summary>
    public static void Write(BinaryWriter writer, TrainedNetwork network)
    {
        writer.Write(network.Trials.Count);
        foreach (BatchNormNetworkTrial trial in network.Trials)
        {
            writer.Write(trial.HiddenUnits.Count);
            foreach (int units in trial.HiddenUnits)
                writer.Write(units);
            writer.Write((byte)trial.Activation);
            writer.Write((byte)trial.Placement);
            writer.Write(trial.DropoutRate);
            writer.Write(trial.BatchSize);
            writer.Write(trial.MaximumNumberOfEpochs);
            writer.Write(trial.LearningRate);
            writer.WriteOptional(trial.WeightDecay);
            writer.Write(trial.NumberOfInputPieces);
            writer.WriteOptional(trial.LabelSmoothing);
            writer.Write(trial.NumberOfTrainedNetworks);
            writer.WriteOptional(trial.Score);
        }

        writer.Write(network.Ensembles.Count);
        foreach (TrainedNetwork own in network.Ensembles)
        {
            writer.Write(own.Trial);
            writer.Write(own.Share);
        }
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="NetworkFormatException">A value is not allowed.</exception>
    public static (IReadOnlyList<BatchNormNetworkTrial> Trials, (int Trial, double Share)[] Parts) Read(BinaryReader reader)
    {
        var trials = new BatchNormNetworkTrial[reader.ReadCount("trials", 1, MaximumTrials, BytesOfTrial)];
        for (int i = 0; i < trials.Length; i++)
            trials[i] = ReadTrial(reader, i);
        var parts = new (int Trial, double Share)[reader.ReadCount("trials in the model", 1, trials.Length, BytesOfPart)];
        double sum = 0;
        for (int i = 0; i < parts.Length; i++)
        {
            int trial = reader.ReadCount("the trial", 0, trials.Length - 1, 0);
            if (parts.Take(i).Any(part => part.Trial == trial))
                throw new NetworkFormatException(CheckedBytes.Text($"Trial {trial} is in the model twice."));
            parts[i] = (trial, reader.ReadNumber("weight of a trial", value => value is > 0 and <= 1, "in (0, 1]"));
            sum += parts[i].Share;
        }

        if (!(Math.Abs(sum - 1) <= Tolerance))
            throw new NetworkFormatException(CheckedBytes.Text($"The weights of the trials add up to {sum}; they must add up to 1."));
        foreach ((int trial, double share) in parts)
            trials[trial] = trials[trial].WithWeight(share);
        return (ImmutableArray.Create(trials), parts);
    }

    /// <summary>Refuses the networks of another trial that do not go with the model's own.</summary>
    public static void Check(TrainedNetwork other, InputEncoder encoder, NetworkDefinition definition)
    {
        if (other.Encoder.RawInputs != encoder.RawInputs)
        {
            throw new NetworkFormatException(CheckedBytes.Text(
                $"The networks of a trial read {other.Encoder.RawInputs} slots, those of another {encoder.RawInputs}."));
        }
        if (other.Parameters.Definition.Outputs != definition.Outputs)
        {
            throw new NetworkFormatException(CheckedBytes.Text(
                $"The networks of a trial have {other.Parameters.Definition.Outputs} outputs, those of another {definition.Outputs}."));
        }
    }

    private static BatchNormNetworkTrial ReadTrial(BinaryReader reader, int number)
    {
        var units = new int[reader.ReadCount("hidden layers of a trial", 0, NetworkDefinition.MaximumHiddenLayers, sizeof(int))];
        for (int layer = 0; layer < units.Length; layer++)
            units[layer] = reader.ReadCount("units of a layer of a trial", 1, NetworkDefinition.MaximumUnits, 0);
        return new BatchNormNetworkTrial
        {
            Number = number,
            HiddenUnits = ImmutableArray.Create(units),
            Activation = reader.ReadEnumeration<ActivationFunction>("activation of a trial"),
            Placement = reader.ReadEnumeration<BatchNormalizationPlacement>("placement of a trial"),
            DropoutRate = reader.ReadNumber("dropout rate of a trial", value => value is >= 0 and < 1, "in [0, 1)"),
            BatchSize = reader.ReadCount("rows of a step of a trial", 1, int.MaxValue, 0),
            MaximumNumberOfEpochs = reader.ReadCount("epochs of a trial", 1, NetworkFormat.MaximumEpochs, 0),
            LearningRate = reader.ReadNumber("learning rate of a trial", value => value >= 0, "not negative"),
            WeightDecay = ReadOptional(reader, "weight decay of a trial", value => value >= 0, "not negative"),
            NumberOfInputPieces = reader.ReadCount("pieces of a trial", 0, InputEncoder.MaximumColumns, 0),
            LabelSmoothing = ReadOptional(reader, "label smoothing of a trial", value => value is >= 0 and < 1, "in [0, 1)"),
            NumberOfTrainedNetworks = reader.ReadCount("trained networks of a trial", 0, NetworkFormat.MaximumMembers, 0),
            Score = ReadOptional(reader, "score of a trial", _ => true, "finite"),
        };
    }

    private static double? ReadOptional(BinaryReader reader, string what, Func<double, bool> allowed, string need)
    {
        bool present = reader.ReadFlag($"flag of a {what}");
        double value = reader.ReadNumber(what, value => !present || allowed(value), need);
        return present ? value : null;
    }
}
