using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>Batch normalization of one panel with the activation that follows it, forward and backward.</summary>
/// <remarks>
/// Shapes: x, y and d are [rows][16]; pivot, offset, inverseDeviation, gamma, beta, dGamma and dBeta have
/// 16 elements. A null activation is the identity.
///   xhat = ((x - pivot) - offset) * inverseDeviation,   z = gamma * xhat + beta,   y = f(z)
/// The mean comes in two parts (<see cref="ColumnStatistics.Moments"/>): with a single float the result would err by up to
/// half a grid step of the mean. x - pivot is taken first, which cancels without error where it matters; the small offset is
/// folded into the constant of the column, so that
///   z = (x - pivot) * scale + shift,   scale = gamma * inverseDeviation,   shift = beta - offset * scale
/// in the forward and in the backward pass, with the same bits. |offset| is at most the deviation of the
/// column, so |offset * scale| is at most |gamma|.
/// </remarks>
internal static unsafe class BatchNormKernels
{
    private const int Width = PanelLayout.Width;

    /// <summary>Rows whose terms are added in float (two chains of 64) before the result goes into a double.</summary>
    private const int RowsPerBlock = 128;

    /// <summary>y = f(gamma * xhat + beta).</summary>
    /// <remarks>rows >= 0. y may be x itself, but must not overlap it otherwise.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Normalize(
        ActivationFunction? f,
        ReadOnlySpan<float> x,
        int rows,
        ReadOnlySpan<float> pivot,
        ReadOnlySpan<float> offset,
        ReadOnlySpan<float> inverseDeviation,
        ReadOnlySpan<float> gamma,
        ReadOnlySpan<float> beta,
        Span<float> y)
    {
        RequirePanel(x.Length, rows, nameof(x));
        RequirePanel(y.Length, rows, nameof(y));
        RequireColumns(pivot, offset, inverseDeviation, gamma);
        KernelArguments.RequireLength(beta.Length, Width, nameof(beta));
        fixed (float* px = x, pp = pivot, po = offset, pi = inverseDeviation, pg = gamma, pb = beta, py = y)
        {
            Columns columns = new(pp, po, pi, pg, pb);
            if (Vector512.IsHardwareAccelerated)
            {
                Normalize<Simd512, Vector512<float>>(f, px, rows, columns, py);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Normalize<Simd256, Vector256<float>>(f, px, rows, columns, py);
            }
            else
            {
                Normalize<Simd128, Vector128<float>>(f, px, rows, columns, py);
            }
        }
    }

    /// <summary>
    /// First half of the backward pass: d := d * f'(z), dBeta = sum of the new d over the rows, dGamma = sum of d * xhat.
    /// </summary>
    /// <remarks>
    /// rows >= 0. In: d is the gradient of the loss by y. Out: d is the gradient by z; dGamma and dBeta are overwritten.
    /// d, dGamma and dBeta must not overlap the inputs or each other.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void BackwardSums(
        ActivationFunction? f,
        ReadOnlySpan<float> x,
        int rows,
        ReadOnlySpan<float> pivot,
        ReadOnlySpan<float> offset,
        ReadOnlySpan<float> inverseDeviation,
        ReadOnlySpan<float> gamma,
        ReadOnlySpan<float> beta,
        ReadOnlySpan<float> y,
        Span<float> d,
        Span<float> dGamma,
        Span<float> dBeta)
    {
        RequirePanel(x.Length, rows, nameof(x));
        RequirePanel(y.Length, rows, nameof(y));
        RequirePanel(d.Length, rows, nameof(d));
        RequireColumns(pivot, offset, inverseDeviation, gamma);
        KernelArguments.RequireLength(beta.Length, Width, nameof(beta));
        KernelArguments.RequireLength(dGamma.Length, Width, nameof(dGamma));
        KernelArguments.RequireLength(dBeta.Length, Width, nameof(dBeta));
        fixed (
            float* px = x, pp = pivot, po = offset, pi = inverseDeviation, pg = gamma, pb = beta, py = y, pd = d, pdg = dGamma, pdb = dBeta)
        {
            Columns columns = new(pp, po, pi, pg, pb);
            if (Vector512.IsHardwareAccelerated)
            {
                BackwardSums<Simd512, Vector512<float>>(f, px, rows, columns, py, pd, pdg, pdb);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                BackwardSums<Simd256, Vector256<float>>(f, px, rows, columns, py, pd, pdg, pdb);
            }
            else
            {
                BackwardSums<Simd128, Vector128<float>>(f, px, rows, columns, py, pd, pdg, pdb);
            }
        }
    }

    /// <summary>
    /// Second half: d := gamma * inverseDeviation * (d - dBeta/rows - xhat * dGamma/rows), the gradient of the loss by x.
    /// </summary>
    /// <remarks>
    /// rows >= 0; dGamma and dBeta are what <see cref="BackwardSums"/> gave. The gradient flows through mean and variance (Ioffe and
    /// Szegedy 2015). d must not overlap the inputs.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void BackwardInput(
        ReadOnlySpan<float> x,
        int rows,
        ReadOnlySpan<float> pivot,
        ReadOnlySpan<float> offset,
        ReadOnlySpan<float> inverseDeviation,
        ReadOnlySpan<float> gamma,
        ReadOnlySpan<float> dGamma,
        ReadOnlySpan<float> dBeta,
        Span<float> d)
    {
        RequirePanel(x.Length, rows, nameof(x));
        RequirePanel(d.Length, rows, nameof(d));
        RequireColumns(pivot, offset, inverseDeviation, gamma);
        KernelArguments.RequireLength(dGamma.Length, Width, nameof(dGamma));
        KernelArguments.RequireLength(dBeta.Length, Width, nameof(dBeta));
        fixed (float* px = x, pp = pivot, po = offset, pi = inverseDeviation, pg = gamma, pdg = dGamma, pdb = dBeta, pd = d)
        {
            Columns columns = new(pp, po, pi, pg, null);
            if (Vector512.IsHardwareAccelerated)
            {
                BackwardInput<Simd512, Vector512<float>>(px, rows, columns, pdg, pdb, pd);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                BackwardInput<Simd256, Vector256<float>>(px, rows, columns, pdg, pdb, pd);
            }
            else
            {
                BackwardInput<Simd128, Vector128<float>>(px, rows, columns, pdg, pdb, pd);
            }
        }
    }

    /// <summary>The per-column inputs of a panel, 16 floats each.</summary>
    internal readonly struct Columns(float* pivot, float* offset, float* inverseDeviation, float* gamma, float* beta)
    {
        public readonly float* Pivot = pivot;
        public readonly float* Offset = offset;
        public readonly float* InverseDeviation = inverseDeviation;
        public readonly float* Gamma = gamma;
        public readonly float* Beta = beta;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Normalize<TSimd, V>(ActivationFunction? f, float* x, int rows, Columns columns, float* y)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        var loop = new NormalizeVisitor<TSimd, V>(x, rows, columns, y);
        Activations.Visit(f, ref loop);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void BackwardSums<TSimd, V>(
        ActivationFunction? f, float* x, int rows, Columns columns, float* y, float* d, float* dGamma, float* dBeta)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        var loop = new BackwardSumsVisitor<TSimd, V>(x, rows, columns, y, d, dGamma, dBeta);
        Activations.Visit(f, ref loop);
    }

    private readonly struct NormalizeVisitor<TSimd, V>(float* x, int rows, Columns columns, float* y) : IActivationVisitor
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Visit<TActivation>()
            where TActivation : struct, IActivation
            => NormalizeLoop<TSimd, V, TActivation>(x, rows, columns, y);
    }

    private readonly struct BackwardSumsVisitor<TSimd, V>(
        float* x, int rows, Columns columns, float* y, float* d, float* dGamma, float* dBeta)
        : IActivationVisitor
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Visit<TActivation>()
            where TActivation : struct, IActivation
            => BackwardSumsLoop<TSimd, V, TActivation>(x, rows, columns, y, d, dGamma, dBeta);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void BackwardInput<TSimd, V>(float* x, int rows, Columns columns, float* dGamma, float* dBeta, float* d)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        // scale * (d - mean - ((x - pivot) - offset) * slope), with offset * slope moved into the constant as in the forward pass.
        V count = TSimd.Broadcast(rows);
        for (int c = 0; c < Width; c += TSimd.Width)
        {
            V pivot = TSimd.Load(columns.Pivot + c);
            V inverseDeviation = TSimd.Load(columns.InverseDeviation + c);
            V scale = TSimd.Multiply(TSimd.Load(columns.Gamma + c), inverseDeviation);
            V negatedSlope = TSimd.Negate(TSimd.Multiply(TSimd.Divide(TSimd.Load(dGamma + c), count), inverseDeviation));
            V constant = TSimd.FusedMultiplyAdd(negatedSlope, TSimd.Load(columns.Offset + c), TSimd.Divide(TSimd.Load(dBeta + c), count));
            float* line = x + c;
            float* gradient = d + c;
            for (int r = 0; r < rows; r++)
            {
                V difference = TSimd.Subtract(TSimd.Load(line), pivot);
                V projected = TSimd.FusedMultiplyAdd(difference, negatedSlope, TSimd.Subtract(TSimd.Load(gradient), constant));
                TSimd.Store(gradient, TSimd.Multiply(scale, projected));
                line += Width;
                gradient += Width;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NormalizeLoop<TSimd, V, TActivation>(float* x, int rows, Columns columns, float* y)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TActivation : struct, IActivation
    {
        for (int c = 0; c < Width; c += TSimd.Width)
        {
            V pivot = TSimd.Load(columns.Pivot + c);
            V scale = Scale<TSimd, V>(columns, c);
            V shift = Shift<TSimd, V>(columns, c, scale);
            float* line = x + c;
            float* result = y + c;
            for (int r = 0; r < rows; r++)
            {
                V z = TSimd.FusedMultiplyAdd(TSimd.Subtract(TSimd.Load(line), pivot), scale, shift);
                TSimd.Store(result, TActivation.Forward<TSimd, V>(z));
                line += Width;
                result += Width;
            }
        }
    }

    /// <summary>
    /// Sums in the order of <see cref="ColumnStatistics"/>, with two chains. With t the sum of
    /// d * (x - pivot), dGamma = inverseDeviation * (t - offset * dBeta): the same error bound as summing
    /// d * xhat itself, because |offset| is at most the deviation.
    /// </summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void BackwardSumsLoop<TSimd, V, TActivation>(
        float* x, int rows, Columns columns, float* y, float* d, float* dGamma, float* dBeta)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TActivation : struct, IActivation
    {
        double* products = stackalloc double[2 * Width];
        double* sums = products + Width;
        new Span<double>(products, 2 * Width).Clear();
        for (int first = 0; first < rows; first += RowsPerBlock)
        {
            int count = Math.Min(RowsPerBlock, rows - first);
            for (int c = 0; c < Width; c += TSimd.Width)
            {
                V pivot = TSimd.Load(columns.Pivot + c);
                V scale = Scale<TSimd, V>(columns, c);
                V shift = Shift<TSimd, V>(columns, c, scale);
                V product0 = TSimd.Broadcast(0f);
                V product1 = product0, sum0 = product0, sum1 = product0;
                nint at = ((nint)first * Width) + c;
                int left = count;
                for (; left >= 2; left -= 2)
                {
                    V difference0 = TSimd.Subtract(TSimd.Load(x + at), pivot);
                    V z0 = TSimd.FusedMultiplyAdd(difference0, scale, shift);
                    V gradient0 = TSimd.Multiply(TSimd.Load(d + at), Derivative<TSimd, V, TActivation>(z0, y + at));
                    TSimd.Store(d + at, gradient0);
                    sum0 = TSimd.Add(sum0, gradient0);
                    product0 = TSimd.FusedMultiplyAdd(gradient0, difference0, product0);

                    V difference1 = TSimd.Subtract(TSimd.Load(x + at + Width), pivot);
                    V z1 = TSimd.FusedMultiplyAdd(difference1, scale, shift);
                    V gradient1 = TSimd.Multiply(TSimd.Load(d + at + Width), Derivative<TSimd, V, TActivation>(z1, y + at + Width));
                    TSimd.Store(d + at + Width, gradient1);
                    sum1 = TSimd.Add(sum1, gradient1);
                    product1 = TSimd.FusedMultiplyAdd(gradient1, difference1, product1);
                    at += 2 * Width;
                }

                if (left > 0)
                {
                    V difference = TSimd.Subtract(TSimd.Load(x + at), pivot);
                    V z = TSimd.FusedMultiplyAdd(difference, scale, shift);
                    V gradient = TSimd.Multiply(TSimd.Load(d + at), Derivative<TSimd, V, TActivation>(z, y + at));
                    TSimd.Store(d + at, gradient);
                    sum0 = TSimd.Add(sum0, gradient);
                    product0 = TSimd.FusedMultiplyAdd(gradient, difference, product0);
                }

                TSimd.AddWidened(products + c, TSimd.Add(product0, product1));
                TSimd.AddWidened(sums + c, TSimd.Add(sum0, sum1));
            }
        }

        // Four columns at a time in whatever width: plain double operations, the same everywhere.
        for (int c = 0; c < Width; c += Vector128<float>.Count)
        {
            Vector128<float> offset = Vector128.Load(columns.Offset + c);
            Vector128<float> inverseDeviation = Vector128.Load(columns.InverseDeviation + c);
            Vector128<double> sumLower = Vector128.Load(sums + c);
            Vector128<double> sumUpper = Vector128.Load(sums + c + 2);
            Vector128<double> lower = Vector128.Load(products + c) - (Vector128.WidenLower(offset) * sumLower);
            Vector128<double> upper = Vector128.Load(products + c + 2) - (Vector128.WidenUpper(offset) * sumUpper);
            lower *= Vector128.WidenLower(inverseDeviation);
            upper *= Vector128.WidenUpper(inverseDeviation);
            Vector128.Narrow(lower, upper).Store(dGamma + c);
            Vector128.Narrow(sumLower, sumUpper).Store(dBeta + c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Derivative<TSimd, V, TActivation>(V z, float* y)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TActivation : struct, IActivation
        => TActivation.Derivative<TSimd, V>(z, TActivation.DerivativeReadsOutput ? TSimd.Load(y) : z);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Scale<TSimd, V>(in Columns columns, int c)
        where TSimd : struct, ISimd<V>
        where V : struct
        => TSimd.Multiply(TSimd.Load(columns.Gamma + c), TSimd.Load(columns.InverseDeviation + c));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Shift<TSimd, V>(in Columns columns, int c, V scale)
        where TSimd : struct, ISimd<V>
        where V : struct
        => TSimd.FusedMultiplyAdd(TSimd.Negate(TSimd.Load(columns.Offset + c)), scale, TSimd.Load(columns.Beta + c));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RequirePanel(int length, int rows, string name)
    {
        KernelArguments.RequireAtLeast(rows, 0, nameof(rows));
        KernelArguments.RequireLength(length, (long)rows * Width, name);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RequireColumns(
        ReadOnlySpan<float> pivot, ReadOnlySpan<float> offset, ReadOnlySpan<float> inverseDeviation, ReadOnlySpan<float> gamma)
    {
        KernelArguments.RequireLength(pivot.Length, Width, nameof(pivot));
        KernelArguments.RequireLength(offset.Length, Width, nameof(offset));
        KernelArguments.RequireLength(inverseDeviation.Length, Width, nameof(inverseDeviation));
        KernelArguments.RequireLength(gamma.Length, Width, nameof(gamma));
    }
}
