namespace MLNetBatchNorm.Training;

/// <summary>Runs trainings, wherever that is.</summary>
internal interface ITrainingRunner
{
    /// <summary>Runs all. The first failure ends the others and is thrown.</summary>
    /// <param name="trainings">In the order in which they are begun; they have nothing to do with one another.</param>
    /// <param name="observer">Told what happens and given the results, on the thread that calls this method.</param>
    /// <param name="store">Where states are kept and found again; may be null.</param>
    /// <param name="cancellation">Ends all.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    void Run(IReadOnlyList<NetworkTraining> trainings, ITrainingsObserver observer, ITrainingStore? store, CancellationToken cancellation);
}
