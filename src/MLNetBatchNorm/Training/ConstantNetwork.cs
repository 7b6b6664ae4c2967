using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>
/// The network for rows that are all false or all true: there is nothing to tell them by, and it says the same of every row.
/// </summary>
internal static class ConstantNetwork
{
    /// <summary>
    /// The probability of true is that of <see cref="ConstantOutputs.Logit"/>. The layers are those of any other network, so that training
    /// can go on from it when there are other rows.
    /// </summary>
    /// <param name="definition">The shape; of one output.</param>
    /// <param name="settings">Seed of the layers that have no say.</param>
    /// <param name="rows">Number of rows that are false, and of those that are true.</param>
    public static NetworkMember Create(NetworkDefinition definition, TrainingSettings settings, ReadOnlySpan<int> rows)
    {
        NetworkParameters parameters = Initialization.Create(definition, settings.Seed);
        LinearParameters output = parameters.Linear[^1];
        double logit = ConstantOutputs.Logit(rows[0], rows[1]);
        output.Weights.Span.Clear();
        output.Bias!.Span[0] = (float)logit;
        // No step has been taken; the only entry of the history says how good the constant is.
        double loss = Math.Log(1 + Math.Exp(-Math.Abs(logit)));
        var only = new EpochRecord { Epoch = 1, LearningRate = settings.LearningRate, TrainingLoss = loss };
        return new NetworkMember(
            parameters, new TrainingHistory { Epochs = [only], BestEpoch = 1, StopReason = TrainingStopReason.AllEpochsDone });
    }
}
