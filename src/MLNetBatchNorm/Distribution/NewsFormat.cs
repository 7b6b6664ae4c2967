using MLNetBatchNorm.Data;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Distribution;

/// <summary>The bytes of what a training has to tell to those who wait for it.</summary>
/// <remarks>
/// <code>
/// byte     kind, see NewsKind
/// Started  int32 rows, int32 validation rows
/// Epoch    int32 epoch, float64 learning rate, float64 training loss, byte has a validation loss, float64 it,
///          byte has a validation metric, float64 it; metrics of targets, as in a checkpoint; int32 best epoch, int32 epochs at most
/// Note     byte kind, text
/// Ended    the network and its history, as in a model
/// Failed   text name of the exception, text message, int32 epoch or number of rows, float64 learning rate
/// </code>
/// </remarks>
internal static class NewsFormat
{
    private const int MostBytesOfText = 1 << 16;

    /// <summary>Writes that the first epoch begins.</summary>
    public static byte[] Started(int rows, int validationRows) => Write(NewsKind.Started, writer =>
    {
        writer.Write(rows);
        writer.Write(validationRows);
    });

    /// <summary>Writes that an epoch is done.</summary>
    public static byte[] Epoch(EpochRecord record, int bestEpoch, int maximumEpochs) => Write(NewsKind.Epoch, writer =>
    {
        writer.Write(record.Epoch);
        writer.Write(record.LearningRate);
        writer.Write(record.TrainingLoss);
        writer.WriteOptional(record.ValidationLoss);
        writer.WriteOptional(record.ValidationMetric);
        NetworkFormat.WriteTargetMetrics(writer, [record]);
        writer.Write(bestEpoch);
        writer.Write(maximumEpochs);
    });

    /// <summary>Writes what a person should know.</summary>
    public static byte[] Note(TrainingNote note) => Write(NewsKind.Note, writer =>
    {
        writer.Write((byte)note.Kind);
        writer.WriteText(Shortened(note.Text));
    });

    /// <summary>Writes what a training came to.</summary>
    public static byte[] Ended(NetworkMember result) => Write(NewsKind.Ended, writer => NetworkFormat.WriteMember(writer, result));

    /// <summary>Writes why a training failed.</summary>
    public static byte[] Failed(Exception exception) => Write(NewsKind.Failed, writer =>
    {
        writer.WriteText(exception.GetType().Name);
        writer.WriteText(Shortened(exception.Message));
        writer.Write((exception as TrainingDivergedException)?.Epoch ?? (exception as TooFewRowsException)?.Rows ?? 0);
        writer.Write((exception as TrainingDivergedException)?.LearningRate ?? 0);
    });

    /// <summary>What some bytes tell.</summary>
    public static NewsKind KindOf(BinaryReader reader) => reader.ReadEnumeration<NewsKind>("kind of news");

    /// <summary>Reads the numbers of rows behind the kind.</summary>
    public static (int Rows, int ValidationRows) ReadStarted(BinaryReader reader) => (
        reader.ReadCount("training rows", 0, int.MaxValue, 0), reader.ReadCount("validation rows", 0, int.MaxValue, 0));

    /// <summary>Reads an epoch behind the kind.</summary>
    public static (EpochRecord Record, int BestEpoch, int MaximumEpochs) ReadEpoch(BinaryReader reader)
    {
        var record = new EpochRecord
        {
            Epoch = reader.ReadCount("the epoch", 1, NetworkFormat.MaximumEpochs, 0),
            LearningRate = reader.ReadDouble(),
            TrainingLoss = reader.ReadDouble(),
            ValidationLoss = reader.ReadOptional("flag of a validation loss"),
            ValidationMetric = reader.ReadOptional("flag of a validation metric"),
        };
        return (
            NetworkFormat.ReadTargetMetrics(reader, [record])[0],
            reader.ReadCount("the best epoch", 0, NetworkFormat.MaximumEpochs, 0),
            reader.ReadCount("epochs at most", 1, NetworkFormat.MaximumEpochs, 0));
    }

    /// <summary>Reads a note behind the kind.</summary>
    public static TrainingNote ReadNote(BinaryReader reader) => new(
        reader.ReadEnumeration<TrainingNoteKind>("kind of note"), reader.ReadText("note", MostBytesOfText));

    /// <summary>Reads a network of a known shape behind the kind.</summary>
    public static NetworkMember ReadEnded(BinaryReader reader, NetworkDefinition definition) =>
        NetworkFormat.ReadMember(reader, definition);

    /// <summary>
    /// Reads a failure behind the kind: as an exception of the same type where whoever calls <c>Fit</c> is told of that type.
    /// </summary>
    /// <param name="reader">Behind the kind.</param>
    /// <param name="what">Which training, at the beginning of a sentence.</param>
    public static Exception ReadFailed(BinaryReader reader, string what)
    {
        string name = reader.ReadText("name of an exception", MostBytesOfText), message = reader.ReadText("message", MostBytesOfText);
        int number = reader.ReadInt32();
        double rate = reader.ReadDouble();
        return name switch
        {
            nameof(TrainingDivergedException) => new TrainingDivergedException(number, rate, message),
            nameof(TooFewRowsException) => new TooFewRowsException(number),
            nameof(SpillException) => new SpillException(message),
            _ => new InvalidOperationException($"{what} failed where it was trained, with {name}: {message}"),
        };
    }

    private static byte[] Write(NewsKind kind, Action<BinaryWriter> body)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write((byte)kind);
        body(writer);
        writer.Flush();
        return stream.ToArray();
    }

    // A quarter, because a character takes up to three bytes.
    private static string Shortened(string text) => text.Length <= MostBytesOfText / 4 ? text : text[..(MostBytesOfText / 4)];
}
