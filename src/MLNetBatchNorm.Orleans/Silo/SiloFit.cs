using System.Diagnostics;

namespace MLNetBatchNorm.Clustering;

/// <summary>The rows and trainings of one fit on this silo. Guarded by the lock of <see cref="SiloTrainings"/>.</summary>
internal sealed class SiloFit
{
    private byte[] _block = [];
    private int _blockUsed;
    private byte[] _training = [];
    private (int Training, int Attempt) _trainingOf;
    private int _trainingUsed;

    /// <summary>The rows, as far as they have come.</summary>
    public required TrainingRows Rows { get; init; }

    /// <summary>Whether they are those of a client in the same process, read where they are.</summary>
    public required bool IsShared { get; init; }

    /// <summary>Memory that is set aside for the rows here.</summary>
    public required long ReservedBytes { get; init; }

    /// <summary>Trainings by number.</summary>
    public Dictionary<int, RunningTraining> Trainings { get; } = [];

    /// <summary>Numbers of trainings whose end has reached the client.</summary>
    public HashSet<int> Ended { get; } = [];

    /// <summary>Why the rows cannot be used.</summary>
    public string? Refusal { get; set; }

    /// <summary>When the client was last heard of.</summary>
    public long Heard { get; set; } = Stopwatch.GetTimestamp();

    /// <summary>Whether the fit has ended, and the silo only waits for threads.</summary>
    public bool IsOver { get; set; }

    /// <summary>When the client gets its next answer.</summary>
    public NewsPace Pace { get; } = new(TimeProvider.System);

    /// <summary>Trainings whose threads are at work.</summary>
    public int Running => Trainings.Values.Count(training => training.IsRunning);

    /// <summary>How far it is with the rows.</summary>
    public RowsAnswer State => new()
    {
        Refusal = Refusal, IsComplete = Rows.IsComplete, Block = Rows.NumberOfBlocks, Offset = _blockUsed,
    };

    /// <summary>Takes a piece of a block if it is the one that is wanted.</summary>
    /// <exception cref="InvalidDataException">The block is not one of these rows.</exception>
    /// <exception cref="IOException">The temporary file cannot be written.</exception>
    public void Add(RowsPiece piece)
    {
        if (Rows.IsComplete || piece.Block != Rows.NumberOfBlocks || piece.Offset != _blockUsed)
            return;
        Append(ref _block, ref _blockUsed, piece.Bytes, piece.Total);
        if (_blockUsed < piece.Total)
            return;
        byte[] block = _block.Length == _blockUsed ? _block : _block[.._blockUsed];
        (_block, _blockUsed) = ([], 0);
        Rows.Add(block);
    }

    /// <summary>Takes a piece of a training; gives back all of it when it is there.</summary>
    public byte[]? Add(TrainingPiece piece, out int wanted)
    {
        if (_trainingOf != (piece.Training, piece.Attempt) || piece.Offset == 0)
            (_trainingOf, _training, _trainingUsed) = ((piece.Training, piece.Attempt), [], 0);
        if (piece.Offset == _trainingUsed)
            Append(ref _training, ref _trainingUsed, piece.Bytes, piece.Total);
        wanted = _trainingUsed;
        if (_trainingUsed < piece.Total)
            return null;
        byte[] training = _training[.._trainingUsed];
        (_training, _trainingUsed, _trainingOf) = ([], 0, default);
        return training;
    }

    /// <summary>
    /// Forgets trainings whose end has reached the client: each holds a network. One whose thread is not done yet is forgotten the next
    /// time.
    /// </summary>
    public void ForgetEnded()
    {
        foreach ((int number, RunningTraining training) in Trainings.Where(training => Ended.Contains(training.Key)).ToArray())
        {
            if (!training.Ended.IsCompleted)
                continue;
            Trainings.Remove(number);
            training.Dispose();
        }
    }

    /// <summary>Memory grows with what has come, and not with what is said to come.</summary>
    private static void Append(ref byte[] bytes, ref int used, byte[] piece, int total)
    {
        if (piece.Length == 0 || total < 0 || piece.Length > total - used)
            throw new InvalidDataException($"A piece of {piece.Length} bytes does not belong to {total}, of which {used} have come.");
        if (bytes.Length < used + piece.Length)
            Array.Resize(ref bytes, (int)Math.Min(total, Math.Max(used + (long)piece.Length, 2L * bytes.Length)));
        piece.CopyTo(bytes, used);
        used += piece.Length;
    }
}
