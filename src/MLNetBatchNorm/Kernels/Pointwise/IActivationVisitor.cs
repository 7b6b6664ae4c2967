namespace MLNetBatchNorm.Kernels;

/// <summary>What is to be done with an activation, as a type: a loop, or a question. See <see cref="Activations.Visit"/>.</summary>
internal interface IActivationVisitor
{
    /// <summary>Does it for <typeparamref name="TActivation"/>.</summary>
    void Visit<TActivation>()
        where TActivation : struct, IActivation;
}
