namespace MLNetBatchNorm.Network;

/// <summary>Turns batch normalization with frozen statistics, which is an affine map of each column, into a part of a neighbouring linear map.</summary>
/// <remarks>
/// <c>y = s x + t</c> with <c>s = gamma / sqrt(variance + epsilon)</c>, <c>t = beta - s mean</c>. Behind the linear map:
/// <c>W' = diag(s) W, b' = s b + t</c>; in front of it: <c>W' = W diag(s), b' = b + W t</c>. In double precision, rounded once at the end,
/// so that folding costs no accuracy that float32 could show.
/// </remarks>
internal static class Folding
{
    /// <summary>Scale s and shift t of each column.</summary>
    public static (double[] Scale, double[] Shift) Affine(BatchNormalizationParameters normalization, double epsilon)
    {
        var scale = new double[normalization.Columns];
        var shift = new double[normalization.Columns];
        for (int c = 0; c < scale.Length; c++)
        {
            scale[c] = normalization.Gamma.Span[c] / Math.Sqrt(normalization.RunningVariance[c] + epsilon);
            shift[c] = normalization.Beta.Span[c] - scale[c] * normalization.RunningMean[c];
        }
        return (scale, shift);
    }

    /// <summary>
    /// Writes the linear map with the normalizations in front of it and behind it folded in; either may be null.
    /// <paramref name="folded"/> has a bias; <paramref name="linear"/> may have none.
    /// </summary>
    public static void Fold(
        LinearParameters linear, BatchNormalizationParameters? before, BatchNormalizationParameters? behind, double epsilon, LinearParameters folded)
    {
        (double[] Scale, double[] Shift)? input = before is null ? null : Affine(before, epsilon);
        (double[] Scale, double[] Shift)? output = behind is null ? null : Affine(behind, epsilon);
        Span<float> bias = folded.Bias!.Span;
        for (int o = 0; o < linear.Outputs; o++)
        {
            double outputScale = output?.Scale[o] ?? 1;
            double sum = linear.Bias is null ? 0 : linear.Bias.Span[o];
            ReadOnlySpan<float> weights = linear.Weights.Span[linear.WeightIndex(o, 0)..];
            Span<float> foldedWeights = folded.Weights.Span[folded.WeightIndex(o, 0)..];
            for (int i = 0; i < linear.Inputs; i++)
            {
                double weight = weights[i * linear.Lanes];
                if (input is { } affine)
                {
                    sum += weight * affine.Shift[i];
                    weight *= affine.Scale[i];
                }
                foldedWeights[i * folded.Lanes] = (float)(weight * outputScale);
            }
            bias[o] = (float)(sum * outputScale + (output?.Shift[o] ?? 0));
        }
    }
}
