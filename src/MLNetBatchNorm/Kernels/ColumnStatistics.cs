using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>Sums over the rows of one panel: [rows][16] floats, one lane per column.</summary>
internal static unsafe class ColumnStatistics
{
    private const int Width = KernelArguments.PanelWidth;

    /// <summary>Rows that one chain of float additions may cover; the totals of such blocks are added in double.</summary>
    internal const int RowsPerChain = 64;

    /// <summary>Mean, in two parts, and biased variance of every column of a panel.</summary>
    /// <remarks>
    /// x is [rows][16], rows >= 1; pivot, offset and variance have 16 elements and must not overlap x.
    ///   mean = pivot + offset, pivot a float near the mean and offset the small rest, so that (x - pivot) - offset has no cancellation error
    ///   variance = (1/rows) sum (x - mean)^2 &gt;= 0            (divisor rows; the caller makes the unbiased one)
    /// Corrected two-pass method (Chan, Golub and LeVeque 1983): the first pass finds the pivot from the differences to the first row, the second
    /// sums d = x - pivot and d^2, and variance = mean(d^2) - mean(d)^2, where the last term is a rounding correction. A constant column
    /// has all d = 0 and so exactly variance 0. NaN or infinity in a column makes its variance NaN.
    /// </remarks>
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

    internal static void Moments<TSimd, V>(float* x, int rows, float* pivot, float* offset, float* variance)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        double* sums = stackalloc double[Width];
        double* squares = stackalloc double[Width];
        SumDifferences<TSimd, V>(x, rows, x, sums, squares);
        for (int c = 0; c < Width; c++)
        {
            pivot[c] = (float)(x[c] + (sums[c] / rows));
        }

        SumDifferences<TSimd, V>(x, rows, pivot, sums, squares);
        for (int c = 0; c < Width; c++)
        {
            double mean = sums[c] / rows;
            double value = (squares[c] / rows) - (mean * mean);
            offset[c] = (float)mean;
            variance[c] = value < 0 ? 0f : (float)value;        // rounding can go below zero; a NaN stays
        }
    }

    /// <summary>sums[c] = sum_r (x[r,c] - pivot[c]) and squares[c] = sum_r (x[r,c] - pivot[c])^2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SumDifferences<TSimd, V>(float* x, int rows, float* pivot, double* sums, double* squares)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        float* blockSums = stackalloc float[Width];
        float* blockSquares = stackalloc float[Width];
        for (int c = 0; c < Width; c++)
        {
            sums[c] = 0;
            squares[c] = 0;
        }

        for (int first = 0; first < rows; first += RowsPerChain)
        {
            int count = Math.Min(RowsPerChain, rows - first);
            for (int c = 0; c < Width; c += TSimd.Width)
            {
                V center = TSimd.Load(pivot + c);
                V sum = TSimd.Broadcast(0f);
                V square = TSimd.Broadcast(0f);
                float* line = x + ((nint)first * Width) + c;
                for (int r = 0; r < count; r++)
                {
                    V d = TSimd.Subtract(TSimd.Load(line), center);
                    sum = TSimd.Add(sum, d);
                    square = TSimd.FusedMultiplyAdd(d, d, square);
                    line += Width;
                }

                TSimd.Store(blockSums + c, sum);
                TSimd.Store(blockSquares + c, square);
            }

            for (int c = 0; c < Width; c++)
            {
                sums[c] += blockSums[c];
                squares[c] += blockSquares[c];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void ColumnSums<TSimd, V>(float* d, int rows, float* sums)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        float* block = stackalloc float[Width];
        double* totals = stackalloc double[Width];
        for (int c = 0; c < Width; c++)
        {
            totals[c] = 0;
        }

        for (int first = 0; first < rows; first += RowsPerChain)
        {
            int count = Math.Min(RowsPerChain, rows - first);
            for (int c = 0; c < Width; c += TSimd.Width)
            {
                V sum = TSimd.Broadcast(0f);
                float* line = d + ((nint)first * Width) + c;
                for (int r = 0; r < count; r++)
                {
                    sum = TSimd.Add(sum, TSimd.Load(line));
                    line += Width;
                }

                TSimd.Store(block + c, sum);
            }

            for (int c = 0; c < Width; c++)
            {
                totals[c] += block[c];
            }
        }

        for (int c = 0; c < Width; c++)
        {
            sums[c] = (float)totals[c];
        }
    }
}
