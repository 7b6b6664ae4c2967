using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>One optimizer step over a flat span of parameters.</summary>
/// <remarks>
/// All spans of a call have the same length, a multiple of 16, and do not overlap. t counts steps from 1 and all state starts at 0. The
/// rules are PyTorch's. Padding stays zero: a parameter of 0 with gradient 0 and state 0 is left at 0 by each of them.
/// </remarks>
internal static unsafe class OptimizerKernels
{
    /// <summary>Comes closer to other values: p += share (q - p), the difference rounded, the sum rounded once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Approach(Span<float> p, ReadOnlySpan<float> q, float share)
    {
        RequireSpans(p.Length, q.Length, p.Length, p.Length);
        fixed (float* pp = p, pq = q)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Approach<Simd512, Vector512<float>>(pp, pq, p.Length, share);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Approach<Simd256, Vector256<float>>(pp, pq, p.Length, share);
            }
            else
            {
                Approach<Simd128, Vector128<float>>(pp, pq, p.Length, share);
            }
        }
    }

    /// <summary>Stochastic gradient descent without momentum: p -= lr (g + weightDecay p).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Sgd(Span<float> p, ReadOnlySpan<float> g, float learningRate, float weightDecay)
    {
        RequireSpans(p.Length, g.Length, p.Length, p.Length);
        fixed (float* pp = p, pg = g)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Sgd<Simd512, Vector512<float>>(pp, pg, p.Length, learningRate, weightDecay);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Sgd<Simd256, Vector256<float>>(pp, pg, p.Length, learningRate, weightDecay);
            }
            else
            {
                Sgd<Simd128, Vector128<float>>(pp, pg, p.Length, learningRate, weightDecay);
            }
        }
    }

    /// <summary>
    /// Momentum: h = g + weightDecay p;  b = momentum b + h;  p -= lr b, or with Nesterov p -= lr (h + momentum b).
    /// b starts at 0, which makes the first b equal to h.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void SgdMomentum(
        Span<float> p, ReadOnlySpan<float> g, Span<float> b, float learningRate, float momentum, bool nesterov, float weightDecay)
    {
        RequireSpans(p.Length, g.Length, b.Length, p.Length);
        fixed (float* pp = p, pg = g, pb = b)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                SgdMomentum<Simd512, Vector512<float>>(pp, pg, pb, p.Length, learningRate, momentum, nesterov, weightDecay);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                SgdMomentum<Simd256, Vector256<float>>(pp, pg, pb, p.Length, learningRate, momentum, nesterov, weightDecay);
            }
            else
            {
                SgdMomentum<Simd128, Vector128<float>>(pp, pg, pb, p.Length, learningRate, momentum, nesterov, weightDecay);
            }
        }
    }

    /// <summary>
    /// Adam (Kingma and Ba 2015): h = g + weightDecay p;  m = b1 m + (1-b1) h;  v = b2 v + (1-b2) h^2;
    /// p -= lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + epsilon).
    /// </summary>
    public static void Adam(Span<float> p, ReadOnlySpan<float> g, Span<float> m, Span<float> v, in AdamCoefficients coefficients)
        => Adam(p, g, m, v, coefficients, decoupled: false);

    /// <summary>AdamW (Loshchilov and Hutter 2019): p -= lr weightDecay p, then Adam without weight decay in the gradient.</summary>
    public static void AdamW(Span<float> p, ReadOnlySpan<float> g, Span<float> m, Span<float> v, in AdamCoefficients coefficients)
        => Adam(p, g, m, v, coefficients, decoupled: true);

    /// <summary>
    /// RMSprop: h = g + weightDecay p; v = alpha v + (1-alpha) h^2; p -= lr h / (sqrt(v) + epsilon). With a mean
    /// gradient (a not empty, "centered") a = alpha a + (1-alpha) h and the root is of v - a^2. With momentum (b not
    /// empty) b = momentum b + h / (...) and p -= lr b.
    /// </summary>
    /// <remarks>
    /// oneMinusAlpha is 1 - alpha rounded once, by the caller. v - a^2 is a variance: where rounding makes it negative it counts as 0.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void RmsProp(
        Span<float> p,
        ReadOnlySpan<float> g,
        Span<float> v,
        Span<float> a,
        Span<float> b,
        float learningRate,
        float alpha,
        float oneMinusAlpha,
        float epsilon,
        float momentum,
        float weightDecay)
    {
        RequireSpans(p.Length, g.Length, v.Length, p.Length);
        RequireSpans(p.Length, p.Length, a.IsEmpty ? p.Length : a.Length, b.IsEmpty ? p.Length : b.Length);
        RmsPropCoefficients c = new(learningRate, alpha, oneMinusAlpha, epsilon, momentum, weightDecay);
        fixed (float* pp = p, pg = g, pv = v, pa = a, pb = b)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                RmsProp<Simd512, Vector512<float>>(pp, pg, pv, pa, pb, p.Length, c);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                RmsProp<Simd256, Vector256<float>>(pp, pg, pv, pa, pb, p.Length, c);
            }
            else
            {
                RmsProp<Simd128, Vector128<float>>(pp, pg, pv, pa, pb, p.Length, c);
            }
        }
    }

    internal readonly record struct RmsPropCoefficients(
        float LearningRate, float Alpha, float OneMinusAlpha, float Epsilon, float Momentum, float WeightDecay);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Adam(
        Span<float> p, ReadOnlySpan<float> g, Span<float> m, Span<float> v, in AdamCoefficients coefficients, bool decoupled)
    {
        RequireSpans(p.Length, g.Length, m.Length, v.Length);
        fixed (float* pp = p, pg = g, pm = m, pv = v)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Adam<Simd512, Vector512<float>>(pp, pg, pm, pv, p.Length, coefficients, decoupled);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Adam<Simd256, Vector256<float>>(pp, pg, pm, pv, p.Length, coefficients, decoupled);
            }
            else
            {
                Adam<Simd128, Vector128<float>>(pp, pg, pm, pv, p.Length, coefficients, decoupled);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Approach<TSimd, V>(float* p, float* q, int length, float share)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V shares = TSimd.Broadcast(share);
        for (nint i = 0; i < length; i += TSimd.Width)
        {
            V value = TSimd.Load(p + i);
            TSimd.Store(p + i, TSimd.FusedMultiplyAdd(shares, TSimd.Subtract(TSimd.Load(q + i), value), value));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Sgd<TSimd, V>(float* p, float* g, int length, float learningRate, float weightDecay)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V negatedRate = TSimd.Broadcast(-learningRate);
        V decay = TSimd.Broadcast(weightDecay);
        for (nint i = 0; i < length; i += TSimd.Width)
        {
            V parameter = TSimd.Load(p + i);
            V gradient = TSimd.FusedMultiplyAdd(decay, parameter, TSimd.Load(g + i));
            TSimd.Store(p + i, TSimd.FusedMultiplyAdd(negatedRate, gradient, parameter));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void SgdMomentum<TSimd, V>(
        float* p, float* g, float* b, int length, float learningRate, float momentum, bool nesterov, float weightDecay)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V negatedRate = TSimd.Broadcast(-learningRate);
        V decay = TSimd.Broadcast(weightDecay);
        V mu = TSimd.Broadcast(momentum);
        for (nint i = 0; i < length; i += TSimd.Width)
        {
            V parameter = TSimd.Load(p + i);
            V gradient = TSimd.FusedMultiplyAdd(decay, parameter, TSimd.Load(g + i));
            V velocity = TSimd.FusedMultiplyAdd(mu, TSimd.Load(b + i), gradient);
            TSimd.Store(b + i, velocity);
            V direction = nesterov ? TSimd.FusedMultiplyAdd(mu, velocity, gradient) : velocity;
            TSimd.Store(p + i, TSimd.FusedMultiplyAdd(negatedRate, direction, parameter));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Adam<TSimd, V>(float* p, float* g, float* m, float* v, int length, AdamCoefficients c, bool decoupled)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V beta1 = TSimd.Broadcast(c.Beta1);
        V oneMinusBeta1 = TSimd.Broadcast(c.OneMinusBeta1);
        V beta2 = TSimd.Broadcast(c.Beta2);
        V oneMinusBeta2 = TSimd.Broadcast(c.OneMinusBeta2);
        V stepSize = TSimd.Broadcast(c.StepSize);
        V correction = TSimd.Broadcast(c.InverseRootCorrection);
        V epsilon = TSimd.Broadcast(c.Epsilon);
        V l2 = TSimd.Broadcast(decoupled ? 0f : c.L2);
        V decay = TSimd.Broadcast(decoupled ? c.Decay : 0f);
        for (nint i = 0; i < length; i += TSimd.Width)
        {
            V parameter = TSimd.Load(p + i);
            V gradient = TSimd.FusedMultiplyAdd(l2, parameter, TSimd.Load(g + i));
            V first = TSimd.FusedMultiplyAdd(beta1, TSimd.Load(m + i), TSimd.Multiply(oneMinusBeta1, gradient));
            V second = TSimd.FusedMultiplyAdd(beta2, TSimd.Load(v + i), TSimd.Multiply(TSimd.Multiply(oneMinusBeta2, gradient), gradient));
            TSimd.Store(m + i, first);
            TSimd.Store(v + i, second);

            // (1 - decay) p - step, rounded once: a decay below half a unit in the last place of p still counts where the step does.
            V denominator = TSimd.FusedMultiplyAdd(TSimd.Sqrt(second), correction, epsilon);
            V step = TSimd.Divide(TSimd.Multiply(stepSize, first), denominator);
            TSimd.Store(p + i, TSimd.Subtract(parameter, TSimd.FusedMultiplyAdd(decay, parameter, step)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void RmsProp<TSimd, V>(float* p, float* g, float* v, float* a, float* b, int length, RmsPropCoefficients c)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V zero = TSimd.Broadcast(0f);
        V negatedRate = TSimd.Broadcast(-c.LearningRate);
        V alpha = TSimd.Broadcast(c.Alpha);
        V oneMinusAlpha = TSimd.Broadcast(c.OneMinusAlpha);
        V epsilon = TSimd.Broadcast(c.Epsilon);
        V mu = TSimd.Broadcast(c.Momentum);
        V decay = TSimd.Broadcast(c.WeightDecay);
        for (nint i = 0; i < length; i += TSimd.Width)
        {
            V parameter = TSimd.Load(p + i);
            V gradient = TSimd.FusedMultiplyAdd(decay, parameter, TSimd.Load(g + i));
            V second = TSimd.FusedMultiplyAdd(alpha, TSimd.Load(v + i), TSimd.Multiply(TSimd.Multiply(oneMinusAlpha, gradient), gradient));
            TSimd.Store(v + i, second);
            V variance = second;
            if (a != null)
            {
                V mean = TSimd.FusedMultiplyAdd(alpha, TSimd.Load(a + i), TSimd.Multiply(oneMinusAlpha, gradient));
                TSimd.Store(a + i, mean);
                variance = TSimd.Max(zero, TSimd.FusedMultiplyAdd(TSimd.Negate(mean), mean, second));
            }

            V direction = TSimd.Divide(gradient, TSimd.Add(TSimd.Sqrt(variance), epsilon));
            if (b != null)
            {
                direction = TSimd.FusedMultiplyAdd(mu, TSimd.Load(b + i), direction);
                TSimd.Store(b + i, direction);
            }

            TSimd.Store(p + i, TSimd.FusedMultiplyAdd(negatedRate, direction, parameter));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RequireSpans(int p, int g, int first, int second)
    {
        KernelArguments.RequireWholeLines(p, nameof(p));
        KernelArguments.RequireEqualLength(g, p, nameof(g));
        KernelArguments.RequireEqualLength(first, p, nameof(first));
        KernelArguments.RequireEqualLength(second, p, nameof(second));
    }
}
