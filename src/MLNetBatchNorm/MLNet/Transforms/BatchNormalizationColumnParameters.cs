using System.Collections.Immutable;

namespace MLNetBatchNorm;

/// <summary>
/// What <see cref="BatchNormalizeTransformer"/> holds for one column; for each slot
/// <c>y = Gamma * (x - Mean) / sqrt(Variance + Epsilon) + Beta</c>.
/// </summary>
/// <remarks>
/// All arrays have one entry per slot, a scalar column being a single slot. They are in double precision, whatever the type of the
/// column: beside a deviation of 1, a mean of 1,000,000 kept in single precision would already be wrong by up to 0.03.
/// Immutable. Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 2.
/// </remarks>
public sealed class BatchNormalizationColumnParameters
{
    internal BatchNormalizationColumnParameters(
        ImmutableArray<double> mean, ImmutableArray<double> variance, ImmutableArray<double> gamma,
        ImmutableArray<double> beta, double epsilon)
    {
        Mean = mean;
        Variance = variance;
        Gamma = gamma;
        Beta = beta;
        Epsilon = epsilon;
    }

    /// <summary>The mean that is subtracted from each slot; 0 for a slot that had no value in fitting.</summary>
    public ImmutableArray<double> Mean { get; }

    /// <summary>
    /// The variance of each slot, the unbiased one (divisor n - 1), without <see cref="Epsilon"/>; 0 or more.
    /// 0 for a constant slot, 1 for a slot that had no value in fitting.
    /// </summary>
    public ImmutableArray<double> Variance { get; }

    /// <summary>The scale of each slot after normalization: 1 unless given. It may be negative or zero.</summary>
    public ImmutableArray<double> Gamma { get; }

    /// <summary>The offset of each slot after normalization: 0 unless given.</summary>
    public ImmutableArray<double> Beta { get; }

    /// <summary>What is added to each variance under the root; above 0.</summary>
    public double Epsilon { get; }

    /// <summary>What is wrong with these parameters, as the end of a sentence, or null.</summary>
    internal string? FindFault()
    {
        if (Mean.Length == 0 || Variance.Length != Mean.Length || Gamma.Length != Mean.Length || Beta.Length != Mean.Length)
        {
            return $"has {Mean.Length} means, {Variance.Length} variances, {Gamma.Length} gammas and {Beta.Length} betas; "
                + "needed are as many of each, and at least one";
        }
        if (!(Epsilon > 0 && double.IsFinite(Epsilon)))
            return FormattableString.Invariant($"has epsilon {Epsilon}; needed is a finite number above 0");
        for (int slot = 0; slot < Mean.Length; slot++)
        {
            if (!double.IsFinite(Mean[slot]) || !double.IsFinite(Gamma[slot]) || !double.IsFinite(Beta[slot]))
            {
                return FormattableString.Invariant(
                    $"has mean {Mean[slot]}, gamma {Gamma[slot]} and beta {Beta[slot]} in slot {slot}; needed are finite numbers");
            }
            if (!(Variance[slot] >= 0 && double.IsFinite(Variance[slot])))
                return FormattableString.Invariant($"has variance {Variance[slot]} in slot {slot}; needed is a finite number of 0 or more");
            if (!double.IsFinite(Gamma[slot] / Math.Sqrt(Variance[slot] + Epsilon)))
            {
                return FormattableString.Invariant(
                    $"has gamma {Gamma[slot]} in slot {slot}, too large for its variance {Variance[slot]} and epsilon {Epsilon}");
            }
        }

        return null;
    }
}
