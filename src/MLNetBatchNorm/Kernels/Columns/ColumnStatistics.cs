using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>Sums over the rows of one panel: [rows][16] floats, one lane per column.</summary>
/// <remarks>
/// Every sum over rows is made the same way: rows 4i+j of a block of 256 go into chain j of float additions (rows that do not fill a four
/// go into chain 0), block = (chain 0 + chain 1) + (chain 2 + chain 3), and the blocks are added in double. Four chains hide the latency of
/// an addition; at most 64 + 3 additions in a chain keep its rounding error near 64 u * sum|term|, u = 2^-24, whatever the number of rows.
/// Columns are lanes, so a column's result does not depend on the vector width or on its neighbours.
/// </remarks>
internal static unsafe class ColumnStatistics
{
    private const int Width = PanelLayout.Width;
    private const int Chains = 4;

    /// <summary>Rows whose terms are added in float before the result goes into a double.</summary>
    private const int RowsPerBlock = 64 * Chains;

    /// <summary>Rows that the first guess of a column's mean is taken from.</summary>
    private const int RowsOfFirstGuess = 16;

    /// <summary>Mean, in two parts, and biased variance of every column of a panel.</summary>
    /// <remarks>
    /// x is [rows][16], rows >= 1; pivot, offset and variance have 16 elements and must not overlap x or each other.
    ///   mean = pivot + offset, pivot a float near the mean and offset the rest, so that x - pivot cancels without error
    ///   variance = (1/rows) sum (x - mean)^2 &gt;= 0            (divisor rows; the caller makes the unbiased one)
    /// Shifted sums with correction (Chan, Golub and LeVeque 1983): with d = x - pivot, offset = mean(d) and
    /// variance = mean(d^2) - offset^2. The subtraction loses nothing as long as offset^2 &lt;= variance, which a pivot from the
    /// first rows nearly always gives; a column where it does not (sorted rows, an outlier in front) is summed again around the
    /// mean found, which makes offset a mere rounding correction. A constant column has all d = 0 and so exactly variance 0. A NaN
    /// or an infinity in a column makes its variance NaN.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Moments(ReadOnlySpan<float> x, int rows, Span<float> pivot, Span<float> offset, Span<float> variance)
    {
        KernelArguments.RequireAtLeast(rows, 1, nameof(rows));
        KernelArguments.RequireLength(x.Length, (long)rows * Width, nameof(x));
        KernelArguments.RequireLength(pivot.Length, Width, nameof(pivot));
        KernelArguments.RequireLength(offset.Length, Width, nameof(offset));
        KernelArguments.RequireLength(variance.Length, Width, nameof(variance));
        fixed (float* px = x, pp = pivot, po = offset, pv = variance)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Moments<Simd512, Vector512<float>>(px, rows, pp, po, pv);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Moments<Simd256, Vector256<float>>(px, rows, pp, po, pv);
            }
            else
            {
                Moments<Simd128, Vector128<float>>(px, rows, pp, po, pv);
            }
        }
    }

    /// <summary>sums[c] = sum over the rows of d[r, c].</summary>
    /// <remarks>d is [rows][16], rows >= 0; sums has 16 elements and must not overlap d.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ColumnSums(ReadOnlySpan<float> d, int rows, Span<float> sums)
    {
        KernelArguments.RequireAtLeast(rows, 0, nameof(rows));
        KernelArguments.RequireLength(d.Length, (long)rows * Width, nameof(d));
        KernelArguments.RequireLength(sums.Length, Width, nameof(sums));
        fixed (float* pd = d, ps = sums)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                ColumnSums<Simd512, Vector512<float>>(pd, rows, ps);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                ColumnSums<Simd256, Vector256<float>>(pd, rows, ps);
            }
            else
            {
                ColumnSums<Simd128, Vector128<float>>(pd, rows, ps);
            }
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Moments<TSimd, V>(float* x, int rows, float* pivot, float* offset, float* variance)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        double* sums = stackalloc double[2 * Width];
        double* squares = sums + Width;
        double inverseRows = 1.0 / rows;
        FirstGuess<TSimd, V>(x, Math.Min(rows, RowsOfFirstGuess), pivot);
        SumDifferences<TSimd, V>(x, rows, pivot, sums, squares);
        bool again = false;
        for (int c = 0; c < Width; c++)
        {
            double mean = sums[c] * inverseRows;
            double value = (squares[c] * inverseRows) - (mean * mean);
            offset[c] = (float)mean;
            variance[c] = (float)value;
            if (!(mean * mean <= value))        // also when either is NaN
            {
                pivot[c] = (float)(pivot[c] + mean);
                again = true;
            }
        }

        if (!again)
        {
            return;
        }

        // Columns that were good enough have kept their pivot and get the same sums once more: no column depends on the others.
        SumDifferences<TSimd, V>(x, rows, pivot, sums, squares);
        for (int c = 0; c < Width; c++)
        {
            double mean = sums[c] * inverseRows;
            double value = (squares[c] * inverseRows) - (mean * mean);
            offset[c] = (float)mean;
            variance[c] = value < 0 ? 0f : (float)value;        // rounding can go below zero; a NaN stays
        }
    }

    /// <summary>pivot = mean of the first rows, taken from the differences to row 0: exactly row 0 if they are all equal to it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FirstGuess<TSimd, V>(float* x, int rows, float* pivot)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V share = TSimd.Broadcast(1f / rows);
        for (int c = 0; c < Width; c += TSimd.Width)
        {
            V start = TSimd.Load(x + c);
            V sum = TSimd.Broadcast(0f);
            for (int r = 1; r < rows; r++)
            {
                sum = TSimd.Add(sum, TSimd.Subtract(TSimd.Load(x + (r * Width) + c), start));
            }

            TSimd.Store(pivot + c, TSimd.FusedMultiplyAdd(sum, share, start));
        }
    }

    /// <summary>sums[c] = sum_r (x[r,c] - pivot[c]) and squares[c] = sum_r (x[r,c] - pivot[c])^2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SumDifferences<TSimd, V>(float* x, int rows, float* pivot, double* sums, double* squares)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        new Span<double>(sums, Width).Clear();
        new Span<double>(squares, Width).Clear();
        for (int first = 0; first < rows; first += RowsPerBlock)
        {
            int count = Math.Min(RowsPerBlock, rows - first);
            for (int c = 0; c < Width; c += TSimd.Width)
            {
                V center = TSimd.Load(pivot + c);
                V sum0 = TSimd.Broadcast(0f);
                V sum1 = sum0, sum2 = sum0, sum3 = sum0, square0 = sum0, square1 = sum0, square2 = sum0, square3 = sum0;
                float* line = x + ((nint)first * Width) + c;
                int left = count;
                for (; left >= Chains; left -= Chains)
                {
                    V d0 = TSimd.Subtract(TSimd.Load(line), center);
                    V d1 = TSimd.Subtract(TSimd.Load(line + Width), center);
                    V d2 = TSimd.Subtract(TSimd.Load(line + (2 * Width)), center);
                    V d3 = TSimd.Subtract(TSimd.Load(line + (3 * Width)), center);
                    sum0 = TSimd.Add(sum0, d0);
                    sum1 = TSimd.Add(sum1, d1);
                    sum2 = TSimd.Add(sum2, d2);
                    sum3 = TSimd.Add(sum3, d3);
                    square0 = TSimd.FusedMultiplyAdd(d0, d0, square0);
                    square1 = TSimd.FusedMultiplyAdd(d1, d1, square1);
                    square2 = TSimd.FusedMultiplyAdd(d2, d2, square2);
                    square3 = TSimd.FusedMultiplyAdd(d3, d3, square3);
                    line += Chains * Width;
                }

                for (; left > 0; left--)
                {
                    V d = TSimd.Subtract(TSimd.Load(line), center);
                    sum0 = TSimd.Add(sum0, d);
                    square0 = TSimd.FusedMultiplyAdd(d, d, square0);
                    line += Width;
                }

                TSimd.AddWidened(sums + c, TSimd.Add(TSimd.Add(sum0, sum1), TSimd.Add(sum2, sum3)));
                TSimd.AddWidened(squares + c, TSimd.Add(TSimd.Add(square0, square1), TSimd.Add(square2, square3)));
            }
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void ColumnSums<TSimd, V>(float* d, int rows, float* sums)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        double* totals = stackalloc double[Width];
        new Span<double>(totals, Width).Clear();
        for (int first = 0; first < rows; first += RowsPerBlock)
        {
            int count = Math.Min(RowsPerBlock, rows - first);
            for (int c = 0; c < Width; c += TSimd.Width)
            {
                V sum0 = TSimd.Broadcast(0f);
                V sum1 = sum0, sum2 = sum0, sum3 = sum0;
                float* line = d + ((nint)first * Width) + c;
                int left = count;
                for (; left >= Chains; left -= Chains)
                {
                    sum0 = TSimd.Add(sum0, TSimd.Load(line));
                    sum1 = TSimd.Add(sum1, TSimd.Load(line + Width));
                    sum2 = TSimd.Add(sum2, TSimd.Load(line + (2 * Width)));
                    sum3 = TSimd.Add(sum3, TSimd.Load(line + (3 * Width)));
                    line += Chains * Width;
                }

                for (; left > 0; left--)
                {
                    sum0 = TSimd.Add(sum0, TSimd.Load(line));
                    line += Width;
                }

                TSimd.AddWidened(totals + c, TSimd.Add(TSimd.Add(sum0, sum1), TSimd.Add(sum2, sum3)));
            }
        }

        for (int c = 0; c < Width; c++)
        {
            sums[c] = (float)totals[c];
        }
    }
}
