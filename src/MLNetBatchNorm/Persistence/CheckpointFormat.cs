using System.Security.Cryptography;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Persistence;

/// <summary>
/// The bytes of a checkpoint: where the training of one network stands, or the network if its training is over. Little-endian, read by the
/// build that wrote it and by no other.
/// </summary>
/// <remarks>
/// <code>
/// *** Layout, version 4 ***
/// 8 bytes  magic "MNBNCKPT"
/// int32    version
/// int64    bytes behind the checksum
/// 32 bytes SHA-256 of everything behind it
/// 32 bytes each: build, rows, settings, see CheckpointOwner
/// byte     0: under way, 1: over
/// -- under way
/// int32    number of epochs E
///          int32 epoch, float64 learning rate, float64 training loss, byte has a validation loss: 0 or 1, float64 validation loss or 0,
///          byte has a validation metric: 0 or 1, float64 validation metric or 0    E times
/// int32    number of targets T, 0 if there is one only
///          float64 validation metric of each, T times, of each epoch that has a validation metric
/// parameters as they are, as in a model (see NetworkFormat)
/// byte     their average follows: 0 or 1; if 1: parameters as in a model
/// byte     the best epoch's parameters follow: 0 or 1; if 1: parameters as in a model
/// int32    number of the optimizer's arrays
///          int32 length, float32 x length                  for each array
/// -- over
/// parameters, history and metrics of targets, as in a model
/// </code>
/// The checksum guards against damage, not against forgery, so every count is held against what it must be and against the bytes that are
/// left before memory is taken.
/// </remarks>
internal static class CheckpointFormat
{
    /// <summary>The version written and read.</summary>
    public const int CurrentVersion = 4;

    /// <summary>Limit of the number of optimizer arrays: five blocks a layer and up to three arrays for each.</summary>
    private const int MaximumArrays = 16 * (NetworkDefinition.MaximumHiddenLayers + 1);

    private const byte UnderWay = 0;
    private const byte Over = 1;
    private const int LengthPosition = 8 + sizeof(int);
    private const int ChecksumPosition = LengthPosition + sizeof(long);
    private const int BodyPosition = ChecksumPosition + CheckpointOwner.HashLength;

    private static ReadOnlySpan<byte> Magic => "MNBNCKPT"u8;

    /// <summary>Whether a stream begins as a checkpoint does. An empty one counts: nothing is lost with it.</summary>
    public static bool IsCheckpoint(Stream stream)
    {
        Span<byte> start = stackalloc byte[8];
        int read = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        return Magic.StartsWith(start[..read]);
    }

    /// <summary>Writes a training that is under way.</summary>
    public static void Write(Stream stream, CheckpointOwner owner, TrainingState state) => Write(stream, owner, UnderWay, writer =>
    {
        WriteEpochs(writer, state.Epochs);
        NetworkFormat.WriteParameters(writer, state.Parameters);
        writer.Write(state.Average is not null);
        if (state.Average is { } average)
            NetworkFormat.WriteParameters(writer, average);
        writer.Write(state.Best is not null);
        if (state.Best is { } best)
            NetworkFormat.WriteParameters(writer, best);
        writer.Write(state.OptimizerMemory.Count);
        foreach (AlignedBuffer memory in state.OptimizerMemory)
        {
            writer.Write(memory.Length);
            writer.WriteSingles(memory.Span);
        }
    });

    /// <summary>Writes a network whose training is over.</summary>
    public static void Write(Stream stream, CheckpointOwner owner, NetworkMember finished) =>
        Write(stream, owner, Over, writer => NetworkFormat.WriteMember(writer, finished));

    /// <summary>Reads a checkpoint of the training of <paramref name="owner"/>.</summary>
    /// <param name="stream">Readable and seekable.</param>
    /// <param name="owner">The training that wants to go on.</param>
    /// <param name="definition">The shape of its network.</param>
    /// <returns>A new state, or the network if its training is over.</returns>
    /// <exception cref="NetworkFormatException">The bytes are damaged.</exception>
    /// <exception cref="ForeignCheckpointException">The bytes are whole, and of another training.</exception>
    public static (TrainingState? State, NetworkMember? Finished) Read(Stream stream, CheckpointOwner owner, NetworkDefinition definition)
    {
        using var reader = new BinaryReader(stream, System.Text.Encoding.UTF8, leaveOpen: true);
        try
        {
            int version = CheckWhole(reader);
            if (version != CurrentVersion)
            {
                throw new ForeignCheckpointException(
                    CheckedBytes.Text($"it has version {version} of the format, this library reads version {CurrentVersion}"));
            }
            CheckOwner(reader, owner);
            return reader.ReadFlag("flag of a training that is over")
                ? (null, NetworkFormat.ReadMember(reader, definition))
                : (ReadState(reader, definition), null);
        }
        catch (EndOfStreamException e)
        {
            throw new NetworkFormatException("The data of the checkpoint ends too early.", e);
        }
    }

    private static void Write(Stream stream, CheckpointOwner owner, byte kind, Action<BinaryWriter> writeBody)
    {
        using var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true);
        writer.Write(Magic);
        writer.Write(CurrentVersion);
        writer.Write(0L);
        writer.Write(new byte[CheckpointOwner.HashLength]);
        writer.Write(owner.Build);
        writer.Write(owner.Rows);
        writer.Write(owner.Settings);
        writer.Write(kind);
        writeBody(writer);
        writer.Flush();

        long length = stream.Position - BodyPosition;
        stream.Position = BodyPosition;
        byte[] checksum = SHA256.HashData(stream);
        stream.Position = LengthPosition;
        writer.Write(length);
        writer.Write(checksum);
        writer.Flush();
    }

    /// <summary>Checks everything up to the owner, and gives back the version.</summary>
    private static int CheckWhole(BinaryReader reader)
    {
        Stream stream = reader.BaseStream;
        if (!IsCheckpoint(stream) || stream.Length == 0)
            throw new NetworkFormatException("The data does not begin as a checkpoint does.");
        int version = reader.ReadInt32();
        long length = reader.ReadInt64();
        if (length != stream.Length - BodyPosition)
        {
            throw new NetworkFormatException(CheckedBytes.Text(
                $"The checkpoint should have {length} bytes behind its checksum and has {stream.Length - BodyPosition}."));
        }
        byte[] checksum = reader.ReadBytes(CheckpointOwner.HashLength);
        if (!SHA256.HashData(stream).AsSpan().SequenceEqual(checksum))
            throw new NetworkFormatException("The checksum of the checkpoint is not that of its data.");
        stream.Position = BodyPosition;
        return version;
    }

    private static void CheckOwner(BinaryReader reader, CheckpointOwner owner)
    {
        foreach ((byte[] expected, string difference) in new[]
        {
            (owner.Build, "it was written by another build of this library"),
            (owner.Rows, "its training or validation rows are others"),
            (owner.Settings, "its options, seed or initial network are others"),
        })
        {
            if (!reader.ReadBytes(CheckpointOwner.HashLength).AsSpan().SequenceEqual(expected))
                throw new ForeignCheckpointException(difference);
        }
    }

    private static TrainingState ReadState(BinaryReader reader, NetworkDefinition definition)
    {
        EpochRecord[] epochs = ReadEpochs(reader);
        NetworkParameters parameters = NetworkFormat.ReadParameters(reader, definition);
        NetworkParameters? average =
            reader.ReadFlag("flag of averaged parameters") ? NetworkFormat.ReadParameters(reader, definition) : null;
        NetworkParameters? best =
            reader.ReadFlag("flag of the best epoch's parameters") ? NetworkFormat.ReadParameters(reader, definition) : null;
        var memory = new AlignedBuffer[reader.ReadCount("arrays of the optimizer", 0, MaximumArrays, sizeof(int))];
        for (int i = 0; i < memory.Length; i++)
        {
            memory[i] = new AlignedBuffer(
                reader.ReadCount("numbers in an array of the optimizer", PanelLayout.Width, Array.MaxLength - 16, sizeof(float)));
            reader.ReadSingles(memory[i].Span, "number of the optimizer");
        }

        var state = new TrainingState(parameters, memory) { Average = average };
        foreach (EpochRecord epoch in epochs)
            state.Add(epoch);
        if (best is not null)
            state.KeepAsBest(best);
        return state;
    }

    // Not as in a model: a validation loss that is not finite is no reason to refuse a training that may yet recover.
    private static void WriteEpochs(BinaryWriter writer, IReadOnlyList<EpochRecord> epochs)
    {
        writer.Write(epochs.Count);
        foreach (EpochRecord epoch in epochs)
        {
            writer.Write(epoch.Epoch);
            writer.Write(epoch.LearningRate);
            writer.Write(epoch.TrainingLoss);
            writer.WriteOptional(epoch.ValidationLoss);
            writer.WriteOptional(epoch.ValidationMetric);
        }

        NetworkFormat.WriteTargetMetrics(writer, epochs);
    }

    private static EpochRecord[] ReadEpochs(BinaryReader reader)
    {
        var epochs = new EpochRecord[reader.ReadCount("epochs", 1, NetworkFormat.MaximumEpochs, NetworkFormat.BytesOfEpoch)];
        for (int i = 0; i < epochs.Length; i++)
        {
            int epoch = reader.ReadInt32();
            if (epoch != i + 1)
                throw new NetworkFormatException(CheckedBytes.Text($"Epoch {i + 1} of the checkpoint has number {epoch}."));
            double rate = reader.ReadDouble(), trainingLoss = reader.ReadDouble();
            double? validationLoss = reader.ReadOptional("flag of a validation loss");
            epochs[i] = new EpochRecord
            {
                Epoch = epoch,
                LearningRate = rate,
                TrainingLoss = trainingLoss,
                ValidationLoss = validationLoss,
                ValidationMetric = reader.ReadOptional("flag of a validation metric"),
            };
        }

        return NetworkFormat.ReadTargetMetrics(reader, epochs);
    }
}
