using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>What the matrix kernels promise, computed element by element, and the comparisons of the tests.</summary>
internal static class MatrixOracle
{
    /// <summary>A value no kernel computes from the tests' data: it marks what must not be written.</summary>
    public const float Untouched = -7.25e30f;

    /// <summary>u = 2^-24, the relative error of one rounding to float.</summary>
    private const double UnitRoundoff = 1.0 / (1 << 24);

    /// <summary>The definition: each element one chain of fused multiply-adds, inner index ascending, from the bias or +0.</summary>
    public static void MultiplyByChains(ReadOnlySpan<float> a, int aRowCapacity, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias,
        Span<float> c, int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel)
    {
        for (int r = firstRow; r < endRow; r++)
            for (int n = firstPanel * 16; n < endPanel * 16; n++)
            {
                float sum = bias.IsEmpty ? 0f : bias[n];
                for (int k = 0; k < inner; k++)
                    sum = MathF.FusedMultiplyAdd(a[PanelLayout.Index(r, k, aRowCapacity)], b[PanelLayout.WeightIndex(k, n, inner)], sum);
                c[PanelLayout.Index(r, n, cRowCapacity)] = sum;
            }
    }

    /// <summary>The same for c[i, o] = sum_r a[r, i] * d[r, o], rows ascending.</summary>
    public static void WeightGradientByChains(
        ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity, int rows,
        Span<float> c, int firstPanel, int endPanel)
    {
        for (int i = 0; i < inputs; i++)
            for (int o = firstPanel * 16; o < endPanel * 16; o++)
            {
                float sum = 0f;
                for (int r = 0; r < rows; r++)
                    sum = MathF.FusedMultiplyAdd(a[PanelLayout.Index(r, i, aRowCapacity)], d[PanelLayout.Index(r, o, dRowCapacity)], sum);
                c[PanelLayout.WeightIndex(i, o, inputs)] = sum;
            }
    }

    /// <summary>
    /// Largest relative error of a chain of n fused multiply-adds against sum |x| |y|: n roundings, each within u; Higham's gamma_n.
    /// </summary>
    /// <remarks>
    /// The oracle itself sums n exact products in double; its own gamma_n is 2^-29 of this one and covered by the last factor.
    /// </remarks>
    public static double ChainErrorBound(int n) => n * UnitRoundoff / (1 - n * UnitRoundoff) * (1 + 1e-6);

    /// <summary>
    /// Index of the first element whose bits differ, -1 if none. All NaNs are equal: which operand's payload survives is not promised.
    /// </summary>
    public static int FirstDifference(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        if (expected.Length != actual.Length)
            return Math.Min(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            if (BitConverter.SingleToUInt32Bits(expected[i]) != BitConverter.SingleToUInt32Bits(actual[i])
                && !(float.IsNaN(expected[i]) && float.IsNaN(actual[i])))
                return i;
        return -1;
    }

    /// <summary>Index of the first element farther from exact than the bound times its magnitude (sum of |x| |y|), -1 if none.</summary>
    public static int FirstBeyondBound(ReadOnlySpan<double> exact, ReadOnlySpan<double> magnitude, ReadOnlySpan<float> actual, double bound)
    {
        for (int i = 0; i < actual.Length; i++)
            if (!(Math.Abs(actual[i] - exact[i]) <= bound * magnitude[i]))
                return i;
        return -1;
    }

    /// <summary>Uniform in [center - 1, center + 1).</summary>
    public static float[] Random(int length, int seed, float center = 0f)
    {
        var random = new Random(seed);
        var values = new float[length];
        for (int i = 0; i < length; i++)
            values[i] = center + 2f * random.NextSingle() - 1f;
        return values;
    }

    /// <summary>
    /// Panels of random activations; rows from rows to rowCapacity and the padding lanes are NaN, so that reading them shows.
    /// </summary>
    public static float[] RandomPanels(int rows, int columns, int rowCapacity, int seed, float center = 0f)
    {
        var panels = new float[PanelLayout.Length(rowCapacity, columns)];
        Array.Fill(panels, float.NaN);
        float[] values = Random(rows * columns, seed, center);
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++)
                panels[PanelLayout.Index(r, c, rowCapacity)] = values[r * columns + c];
        return panels;
    }

    public static float[] Filled(long length, float value = Untouched)
    {
        var values = new float[length];
        Array.Fill(values, value);
        return values;
    }

    public static float[] Absolute(ReadOnlySpan<float> values)
    {
        float[] absolute = values.ToArray();
        for (int i = 0; i < absolute.Length; i++)
            absolute[i] = MathF.Abs(absolute[i]);
        return absolute;
    }
}
