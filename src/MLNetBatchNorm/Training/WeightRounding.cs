using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>
/// Rounds the weights of a trained network to half precision, so that its file is half as large, where scores do not notice.
/// </summary>
/// <remarks>
/// A weight is off by at most 2^-12 of itself and the errors of many cancel. That is nothing beside what training leaves open, but for
/// inputs far from zero that are not scaled, whose product with the error is larger than what tells them apart, and for a regression
/// without any noise. Both are seen from the loss: where it changes by more than a hundredth all weights stay as they are.
/// </remarks>
internal static class WeightRounding
{
    /// <summary>Change of the loss that nobody notices, as a share of it.</summary>
    private const double NoticedChange = 0.01;

    /// <summary>Rounds, or leaves the network as it is.</summary>
    /// <param name="parameters">The network.</param>
    /// <param name="rows">Rows of which the first are scored before and after.</param>
    /// <param name="settings">The loss, and how many rows.</param>
    public static void Round(NetworkParameters parameters, EncodedRows rows, TrainingSettings settings)
    {
        using var team = new WorkerTeam(1);
        EncodedRows some = rows.Head(Math.Min(rows.Count, settings.BatchSize));
        var evaluator = new Evaluator(some, parameters, settings, team);
        double before = Loss();
        NetworkParameters exact = parameters.Clone();
        foreach (LinearParameters linear in parameters.Linear)
            HalfWeights.Round(linear);
        if (!(Math.Abs(Loss() - before) <= NoticedChange * Math.Abs(before)))
            parameters.CopyFrom(exact);

        double Loss() => evaluator.Evaluate(parameters, CancellationToken.None).Loss;
    }
}
