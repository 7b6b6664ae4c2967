using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Encoding;

/// <summary>Learns an <see cref="InputEncoder"/> from raw training rows.</summary>
internal static class InputScaling
{
    /// <summary>Values of a column that are sorted to find its quartiles; more would not move them by anything that matters.</summary>
    public const int MaximumSample = RowCollector.LargestSample;

    /// <summary>Values sorted in all columns together, so that very wide tables stay cheap; no column gets fewer than <see cref="MinimumSample"/>.</summary>
    private const long MaximumTotalSample = 50_000_000;
    private const int MinimumSample = 1_000;

    /// <summary>
    /// Robust scaling of each numeric slot (Holzmüller et al. 2024, arXiv:2407.04491): centre = median, scale = 1 / (third quartile - first quartile);
    /// where these are equal 2 / (maximum - minimum); where those are too (a constant) 0. Indicator slots pass unchanged.
    /// </summary>
    /// <param name="raw">Rows before encoding; NaN marks a missing value.</param>
    /// <param name="indicatorSlots">One mark for each slot, or empty: none is an indicator.</param>
    /// <param name="piecesPerSlot">Pieces of a numeric slot at most; 0: none. A slot with fewer distinct values has one piece between each two of them.</param>
    public static InputEncoder Fit(TrainingData raw, ReadOnlySpan<bool> indicatorSlots, int piecesPerSlot = 0) =>
        Fit(raw, SlotSummary.Of(raw.Table, raw.Rows), indicatorSlots, piecesPerSlot);

    /// <summary>The same for rows that are not all in memory: quantiles of a sample, ranges of all rows.</summary>
    public static InputEncoder Fit(TrainingData raw, SlotSummary slots, ReadOnlySpan<bool> indicatorSlots, int piecesPerSlot = 0)
    {
        int inputs = raw.Table.Inputs;
        var center = new float[inputs];
        var scale = new float[inputs];
        var clipped = new bool[inputs];
        var missing = new List<int>();
        var pieces = new List<InputPiece>();

        int sampled = (int)Math.Min(raw.Count, Math.Clamp(MaximumTotalSample / inputs, MinimumSample, MaximumSample));
        var values = new float[sampled];
        for (int slot = 0; slot < inputs; slot++)
        {
            if (slots.HasMissing[slot])
                missing.Add(slot);
            if (!indicatorSlots.IsEmpty && indicatorSlots[slot])
            {
                scale[slot] = 1;
                continue;
            }
            clipped[slot] = true;
            int count = 0;
            for (int i = 0; i < sampled; i++)
            {
                float value = raw.Table.Features(raw.Rows[(int)((long)i * raw.Count / sampled)])[slot];
                if (!float.IsNaN(value))
                    values[count++] = value;
            }
            Span<float> sorted = values.AsSpan(0, count);
            sorted.Sort();
            center[slot] = count == 0 ? 0 : (float)Quantile(sorted, 0.5);
            double spread = count == 0 ? 0 : Quantile(sorted, 0.75) - Quantile(sorted, 0.25);
            if (spread == 0 && slots.Maximum[slot] > slots.Minimum[slot])
                spread = ((double)slots.Maximum[slot] - slots.Minimum[slot]) / 2;
            // A spread below the smallest normal float has no finite inverse; such a column is constant for every purpose.
            scale[slot] = spread > 1 / (double)float.MaxValue ? (float)(1 / spread) : 0;
            if (piecesPerSlot > 0 && scale[slot] != 0)
                AddPieces(pieces, slot, sorted, piecesPerSlot);
        }
        return new InputEncoder(center, scale, clipped, missing.ToArray(), pieces.ToArray());
    }

    /// <summary>
    /// The encoder of a sparse table: every slot is divided by its largest magnitude where that is above <see cref="LargestUnscaled"/>, and nothing else is
    /// done to it, so that zeros stay zeros.
    /// </summary>
    /// <param name="raw">Sparse rows before encoding; NaN marks a missing value.</param>
    /// <param name="scale">Whether slots may be scaled at all.</param>
    public static InputEncoder FitSparse(TrainingData raw, bool scale) => FitSparse(SlotSummary.Of(raw.Table, raw.Rows), scale);

    /// <summary>The same for rows that are not all in memory.</summary>
    public static InputEncoder FitSparse(SlotSummary slots, bool scale)
    {
        var factors = new float[slots.Inputs];
        for (int slot = 0; slot < factors.Length; slot++)
            factors[slot] = scale && slots.Largest[slot] > LargestUnscaled ? 1 / slots.Largest[slot] : 1;
        return new InputEncoder(new float[slots.Inputs], factors, new bool[slots.Inputs], slots.Missing.ToArray());
    }

    // Text features, counts of words and indicators keep their own scale, which says how much a term matters; an income among them does not.
    private const float LargestUnscaled = 10;

    private static void AddPieces(List<InputPiece> pieces, int slot, ReadOnlySpan<float> sorted, int piecesPerSlot)
    {
        List<float> edges = Edges(sorted, piecesPerSlot);
        if (edges.Count < 3)                           // a single piece is the scaled slot over again
            return;
        for (int i = 0; i + 1 < edges.Count; i++)
        {
            float inverse = (float)(1 / ((double)edges[i + 1] - edges[i]));
            if (float.IsFinite(inverse) && inverse > 0)
                pieces.Add(new InputPiece(slot, edges[i], inverse));
        }
    }

    /// <summary>
    /// Where pieces begin and end, in rising order: at every distinct value where these are few, else so that each piece holds about as many rows as
    /// the others, but a value that fills a piece by itself (the zero of most amounts of money) is the only one to begin its own; quantiles would put
    /// all edges on it and none where the other rows differ. Boosted trees bin in the same way (Ke et al. 2017, LightGBM).
    /// </summary>
    private static List<float> Edges(ReadOnlySpan<float> sorted, int pieces)
    {
        List<(float Value, int Count)> distinct = Distinct(sorted);
        if (distinct.Count <= pieces + 1)
            return [.. distinct.Select(d => d.Value)];
        int fills = (sorted.Length + pieces - 1) / pieces;
        int rowsLeft = sorted.Length, piecesLeft = pieces;
        foreach ((float _, int count) in distinct)
        {
            if (count < fills)
                continue;
            rowsLeft -= count;
            piecesLeft--;
        }
        double wanted = rowsLeft / (double)Math.Max(1, piecesLeft);
        var edges = new List<float>();
        double held = double.PositiveInfinity;         // rows of the piece that is open; a full one is closed
        for (int i = 0; i < distinct.Count; i++)
        {
            bool isFull = edges.Count < pieces && (held >= wanted || (distinct[i].Count >= fills && held >= wanted / 2));
            if (isFull)
                edges.Add(distinct[i].Value);
            held = (isFull ? 0 : held) + distinct[i].Count;
        }
        if (distinct[^1].Value > edges[^1])
            edges.Add(distinct[^1].Value);
        return edges;
    }

    private static List<(float Value, int Count)> Distinct(ReadOnlySpan<float> sorted)
    {
        var distinct = new List<(float Value, int Count)>();
        for (int i = 0, first = 0; i < sorted.Length; i++)
        {
            if (i + 1 < sorted.Length && sorted[i + 1] == sorted[i])
                continue;
            distinct.Add((sorted[i], i + 1 - first));
            first = i + 1;
        }
        return distinct;
    }

    /// <summary>The quantile by straight lines between order statistics (NumPy's and R's default, type 7).</summary>
    private static double Quantile(ReadOnlySpan<float> sorted, double p)
    {
        double position = p * (sorted.Length - 1);
        int below = (int)position;
        double above = sorted[Math.Min(below + 1, sorted.Length - 1)];
        return sorted[below] + (position - below) * (above - sorted[below]);
    }
}
