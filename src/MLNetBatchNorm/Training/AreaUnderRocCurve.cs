namespace MLNetBatchNorm.Training;

/// <summary>The area under the ROC curve: the probability that a true row drawn at random scores higher than a false one, equal scores counting half.</summary>
/// <remarks>
/// <c>sum over pairs (i true, j false) of w_i w_j ([s_i > s_j] + [s_i = s_j] / 2)</c>, divided by <c>sum w_i * sum w_j</c>: the statistic of Mann and Whitney. Exact, not from
/// thresholds: one sort, then one walk over groups of equal scores, so n log n.
/// </remarks>
internal static class AreaUnderRocCurve
{
    /// <summary>The area; NaN if one of the two classes has no weight, or a score of a row with weight is NaN.</summary>
    /// <param name="scores">The larger, the more likely true; any monotonic function of them gives the same.</param>
    /// <param name="labels">1: true, 0: false. A number between counts as so much of a true row and the rest of a false one. Not read for rows of weight 0.</param>
    /// <param name="weights">Weight of each row, or empty: all 1.</param>
    /// <param name="order">Room for one number a row; overwritten.</param>
    public static double Of(ReadOnlySpan<float> scores, ReadOnlySpan<float> labels, ReadOnlySpan<float> weights, ulong[] order)
    {
        int rows = 0;
        for (int row = 0; row < scores.Length; row++)
        {
            if (!weights.IsEmpty && weights[row] == 0)
                continue;
            if (float.IsNaN(scores[row]))
                return double.NaN;
            order[rows++] = (ulong)Ascending(scores[row]) << 32 | (uint)row;
        }

        // No two are equal, so that there is one order only, and one rounding of the sums.
        Array.Sort(order, 0, rows);
        double positives = 0, negatives = 0, pairs = 0;
        for (int first = 0; first < rows;)
        {
            ulong score = order[first] >> 32;
            double positivesHere = 0, negativesHere = 0;
            for (; first < rows && order[first] >> 32 == score; first++)
            {
                int row = (int)(uint)order[first];
                double weight = weights.IsEmpty ? 1 : weights[row];
                positivesHere += weight * labels[row];
                negativesHere += weight * (1 - labels[row]);
            }

            pairs += positivesHere * (negatives + negativesHere / 2);
            positives += positivesHere;
            negatives += negativesHere;
        }

        return positives > 0 && negatives > 0 ? pairs / (positives * negatives) : double.NaN;
    }

    /// <summary>A number that grows with the score; both zeros have the same.</summary>
    private static uint Ascending(float score)
    {
        uint bits = BitConverter.SingleToUInt32Bits(score + 0f);
        return (int)bits < 0 ? ~bits : bits | 0x80000000;
    }
}
