namespace MLNetBatchNorm;

/// <summary>One network of a model; a model of several predicts the mean of their outputs.</summary>
public sealed class BatchNormNetworkMember
{
    internal BatchNormNetworkMember(IReadOnlyList<BatchNormNetworkLayer> layers, TrainingHistory trainingHistory)
    {
        Layers = layers;
        TrainingHistory = trainingHistory;
    }

    /// <summary>The layers, hidden layers first, with their weights and batch normalizations as learned.</summary>
    public IReadOnlyList<BatchNormNetworkLayer> Layers { get; }

    /// <summary>The course of this network's training, epoch by epoch.</summary>
    public TrainingHistory TrainingHistory { get; }
}
