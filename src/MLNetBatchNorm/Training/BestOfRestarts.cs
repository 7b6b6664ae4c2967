using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>Keeps of all trainings of each network only the best. Of equal ones it is the earlier, whichever ended first.</summary>
/// <param name="networks">Number of networks.</param>
internal sealed class BestOfRestarts(int networks)
{
    private readonly NetworkMember?[] _best = new NetworkMember?[networks];
    private readonly TrainingNumber[] _numbers = new TrainingNumber[networks];

    /// <summary>The networks in order of their numbers, once all are trained.</summary>
    public NetworkMember[] Networks => [.. _best.Select(network => network!)];

    /// <summary>Which training of each network is kept, and the loss of its best epoch.</summary>
    public IEnumerable<(TrainingNumber Number, double Loss)> Kept =>
        Networks.Select((network, number) => (_numbers[number], LossOf(network)));

    /// <summary>A training is over.</summary>
    public void Add(TrainingNumber number, NetworkMember result)
    {
        ref NetworkMember? best = ref _best[number.Member];
        if (best is not null && (LossOf(best), _numbers[number.Member].Restart).CompareTo((LossOf(result), number.Restart)) <= 0)
            return;
        best = result;
        _numbers[number.Member] = number;
    }

    /// <summary>Of the epoch that was kept: on the validation rows, or without any on the training rows.</summary>
    private static double LossOf(NetworkMember network)
    {
        EpochRecord best = network.History.Epochs[network.History.BestEpoch - 1];
        return best.ValidationLoss ?? best.TrainingLoss;
    }
}
