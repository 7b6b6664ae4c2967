using System.Diagnostics.CodeAnalysis;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm;

/// <summary>What training minimizes; of those there are, the losses for numbers can be chosen: see <see cref="RegressionLoss"/>.</summary>
/// <remarks>Immutable.</remarks>
[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)]
public abstract class Objective
{
    private protected Objective()
    {
    }

    // One loss is one class in one file, with all that follows from it. Whoever trains, evaluates, saves or describes a network asks here,
    // and nobody asks which loss it is.

    /// <summary>What it is called in messages and reports.</summary>
    internal abstract string Name { get; }

    /// <summary>Its number in models. Never changed, never used again for another.</summary>
    internal abstract byte Number { get; }

    /// <summary>Which labels can be learned.</summary>
    internal abstract LabelDomain Labels { get; }

    /// <summary>What makes scores of the network's outputs, the labels having been scaled; null: they were not.</summary>
    internal abstract OutputLink LinkOf(TargetScale? scale);

    /// <summary>
    /// Whether the outputs may be divided by the temperature that suits the validation rows best:
    /// only where they are logits, and if it is wished.
    /// </summary>
    internal virtual bool ScalesTemperature => false;

    /// <summary>
    /// Whether outputs are logarithms of means, so that training cannot go on from a network whose outputs are not, or the other way.
    /// </summary>
    internal virtual bool PredictsLogarithm => false;

    /// <summary>What the validation metric is called.</summary>
    internal abstract string MetricName { get; }

    /// <summary>Number of outputs that a network needs.</summary>
    /// <param name="classes">Number of classes of the label; 1 where it is a number.</param>
    internal abstract int Outputs(int classes);

    /// <summary>The measure of validation rows that people look at beside the loss, with all the memory it needs.</summary>
    internal abstract ValidationMetric CreateMetric(int rows, int outputs);

    /// <summary>
    /// How labels of this mean and variance, both weighted, become what the network is trained on; null: they stay what they are, as
    /// classes do.
    /// </summary>
    internal virtual TargetScale? ScaleOf(double mean, double variance) => null;

    /// <summary>A mean loss of scaled targets in the label's own units.</summary>
    internal virtual double RestoreLoss(double loss, TargetScale? scale) => loss;

    /// <summary>
    /// Unweighted loss of each of the rows [firstRow, endRow) into <paramref name="rowLoss"/>, and the gradient of
    /// <c>gradientScale * sum(weight * loss)</c> with respect to the outputs.
    /// </summary>
    /// <param name="outputs">Of a block of rows.</param>
    /// <param name="targets">What they should be, row by row.</param>
    /// <param name="weights">Of each row, or empty: all 1. A row of weight 0 may hold anything.</param>
    /// <param name="gradientScale">Usually 1 / sum of the weights.</param>
    /// <param name="gradient">Room for the gradient; may be the outputs themselves.</param>
    /// <param name="rowLoss">Room for the losses.</param>
    /// <param name="firstRow">First row to compute.</param>
    /// <param name="endRow">Behind the last.</param>
    internal abstract void Compute(
        PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, float gradientScale, PanelMatrix gradient,
        Span<float> rowLoss, int firstRow, int endRow);

    /// <summary>
    /// The same against what other networks say of the rows, with what <see cref="LinkOf"/> has made of it, for labels that are not scaled:
    /// of each row as many numbers as there are outputs. At the minimum the outputs are theirs.
    /// </summary>
    internal virtual void ComputeTaught(
        PanelMatrix outputs, ReadOnlySpan<float> taught, ReadOnlySpan<float> weights, float gradientScale, PanelMatrix gradient,
        Span<float> rowLoss, int firstRow, int endRow) =>
        Compute(outputs, taught, weights, gradientScale, gradient, rowLoss, firstRow, endRow);

    /// <summary>Throws if a value is outside its range.</summary>
    internal virtual void Validate()
    {
    }

    /// <summary>
    /// The objective of a number that stands in a model, with its parameters at their defaults: they served training. Null if there is none
    /// of this number.
    /// </summary>
    internal static Objective? Find(int number) => number switch
    {
        1 => new BinaryCrossEntropy(),
        2 => new SoftmaxCrossEntropy(),
        3 => new SquaredLoss(),
        4 => new HuberLoss(),
        5 => new PoissonLoss(),
        6 => new TweedieLoss(),
        7 => new QuantileLoss(),
        _ => null,
    };

    /// <summary>Writes what it was given where that is not the default; nothing of most.</summary>
    internal virtual void WriteSettings(BinaryWriter writer)
    {
    }

    /// <summary>The objective with the settings that <see cref="WriteSettings"/> wrote.</summary>
    private protected virtual Objective WithSettings(BinaryReader reader) => this;

    /// <summary>Writes all that decides what is minimized: more than a model keeps.</summary>
    internal void Write(BinaryWriter writer)
    {
        writer.Write(Number);
        WriteSettings(writer);
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is none of this number, or a setting is out of range.</exception>
    internal static Objective Read(BinaryReader reader)
    {
        byte number = reader.ReadByte();
        Objective objective = Find(number)?.WithSettings(reader)
            ?? throw new ArgumentOutOfRangeException(nameof(reader), number, $"There is no objective of number {number}.");
        objective.Validate();
        return objective;
    }

    private protected static void Require(bool condition, string name, double found, string needed)
    {
        if (!condition)
            throw new ArgumentOutOfRangeException(name, found, FormattableString.Invariant($"{name} is {found}; it must be {needed}."));
    }
}
