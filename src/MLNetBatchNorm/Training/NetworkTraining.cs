using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>One training of one network, as a value: the rows it learns from, the network it begins with, and how it is trained.</summary>
/// <remarks>
/// What it comes to is a function of this value alone: not of where it runs, on how many threads, nor of other trainings. All but the rows,
/// which many trainings share by reference, is small and can be written down.
/// </remarks>
internal sealed class NetworkTraining
{
    /// <summary>Which of the model's trainings it is.</summary>
    public required TrainingNumber Number { get; init; }

    /// <summary>All rows.</summary>
    public required FitRows Rows { get; init; }

    /// <summary>Which of them this network is validated on.</summary>
    public required ValidationSplit Split { get; init; }

    /// <summary>From raw slots to the network's inputs.</summary>
    public required InputEncoder Encoder { get; init; }

    /// <summary>The shape of the network.</summary>
    public required NetworkDefinition Definition { get; init; }

    /// <summary>How it is trained, its seed included.</summary>
    public required TrainingSettings Settings { get; init; }

    /// <summary>The trained network to go on from; null: parameters drawn from the seed.</summary>
    public TrainingStart? Start { get; init; }

    /// <summary>Trains.</summary>
    /// <param name="threads">Threads it may use; without influence on the result.</param>
    /// <param name="observer">Told what happens.</param>
    /// <param name="store">Where its state is kept and found again; may be null.</param>
    /// <param name="cancellation">Asked before every step.</param>
    /// <returns>The network, which gives scaled labels, and the course of its training, in the label's own units.</returns>
    /// <exception cref="TrainingDivergedException">The loss or a parameter stopped being finite.</exception>
    /// <exception cref="TooFewRowsException">There are no two rows to train on.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public NetworkMember Run(int threads, INetworkTrainingObserver observer, ITrainingStore? store, CancellationToken cancellation)
    {
        // Each network shuffles rows of its own, so that what it becomes does not depend on how long another was trained.
        using NetworkRows rows = Rows.Of(this, cancellation);
        if (Definition.NeedsTwoRows && rows.Training.Count < 2)
            throw new TooFewRowsException(rows.Training.Count);
        NetworkParameters parameters = CreateParameters();
        IKeptTraining? kept = store?.Open(this, parameters, observer);
        if (kept?.Finished is { } finished)
            return finished;
        observer.Started(rows.Training.Count, rows.Validation?.Count ?? 0);
        TrainingHistory history;
        try
        {
            history = TrainingLoop.Train(
                parameters, rows.Training, rows.Validation, Settings, observer, cancellation, kept, threads);
        }
        catch (TrainingDivergedException e)
        {
            e.Number = Number;
            throw;
        }

        WeightRounding.Round(parameters, rows.Training, Settings);
        var result = new NetworkMember(parameters, Rows.Target.Restore(history));
        kept?.Finish(result);
        return result;
    }

    /// <summary>The parameters before the first step.</summary>
    public NetworkParameters CreateParameters()
    {
        NetworkParameters parameters = Start is null ? Initialization.Create(Definition, Settings.Seed) : new NetworkParameters(Definition);
        if (Start is not null)
            parameters.CopyFrom(Start.Parameters);
        Rows.Target.Begin(parameters.Linear[^1], Start);
        return parameters;
    }
}
