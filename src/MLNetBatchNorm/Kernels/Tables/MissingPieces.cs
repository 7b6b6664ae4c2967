using System.Numerics.Tensors;

namespace MLNetBatchNorm.Kernels;

/// <summary>
/// What a slot's pieces give where its value is missing: each piece a number of its own, so that
/// no line between running sums of weights is it.
/// </summary>
/// <remarks>
/// With the numbers m_1 to m_K of the pieces and the rows r in which the slot is missing:
///   c[r, n] += sum_j m_j w_j,n   and   dw_j,n += m_j sum_r g[r, n]
/// The inner sums are made once a slot, as chains from +0 over j (fma) and over the rows in order. Every lane is by itself, so that neither
/// the vector width nor the cut into panels changes a bit.
/// </remarks>
internal static class MissingPieces
{
    private const int Width = PanelLayout.Width;

    /// <summary>Adds to the results of the rows.</summary>
    /// <param name="slot">Where the slot's weights are.</param>
    /// <param name="values">m.</param>
    /// <param name="rows">r, rising.</param>
    /// <param name="weights">w: [endPanel or more][weightRows][16].</param>
    /// <param name="weightRows">Rows of a panel of weights.</param>
    /// <param name="c">Panels of <paramref name="cRowCapacity"/> rows, not overlapping the weights.</param>
    /// <param name="cRowCapacity">Rows of a panel of results.</param>
    /// <param name="firstPanel">First panel.</param>
    /// <param name="endPanel">Behind the last.</param>
    public static void Add(
        TableSlot slot, ReadOnlySpan<float> values, ReadOnlySpan<int> rows, ReadOnlySpan<float> weights, int weightRows,
        Span<float> c, int cRowCapacity, int firstPanel, int endPanel)
    {
        if (rows.IsEmpty)
            return;
        Span<float> sum = stackalloc float[Width];
        for (int panel = firstPanel; panel < endPanel; panel++)
        {
            sum.Clear();
            ReadOnlySpan<float> own = weights.Slice((panel * weightRows + slot.FirstWeight) * Width, values.Length * Width);
            for (int piece = 0; piece < values.Length; piece++)
                TensorPrimitives.FusedMultiplyAdd(own.Slice(piece * Width, Width), values[piece], sum, sum);
            foreach (int row in rows)
            {
                Span<float> line = c.Slice((panel * cRowCapacity + row) * Width, Width);
                TensorPrimitives.Add(line, sum, line);
            }
        }
    }

    /// <summary>Adds to the gradient of the weights.</summary>
    /// <param name="slot">Where the slot's weights are.</param>
    /// <param name="values">m.</param>
    /// <param name="rows">r, rising.</param>
    /// <param name="g">Gradient of the results: panels of <paramref name="gRowCapacity"/> rows.</param>
    /// <param name="gRowCapacity">Rows of a panel of it.</param>
    /// <param name="gradient">dw: [endPanel or more][weightRows][16], not overlapping g.</param>
    /// <param name="weightRows">Rows of a panel of weights.</param>
    /// <param name="firstPanel">First panel.</param>
    /// <param name="endPanel">Behind the last.</param>
    public static void AddWeightGradient(
        TableSlot slot, ReadOnlySpan<float> values, ReadOnlySpan<int> rows, ReadOnlySpan<float> g, int gRowCapacity,
        Span<float> gradient, int weightRows, int firstPanel, int endPanel)
    {
        if (rows.IsEmpty)
            return;
        Span<float> sum = stackalloc float[Width];
        for (int panel = firstPanel; panel < endPanel; panel++)
        {
            sum.Clear();
            foreach (int row in rows)
                TensorPrimitives.Add(sum, g.Slice((panel * gRowCapacity + row) * Width, Width), sum);
            Span<float> own = gradient.Slice((panel * weightRows + slot.FirstWeight) * Width, values.Length * Width);
            for (int piece = 0; piece < values.Length; piece++)
            {
                Span<float> line = own.Slice(piece * Width, Width);
                TensorPrimitives.FusedMultiplyAdd(sum, values[piece], line, line);
            }
        }
    }
}
