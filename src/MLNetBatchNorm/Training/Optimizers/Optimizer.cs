using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>
/// How gradients change the parameters: one of <see cref="SgdOptimizer"/>, <see cref="AdamOptimizer"/>,
/// <see cref="AdamWOptimizer"/>, <see cref="RmsPropOptimizer"/>.
/// </summary>
/// <remarks>
/// In the formulas p is a parameter, g its gradient, lr the learning rate of the step, t the step counted from 1; states start at 0.
/// </remarks>
[JsonDerivedType(typeof(SgdOptimizer), "sgd")]
[JsonDerivedType(typeof(AdamOptimizer), "adam")]
[JsonDerivedType(typeof(AdamWOptimizer), "adamw")]
[JsonDerivedType(typeof(RmsPropOptimizer), "rmsprop")]
[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)]
public abstract class Optimizer
{
    private protected Optimizer()
    {
    }

    /// <summary>Throws if a value is outside its range.</summary>
    internal abstract void Validate();

    /// <summary>Its memory before the first step.</summary>
    internal abstract OptimizerState CreateState(IReadOnlyList<ParameterBlock> parameters);

    private protected static void Require(bool condition, string name, double found, string needed)
    {
        if (!condition)
            throw new ArgumentOutOfRangeException(name, found, $"{name} is {found}; it must be {needed}.");
    }
}
