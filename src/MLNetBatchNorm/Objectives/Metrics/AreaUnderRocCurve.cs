namespace MLNetBatchNorm.Objectives;

/// <summary>
/// The area under the ROC curve: the probability that a true row drawn at random scores higher
/// than a false one, equal scores counting half.
/// </summary>
/// <remarks>
/// <c>sum over pairs (i true, j false) of w_i w_j ([s_i > s_j] + [s_i = s_j] / 2)</c>, divided by
/// <c>sum w_i * sum w_j</c>: the statistic of Mann and Whitney. Exact, not from thresholds: one sort, by digits because it
/// comes after every epoch, then one walk over groups of equal scores.
/// </remarks>
/// <param name="rows">Number of rows.</param>
/// <param name="outputs">Outputs of a row, each of which counts as a row; the trainers have one.</param>
internal sealed class AreaUnderRocCurve(int rows, int outputs) : ValidationMetric(rows, outputs)
{
    /// <summary>What it is called.</summary>
    public const string Name = "AUC";

    /// <summary>Bits of a score that one pass of the sort looks at: three passes for 32.</summary>
    private const int DigitBits = 11;

    private const int Digits = 1 << DigitBits;

    /// <summary>Rows from which on counting the digits pays.</summary>
    private const int ManyRows = 2048;

    private readonly ulong[] _order = new ulong[2L * rows * outputs];

    public override double Compute(ReadOnlySpan<float> targets, ReadOnlySpan<float> weights) =>
        Of(Values, targets, Columns == 1 ? weights : Repeat(weights), _order);

    /// <summary>The area; NaN if one of the two classes has no weight, or a score of a row with weight is NaN.</summary>
    /// <param name="scores">The larger, the more likely true; any monotonic function of them gives the same.</param>
    /// <param name="labels">
    /// 1: true, 0: false. A number between counts as so much of a true row and the rest of a false one. Not read for rows of weight 0.
    /// </param>
    /// <param name="weights">Weight of each row, or empty: all 1.</param>
    /// <param name="memory">Room for two numbers a row; overwritten.</param>
    public static double Of(ReadOnlySpan<float> scores, ReadOnlySpan<float> labels, ReadOnlySpan<float> weights, Span<ulong> memory)
    {
        Span<ulong> order = memory[..scores.Length];
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
        order = Sort(order[..rows], memory.Slice(scores.Length, rows));
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

    /// <summary>The weight of a row for each of its outputs.</summary>
    private float[] Repeat(ReadOnlySpan<float> weights)
    {
        float[] repeated = new float[weights.Length * Columns];
        for (int i = 0; i < repeated.Length; i++)
            repeated[i] = weights[i / Columns];
        return repeated;
    }

    /// <summary>Sorts by score, then by row; the result is in either memory.</summary>
    private static Span<ulong> Sort(Span<ulong> order, Span<ulong> spare)
    {
        if (order.Length < ManyRows)
        {
            order.Sort();
            return order;
        }

        // Rows come in the order of their numbers, which every pass leaves alone among equal digits.
        Span<int> places = stackalloc int[Digits];
        for (int shift = 32; shift < 64; shift += DigitBits)
        {
            places.Clear();
            foreach (ulong entry in order)
                places[Digit(entry, shift)]++;
            int place = 0;
            foreach (ref int count in places)
                (count, place) = (place, place + count);
            foreach (ulong entry in order)
                spare[places[Digit(entry, shift)]++] = entry;
            Span<ulong> sorted = spare;
            spare = order;
            order = sorted;
        }

        return order;
    }

    private static int Digit(ulong entry, int shift) => (int)(entry >> shift) & (Digits - 1);

    /// <summary>A number that grows with the score; both zeros have the same.</summary>
    private static uint Ascending(float score)
    {
        uint bits = BitConverter.SingleToUInt32Bits(score + 0f);
        return (int)bits < 0 ? ~bits : bits | 0x80000000;
    }
}
