namespace MLNetBatchNorm.Kernels;

/// <summary>The three matrix kernels as their definition reads, in double precision: documentation, and the oracle of the tests.</summary>
/// <remarks>Arguments and layouts are those of <see cref="MatrixMultiply"/>; results are double, in the same places.</remarks>
internal static class NaiveMatrixMultiply
{
    /// <summary>c[r, n] = bias[n] + sum_k a[r, k] * b[k, n].</summary>
    public static void Multiply(ReadOnlySpan<float> a, int aRowCapacity, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias,
        Span<double> c, int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel)
    {
        for (int r = firstRow; r < endRow; r++)
            for (int n = firstPanel * PanelLayout.Width; n < endPanel * PanelLayout.Width; n++)
            {
                double sum = bias.IsEmpty ? 0 : bias[n];
                for (int k = 0; k < inner; k++)
                    sum += (double)a[PanelLayout.Index(r, k, aRowCapacity)] * b[PanelLayout.WeightIndex(k, n, inner)];
                c[PanelLayout.Index(r, n, cRowCapacity)] = sum;
            }
    }

    /// <summary>c[i, o] = sum_r a[r, i] * d[r, o].</summary>
    public static void WeightGradient(
        ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity, int rows,
        Span<double> c, int firstPanel, int endPanel)
    {
        for (int i = 0; i < inputs; i++)
            for (int o = firstPanel * PanelLayout.Width; o < endPanel * PanelLayout.Width; o++)
            {
                double sum = 0;
                for (int r = 0; r < rows; r++)
                    sum += (double)a[PanelLayout.Index(r, i, aRowCapacity)] * d[PanelLayout.Index(r, o, dRowCapacity)];
                c[PanelLayout.WeightIndex(i, o, inputs)] = sum;
            }
    }

    /// <summary>wt[o, i] = w[i, o]; 0 in the padding lanes.</summary>
    public static void TransposeWeights(ReadOnlySpan<float> w, int inputs, int outputs, Span<double> wt, int firstPanel, int endPanel)
    {
        int endOutput = Math.Min(outputs, endPanel * PanelLayout.Width);
        for (int o = firstPanel * PanelLayout.Width; o < endOutput; o++)
            for (int i = 0; i < PanelLayout.PanelCount(inputs) * PanelLayout.Width; i++)
                wt[PanelLayout.WeightIndex(o, i, outputs)] = i < inputs ? w[PanelLayout.WeightIndex(i, o, inputs)] : 0;
    }
}
