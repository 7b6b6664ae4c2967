namespace MLNetBatchNorm.Kernels;

/// <summary>
/// One activation function and all that is said of it: f(x) and f'(x), the latter from the input x and the output y = f(x), whichever is
/// cheaper, the scale of the weights in front of it, and its form in a graph of operators.
/// </summary>
internal interface IActivation
{
    /// <summary>
    /// Whether <see cref="Derivative"/> reads y. Where it does not, a loop need not load it: the bytes would be fetched all the same.
    /// </summary>
    static abstract bool DerivativeReadsOutput { get; }

    /// <summary>
    /// See <see cref="Activations.SquaredGain"/>: 2 for the ReLU family (He et al. 2015), 1 for what is
    /// near the identity or bounded (LeCun et al. 1998).
    /// </summary>
    static abstract double SquaredGain { get; }

    /// <summary>See <see cref="Activations.Graph"/>; operators of ONNX that are the same from opset 9 on.</summary>
    static abstract OperatorStep[] Graph { get; }

    /// <summary>f(x).</summary>
    static abstract V Forward<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct;

    /// <summary>f'(x), given x and y = f(x). NaN in gives NaN out.</summary>
    static abstract V Derivative<TSimd, V>(V x, V y)
        where TSimd : struct, ISimd<V>
        where V : struct;
}
