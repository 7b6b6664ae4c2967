using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>
/// Every function over a sweep of all floats, one bit pattern in 4,099 (a prime, so that low mantissa bits vary too): zeros, subnormals,
/// both signs, infinities and NaNs included. The oracle is the same function in double.
/// </summary>
[TestClass]
public sealed class VectorMathTests
{
    private const uint Stride = 4099;

    private static readonly float[] s_sweep = Sweep();

    /// <summary>Where e^x is subnormal (below 2^-126) the result is 0.</summary>
    [TestMethod]
    public void Exp_SweepUpTo88_StaysWithinOneAndAQuarterUlp()
        => AssertUlp<ExpFunction>(Where(x => !(x > 88)), FlushedExp, 1.25);

    /// <summary>Every float around the ends of the range, where the exponent field of the result is at its own ends.</summary>
    [TestMethod]
    public void Exp_EveryFloatAtTheEndsOfTheRange_StaysWithinOneAndAQuarterUlp()
    {
        var x = new List<float>();
        for (float value = -87.345f; value < -87.325f; value = MathF.BitIncrement(value))
            x.Add(value);
        for (float value = 87.99f; value <= 88; value = MathF.BitIncrement(value))
            x.Add(value);
        AssertUlp<ExpFunction>(x.ToArray(), FlushedExp, 1.25);
    }

    [TestMethod]
    public void Exp_WrongByOnePartInAMillion_IsNoticed()
        => Assert.Throws<AssertFailedException>(() => AssertUlp<WrongExpFunction>(Where(x => !(x > 88)), FlushedExp, 1.25));

    [TestMethod]
    public void ExpMinusOne_Sweep_StaysWithinTwoUlp()
        => AssertUlp<ExpMinusOneFunction>(Where(x => !(x > 0)), ExpMinusOne, 2);

    [TestMethod]
    public void Log_Sweep_StaysWithinOneUlp()
        => AssertUlp<LogFunction>(s_sweep, Math.Log, 1);

    [TestMethod]
    public void LogOnePlus_UnitInterval_StaysWithinTwoAndAHalfUlp()
        => AssertUlp<LogOnePlusFunction>(Where(x => !(x < 0 || x > 1)), LogOnePlus, 2.5);

    [TestMethod]
    public void Sigmoid_Sweep_StaysWithinThreeUlp()
        => AssertUlp<SigmoidFunction>(s_sweep, x => x < 0 ? FlushedExp(x) / (1 + Math.Exp(x)) : 1 / (1 + Math.Exp(-x)), 3);

    [TestMethod]
    public void Tanh_Sweep_StaysWithinThreeUlp()
        => AssertUlp<TanhFunction>(s_sweep, Math.Tanh, 3);

    [TestMethod]
    public void Erf_Sweep_ErrsByLessThanOneInTenMillion()
        => AssertAbsolute<ErfFunction>(s_sweep, x => 1 - (2 * NormalOracle.Cumulative(-x * Math.Sqrt(2))), 1e-7);

    [TestMethod]
    public void NormalCumulative_Sweep_ErrsByLessThanOneInTenMillion()
        => AssertAbsolute<NormalCumulativeFunction>(s_sweep, NormalOracle.Cumulative, 1e-7);

    /// <summary>
    /// Relative error in the left tail, down to the smallest normal numbers: x^2 / 2 is rounded before the exponential, which costs x^2 / 2
    /// units of roundoff (84 at x = -13); 40 more for the rest, because 1/2 + u P(u) cancels down to 0.03 there.
    /// </summary>
    [TestMethod]
    public void NormalCumulative_LeftTail_KeepsItsRelativeAccuracy()
    {
        foreach ((float x, float actual) in Evaluate<NormalCumulativeFunction>(Where(x => x is <= 0 and > -13)))
        {
            double exact = NormalOracle.Cumulative(x);
            double bound = exact * KernelTesting.U * ((x * x / 2.0) + 40);
            KernelTesting.AssertWithin(exact, actual, bound, () => $"x = {x:R}");
        }
    }

    [TestMethod]
    public void NormalDensity_Sweep_ErrsByLessThanOneInTenMillion()
        => AssertAbsolute<NormalDensityFunction>(s_sweep, x => Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI), 1e-7);

    /// <summary>The remainder by one turn is exact in double, whatever the size of t.</summary>
    [TestMethod]
    public void SinCosOfTurns_Sweep_ErrByLessThanOneInTenMillion()
    {
        AssertAbsolute<SinOfTurnsFunction>(s_sweep, t => Math.Sin(2 * Math.PI * Math.IEEERemainder(t, 1)), 1e-7);
        AssertAbsolute<CosOfTurnsFunction>(s_sweep, t => Math.Cos(2 * Math.PI * Math.IEEERemainder(t, 1)), 1e-7);
    }

    [TestMethod]
    public void SpecialValues_AreThoseOfIeee()
    {
        AssertValue<ExpFunction>(0f, 1f);
        AssertValue<ExpFunction>(-0f, 1f);
        AssertValue<ExpFunction>(float.NegativeInfinity, 0f);
        AssertValue<ExpFunction>(float.NaN, float.NaN);
        AssertValue<ExpMinusOneFunction>(float.NegativeInfinity, -1f);
        AssertValue<LogFunction>(0f, float.NegativeInfinity);
        AssertValue<LogFunction>(-0f, float.NegativeInfinity);
        AssertValue<LogFunction>(1f, 0f);
        AssertValue<LogFunction>(float.PositiveInfinity, float.PositiveInfinity);
        AssertValue<LogFunction>(-1f, float.NaN);
        AssertValue<LogFunction>(float.NegativeInfinity, float.NaN);
        AssertValue<LogFunction>(float.Epsilon, (float)Math.Log(float.Epsilon));
        AssertValue<SigmoidFunction>(float.NegativeInfinity, 0f);
        AssertValue<SigmoidFunction>(float.PositiveInfinity, 1f);
        AssertValue<SigmoidFunction>(0f, 0.5f);
        AssertValue<TanhFunction>(float.NegativeInfinity, -1f);
        AssertValue<TanhFunction>(-0f, -0f);
        AssertValue<TanhFunction>(float.Epsilon, float.Epsilon);
        AssertValue<ErfFunction>(float.PositiveInfinity, 1f);
        AssertValue<NormalCumulativeFunction>(float.NegativeInfinity, 0f);
        AssertValue<NormalCumulativeFunction>(float.PositiveInfinity, 1f);
        AssertValue<SinOfTurnsFunction>(0.25f, 1f);
        AssertValue<CosOfTurnsFunction>(0.5f, -1f);
        AssertValue<SinOfTurnsFunction>(float.PositiveInfinity, float.NaN);
    }

    [TestMethod]
    public void OddFunctions_AreOddToTheBit()
    {
        float[] x = Where(x => x >= 0);
        float[] negated = Array.ConvertAll(x, value => -value);
        AssertNegated(Evaluate<TanhFunction>(x), Evaluate<TanhFunction>(negated));
        AssertNegated(Evaluate<ErfFunction>(x), Evaluate<ErfFunction>(negated));
    }

    private static void AssertNegated(IEnumerable<(float X, float Y)> positive, IEnumerable<(float X, float Y)> negative)
        => KernelTesting.AssertSameBits(positive.Select(p => -p.Y).ToArray(), negative.Select(p => p.Y).ToArray(), "f(-x) = -f(x)");

    private static double FlushedExp(double x) => x < Math.Log(Math.Pow(2, -126)) ? 0 : Math.Exp(x);

    private static double ExpMinusOne(double x)
    {
        // Kahan's correction: (e^x - 1) x / ln(e^x) is accurate where e^x - 1 alone cancels.
        double e = Math.Exp(x);
        return e == 1 ? x : e < 0.5 ? e - 1 : (e - 1) * x / Math.Log(e);
    }

    private static double LogOnePlus(double x)
    {
        double sum = 1 + x;
        return sum == 1 ? x : Math.Log(sum) * x / (sum - 1);
    }

    private static float[] Sweep()
    {
        var values = new List<float>();
        for (ulong bits = 0; bits <= uint.MaxValue; bits += Stride)
            values.Add(BitConverter.UInt32BitsToSingle((uint)bits));
        return values.ToArray();
    }

    private static float[] Where(Func<float, bool> condition) => Array.FindAll(s_sweep, x => condition(x));

    private static void AssertUlp<TFunction>(float[] x, Func<double, double> exact, double bound)
        where TFunction : struct, IVectorFunction
    {
        (double worst, float at) = (-1, 0);
        foreach ((float argument, float actual) in Evaluate<TFunction>(x))
        {
            double error = KernelTesting.UlpError(actual, exact(argument));
            if (error > worst)
                (worst, at) = (error, argument);
        }

        Assert.IsLessThanOrEqualTo(bound, worst, $"{typeof(TFunction).Name} at {at:R}");
    }

    private static void AssertAbsolute<TFunction>(float[] x, Func<double, double> exact, double bound)
        where TFunction : struct, IVectorFunction
    {
        foreach ((float argument, float actual) in Evaluate<TFunction>(x))
            KernelTesting.AssertWithin(exact(argument), actual, bound, () => $"{typeof(TFunction).Name} at {argument:R}");
    }

    private static void AssertValue<TFunction>(float x, float expected)
        where TFunction : struct, IVectorFunction
        => KernelTesting.AssertSameBits([expected], [Evaluate<TFunction>([x]).Single().Y], $"{typeof(TFunction).Name}({x:R})");

    private static IEnumerable<(float X, float Y)> Evaluate<TFunction>(float[] x)
        where TFunction : struct, IVectorFunction
    {
        var padded = new float[(x.Length + 15) / 16 * 16];
        x.CopyTo(padded, 0);
        var y = new float[padded.Length];
        KernelTesting.Map<TFunction>(padded, y);
        return x.Zip(y);
    }
}
