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
    /// <remarks>x, y and d have the same length, a multiple of 16; y is what <see cref="Forward"/> gave for x. d must not overlap the others.</remarks>
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

    /// <summary>The activation as a type, so that the loop is compiled for it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Forward<TSimd, V>(ActivationFunction f, float* x, float* y, int length)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        switch (f)
        {
            case ActivationFunction.ReLU: ForwardLoop<TSimd, V, ReluActivation>(x, y, length); break;
            case ActivationFunction.LeakyReLU: ForwardLoop<TSimd, V, LeakyReluActivation>(x, y, length); break;
            case ActivationFunction.ELU: ForwardLoop<TSimd, V, EluActivation>(x, y, length); break;
            case ActivationFunction.SELU: ForwardLoop<TSimd, V, SeluActivation>(x, y, length); break;
            case ActivationFunction.GELU: ForwardLoop<TSimd, V, GeluActivation>(x, y, length); break;
            case ActivationFunction.SiLU: ForwardLoop<TSimd, V, SiluActivation>(x, y, length); break;
            case ActivationFunction.Mish: ForwardLoop<TSimd, V, MishActivation>(x, y, length); break;
            case ActivationFunction.Tanh: ForwardLoop<TSimd, V, TanhActivation>(x, y, length); break;
            case ActivationFunction.Sigmoid: ForwardLoop<TSimd, V, SigmoidActivation>(x, y, length); break;
            default: KernelArguments.ThrowUnknownActivation(f); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Backward<TSimd, V>(ActivationFunction f, float* x, float* y, float* d, int length)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        switch (f)
        {
            case ActivationFunction.ReLU: BackwardLoop<TSimd, V, ReluActivation>(x, y, d, length); break;
            case ActivationFunction.LeakyReLU: BackwardLoop<TSimd, V, LeakyReluActivation>(x, y, d, length); break;
            case ActivationFunction.ELU: BackwardLoop<TSimd, V, EluActivation>(x, y, d, length); break;
            case ActivationFunction.SELU: BackwardLoop<TSimd, V, SeluActivation>(x, y, d, length); break;
            case ActivationFunction.GELU: BackwardLoop<TSimd, V, GeluActivation>(x, y, d, length); break;
            case ActivationFunction.SiLU: BackwardLoop<TSimd, V, SiluActivation>(x, y, d, length); break;
            case ActivationFunction.Mish: BackwardLoop<TSimd, V, MishActivation>(x, y, d, length); break;
            case ActivationFunction.Tanh: BackwardLoop<TSimd, V, TanhActivation>(x, y, d, length); break;
            case ActivationFunction.Sigmoid: BackwardLoop<TSimd, V, SigmoidActivation>(x, y, d, length); break;
            default: KernelArguments.ThrowUnknownActivation(f); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ForwardLoop<TSimd, V, TActivation>(float* x, float* y, int length)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TActivation : struct, IActivation
    {
        for (nint i = 0; i < length; i += TSimd.Width)
        {
            TSimd.Store(y + i, TActivation.Forward<TSimd, V>(TSimd.Load(x + i)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void BackwardLoop<TSimd, V, TActivation>(float* x, float* y, float* d, int length)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TActivation : struct, IActivation
    {
        for (nint i = 0; i < length; i += TSimd.Width)
        {
            V input = TSimd.Load(x + i);
            V derivative = TActivation.Derivative<TSimd, V>(input, TActivation.DerivativeReadsOutput ? TSimd.Load(y + i) : input);
            TSimd.Store(d + i, TSimd.Multiply(TSimd.Load(d + i), derivative));
        }
    }
}
