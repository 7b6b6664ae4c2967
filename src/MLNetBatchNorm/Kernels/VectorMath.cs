using System.Runtime.CompilerServices;

namespace MLNetBatchNorm.Kernels;

/// <summary>Elementary functions on vectors of floats, with the same bits on every vector width.</summary>
/// <remarks>
/// Each function is range reduction plus a polynomial, in operations IEEE 754 fixes to the last bit (see <see cref="ISimd{V}"/>); the platform's
/// own exp, log and sin differ between operating systems and are not used. NaN gives NaN everywhere.
/// <para>The polynomial coefficients are minimax fits of the stated function on the stated interval, made for this file by a Remez exchange in
/// double precision; they were rounded to float one by one, lowest order first, the rest being fitted again after each rounding. The error given
/// with them is that of the polynomial alone; the rounding of the last few operations comes on top.</para>
/// </remarks>
internal static class VectorMath
{
    /// <summary>1.5 * 2^23: adding it to |x| &lt; 2^22 leaves round-to-nearest-even(x) in the low mantissa bits.</summary>
    private const float RoundingShift = 12582912f;

    private const float Log2OfE = 1.44269504f;

    /// <summary>ln 2 = Ln2High + Ln2Low; the high part has nine significant bits, so that n * Ln2High is exact for the exponents n that occur.</summary>
    private const float Ln2High = 0.693359375f;
    private const float Ln2Low = -2.12194440e-4f;

    /// <summary>e^r = 1 + r + r^2 (E0 + ... + E4 r^4) for |r| &lt;= ln(2)/2; relative error 3.4e-9.</summary>
    private const float E0 = 0.49999994f, E1 = 0.16666523f, E2 = 0.041668188f, E3 = 0.008368527f, E4 = 0.0013827501f;

    /// <summary>ln(1+f) = f - f^2/2 + f^3 (L0 + ... + L7 f^7) for sqrt(1/2) &lt;= 1+f &lt;= sqrt(2); relative error 6.6e-9.</summary>
    private const float L0 = 0.3333333f, L1 = -0.25000823f, L2 = 0.20001261f, L3 = -0.16623335f;
    private const float L4 = 0.1420095f, L5 = -0.13159427f, L6 = 0.12766033f, L7 = -0.07641374f;

    /// <summary>atanh(s) = s + s^3 (H0 + ... + H3 s^6) for 0 &lt;= s &lt;= 1/3; relative error 4.5e-9.</summary>
    private const float H0 = 0.3333321f, H1 = 0.20010719f, H2 = 0.14001513f, H3 = 0.14003392f;

    /// <summary>sin(r) = r + r^3 (S0 + S1 r^2 + S2 r^4) for |r| &lt;= pi/4; relative error 3.7e-9.</summary>
    private const float S0 = -0.16666655f, S1 = 0.008332191f, S2 = -0.00019518605f;

    /// <summary>cos(r) = 1 - r^2/2 + r^4 (C0 + C1 r^2 + C2 r^4) for |r| &lt;= pi/4; absolute error 1.1e-10.</summary>
    private const float C0 = 0.041666646f, C1 = -0.0013887301f, C2 = 2.443067e-05f;

    /// <summary>
    /// The upper tail of the normal distribution, Phi(-a) = e^(-a^2/2) t (T0 + T1 t + ... + T8 t^8) with t = 1 / (1 + TailPole a), for
    /// 0 &lt;= a &lt;= 14; relative error 3.1e-8. The form is that of Hastings (1955): the quotient of tail and density falls like 1/a, as t does.
    /// </summary>
    private const float TailPole = 0.34f;
    private const float T0 = 0.1356205f, T1 = 0.1361122f, T2 = 0.11519769f, T3 = 0.11535894f, T4 = -0.044717684f;
    private const float T5 = 0.2021812f, T6 = -0.27313116f, T7 = 0.13949858f, T8 = -0.026120253f;

    /// <summary>Below this e^x rounds to zero, above it to infinity (ln 2^-150 and ln 2^128, moved outward).</summary>
    private const float ExpLowest = -104f, ExpHighest = 89f;

    /// <summary>pi/2 = HalfPi0 + HalfPi1 + HalfPi2 to 2^-75: three floats, each the rounding of what the ones before leave.</summary>
    private const float HalfPi0 = 1.57079637f, HalfPi1 = -4.37113883e-08f, HalfPi2 = -1.71512489e-15f;

    private const float InverseSqrtTwoPi = 0.39894228f;

    /// <summary>e^x: 0 below -104, infinity above 88.73, subnormal results rounded once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Exp<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V bounded = TSimd.Min(TSimd.Broadcast(ExpHighest), TSimd.Max(TSimd.Broadcast(ExpLowest), x));
        V shifted = TSimd.FusedMultiplyAdd(bounded, TSimd.Broadcast(Log2OfE), TSimd.Broadcast(RoundingShift));
        V n = TSimd.Subtract(shifted, TSimd.Broadcast(RoundingShift));
        V r = ReducedExponent<TSimd, V>(bounded, n);
        V p = TSimd.FusedMultiplyAdd(TSimd.Multiply(r, r), ExpQuotient<TSimd, V>(r), r);
        return TSimd.ScaleByPowerOfTwo(TSimd.Add(p, TSimd.Broadcast(1f)), n, shifted);
    }

    /// <summary>e^x for x &lt;= 0, 0 where it would be subnormal (below -87.33): cheaper than <see cref="Exp"/>, with the same bits above that.</summary>
    /// <remarks>Nothing underflows on the way. Arithmetic whose result is subnormal costs a hundred cycles and more on common processors.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V ExpOfNonPositive<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V lowest = TSimd.Broadcast(-87.33f);
        V bounded = TSimd.Max(lowest, x);
        V shifted = TSimd.FusedMultiplyAdd(bounded, TSimd.Broadcast(Log2OfE), TSimd.Broadcast(RoundingShift));
        V r = ReducedExponent<TSimd, V>(bounded, TSimd.Subtract(shifted, TSimd.Broadcast(RoundingShift)));
        V p = TSimd.FusedMultiplyAdd(TSimd.Multiply(r, r), ExpQuotient<TSimd, V>(r), r);

        // n sits in the low bits of `shifted`: moved to the exponent field it multiplies by 2^n.
        V result = TSimd.AddBits(TSimd.Add(p, TSimd.Broadcast(1f)), TSimd.ShiftLeftBits(shifted, 23));
        return TSimd.Select(TSimd.LessThan(x, lowest), TSimd.Broadcast(0f), result);
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
        const float TwoTo23 = 8388608f;

        V zero = TSimd.Broadcast(0f);
        V subnormal = TSimd.LessThan(x, TSimd.Broadcast(SmallestNormal));
        V normal = TSimd.Select(subnormal, TSimd.Multiply(x, TSimd.Broadcast(TwoTo23)), x);
        V result = LogOfNormal<TSimd, V>(normal, TSimd.Select(subnormal, TSimd.Broadcast(-23f), zero));

        V infinity = TSimd.Broadcast(float.PositiveInfinity);
        result = TSimd.Select(TSimd.LessThan(x, infinity), result, x);                                   // +infinity and NaN are their own logarithm
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

        // x = m 2^n with sqrt(1/2) <= m < sqrt(2): subtracting the bits of sqrt(1/2) puts n + 127... into the exponent field, whatever the mantissa.
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

    /// <summary>1 / (1 + e^-x), with a small relative error down to the smallest float; exactly 0 and 1 at the infinities.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Sigmoid<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V one = TSimd.Broadcast(1f);
        return TSimd.Divide(one, TSimd.Add(one, Exp<TSimd, V>(TSimd.Negate(x))));
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

    /// <summary>Error function, odd to the bit; absolute error below 1e-7 (the relative error grows near 0: see <see cref="NormalCumulative"/>).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Erf<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        const float SqrtTwo = 1.41421354f;
        V tail = NormalTail<TSimd, V>(TSimd.Multiply(TSimd.Abs(x), TSimd.Broadcast(SqrtTwo)), out _);
        V magnitude = TSimd.FusedMultiplyAdd(tail, TSimd.Broadcast(-2f), TSimd.Broadcast(1f));
        return TSimd.Or(magnitude, TSimd.And(x, TSimd.Broadcast(-0f)));
    }

    /// <summary>Phi(x) = (1 + erf(x / sqrt 2)) / 2, and the density e^(-x^2/2) / sqrt(2 pi) with it.</summary>
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

    /// <summary>sin(x) and cos(x), x in radians; absolute error below 1e-7 for |x| &lt;= 10,000, growing to 1e-3 at 4e6; NaN from there on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V SinCos<TSimd, V>(V x, out V cosine)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        const float TwoOverPi = 0.636619747f;
        const float Largest = 4e6f;

        V shifted = TSimd.FusedMultiplyAdd(x, TSimd.Broadcast(TwoOverPi), TSimd.Broadcast(RoundingShift));
        V n = TSimd.Subtract(shifted, TSimd.Broadcast(RoundingShift));
        V r = TSimd.FusedMultiplyAdd(n, TSimd.Broadcast(-HalfPi0), x);
        r = TSimd.FusedMultiplyAdd(n, TSimd.Broadcast(-HalfPi1), r);
        r = TSimd.FusedMultiplyAdd(n, TSimd.Broadcast(-HalfPi2), r);
        r = TSimd.Select(TSimd.LessThan(TSimd.Abs(x), TSimd.Broadcast(Largest)), r, TSimd.Broadcast(float.NaN));
        return SinCosOfQuadrant<TSimd, V>(r, shifted, out cosine);
    }

    /// <summary>sin(2 pi t) and cos(2 pi t), t in turns: the reduction is exact, so the absolute error is below 1e-7 for every finite t.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V SinCosOfTurns<TSimd, V>(V t, out V cosine)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        const float TwoPi = 6.28318548f;
        const float Integral = 8388608f;    // from 2^23 on every float is an integer

        // Whole turns first (exact; the infinities become NaN), then quarters of what is left: n is in -2..2 and r in [-1/8, 1/8].
        V shift = TSimd.Broadcast(RoundingShift);
        V small = TSimd.LessThan(TSimd.Abs(t), TSimd.Broadcast(Integral / 2));
        V whole = TSimd.Select(small, TSimd.Subtract(TSimd.Add(t, shift), shift), HalfIntegral<TSimd, V>(t));
        V fraction = TSimd.Subtract(t, whole);
        V shifted = TSimd.FusedMultiplyAdd(fraction, TSimd.Broadcast(4f), shift);
        V n = TSimd.Subtract(shifted, shift);
        V r = TSimd.FusedMultiplyAdd(n, TSimd.Broadcast(-0.25f), fraction);
        return SinCosOfQuadrant<TSimd, V>(TSimd.Multiply(r, TSimd.Broadcast(TwoPi)), shifted, out cosine);
    }

    /// <summary>The integer nearest to |t| >= 2^22: t itself, except for the halves between 2^22 and 2^23.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V HalfIntegral<TSimd, V>(V t)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        // Clearing the last mantissa bit turns a half into the integer toward zero; from 2^23 on the bit is part of an integer, and the 1 (or
        // more) it takes away is again a whole number of turns.
        return TSimd.And(t, TSimd.BroadcastBits(~1));
    }

    /// <summary>e^(-a^2/2) P(t): the probability that a standard normal variable exceeds a &gt;= 0, and the exponential itself.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V NormalTail<TSimd, V>(V a, out V exponential)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        exponential = Exp<TSimd, V>(TSimd.Multiply(TSimd.Multiply(a, TSimd.Broadcast(-0.5f)), a));
        V one = TSimd.Broadcast(1f);
        V t = TSimd.Divide(one, TSimd.FusedMultiplyAdd(a, TSimd.Broadcast(TailPole), one));
        V p = TSimd.FusedMultiplyAdd(t, TSimd.Broadcast(T8), TSimd.Broadcast(T7));
        p = TSimd.FusedMultiplyAdd(t, p, TSimd.Broadcast(T6));
        p = TSimd.FusedMultiplyAdd(t, p, TSimd.Broadcast(T5));
        p = TSimd.FusedMultiplyAdd(t, p, TSimd.Broadcast(T4));
        p = TSimd.FusedMultiplyAdd(t, p, TSimd.Broadcast(T3));
        p = TSimd.FusedMultiplyAdd(t, p, TSimd.Broadcast(T2));
        p = TSimd.FusedMultiplyAdd(t, p, TSimd.Broadcast(T1));
        p = TSimd.FusedMultiplyAdd(t, p, TSimd.Broadcast(T0));
        return TSimd.Multiply(exponential, TSimd.Multiply(t, p));
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

    /// <summary>The integer 0 &lt;= k &lt; 512 in the lanes' bits as a float: 2^23 + k has the bits of 2^23 with k in the mantissa.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V IntegerBelow512<TSimd, V>(V bits)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V twoTo23 = TSimd.Broadcast(8388608f);
        return TSimd.Subtract(TSimd.Or(bits, twoTo23), twoTo23);
    }

    /// <summary>sin and cos of r + n pi/2, |r| &lt;= pi/4, n in the low two bits of <paramref name="quadrant"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V SinCosOfQuadrant<TSimd, V>(V r, V quadrant, out V cosine)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V z = TSimd.Multiply(r, r);
        V s = TSimd.FusedMultiplyAdd(z, TSimd.Broadcast(S2), TSimd.Broadcast(S1));
        s = TSimd.FusedMultiplyAdd(z, s, TSimd.Broadcast(S0));
        s = TSimd.FusedMultiplyAdd(TSimd.Multiply(z, r), s, r);
        V c = TSimd.FusedMultiplyAdd(z, TSimd.Broadcast(C2), TSimd.Broadcast(C1));
        c = TSimd.FusedMultiplyAdd(z, c, TSimd.Broadcast(C0));
        c = TSimd.FusedMultiplyAdd(TSimd.Multiply(z, z), c, TSimd.FusedMultiplyAdd(z, TSimd.Broadcast(-0.5f), TSimd.Broadcast(1f)));

        // Odd quadrants swap sine and cosine; sin is negative in quadrants 2 and 3, cos in 1 and 2.
        V odd = TSimd.GreaterThanBits(TSimd.And(quadrant, TSimd.BroadcastBits(1)), TSimd.BroadcastBits(0));
        V sineSign = TSimd.ShiftLeftBits(TSimd.And(quadrant, TSimd.BroadcastBits(2)), 30);
        V cosineSign = TSimd.ShiftLeftBits(TSimd.And(TSimd.AddBits(quadrant, TSimd.BroadcastBits(1)), TSimd.BroadcastBits(2)), 30);
        cosine = TSimd.Xor(TSimd.Select(odd, s, c), cosineSign);
        return TSimd.Xor(TSimd.Select(odd, c, s), sineSign);
    }
}
