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
    /// <summary>
    /// Exceptions, their messages and stack traces, and the reader itself, also of blocks inside of a block. Code that the runtime has not
    /// optimized yet allocates some of it that it does not later: 41 KB were seen for 1.6 KB that hold two blocks.
    /// </summary>
    private const int FixedBytes = 40 * 1024;

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
            state.Add(SampleNetworks.Epoch(epoch, 0.5, epoch == 1 ? 0.4 : double.NaN, epoch == 1 ? 0.9 : null, targets: epochs));
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
