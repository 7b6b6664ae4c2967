namespace MLNetBatchNorm.Training;

/// <summary>What training minimizes; the formulas are at the kernels.</summary>
internal enum LossFunction
{
    /// <summary>Softmax cross-entropy of class numbers.</summary>
    SoftmaxCrossEntropy,

    /// <summary>Binary cross-entropy from logits, averaged over outputs.</summary>
    BinaryCrossEntropy,

    /// <summary>Squared error without the factor 1/2, averaged over outputs.</summary>
    SquaredError,

    /// <summary>Huber's loss, averaged over outputs.</summary>
    Huber,
}
