using System.Runtime.CompilerServices;

namespace MLNetBatchNorm.Kernels;

/// <summary>One activation function: f(x) and f'(x), the latter from the input x and the output y = f(x), whichever is cheaper.</summary>
internal interface IActivation
{
    /// <summary>Whether <see cref="Derivative"/> reads y. Where it does not, a loop need not load it: the bytes would be fetched all the same.</summary>
    static abstract bool DerivativeReadsOutput { get; }

    /// <summary>f(x).</summary>
    static abstract V Forward<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct;

    /// <summary>f'(x), given x and y = f(x). NaN in gives NaN out.</summary>
    static abstract V Derivative<TSimd, V>(V x, V y)
        where TSimd : struct, ISimd<V>
        where V : struct;
}

/// <summary>f(x) = x: for layers without an activation.</summary>
internal readonly struct IdentityActivation : IActivation
{
    public static bool DerivativeReadsOutput => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Forward<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Derivative<TSimd, V>(V x, V y)
        where TSimd : struct, ISimd<V>
        where V : struct
        => TSimd.Broadcast(1f);
}

/// <summary>max(x, 0); f'(0) = 0.</summary>
internal readonly struct ReluActivation : IActivation
{
    public static bool DerivativeReadsOutput => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Forward<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => TSimd.Max(TSimd.Broadcast(0f), x);

    /// <summary>From x alone, which spares the loop a stream of memory. Where x is not positive, max(0, x) is the derivative: 0, or NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Derivative<TSimd, V>(V x, V y)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V zero = TSimd.Broadcast(0f);
        return TSimd.Select(TSimd.GreaterThan(x, zero), TSimd.Broadcast(1f), TSimd.Max(zero, x));
    }
}

/// <summary>x for x &gt; 0, otherwise 0.01 x; f'(0) = 0.01.</summary>
internal readonly struct LeakyReluActivation : IActivation
{
    public static bool DerivativeReadsOutput => false;

    /// <summary>PyTorch's default slope.</summary>
    private const float Slope = 0.01f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Forward<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => TSimd.Max(TSimd.Multiply(x, TSimd.Broadcast(Slope)), x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Derivative<TSimd, V>(V x, V y)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V notPositive = TSimd.Select(TSimd.AreEqual(x, x), TSimd.Broadcast(Slope), x);      // a NaN is not equal to itself, and stays
        return TSimd.Select(TSimd.GreaterThan(x, TSimd.Broadcast(0f)), TSimd.Broadcast(1f), notPositive);
    }
}

/// <summary>x for x &gt; 0, otherwise e^x - 1; f'(0) = 1.</summary>
internal readonly struct EluActivation : IActivation
{
    public static bool DerivativeReadsOutput => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Forward<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V zero = TSimd.Broadcast(0f);
        V negative = VectorMath.ExpMinusOneOfNonPositive<TSimd, V>(TSimd.Min(zero, x));
        return TSimd.Select(TSimd.GreaterThan(x, zero), x, negative);
    }

    /// <summary>e^x = y + 1 on the negative side.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Derivative<TSimd, V>(V x, V y)
        where TSimd : struct, ISimd<V>
        where V : struct
        => TSimd.Add(TSimd.Min(TSimd.Broadcast(0f), y), TSimd.Broadcast(1f));
}

/// <summary>s x for x &gt; 0, otherwise s a (e^x - 1); f'(0) = s a.</summary>
internal readonly struct SeluActivation : IActivation
{
    public static bool DerivativeReadsOutput => true;

    /// <summary>The constants of Klambauer et al. 2017 as PyTorch writes them, rounded to float.</summary>
    private const float Scale = (float)1.0507009873554805;
    private const float ScaleTimesAlpha = (float)(1.0507009873554805 * 1.6732632423543772);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Forward<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V zero = TSimd.Broadcast(0f);
        V negative = VectorMath.ExpMinusOneOfNonPositive<TSimd, V>(TSimd.Min(zero, x));
        return TSimd.Select(
            TSimd.GreaterThan(x, zero),
            TSimd.Multiply(x, TSimd.Broadcast(Scale)),
            TSimd.Multiply(negative, TSimd.Broadcast(ScaleTimesAlpha)));
    }

    /// <summary>s a e^x = y + s a on the negative side.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Derivative<TSimd, V>(V x, V y)
        where TSimd : struct, ISimd<V>
        where V : struct
        => TSimd.Select(
            TSimd.GreaterThan(y, TSimd.Broadcast(0f)),
            TSimd.Broadcast(Scale),
            TSimd.Add(y, TSimd.Broadcast(ScaleTimesAlpha)));
}

/// <summary>x Phi(x); f'(x) = Phi(x) + x phi(x).</summary>
internal readonly struct GeluActivation : IActivation
{
    public static bool DerivativeReadsOutput => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Forward<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => TSimd.Multiply(x, VectorMath.NormalCumulative<TSimd, V>(x, out _));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Derivative<TSimd, V>(V x, V y)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V cumulative = VectorMath.NormalCumulative<TSimd, V>(x, out V density);
        return TSimd.FusedMultiplyAdd(x, density, cumulative);
    }
}

/// <summary>x s with s = sigmoid(x); f'(x) = s + x s (1 - s).</summary>
/// <remarks>s (1 - s) is taken as e / (1 + e)^2 with e = e^-|x|: 1 - s would cancel where s is near 1, and x magnifies the error.</remarks>
internal readonly struct SiluActivation : IActivation
{
    public static bool DerivativeReadsOutput => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Forward<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => TSimd.Multiply(x, VectorMath.Sigmoid<TSimd, V>(x));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Derivative<TSimd, V>(V x, V y)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V s = VectorMath.Sigmoid<TSimd, V>(x, out V e, out V inverse);
        V slope = TSimd.Multiply(e, TSimd.Multiply(inverse, inverse));
        return TSimd.FusedMultiplyAdd(x, slope, s);
    }
}

/// <summary>x tanh(ln(1 + e^x)).</summary>
/// <remarks>
/// With e = e^x and n = e (e + 2) = (1 + e)^2 - 1 the hyperbolic tangent is n / (n + 2): no logarithm and no cancellation.
/// f'(x) = n / (n + 2) + 4 x e (1 + e) / (n + 2)^2. From x = 20 on both are x and 1 to the last bit, so e is taken at min(x, 20) and cannot overflow.
/// </remarks>
internal readonly struct MishActivation : IActivation
{
    public static bool DerivativeReadsOutput => false;

    private const float Saturation = 20f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Forward<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V two = TSimd.Broadcast(2f);
        V e = VectorMath.ExpUpTo88<TSimd, V>(TSimd.Min(TSimd.Broadcast(Saturation), x));
        V n = TSimd.Multiply(e, TSimd.Add(e, two));
        return TSimd.Multiply(x, TSimd.Divide(n, TSimd.Add(n, two)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Derivative<TSimd, V>(V x, V y)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V one = TSimd.Broadcast(1f);
        V two = TSimd.Broadcast(2f);
        V bounded = TSimd.Min(TSimd.Broadcast(Saturation), x);
        V e = VectorMath.ExpUpTo88<TSimd, V>(bounded);
        V n = TSimd.Multiply(e, TSimd.Add(e, two));
        V inverse = TSimd.Divide(one, TSimd.Add(n, two));
        V slope = TSimd.Multiply(TSimd.Multiply(TSimd.Multiply(bounded, TSimd.Broadcast(4f)), e), TSimd.Multiply(TSimd.Add(e, one), inverse));
        return TSimd.Multiply(TSimd.Add(n, slope), inverse);
    }
}

/// <summary>tanh(x); f'(x) = 1 - y^2.</summary>
internal readonly struct TanhActivation : IActivation
{
    public static bool DerivativeReadsOutput => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Forward<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => VectorMath.Tanh<TSimd, V>(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Derivative<TSimd, V>(V x, V y)
        where TSimd : struct, ISimd<V>
        where V : struct
        => TSimd.FusedMultiplyAdd(TSimd.Negate(y), y, TSimd.Broadcast(1f));
}

/// <summary>1 / (1 + e^-x); f'(x) = y (1 - y).</summary>
internal readonly struct SigmoidActivation : IActivation
{
    public static bool DerivativeReadsOutput => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Forward<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => VectorMath.Sigmoid<TSimd, V>(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Derivative<TSimd, V>(V x, V y)
        where TSimd : struct, ISimd<V>
        where V : struct
        => TSimd.FusedMultiplyAdd(TSimd.Negate(y), y, y);
}
