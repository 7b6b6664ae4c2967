using System.Security.Cryptography;
using MLNetBatchNorm.Distribution;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>Runs one training where a <see cref="TrainingRunner"/> has sent it, and reports what comes of it as bytes.</summary>
/// <remarks>
/// The state of a training that is under way can be kept as well: then it goes on from there when its place is lost, and comes to the same
/// network as if nothing had happened.
/// </remarks>
public sealed class TrainingWorker
{
    private readonly TrainingRows _rows;
    private readonly NetworkTraining _training;
    private readonly byte[] _hash;

    /// <summary>A training of some rows.</summary>
    /// <param name="rows">The rows, all of them.</param>
    /// <param name="training">What <see cref="FitTrainings.GetTraining"/> gave.</param>
    /// <exception cref="InvalidDataException">It is no training of these rows, or one of another version of the library.</exception>
    public TrainingWorker(TrainingRows rows, byte[] training)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(training);
        _rows = rows;
        _hash = SHA256.HashData(training);
        try
        {
            _training = TrainingFormat.Read(training, rows.Rows);
        }
        catch (NetworkFormatException e)
        {
            throw new InvalidDataException($"The training cannot be used: {e.Message}", e);
        }
    }

    /// <summary>Given what the training has to tell, in order, on the thread that trains: for <see cref="FitTrainings.Receive"/>.</summary>
    public required Action<byte[]> Report { get; init; }

    /// <summary>Number of threads that train. It has no influence on the result.</summary>
    /// <value>Default 1: trainings are run side by side.</value>
    public int NumberOfThreads { get; init; } = 1;

    /// <summary>Asked after each epoch whether the state of the training is to be kept now.</summary>
    /// <value>Default null: never.</value>
    public Func<bool>? IsStateWanted { get; init; }

    /// <summary>Given the state of the training when it is to be kept; what it throws becomes a warning, and training goes on.</summary>
    public Action<byte[]>? KeepState { get; init; }

    /// <summary>
    /// Asked once, with <see cref="Key"/>, for the state to go on from: one that <see cref="KeepState"/> was given, or null.
    /// </summary>
    /// <value>
    /// Default null: from the beginning. A damaged state, or one of another training, is reported and not used; what this throws becomes a
    /// warning, and training begins anew.
    /// </value>
    public Func<string, byte[]?>? ReadState { get; init; }

    /// <summary>
    /// A name for this training of these rows, 64 hexadecimal digits: the same for the same training in another place and process, and
    /// for no other.
    /// </summary>
    public string Key => Convert.ToHexStringLower(SHA256.HashData([.. _rows.Hash, .. _hash]));

    /// <summary>Trains. Failures are reported as well, and not thrown.</summary>
    /// <param name="cancellation">Asked before every step.</param>
    /// <returns>Whether the training is over, and has nothing to be kept any more: false if an exception of its place ended it.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; nothing more is reported.</exception>
    public bool Run(CancellationToken cancellation)
    {
        try
        {
            var store = IsStateWanted is null && ReadState is null ? null : new Store(this);
            Report(NewsFormat.Ended(_training.Run(NumberOfThreads, new Reporter(Report), store, cancellation)));
            return true;
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellation.IsCancellationRequested)
        {
            Report(NewsFormat.Failed(e));
            return e is TrainingDivergedException or TooFewRowsException;
        }
    }

    private sealed class Reporter(Action<byte[]> report) : INetworkTrainingObserver
    {
        public void Started(int rows, int validationRows) => report(NewsFormat.Started(rows, validationRows));

        public void EpochEnded(EpochRecord record, int bestEpoch, int maximumEpochs) =>
            report(NewsFormat.Epoch(record, bestEpoch, maximumEpochs));

        public void Noted(TrainingNote note) => report(NewsFormat.Note(note));
    }

    /// <summary>Keeps the one training's state as the bytes of a checkpoint.</summary>
    private sealed class Store(TrainingWorker worker) : ITrainingStore, IKeptTraining
    {
        private readonly CheckpointOwner _owner = new(LibraryBuild.Hash, worker._rows.Hash, worker._hash);
        private NetworkDefinition? _definition;
        private INetworkTrainingObserver? _observer;

        public NetworkMember? Finished => null;

        public IKeptTraining Open(NetworkTraining training, NetworkParameters initial, INetworkTrainingObserver observer)
        {
            _definition = training.Definition;
            _observer = observer;
            return this;
        }

        public bool Restore(TrainingState state)
        {
            if (Read() is not { } bytes)
                return false;
            try
            {
                (TrainingState? kept, _) = CheckpointFormat.Read(new MemoryStream(bytes), _owner, _definition!);
                if (kept is null || !kept.HasShapeOf(state))
                    throw new NetworkFormatException("It holds another optimizer's memory.");
                state.CopyFrom(kept);
                TellAgain(kept.Epochs);
                Note(TrainingNoteKind.Information, $"Training goes on from its checkpoint, after {state.Epochs.Count} epochs.");
                return true;
            }
            catch (Exception e) when (e is NetworkFormatException or ForeignCheckpointException)
            {
                Note(TrainingNoteKind.Error, $"The checkpoint is damaged and is not used: {e.Message}");
                return false;
            }
        }

        /// <summary>
        /// What the lost place had not sent yet, although it had kept the state behind it, is told from here; who has heard of an epoch
        /// passes it over.
        /// </summary>
        private void TellAgain(IReadOnlyList<EpochRecord> epochs)
        {
            int bestEpoch = 0;
            double lowest = double.PositiveInfinity;
            foreach (EpochRecord epoch in epochs)
            {
                if (epoch.ValidationLoss is not { } loss || loss < lowest)
                    (bestEpoch, lowest) = (epoch.Epoch, epoch.ValidationLoss ?? lowest);
                _observer!.EpochEnded(epoch, bestEpoch, worker._training.Settings.EpochsOfAllRungs);
            }
        }

        private byte[]? Read()
        {
            try
            {
                return worker.ReadState?.Invoke(worker.Key);
            }
            catch (Exception e)                        // whatever keeps states has gone wrong, and not the training
            {
                Note(TrainingNoteKind.Warning, $"No checkpoint can be read, and training begins anew: {e.Message}");
                return null;
            }
        }

        public void EpochEnded(TrainingState state)
        {
            if (worker.IsStateWanted?.Invoke() != true || worker.KeepState is not { } keep)
                return;
            using var stream = new MemoryStream();
            CheckpointFormat.Write(stream, _owner, state);
            try
            {
                keep(stream.ToArray());
            }
            catch (Exception e)                        // whatever keeps states has gone wrong, and not the training
            {
                Note(TrainingNoteKind.Warning, $"The checkpoint cannot be kept, and training goes on without it: {e.Message}");
            }
        }

        public void Finish(NetworkMember result)
        {
        }

        private void Note(TrainingNoteKind kind, FormattableString text) =>
            _observer!.Noted(new TrainingNote(kind, FormattableString.Invariant(text)));
    }
}
