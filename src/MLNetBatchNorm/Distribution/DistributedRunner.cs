using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Distribution;

/// <summary>Runs trainings by way of their bytes, with a runner that knows nothing else of them.</summary>
/// <param name="runner">The runner.</param>
internal sealed class DistributedRunner(TrainingRunner runner) : ITrainingRunner
{
    /// <inheritdoc/>
    public void Run(
        IReadOnlyList<NetworkTraining> trainings, ITrainingsObserver observer, ITrainingStore? store, CancellationToken cancellation)
    {
        try
        {
            foreach (NetworkTraining training in trainings)
                TrainingFormat.CheckSize(training.Definition);
        }
        catch (NetworkFormatException e)
        {
            throw new InvalidOperationException($"{e.Message} Set TrainingRunner to null, or give layers fewer units.", e);
        }

        var all = new FitTrainings(trainings, observer, store);
        if (Enumerable.Range(0, all.Count).All(all.HasEnded))
            return;
        runner.Run(all, cancellation);
        cancellation.ThrowIfCancellationRequested();
        if (Enumerable.Range(0, all.Count).FirstOrDefault(training => !all.HasEnded(training), -1) is >= 0 and int missing)
        {
            throw new InvalidOperationException(
                $"{runner.GetType().Name} has returned, but {all.GetName(missing)} is not trained: a runner returns when all have ended.");
        }
    }
}
