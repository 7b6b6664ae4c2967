namespace MLNetBatchNorm;

/// <summary>
/// Runs the trainings of a <c>Fit</c> somewhere else than on the threads of this process: see
/// <see cref="BatchNormNetworkOptions.TrainingRunner"/>. Derive from it to train on machines of your own; the package
/// <c>MLNetBatchNorm.Orleans</c> has one for a cluster.
/// </summary>
/// <remarks>
/// <para>
/// A training comes to the same network wherever it runs, to the last bit, as long as it is the same build of this library that runs it. So
/// a runner may run trainings in any order and place, run one again whose place was lost, or twice.
/// </para>
/// <para>A runner may be asked by several calls of <c>Fit</c> at once.</para>
/// </remarks>
public abstract class TrainingRunner
{
    /// <summary>Throws if nothing can be run now. Called when <c>Fit</c> begins, before any row is read.</summary>
    /// <param name="cancellation">Cancelled when <c>Fit</c> is.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public virtual void CheckReady(CancellationToken cancellation)
    {
    }

    /// <summary>Runs all trainings, and returns when all have ended.</summary>
    /// <param name="trainings">The trainings, which are told what has come of them on the thread that calls this method.</param>
    /// <param name="cancellation">Cancelled when <c>Fit</c> is: ends all.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public abstract void Run(FitTrainings trainings, CancellationToken cancellation);
}
