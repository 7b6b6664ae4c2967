using System.Runtime.CompilerServices;

namespace MLNetBatchNorm.Kernels;

/// <summary>Elementary functions on vectors of floats, with the same bits on every vector width.</summary>
/// <remarks>
/// Each function is range reduction plus a polynomial, in operations IEEE 754 fixes to the last bit (see <see cref="ISimd{V}"/>); the
/// platform's own exp, log and sin differ between operating systems and are not used. NaN gives NaN everywhere.
/// <para>The polynomial coefficients are minimax fits of the stated function on the stated interval, made for this file by a Remez exchange
/// in double precision; they were rounded to float one by one, lowest order first, the rest being fitted again after each rounding. The
/// error given with them is that of the polynomial alone; the rounding of the last few operations comes on top.</para>
/// </remarks>
internal static class VectorMath
{
    /// <summary>1.5 * 2^23: adding it to |x| &lt; 2^22 leaves round-to-nearest-even(x) in the low mantissa bits.</summary>
    private const float RoundingShift = 12582912f;

    /// <summary>From here on the spacing of floats is 1.</summary>
    private const float TwoTo23 = 8388608f;

    private const float Log2OfE = 1.44269504f;

    /// <summary>
    /// ln 2 = Ln2High + Ln2Low; the high part has nine significant bits, so that n * Ln2High is exact for the exponents n that occur.
    /// </summary>
    private const float Ln2High = 0.693359375f;
    private const float Ln2Low = -2.12194440e-4f;

    /// <summary>e^r = 1 + r + r^2 (E0 + ... + E4 r^4) for |r| &lt;= ln(2)/2; relative error 3.4e-9.</summary>
    private const float E0 = 0.49999994f, E1 = 0.16666523f, E2 = 0.041668188f, E3 = 0.008368527f, E4 = 0.0013827501f;

    /// <summary>ln(1+f) = f - f^2/2 + f^3 (L0 + ... + L7 f^7) for sqrt(1/2) &lt;= 1+f &lt;= sqrt(2); relative error 6.6e-9.</summary>
    private const float L0 = 0.3333333f, L1 = -0.25000823f, L2 = 0.20001261f, L3 = -0.16623335f;
    private const float L4 = 0.1420095f, L5 = -0.13159427f, L6 = 0.12766033f, L7 = -0.07641374f;

    /// <summary>atanh(s) = s + s^3 (H0 + ... + H3 s^6) for 0 &lt;= s &lt;= 1/3; relative error 4.5e-9.</summary>
    private const float H0 = 0.3333321f, H1 = 0.20010719f, H2 = 0.14001513f, H3 = 0.14003392f;

    /// <summary>
    /// sin(2 pi r) = TwoPi r + r (S0 + S1 r^2 + S2 r^4 + S3 r^6) for |r| &lt;= 1/8; absolute error 1.3e-9. TwoPi is 2 pi rounded to float.
    /// </summary>
    private const float TwoPi = 6.28318548f, S0 = -2.6175252e-07f, S1 = -41.34163f, S2 = 81.58829f, S3 = -75.2465f;

    /// <summary>cos(2 pi r) = 1 + r^2 (C0 + C1 r^2 + C2 r^4 + C3 r^6) for |r| &lt;= 1/8; absolute error 4.1e-10.</summary>
    private const float C0 = -19.739208f, C1 = 64.93914f, C2 = -85.42312f, C3 = 58.56117f;

    /// <summary>
    /// The upper tail of the normal distribution, Phi(-a) = e^(-a^2/2) (1/2 + u (T0 + T1 u + ... + T8 u^8)) with u = k
    /// a / (1 + k a), k = TailPole, for 0 &lt;= a &lt;= 14; relative error 2.8e-8. Hastings (1955) used this variable: the
    /// quotient of tail and density falls like 1/a, as 1 - u does. Written around 1/2, so that near a = 0 the rounding errors of
    /// the polynomial are multiplied by the small u.
    /// </summary>
    private const float TailPole = 0.33f;
    private const float TailEnd = 14f;
    private const float T0 = -1.2089161f, T1 = 1.0867729f, T2 = -0.31793213f, T3 = -0.15358138f, T4 = 0.06264255f;
    private const float T5 = 0.027847158f, T6 = 0.058430597f, T7 = -0.07999453f, T8 = 0.024735311f;

    /// <summary>ln 2^-126 rounded down: above this float e^x is a normal number.</summary>
    private const float ExpLowest = -87.33655f;

    /// <summary>erf(x) = x + x (R0 + R1 x^2 + ... + R5 x^10) for |x| &lt;= 1; relative error 4.1e-8.</summary>
    private const float R0 = 0.12837912f, R1 = -0.3761232f, R2 = 0.112801135f, R3 = -0.026709218f, R4 = 0.004914916f, R5 = -0.00056199735f;

    private const float InverseSqrtTwoPi = 0.39894228f;

    /// <summary>
    /// e^x for x &lt;= 88 (n &lt;= 127 below); 0 where it would be subnormal, below -87.33. Above 88.37 the result is meaningless.
    /// </summary>
    /// <remarks>
    /// Callers bound their argument anyway, which spares the general treatment of overflow. Nothing underflows on the way either: an
    /// operation with a subnormal result costs a hundred cycles and more on some processors.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V ExpUpTo88<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V lowest = TSimd.Broadcast(ExpLowest);
        V bounded = TSimd.Max(lowest, x);
        V shifted = TSimd.FusedMultiplyAdd(bounded, TSimd.Broadcast(Log2OfE), TSimd.Broadcast(RoundingShift));
        V r = ReducedExponent<TSimd, V>(bounded, TSimd.Subtract(shifted, TSimd.Broadcast(RoundingShift)));
        V p = TSimd.FusedMultiplyAdd(TSimd.Multiply(r, r), ExpQuotient<TSimd, V>(r), r);

        // n sits in the low bits of `shifted`: moved to the exponent field it multiplies by
        // 2^n. A NaN does not survive that and is put back.
        V result = TSimd.AddBits(TSimd.Add(p, TSimd.Broadcast(1f)), TSimd.ShiftLeftBits(shifted, 23));
        return TSimd.Select(TSimd.GreaterThan(x, lowest), result, TSimd.Max(TSimd.Broadcast(0f), x));
    }

    /// <summary>e^x - 1 for x &lt;= 0, with a small relative error also near 0; -1 below -30.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V ExpMinusOneOfNonPositive<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V bounded = TSimd.Max(TSimd.Broadcast(-30f), x);
        V shifted = TSimd.FusedMultiplyAdd(bounded, TSimd.Broadcast(Log2OfE), TSimd.Broadcast(RoundingShift));
        V r = ReducedExponent<TSimd, V>(bounded, TSimd.Subtract(shifted, TSimd.Broadcast(RoundingShift)));
        V p = TSimd.FusedMultiplyAdd(TSimd.Multiply(r, r), ExpQuotient<TSimd, V>(r), r);

        // e^x - 1 = 2^n (e^r - 1) + (2^n - 1); for n = 0 the last bracket vanishes and the small r keeps all its digits.
        V scale = TSimd.AddBits(TSimd.Broadcast(1f), TSimd.ShiftLeftBits(shifted, 23));
        return TSimd.FusedMultiplyAdd(scale, p, TSimd.Subtract(scale, TSimd.Broadcast(1f)));
    }

    /// <summary>Natural logarithm; -infinity at 0, NaN below. Subnormal arguments are exact inputs like any other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Log<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        const float SmallestNormal = 1.17549435e-38f;

        V zero = TSimd.Broadcast(0f);
        V subnormal = TSimd.LessThan(x, TSimd.Broadcast(SmallestNormal));
        V normal = TSimd.Select(subnormal, TSimd.Multiply(x, TSimd.Broadcast(TwoTo23)), x);
        V result = LogOfNormal<TSimd, V>(normal, TSimd.Select(subnormal, TSimd.Broadcast(-23f), zero));

        V infinity = TSimd.Broadcast(float.PositiveInfinity);
        // +infinity and NaN are their own logarithm
        result = TSimd.Select(TSimd.LessThan(x, infinity), result, x);
        result = TSimd.Select(TSimd.LessThan(x, zero), TSimd.Broadcast(float.NaN), result);
        return TSimd.Select(TSimd.AreEqual(x, zero), TSimd.Negate(infinity), result);
    }

    /// <summary>ln(x) + exponentOffset * ln(2) for positive, normal, finite x; anything else gives nonsense, NaN included.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V LogOfNormal<TSimd, V>(V x, V exponentOffset)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        const int SqrtHalfBits = 0x3F3504F3;
        const int ExponentOne = 0x3F800000;

        // x = m 2^n with sqrt(1/2) <= m < sqrt(2): subtracting the bits of sqrt(1/2) puts n + 127...
        // into the exponent field, whatever the mantissa.
        V offset = TSimd.AddBits(x, TSimd.BroadcastBits(ExponentOne - SqrtHalfBits));
        V n = TSimd.Add(IntegerBelow512<TSimd, V>(TSimd.ShiftRightLogicalBits(offset, 23)), exponentOffset);
        n = TSimd.Subtract(n, TSimd.Broadcast(127f));
        V m = TSimd.AddBits(TSimd.And(offset, TSimd.BroadcastBits(0x007FFFFF)), TSimd.BroadcastBits(SqrtHalfBits));

        V f = TSimd.Subtract(m, TSimd.Broadcast(1f));
        V p = TSimd.Broadcast(L7);
        p = TSimd.FusedMultiplyAdd(p, f, TSimd.Broadcast(L6));
        p = TSimd.FusedMultiplyAdd(p, f, TSimd.Broadcast(L5));
        p = TSimd.FusedMultiplyAdd(p, f, TSimd.Broadcast(L4));
        p = TSimd.FusedMultiplyAdd(p, f, TSimd.Broadcast(L3));
        p = TSimd.FusedMultiplyAdd(p, f, TSimd.Broadcast(L2));
        p = TSimd.FusedMultiplyAdd(p, f, TSimd.Broadcast(L1));
        p = TSimd.FusedMultiplyAdd(p, f, TSimd.Broadcast(L0));

        V square = TSimd.Multiply(f, f);
        V tail = TSimd.FusedMultiplyAdd(TSimd.Multiply(square, f), p, TSimd.Multiply(n, TSimd.Broadcast(Ln2Low)));
        tail = TSimd.FusedMultiplyAdd(square, TSimd.Broadcast(-0.5f), tail);
        return TSimd.FusedMultiplyAdd(n, TSimd.Broadcast(Ln2High), TSimd.Add(f, tail));
    }

    /// <summary>ln(1 + u) for 0 &lt;= u &lt;= 1, with a small relative error also near 0.</summary>
    /// <remarks>ln(1 + u) = 2 atanh(u / (2 + u)), whose argument is at most 1/3.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V LogOnePlusOfUnit<TSimd, V>(V u)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V s = TSimd.Divide(u, TSimd.Add(u, TSimd.Broadcast(2f)));
        V z = TSimd.Multiply(s, s);
        V p = TSimd.FusedMultiplyAdd(z, TSimd.Broadcast(H3), TSimd.Broadcast(H2));
        p = TSimd.FusedMultiplyAdd(z, p, TSimd.Broadcast(H1));
        p = TSimd.FusedMultiplyAdd(z, p, TSimd.Broadcast(H0));
        V twice = TSimd.Add(s, s);
        return TSimd.FusedMultiplyAdd(TSimd.Multiply(z, p), twice, twice);
    }

    /// <summary>1 / (1 + e^-x), with a small relative error also where it is small; 0 below -87.33.</summary>
    /// <remarks>With e = e^-|x| it is 1 / (1 + e) on the right and e / (1 + e) on the left: nothing overflows.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Sigmoid<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => Sigmoid<TSimd, V>(x, out _, out _);

    /// <summary>The same, with e = e^-|x| and 1 / (1 + e).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Sigmoid<TSimd, V>(V x, out V exponential, out V inverse)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V one = TSimd.Broadcast(1f);
        exponential = ExpUpTo88<TSimd, V>(TSimd.Negate(TSimd.Abs(x)));
        inverse = TSimd.Divide(one, TSimd.Add(one, exponential));
        return TSimd.Select(TSimd.GreaterThan(x, TSimd.Broadcast(0f)), inverse, TSimd.Multiply(exponential, inverse));
    }

    /// <summary>Hyperbolic tangent, odd to the bit, with a small relative error also near 0.</summary>
    /// <remarks>With m = e^(-2|x|) - 1: tanh|x| = -m / (2 + m).</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Tanh<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V sign = TSimd.And(x, TSimd.Broadcast(-0f));
        V m = ExpMinusOneOfNonPositive<TSimd, V>(TSimd.Multiply(TSimd.Abs(x), TSimd.Broadcast(-2f)));
        V magnitude = TSimd.Divide(TSimd.Abs(m), TSimd.Add(m, TSimd.Broadcast(2f)));
        return TSimd.Or(magnitude, sign);
    }

    /// <summary>Error function, odd to the bit; absolute error below 1e-7, and a small relative error near 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Erf<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        const float SqrtTwo = 1.41421354f;
        V one = TSimd.Broadcast(1f);
        V magnitude = TSimd.Abs(x);
        V tail = NormalTail<TSimd, V>(TSimd.Multiply(magnitude, TSimd.Broadcast(SqrtTwo)), out _);
        V outer = TSimd.FusedMultiplyAdd(tail, TSimd.Broadcast(-2f), one);

        V z = TSimd.Multiply(x, x);
        V p = TSimd.FusedMultiplyAdd(z, TSimd.Broadcast(R5), TSimd.Broadcast(R4));
        p = TSimd.FusedMultiplyAdd(z, p, TSimd.Broadcast(R3));
        p = TSimd.FusedMultiplyAdd(z, p, TSimd.Broadcast(R2));
        p = TSimd.FusedMultiplyAdd(z, p, TSimd.Broadcast(R1));
        p = TSimd.FusedMultiplyAdd(z, p, TSimd.Broadcast(R0));
        V inner = TSimd.FusedMultiplyAdd(magnitude, p, magnitude);
        return TSimd.Or(TSimd.Select(TSimd.LessThan(magnitude, one), inner, outer), TSimd.And(x, TSimd.Broadcast(-0f)));
    }

    /// <summary>Phi(x) = (1 + erf(x / sqrt 2)) / 2, and the density e^(-x^2/2) / sqrt(2 pi) with it; absolute error below 1e-7.</summary>
    /// <remarks>The left tail keeps its relative accuracy, so x * Phi(x) neither cancels nor leaks at large negative x.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V NormalCumulative<TSimd, V>(V x, out V density)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V tail = NormalTail<TSimd, V>(TSimd.Abs(x), out V exponential);
        density = TSimd.Multiply(exponential, TSimd.Broadcast(InverseSqrtTwoPi));
        V positive = TSimd.GreaterThan(x, TSimd.Broadcast(0f));
        return TSimd.Select(positive, TSimd.Subtract(TSimd.Broadcast(1f), tail), tail);
    }

    /// <summary>sin(2 pi t) and cos(2 pi t): the reduction is exact, so the absolute error is below 1e-7 for every finite t.</summary>
    /// <remarks>
    /// The argument is in turns because radians have no such reduction: a float angle of 10^6 radians is only known to 1/32, and to
    /// multiply it by 1/(2 pi) rounds again.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V SinCosOfTurns<TSimd, V>(V t, out V cosine)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        // Whole turns first (exact; the infinities become NaN), then quarters of what is left: n is in -2..2 and r in [-1/8, 1/8].
        V magnitude = TSimd.Abs(t);
        V twoTo23 = TSimd.Broadcast(TwoTo23);
        V nearest = TSimd.Subtract(TSimd.Add(magnitude, twoTo23), twoTo23);
        V whole = TSimd.Select(TSimd.LessThan(magnitude, twoTo23), nearest, magnitude);      // from 2^23 on every float is an integer
        V fraction = TSimd.Xor(TSimd.Subtract(magnitude, whole), TSimd.And(t, TSimd.Broadcast(-0f)));

        V shift = TSimd.Broadcast(RoundingShift);
        V shifted = TSimd.FusedMultiplyAdd(fraction, TSimd.Broadcast(4f), shift);
        V r = TSimd.FusedMultiplyAdd(TSimd.Subtract(shifted, shift), TSimd.Broadcast(-0.25f), fraction);
        return SinCosOfQuadrant<TSimd, V>(r, shifted, out cosine);
    }

    /// <summary>The probability that a standard normal variable exceeds a &gt;= 0, and e^(-a^2/2).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V NormalTail<TSimd, V>(V a, out V exponential)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V bounded = TSimd.Min(TSimd.Broadcast(TailEnd), a);         // there the exponential is 0 already
        exponential = ExpUpTo88<TSimd, V>(TSimd.Multiply(TSimd.Multiply(bounded, TSimd.Broadcast(-0.5f)), bounded));
        V scaled = TSimd.Multiply(bounded, TSimd.Broadcast(TailPole));
        V u = TSimd.Divide(scaled, TSimd.Add(scaled, TSimd.Broadcast(1f)));
        V p = TSimd.FusedMultiplyAdd(u, TSimd.Broadcast(T8), TSimd.Broadcast(T7));
        p = TSimd.FusedMultiplyAdd(u, p, TSimd.Broadcast(T6));
        p = TSimd.FusedMultiplyAdd(u, p, TSimd.Broadcast(T5));
        p = TSimd.FusedMultiplyAdd(u, p, TSimd.Broadcast(T4));
        p = TSimd.FusedMultiplyAdd(u, p, TSimd.Broadcast(T3));
        p = TSimd.FusedMultiplyAdd(u, p, TSimd.Broadcast(T2));
        p = TSimd.FusedMultiplyAdd(u, p, TSimd.Broadcast(T1));
        p = TSimd.FusedMultiplyAdd(u, p, TSimd.Broadcast(T0));
        return TSimd.Multiply(exponential, TSimd.FusedMultiplyAdd(u, p, TSimd.Broadcast(0.5f)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ReducedExponent<TSimd, V>(V x, V n)
        where TSimd : struct, ISimd<V>
        where V : struct
        => TSimd.FusedMultiplyAdd(n, TSimd.Broadcast(-Ln2Low), TSimd.FusedMultiplyAdd(n, TSimd.Broadcast(-Ln2High), x));

    /// <summary>(e^r - 1 - r) / r^2 for |r| &lt;= ln(2)/2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ExpQuotient<TSimd, V>(V r)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V p = TSimd.FusedMultiplyAdd(r, TSimd.Broadcast(E4), TSimd.Broadcast(E3));
        p = TSimd.FusedMultiplyAdd(r, p, TSimd.Broadcast(E2));
        p = TSimd.FusedMultiplyAdd(r, p, TSimd.Broadcast(E1));
        return TSimd.FusedMultiplyAdd(r, p, TSimd.Broadcast(E0));
    }

    /// <summary>
    /// The integer 0 &lt;= k &lt; 512 in the lanes' bits as a float: 2^23 + k has the bits of 2^23 with k in the mantissa.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V IntegerBelow512<TSimd, V>(V bits)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V twoTo23 = TSimd.Broadcast(TwoTo23);
        return TSimd.Subtract(TSimd.Or(bits, twoTo23), twoTo23);
    }

    /// <summary>sin and cos of 2 pi (r + n/4), |r| &lt;= 1/8, n in the low two bits of <paramref name="quadrant"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V SinCosOfQuadrant<TSimd, V>(V r, V quadrant, out V cosine)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V z = TSimd.Multiply(r, r);
        V s = TSimd.FusedMultiplyAdd(z, TSimd.Broadcast(S3), TSimd.Broadcast(S2));
        s = TSimd.FusedMultiplyAdd(z, s, TSimd.Broadcast(S1));
        s = TSimd.FusedMultiplyAdd(z, s, TSimd.Broadcast(S0));
        s = TSimd.FusedMultiplyAdd(r, TSimd.Broadcast(TwoPi), TSimd.Multiply(r, s));
        V c = TSimd.FusedMultiplyAdd(z, TSimd.Broadcast(C3), TSimd.Broadcast(C2));
        c = TSimd.FusedMultiplyAdd(z, c, TSimd.Broadcast(C1));
        c = TSimd.FusedMultiplyAdd(z, c, TSimd.Broadcast(C0));
        c = TSimd.FusedMultiplyAdd(z, c, TSimd.Broadcast(1f));

        // Odd quadrants swap sine and cosine; sin is negative in quadrants 2 and 3, cos in 1 and 2.
        V odd = TSimd.GreaterThanBits(TSimd.And(quadrant, TSimd.BroadcastBits(1)), TSimd.BroadcastBits(0));
        V sineSign = TSimd.ShiftLeftBits(TSimd.And(quadrant, TSimd.BroadcastBits(2)), 30);
        V cosineSign = TSimd.ShiftLeftBits(TSimd.And(TSimd.AddBits(quadrant, TSimd.BroadcastBits(1)), TSimd.BroadcastBits(2)), 30);
        cosine = TSimd.Xor(TSimd.Select(odd, s, c), cosineSign);
        return TSimd.Xor(TSimd.Select(odd, c, s), sineSign);
    }
}
