using System.Security.Cryptography;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Stress;

/// <summary>The block of a model that holds the network.</summary>
internal sealed class NetworkTarget : FuzzTarget
{
    /// <summary>Exceptions, their messages and stack traces, and the reader itself.</summary>
    private const int FixedBytes = 24 * 1024;

    private static readonly byte[][] s_blocks = [.. SampleNetworks.All().Select(Write)];

    private static readonly SectionLayout[] s_layouts = [.. s_blocks.Select(block => new SectionLayout(block))];

    public override string Name => "network";

    public override IReadOnlyList<byte[]> Seeds { get; } =
        [.. s_blocks, AsVersion1(SampleNetworks.All().First(n => n.Members.Count == 1))];

    /// <summary>
    /// Puts back the headers of the sections of the block that it was made from. A quarter of the inputs keeps damaged ones, as do those
    /// of versions without sections; a quarter has sections of another length than before.
    /// </summary>
    public override byte[] Mend(byte[] input)
    {
        const int versionPosition = 4;
        int kind = input.Sum(b => b) % 4;
        if (kind == 0 || input.Length <= versionPosition || input[versionPosition] is 1 or 2)
            return input;
        return s_layouts.MinBy(layout => layout.Differences(input))!.LayOver(input, keepsLength: kind == 1);
    }

    public override void Read(byte[] input)
    {
        using var reader = new BinaryReader(new MemoryStream(input));
        NetworkFormat.Read(reader);
    }

    public override bool IsDocumented(Exception exception) => exception is NetworkFormatException
        || exception is EndOfStreamException;       // inside a NetworkFormatException

    public override long AllowedBytes(int length) => FixedBytes + 10L * length;

    /// <summary>
    /// The block of a single network as the first version wrote it: the sections one behind the other, and no metrics
    /// at the end of what is there about each epoch.
    /// </summary>
    private static byte[] AsVersion1(TrainedNetwork network)
    {
        byte[] bytes = Write(network);
        const int epochBytes = 38, metricBytes = 9, head = 8, versionPosition = 4, tagBytes = 4;
        List<byte> old = [.. bytes[..head]];
        for (int at = head; at < bytes.Length;)
        {
            int body = at + Sections.HeaderBytes, length = (int)BitConverter.ToInt64(bytes, at + tagBytes);
            if (bytes.AsSpan(at, tagBytes).SequenceEqual("ENCO"u8))
                old.AddRange(EncoderAsVersion1(network.Encoder));
            else if (System.Text.Encoding.ASCII.GetString(bytes, at, tagBytes) is "DEFI" or "NETS" or "HIST")
                old.AddRange(bytes.AsSpan(body, length));
            at = body + length;
        }

        int history = old.Count - SampleNetworks.History.Epochs.Count * epochBytes;
        byte[] flat = [.. old];
        byte[] first = [.. flat[..history], .. flat[history..].Chunk(epochBytes).SelectMany(epoch => epoch[..^metricBytes])];
        first[versionPosition] = 1;
        return first;
    }

    private static byte[] EncoderAsVersion1(InputEncoder encoder)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        ScaleAndClip scaling = encoder.Part<ScaleAndClip>()!;
        writer.Write(encoder.RawInputs);
        writer.WriteFlag(false);
        writer.WriteSingles(scaling.Center);
        writer.WriteSingles(scaling.Scale);
        for (int slot = 0; slot < encoder.RawInputs; slot++)
            writer.Write((byte)((scaling.IsClipped(slot) ? 1 : 0) + (encoder.Part<MissingColumns>()!.Slots.Contains(slot) ? 2 : 0)));
        writer.Write(encoder.Part<Pieces>()!.Columns);
        foreach (InputPiece piece in encoder.Part<Pieces>()!.All)
        {
            writer.Write(piece.Source);
            writer.WriteSingles([piece.Start, piece.Scale]);
        }

        writer.Flush();
        return stream.ToArray();
    }

    private static byte[] Write(TrainedNetwork network)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        NetworkFormat.Write(writer, network);
        writer.Flush();
        return stream.ToArray();
    }
}

/// <summary>A checkpoint, with the checksum of the changed bytes and the hashes of the training that reads it.</summary>
internal sealed class CheckpointTarget : FuzzTarget
{
    private const int FixedBytes = 24 * 1024;
    private const int LengthPosition = 12;
    private const int ChecksumPosition = 20;
    private const int BodyPosition = ChecksumPosition + CheckpointOwner.HashLength;

    private static readonly NetworkDefinition s_definition = new() { Inputs = 5, HiddenUnits = [6, 3], Outputs = 2 };

    private static readonly CheckpointOwner s_owner = new(new byte[32], new byte[32], new byte[32]);

    public override string Name => "checkpoint";

    public override IReadOnlyList<byte[]> Seeds { get; } = [Write(1), Write(2), WriteFinished()];

    /// <summary>Without the right head nothing behind it is ever read; one input in sixteen keeps the wrong one.</summary>
    public override byte[] Mend(byte[] input)
    {
        const int ownerEnd = BodyPosition + 3 * CheckpointOwner.HashLength;
        if (input.Length < ownerEnd || input.Length % 16 == 0)
            return input;
        byte[] mended = (byte[])input.Clone();
        Seeds[0].AsSpan(0, LengthPosition).CopyTo(mended);
        mended.AsSpan(BodyPosition, ownerEnd - BodyPosition).Clear();
        BitConverter.TryWriteBytes(mended.AsSpan(LengthPosition), (long)input.Length - BodyPosition);
        SHA256.HashData(mended.AsSpan(BodyPosition)).CopyTo(mended, ChecksumPosition);
        return mended;
    }

    public override void Read(byte[] input) => CheckpointFormat.Read(new MemoryStream(input), s_owner, s_definition);

    public override bool IsDocumented(Exception exception) => exception is NetworkFormatException or ForeignCheckpointException
        || exception is EndOfStreamException;       // inside a NetworkFormatException

    public override long AllowedBytes(int length) => FixedBytes + 10L * length;

    private static byte[] Write(int epochs)
    {
        var state = new TrainingState(SampleNetworks.Parameters(s_definition, 1), [new AlignedBuffer(96), new AlignedBuffer(16)]);
        for (int epoch = 1; epoch <= epochs; epoch++)
            state.Add(SampleNetworks.Epoch(epoch, 0.5, epoch == 1 ? 0.4 : double.NaN, epoch == 1 ? 0.9 : null));
        if (epochs > 1)
            state.KeepAsBest(state.Parameters);
        using var stream = new MemoryStream();
        CheckpointFormat.Write(stream, s_owner, state);
        return stream.ToArray();
    }

    private static byte[] WriteFinished()
    {
        using var stream = new MemoryStream();
        CheckpointFormat.Write(stream, s_owner, new NetworkMember(SampleNetworks.Parameters(s_definition, 1), SampleNetworks.History));
        return stream.ToArray();
    }
}

/// <summary>Small networks that together hold every part of the format.</summary>
internal static class SampleNetworks
{
    public static TrainingHistory History { get; } = new()
    {
        Epochs = [Epoch(1, 0.7, 0.6, 0.8), Epoch(2, 0.5, null, null)], BestEpoch = 1,
        StopReason = TrainingStopReason.ValidationLossStoppedImproving,
    };

    public static EpochRecord Epoch(int epoch, double trainingLoss, double? validationLoss, double? metric) => new()
    {
        Epoch = epoch, LearningRate = 0.1, TrainingLoss = trainingLoss, ValidationLoss = validationLoss, ValidationMetric = metric,
    };

    public static IEnumerable<TrainedNetwork> All()
    {
        foreach (BatchNormalizationPlacement placement in Enum.GetValues<BatchNormalizationPlacement>())
            yield return Create([6, 3], placement, members: 1 + (int)placement % 2);
        yield return Create([1], BatchNormalizationPlacement.BeforeActivation, 1);
        yield return Create([], BatchNormalizationPlacement.None, 1);
        // Single outputs of many inputs, in several networks: what grows most in memory.
        var wide = new NetworkDefinition { Inputs = 300, HiddenUnits = [1], Outputs = 1 };
        yield return new TrainedNetwork(
            InputEncoder.Identity(300), [.. Enumerable.Range(0, 8).Select(m => new NetworkMember(Parameters(wide, (ulong)m), History))]);
        var identity = new NetworkDefinition { Inputs = 40, HiddenUnits = [], Outputs = 1, Placement = BatchNormalizationPlacement.None };
        yield return new TrainedNetwork(InputEncoder.Identity(40), Parameters(identity, 1), History);
    }

    public static NetworkParameters Parameters(NetworkDefinition definition, ulong seed) => Initialization.Create(definition, seed);

    private static TrainedNetwork Create(int[] hiddenUnits, BatchNormalizationPlacement placement, int members)
    {
        var definition = new NetworkDefinition
        {
            Inputs = 6, HiddenUnits = hiddenUnits, Outputs = 2, Placement = placement,
            NormalizeOutputLayerInput = placement == BatchNormalizationPlacement.LayerInput,
        };
        var encoder = new InputEncoder(
            3,
            [
                new ScaleAndClip([10, 0, 1], [0.5f, 1, 2], [true, false, true]), new MissingColumns([0]),
                new Pieces([new InputPiece(0, 8, 0.25f), new InputPiece(2, 1, 4)]),
            ]);
        var chosen = new ChosenSettings
        {
            BatchSize = 64, MaximumNumberOfEpochs = 100, LearningRate = 0.01, ValidationFraction = 0.1, Seed = 5,
            NumberOfTrainingRows = 1000, LibraryVersion = "1.2.3",
        };
        return new TrainedNetwork(
            encoder, [.. Enumerable.Range(0, members).Select(m => new NetworkMember(Parameters(definition, (ulong)m), History))], chosen)
        {
            Objective = new SquaredLoss(), Scale = new TargetScale(40, 7),
            SlotNames = SlotNames.Create(3, ["Age".AsMemory(), default, "Größe".AsMemory()], out _),
        };
    }
}
