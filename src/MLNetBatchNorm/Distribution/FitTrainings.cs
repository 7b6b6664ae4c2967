using MLNetBatchNorm.Distribution;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>
/// The trainings of one call of <c>Fit</c> as bytes, for a <see cref="TrainingRunner"/>: what each is, the rows that all share, and the way
/// back for what came of them.
/// </summary>
/// <remarks>
/// The rows are read in blocks, once for each place: see <see cref="TrainingRows"/>. They are there until <c>Fit</c> ends. What a
/// <see cref="TrainingWorker"/> reports goes to <see cref="Receive"/>.
/// </remarks>
public sealed class FitTrainings
{
    private readonly IReadOnlyList<NetworkTraining> _trainings;
    private readonly ITrainingsObserver _observer;
    private readonly IKeptTraining?[] _kept;
    private readonly bool[] _hasStarted;
    private readonly bool[] _hasEnded;
    private readonly int[] _epochs;
    private readonly FitRows _rows;

    internal FitTrainings(IReadOnlyList<NetworkTraining> trainings, ITrainingsObserver observer, ITrainingStore? store)
    {
        _trainings = trainings;
        _observer = observer;
        _rows = trainings[0].Rows;
        _kept = new IKeptTraining?[trainings.Count];
        _hasStarted = new bool[trainings.Count];
        _hasEnded = new bool[trainings.Count];
        _epochs = new int[trainings.Count];
        if (store is not null)
            Open(store);
    }

    /// <summary>Version and build of the library; a worker of another refuses what this one writes.</summary>
    public static string LibraryVersion => LibraryBuild.Text;

    /// <summary>Number of trainings.</summary>
    public int Count => _trainings.Count;

    /// <summary>Number of blocks in which the rows can be read.</summary>
    public int NumberOfRowBlocks => RowsFormat.Blocks(_rows);

    /// <summary>
    /// Memory that a place needs for the rows: all of them where <see cref="AreRowsSpilled"/> is false, else what each training that is
    /// under way there reads them through.
    /// </summary>
    public long RowMemoryBytes => RowsFormat.MemoryBytes(_rows);

    /// <summary>Whether the rows are in a temporary file, being more than the options allow in memory.</summary>
    public bool AreRowsSpilled => _rows.IsSpilled;

    /// <summary>The trainings as values.</summary>
    internal IReadOnlyList<NetworkTraining> Trainings => _trainings;

    /// <summary>What a training is called in messages, at the beginning of a sentence, such as <c>Network 3/8</c>.</summary>
    /// <param name="training">Number of the training, from 0.</param>
    public string GetName(int training) => _trainings[training].Number is { IsOnly: false } number ? number.Name : "The network";

    /// <summary>Whether a training is over: it has ended, here or in an interrupted <c>Fit</c> whose checkpoint was found.</summary>
    /// <param name="training">Number of the training, from 0.</param>
    public bool HasEnded(int training) => _hasEnded[training];

    /// <summary>All there is to a training but its rows: some kilobytes, and the network where training goes on from one.</summary>
    /// <param name="training">Number of the training, from 0.</param>
    public byte[] GetTraining(int training) => TrainingFormat.Write(_trainings[training]);

    /// <summary>What is in front of the blocks of rows.</summary>
    public byte[] GetRowsHeader() => RowsFormat.WriteHeader(_rows);

    /// <summary>A block of rows, of about a megabyte, or a row if that is larger. Can be called on any thread.</summary>
    /// <param name="block">Number of the block, from 0.</param>
    public byte[] GetRowBlock(int block) => RowsFormat.CopyBlock(_rows, block);

    /// <summary>The rows for a worker in this process, which reads them where they are; to be disposed of before <c>Fit</c> ends.</summary>
    public TrainingRows ShareRows() => new(_rows, ownsRows: false);

    /// <summary>
    /// Takes in what a <see cref="TrainingWorker"/> has reported. For the thread that called <see cref="TrainingRunner.Run"/>; what
    /// belongs to one training comes in its order. Of a training that was begun anew elsewhere, what was told before is not told again.
    /// </summary>
    /// <param name="training">Number of the training, from 0.</param>
    /// <param name="news">What was reported.</param>
    /// <exception cref="InvalidDataException">The bytes are not what a worker reports.</exception>
    /// <remarks>If the training has failed, its exception is thrown; <see cref="TrainingRunner.Run"/> then has to end, with that
    /// exception.</remarks>
    public void Receive(int training, byte[] news)
    {
        ArgumentNullException.ThrowIfNull(news);
        if (_hasEnded[training])
            return;
        Exception? failure;
        try
        {
            using var reader = new BinaryReader(new MemoryStream(news));
            failure = Take(training, reader);
            if (failure is null && reader.Remaining() > 0)
                throw new NetworkFormatException(CheckedBytes.Text($"There are {reader.Remaining()} bytes behind it."));
        }
        catch (Exception e) when (e is NetworkFormatException or EndOfStreamException)
        {
            throw new InvalidDataException($"{GetName(training)}: what was reported of it is damaged: {e.Message}", e);
        }

        if (failure is TrainingDivergedException diverged)
            diverged.Number = _trainings[training].Number;
        if (failure is not null)
            throw failure;
    }

    private Exception? Take(int training, BinaryReader reader)
    {
        NetworkTraining told = _trainings[training];
        switch (NewsFormat.KindOf(reader))
        {
            case NewsKind.Started:
                (int rows, int validationRows) = NewsFormat.ReadStarted(reader);
                if (!_hasStarted[training])
                    _observer.Started(told, rows, validationRows);
                _hasStarted[training] = true;
                return null;
            case NewsKind.Epoch:
                (EpochRecord record, int bestEpoch, int maximumEpochs) = NewsFormat.ReadEpoch(reader);
                if (record.Epoch <= _epochs[training])
                    return null;
                _epochs[training] = record.Epoch;
                _observer.EpochEnded(told, record, bestEpoch, maximumEpochs);
                return null;
            case NewsKind.Note:
                _observer.Noted(told, NewsFormat.ReadNote(reader));
                return null;
            case NewsKind.Ended:
                NetworkMember result = NewsFormat.ReadEnded(reader, told.Definition);
                _kept[training]?.Finish(result);
                End(training, result);
                return null;
            default:
                return NewsFormat.ReadFailed(reader, GetName(training));
        }
    }

    private void End(int training, NetworkMember result)
    {
        _hasEnded[training] = true;
        _kept[training] = null;
        _observer.Ended(_trainings[training], result);
    }

    /// <summary>Of the files that an interrupted Fit has left the networks that are trained to the end count.</summary>
    private void Open(ITrainingStore store)
    {
        for (int training = 0; training < Count; training++)
        {
            NetworkTraining known = _trainings[training];
            _kept[training] = store.Open(known, known.CreateParameters(), new Notes(_observer, known));
            if (_kept[training]!.Finished is { } finished)
                End(training, finished);
        }
    }

    private sealed class Notes(ITrainingsObserver observer, NetworkTraining training) : INetworkTrainingObserver
    {
        public void Started(int rows, int validationRows)
        {
        }

        public void EpochEnded(EpochRecord record, int bestEpoch, int maximumEpochs)
        {
        }

        public void Noted(TrainingNote note) => observer.Noted(training, note);
    }
}
