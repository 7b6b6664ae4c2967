using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>Activation functions over whole spans, forward and backward.</summary>
internal static unsafe class ActivationKernels
{
    /// <summary>y[i] = f(x[i]).</summary>
    /// <remarks>x and y have the same length, a multiple of 16. y may be x itself, but must not overlap it otherwise.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Forward(ActivationFunction f, ReadOnlySpan<float> x, Span<float> y)
    {
        KernelArguments.RequireWholeLines(x.Length, nameof(x));
        KernelArguments.RequireEqualLength(y.Length, x.Length, nameof(y));
        fixed (float* px = x, py = y)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Forward<Simd512, Vector512<float>>(f, px, py, x.Length);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Forward<Simd256, Vector256<float>>(f, px, py, x.Length);
            }
            else
            {
                Forward<Simd128, Vector128<float>>(f, px, py, x.Length);
            }
        }
    }

    /// <summary>d[i] := d[i] * f'(x[i]): in the gradient of the loss by y = f(x), out the gradient by x.</summary>
    /// <remarks>
    /// x, y and d have the same length, a multiple of 16; y is what <see cref="Forward"/> gave for x. d must not overlap the others.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Backward(ActivationFunction f, ReadOnlySpan<float> x, ReadOnlySpan<float> y, Span<float> d)
    {
        KernelArguments.RequireWholeLines(x.Length, nameof(x));
        KernelArguments.RequireEqualLength(y.Length, x.Length, nameof(y));
        KernelArguments.RequireEqualLength(d.Length, x.Length, nameof(d));
        fixed (float* px = x, py = y, pd = d)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Backward<Simd512, Vector512<float>>(f, px, py, pd, x.Length);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Backward<Simd256, Vector256<float>>(f, px, py, pd, x.Length);
            }
            else
            {
                Backward<Simd128, Vector128<float>>(f, px, py, pd, x.Length);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Forward<TSimd, V>(ActivationFunction f, float* x, float* y, int length)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        var loop = new ForwardLoop<TSimd, V>(x, y, length);
        Activations.Visit(f, ref loop);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Backward<TSimd, V>(ActivationFunction f, float* x, float* y, float* d, int length)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        var loop = new BackwardLoop<TSimd, V>(x, y, d, length);
        Activations.Visit(f, ref loop);
    }

    private readonly struct ForwardLoop<TSimd, V>(float* x, float* y, int length) : IActivationVisitor
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        private readonly float* _x = x;
        private readonly float* _y = y;
        private readonly int _length = length;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Visit<TActivation>()
            where TActivation : struct, IActivation
        {
            float* x = _x, y = _y;
            int length = _length;
            for (nint i = 0; i < length; i += TSimd.Width)
            {
                TSimd.Store(y + i, TActivation.Forward<TSimd, V>(TSimd.Load(x + i)));
            }
        }
    }

    private readonly struct BackwardLoop<TSimd, V>(float* x, float* y, float* d, int length) : IActivationVisitor
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        private readonly float* _x = x;
        private readonly float* _y = y;
        private readonly float* _d = d;
        private readonly int _length = length;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Visit<TActivation>()
            where TActivation : struct, IActivation
        {
            float* x = _x, y = _y, d = _d;
            int length = _length;
            for (nint i = 0; i < length; i += TSimd.Width)
            {
                V input = TSimd.Load(x + i);
                V derivative = TActivation.Derivative<TSimd, V>(input, TActivation.DerivativeReadsOutput ? TSimd.Load(y + i) : input);
                TSimd.Store(d + i, TSimd.Multiply(TSimd.Load(d + i), derivative));
            }
        }
    }
}
