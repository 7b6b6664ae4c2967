using System.Text.Json;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Distribution;

/// <summary>The bytes of a training, but for its rows. Little-endian, read by the build that wrote them and by no other.</summary>
/// <remarks>
/// <code>
/// uint32   0x52544E4D ("MNTR")
/// text     version and build of the library
/// int32    number of the training, number of networks, number of restarts, number of trials
/// float64  fraction set aside for validation;  uint64 seed of the choice;  byte by class: 0 or 1;  byte half is kept back: 0 or 1
/// definition and encoder, as in a model
/// text     settings, as JSON
/// byte     goes on from a trained network: 0 or 1; if 1: parameters as in a model,
///          int32 number of targets with a scale; of each: float64 mean, deviation
/// </code>
/// </remarks>
internal static class TrainingFormat
{
    /// <summary>Most parameters of a network, so that a few bytes cannot ask for all memory of a machine: a gigabyte of them.</summary>
    public const long MostParameters = 1 << 28;

    private const uint Magic = 0x52544E4D;
    private const int MostBytesOfSettings = 1 << 20;
    private const int MostTrainings = 1 << 20;
    private const int MostBatchSize = 1 << 21;

    /// <summary>Writes a training.</summary>
    public static byte[] Write(NetworkTraining training)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(Magic);
        LibraryBuild.Write(writer);
        writer.Write(training.Number.Index);
        writer.Write(training.Number.Members);
        writer.Write(training.Number.Restarts);
        writer.Write(training.Number.Trials);
        writer.Write(training.Split.Fraction);
        writer.Write(training.Split.Seed);
        writer.WriteFlag(training.Split.ByClass);
        writer.WriteFlag(training.Split.KeepsBack);
        training.Definition.WriteWhole(writer);
        EncoderFormat.Write(writer, training.Encoder);
        writer.WriteText(JsonSerializer.Serialize(training.Settings, SettingsJson.Default.TrainingSettings));
        writer.WriteFlag(training.Start is not null);
        if (training.Start is { } start)
        {
            NetworkFormat.WriteParameters(writer, start.Parameters);
            WriteScales(writer, start.Scales);
        }

        writer.Flush();
        return stream.ToArray();
    }

    /// <summary>Reads a training of these rows.</summary>
    /// <exception cref="NetworkFormatException">It is none, or not of these rows.</exception>
    public static NetworkTraining Read(byte[] bytes, FitRows rows)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes));
        try
        {
            NetworkTraining training = Read(reader, rows);
            if (reader.Remaining() > 0)
                throw new NetworkFormatException(CheckedBytes.Text($"There are {reader.Remaining()} bytes behind the training."));
            return training;
        }
        catch (EndOfStreamException e)
        {
            throw new NetworkFormatException("The data of the training ends too early.", e);
        }
        catch (Exception e) when (e is (JsonException or FormatException or ArgumentException or NotSupportedException)
            and not NetworkFormatException)
        {
            throw new NetworkFormatException($"The settings of the training are damaged: {e.Message}", e);
        }
    }

    /// <summary>Writes the scales of targets, which may be absent.</summary>
    public static void WriteScales(BinaryWriter writer, TargetScales? scales)
    {
        writer.Write(scales?.Count ?? 0);
        scales?.Write(writer);
    }

    /// <summary>Reads what <see cref="WriteScales"/> wrote.</summary>
    public static TargetScales? ReadScales(BinaryReader reader)
    {
        int targets = reader.ReadCount("scales of targets", 0, NetworkDefinition.MaximumUnits, 2 * sizeof(double));
        return targets == 0 ? null : TargetScales.Read(reader, targets);
    }

    private static NetworkTraining Read(BinaryReader reader, FitRows rows)
    {
        if (reader.ReadUInt32() != Magic)
            throw new NetworkFormatException("The data does not begin as a training does.");
        LibraryBuild.Check(reader);
        var number = new TrainingNumber(
            reader.ReadCount("the training", 0, MostTrainings, 0), reader.ReadCount("networks", 1, MostTrainings, 0),
            reader.ReadCount("restarts", 0, MostTrainings, 0), reader.ReadCount("trials", 1, MostTrainings, 0));
        var split = new ValidationSplit(
            reader.ReadNumber("validation fraction", value => value is >= 0 and < 1, "in [0, 1)"), reader.ReadUInt64(),
            reader.ReadFlag("flag of a choice by class"), reader.ReadFlag("flag of rows kept back"));
        NetworkDefinition definition = NetworkDefinition.ReadWhole(reader);
        CheckSize(definition);
        InputEncoder encoder = EncoderFormat.Read(reader);
        definition = definition.Reading(encoder);
        string json = reader.ReadText("settings", MostBytesOfSettings);
        TrainingSettings settings = JsonSerializer.Deserialize(json, SettingsJson.Default.TrainingSettings)
            ?? throw new NetworkFormatException("There are no settings.");
        Check(settings, definition);
        Check(definition, encoder, rows, settings, split);
        TrainingStart? start = null;
        if (reader.ReadFlag("flag of a network to go on from"))
            start = new TrainingStart(NetworkFormat.ReadParameters(reader, definition), ReadScales(reader));
        if (start?.Scales is { } known && rows.Target.Scales is { } scales && known.Count != scales.Count)
            throw new NetworkFormatException("The network to go on from has scales of other targets than the rows.");
        return new NetworkTraining
        {
            Number = number, Rows = rows, Split = split, Encoder = encoder, Definition = definition, Settings = settings, Start = start,
        };
    }

    /// <summary>Refuses a network that is too large for any machine of a cluster.</summary>
    public static void CheckSize(NetworkDefinition definition)
    {
        // In floating point and without the plan, which takes memory for each layer itself.
        double parameters = 0;
        for (int layer = 0; layer < definition.LinearCount; layer++)
            parameters += (double)definition.InputsOf(layer) * definition.OutputsOf(layer);
        if (parameters > MostParameters)
        {
            throw new NetworkFormatException(CheckedBytes.Text(
                $"The network has {parameters:0} weights; a network that is trained elsewhere has at most {MostParameters}."));
        }
    }

    private static void Check(TrainingSettings settings, NetworkDefinition definition)
    {
        settings.Objective.Validate();
        settings.Optimizer.Validate();
        settings.Schedule.Validate();
        Require(settings.BatchSize is >= 1 and <= MostBatchSize, "rows of a step", settings.BatchSize);
        Require(settings.MaximumEpochs is >= 1 and <= NetworkFormat.MaximumEpochs, "epochs at most", settings.MaximumEpochs);
        Require(
            settings.Rungs >= 1 && (long)settings.Rungs * settings.MaximumEpochs <= NetworkFormat.MaximumEpochs, "rungs", settings.Rungs);
        Require(settings.LearningRate is >= 0 and < double.PositiveInfinity, "learning rate", settings.LearningRate);
        Require(settings.AveragedEpochs is >= 0 and <= NetworkFormat.MaximumEpochs, "epochs averaged over", settings.AveragedEpochs);
        Require(settings.EarlyStoppingPatience >= 0, "patience", settings.EarlyStoppingPatience);
        foreach (int side in definition.Picture is { } picture ? new[] { picture.Height, picture.Width } : [])
            Require(settings.RandomShift >= 0 && (side == 1 || settings.RandomShift < side), "shift of pictures", settings.RandomShift);
        int classes = settings.Objective.Labels.Kind == LabelKind.Binary ? 2 : definition.Outputs;
        if (settings.TargetWeights is { } ofTargets)
        {
            Require(settings.Objective is ITargetwiseLoss && ofTargets.Length == definition.Outputs, "target weights", ofTargets.Length);
            foreach (float weight in ofTargets)
                Require(weight >= 0 && float.IsFinite(weight), "the weight of a target", weight);
            Require(ofTargets.Any(weight => weight > 0), "targets of a weight above 0", 0);
        }

        if (settings.ClassWeights is not { } weights)
            return;
        Require(weights.Length == classes, "class weights", weights.Length);
        foreach (float weight in weights)
            Require(weight >= 0 && float.IsFinite(weight), "the weight of a class", weight);
    }

    private static void Check(
        NetworkDefinition definition, InputEncoder encoder, FitRows rows, TrainingSettings settings, ValidationSplit split)
    {
        // As many rows as there are, where a step could have more.
        Require(
            (double)Math.Min(rows.Count, BatchPlan.LargestBatchOf(settings.BatchSize)) * definition.LargestMap
                <= NetworkDefinition.MaximumBatchValues,
            "rows of a step", settings.BatchSize);
        if (encoder.EncodedInputs != definition.Inputs)
        {
            throw new NetworkFormatException(CheckedBytes.Text(
                $"The encoding gives {encoder.EncodedInputs} columns, but the first layer has {definition.Inputs} inputs."));
        }
        if (encoder.RawInputs != rows.Training.Shape.RawInputs)
        {
            throw new NetworkFormatException(CheckedBytes.Text(
                $"The encoding reads {encoder.RawInputs} columns, but the rows have {rows.Training.Shape.RawInputs}."));
        }
        if (!CategoryRanges.HaveSameSlots(encoder.Ranges, rows.Ranges))
            throw new NetworkFormatException("The encoding has other categories than the rows.");
        if ((settings.TargetWeights?.Length ?? 1) != rows.Training.Shape.TargetColumns
            || rows.Target.Scales?.Count is { } scaled && scaled != rows.Training.Shape.TargetColumns)
        {
            throw new NetworkFormatException(CheckedBytes.Text(
                $"The rows have {rows.Training.Shape.TargetColumns} targets, which is not what the training is for."));
        }
        if (settings.Objective.Number != rows.Target.Objective.Number)
            throw new NetworkFormatException("The objective is not the one that the rows were read for.");
        // A network has an output for each class, and none is asked for a class that it does not have.
        if (settings.Objective.Labels.Kind == LabelKind.Class && rows.Classes?.Rows.Length != definition.Outputs)
        {
            throw new NetworkFormatException(CheckedBytes.Text(
                $"The network has {definition.Outputs} outputs, but the rows have {rows.Classes?.Rows.Length ?? 0} classes."));
        }
        if (split.ByClass && rows.Classes is null)
            throw new NetworkFormatException("Validation rows are to be chosen by class, but the rows have none.");
    }

    private static void Require(bool condition, string what, double found)
    {
        if (!condition)
            throw new NetworkFormatException(CheckedBytes.Text($"The number of {what} is {found}, which is out of range."));
    }
}
