namespace MLNetBatchNorm;

/// <summary>What a regression network minimizes.</summary>
public enum RegressionLoss
{
    /// <summary>The mean of <c>(prediction - label)^2</c>: the prediction estimates the mean of the label.</summary>
    SquaredError,

    /// <summary>
    /// Squared near zero and linear beyond delta (Huber 1964): labels far off pull with a constant force instead of one that grows with the distance.
    /// </summary>
    Huber,
}
