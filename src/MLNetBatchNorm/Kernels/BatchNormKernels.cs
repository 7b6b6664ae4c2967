using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>Batch normalization of one panel with the activation that follows it, forward and backward.</summary>
/// <remarks>
/// Shapes: x, y and d are [rows][16]; pivot, offset, inverseDeviation, gamma, beta, dGamma and dBeta have 16 elements. A null activation is the identity.
///   centered = (x - pivot) - offset,   xhat = centered * inverseDeviation,   z = gamma * xhat + beta,   y = f(z)
/// The mean comes in two parts (<see cref="ColumnStatistics.Moments"/>), subtracted one after the other: with a single float the result would err by
/// up to half a grid step of the mean. z is computed as centered * (gamma * inverseDeviation) + beta in every kernel, with the same bits.
/// </remarks>
internal static unsafe class BatchNormKernels
{
    private const int Width = KernelArguments.PanelWidth;

    /// <summary>y = f(gamma * xhat + beta).</summary>
    /// <remarks>rows >= 0. y may be x itself, but must not overlap it otherwise.</remarks>
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

    /// <summary>First half of the backward pass: d := d * f'(z), dBeta = sum of the new d over the rows, dGamma = sum of d * xhat.</summary>
    /// <remarks>
    /// rows >= 0. In: d is the gradient of the loss by y. Out: d is the gradient by z; dGamma and dBeta are overwritten.
    /// d, dGamma and dBeta must not overlap the inputs or each other.
    /// </remarks>
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
        fixed (float* px = x, pp = pivot, po = offset, pi = inverseDeviation, pg = gamma, pb = beta, py = y, pd = d, pdg = dGamma, pdb = dBeta)
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

    /// <summary>Second half: d := gamma * inverseDeviation * (d - dBeta/rows - xhat * dGamma/rows), the gradient of the loss by x.</summary>
    /// <remarks>
    /// rows >= 0; dGamma and dBeta are what <see cref="BackwardSums"/> gave. The gradient flows through mean and variance (Ioffe and Szegedy 2015).
    /// d must not overlap the inputs.
    /// </remarks>
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

    internal static void Normalize<TSimd, V>(ActivationFunction? f, float* x, int rows, Columns columns, float* y)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        switch (f)
        {
            case null: NormalizeLoop<TSimd, V, IdentityActivation>(x, rows, columns, y); break;
            case ActivationFunction.ReLU: NormalizeLoop<TSimd, V, ReluActivation>(x, rows, columns, y); break;
            case ActivationFunction.LeakyReLU: NormalizeLoop<TSimd, V, LeakyReluActivation>(x, rows, columns, y); break;
            case ActivationFunction.ELU: NormalizeLoop<TSimd, V, EluActivation>(x, rows, columns, y); break;
            case ActivationFunction.SELU: NormalizeLoop<TSimd, V, SeluActivation>(x, rows, columns, y); break;
            case ActivationFunction.GELU: NormalizeLoop<TSimd, V, GeluActivation>(x, rows, columns, y); break;
            case ActivationFunction.SiLU: NormalizeLoop<TSimd, V, SiluActivation>(x, rows, columns, y); break;
            case ActivationFunction.Mish: NormalizeLoop<TSimd, V, MishActivation>(x, rows, columns, y); break;
            case ActivationFunction.Tanh: NormalizeLoop<TSimd, V, TanhActivation>(x, rows, columns, y); break;
            case ActivationFunction.Sigmoid: NormalizeLoop<TSimd, V, SigmoidActivation>(x, rows, columns, y); break;
            default: throw new ArgumentOutOfRangeException(nameof(f), f, "Unknown activation function.");
        }
    }

    internal static void BackwardSums<TSimd, V>(
        ActivationFunction? f, float* x, int rows, Columns columns, float* y, float* d, float* dGamma, float* dBeta)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        switch (f)
        {
            case null: BackwardSumsLoop<TSimd, V, IdentityActivation>(x, rows, columns, y, d, dGamma, dBeta); break;
            case ActivationFunction.ReLU: BackwardSumsLoop<TSimd, V, ReluActivation>(x, rows, columns, y, d, dGamma, dBeta); break;
            case ActivationFunction.LeakyReLU: BackwardSumsLoop<TSimd, V, LeakyReluActivation>(x, rows, columns, y, d, dGamma, dBeta); break;
            case ActivationFunction.ELU: BackwardSumsLoop<TSimd, V, EluActivation>(x, rows, columns, y, d, dGamma, dBeta); break;
            case ActivationFunction.SELU: BackwardSumsLoop<TSimd, V, SeluActivation>(x, rows, columns, y, d, dGamma, dBeta); break;
            case ActivationFunction.GELU: BackwardSumsLoop<TSimd, V, GeluActivation>(x, rows, columns, y, d, dGamma, dBeta); break;
            case ActivationFunction.SiLU: BackwardSumsLoop<TSimd, V, SiluActivation>(x, rows, columns, y, d, dGamma, dBeta); break;
            case ActivationFunction.Mish: BackwardSumsLoop<TSimd, V, MishActivation>(x, rows, columns, y, d, dGamma, dBeta); break;
            case ActivationFunction.Tanh: BackwardSumsLoop<TSimd, V, TanhActivation>(x, rows, columns, y, d, dGamma, dBeta); break;
            case ActivationFunction.Sigmoid: BackwardSumsLoop<TSimd, V, SigmoidActivation>(x, rows, columns, y, d, dGamma, dBeta); break;
            default: throw new ArgumentOutOfRangeException(nameof(f), f, "Unknown activation function.");
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void BackwardInput<TSimd, V>(float* x, int rows, Columns columns, float* dGamma, float* dBeta, float* d)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V count = TSimd.Broadcast(rows);
        for (int c = 0; c < Width; c += TSimd.Width)
        {
            V pivot = TSimd.Load(columns.Pivot + c);
            V offset = TSimd.Load(columns.Offset + c);
            V inverseDeviation = TSimd.Load(columns.InverseDeviation + c);
            V scale = TSimd.Multiply(TSimd.Load(columns.Gamma + c), inverseDeviation);
            V mean = TSimd.Divide(TSimd.Load(dBeta + c), count);
            V slope = TSimd.Multiply(TSimd.Divide(TSimd.Load(dGamma + c), count), inverseDeviation);
            float* line = x + c;
            float* gradient = d + c;
            for (int r = 0; r < rows; r++)
            {
                V centered = TSimd.Subtract(TSimd.Subtract(TSimd.Load(line), pivot), offset);
                V projected = TSimd.FusedNegatedMultiplyAdd(centered, slope, TSimd.Subtract(TSimd.Load(gradient), mean));
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
            V offset = TSimd.Load(columns.Offset + c);
            V scale = TSimd.Multiply(TSimd.Load(columns.Gamma + c), TSimd.Load(columns.InverseDeviation + c));
            V beta = TSimd.Load(columns.Beta + c);
            float* line = x + c;
            float* result = y + c;
            for (int r = 0; r < rows; r++)
            {
                V centered = TSimd.Subtract(TSimd.Subtract(TSimd.Load(line), pivot), offset);
                V z = TSimd.FusedMultiplyAdd(centered, scale, beta);
                TSimd.Store(result, TActivation.Forward<TSimd, V>(z));
                line += Width;
                result += Width;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void BackwardSumsLoop<TSimd, V, TActivation>(
        float* x, int rows, Columns columns, float* y, float* d, float* dGamma, float* dBeta)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TActivation : struct, IActivation
    {
        float* blockGamma = stackalloc float[Width];
        float* blockBeta = stackalloc float[Width];
        double* totalGamma = stackalloc double[Width];
        double* totalBeta = stackalloc double[Width];
        for (int c = 0; c < Width; c++)
        {
            totalGamma[c] = 0;
            totalBeta[c] = 0;
        }

        for (int first = 0; first < rows; first += ColumnStatistics.RowsPerChain)
        {
            int count = Math.Min(ColumnStatistics.RowsPerChain, rows - first);
            for (int c = 0; c < Width; c += TSimd.Width)
            {
                V pivot = TSimd.Load(columns.Pivot + c);
                V offset = TSimd.Load(columns.Offset + c);
                V scale = TSimd.Multiply(TSimd.Load(columns.Gamma + c), TSimd.Load(columns.InverseDeviation + c));
                V beta = TSimd.Load(columns.Beta + c);
                V sumGamma = TSimd.Broadcast(0f);
                V sumBeta = TSimd.Broadcast(0f);
                nint at = ((nint)first * Width) + c;
                for (int r = 0; r < count; r++)
                {
                    V centered = TSimd.Subtract(TSimd.Subtract(TSimd.Load(x + at), pivot), offset);
                    V z = TSimd.FusedMultiplyAdd(centered, scale, beta);
                    V gradient = TSimd.Multiply(TSimd.Load(d + at), TActivation.Derivative<TSimd, V>(z, TSimd.Load(y + at)));
                    TSimd.Store(d + at, gradient);
                    sumBeta = TSimd.Add(sumBeta, gradient);
                    sumGamma = TSimd.FusedMultiplyAdd(gradient, centered, sumGamma);
                    at += Width;
                }

                TSimd.Store(blockGamma + c, sumGamma);
                TSimd.Store(blockBeta + c, sumBeta);
            }

            for (int c = 0; c < Width; c++)
            {
                totalGamma[c] += blockGamma[c];
                totalBeta[c] += blockBeta[c];
            }
        }

        for (int c = 0; c < Width; c++)
        {
            dGamma[c] = (float)(totalGamma[c] * columns.InverseDeviation[c]);
            dBeta[c] = (float)totalBeta[c];
        }
    }

    private static void RequirePanel(int length, int rows, string name)
    {
        KernelArguments.RequireAtLeast(rows, 0, nameof(rows));
        KernelArguments.RequireLength(length, (long)rows * Width, name);
    }

    private static void RequireColumns(
        ReadOnlySpan<float> pivot, ReadOnlySpan<float> offset, ReadOnlySpan<float> inverseDeviation, ReadOnlySpan<float> gamma)
    {
        KernelArguments.RequireLength(pivot.Length, Width, nameof(pivot));
        KernelArguments.RequireLength(offset.Length, Width, nameof(offset));
        KernelArguments.RequireLength(inverseDeviation.Length, Width, nameof(inverseDeviation));
        KernelArguments.RequireLength(gamma.Length, Width, nameof(gamma));
    }
}
