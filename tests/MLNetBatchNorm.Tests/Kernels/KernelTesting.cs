using System.Runtime.Intrinsics;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>What the tests of the elementwise kernels share.</summary>
internal static class KernelTesting
{
    /// <summary>Unit roundoff of float: the relative error of one rounded operation is at most this.</summary>
    public const double U = 1.0 / (1 << 24);

    /// <summary>0..67 covers every remainder of every unrolled loop; the rest are the edges of the blocks of 128 and 256 rows.</summary>
    public static IEnumerable<int> RowCounts(int least)
        => Enumerable.Range(least, 68 - least).Concat([127, 128, 129, 255, 256, 257, 300, 511, 512, 513, 1000]);

    /// <summary>Normally distributed floats.</summary>
    public static float[] Normal(Random random, int length, double mean = 0, double deviation = 1)
    {
        var values = new float[length];
        for (int i = 0; i < length; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            values[i] = (float)(mean + (deviation * radius * Math.Cos(2 * Math.PI * random.NextDouble())));
        }

        return values;
    }

    /// <summary>
    /// Error of a float in units of the last place of the exact value; 0 for equal infinities and NaNs, infinity for unequal ones.
    /// </summary>
    public static double UlpError(float actual, double exact)
    {
        float rounded = (float)exact;
        if (float.IsNaN(rounded) || float.IsInfinity(rounded) || float.IsNaN(actual) || float.IsInfinity(actual))
            return actual.Equals(rounded) ? 0 : double.PositiveInfinity;
        double magnitude = Math.Max(Math.Abs(exact), Math.Pow(2, -126));
        return Math.Abs(actual - exact) / Math.Pow(2, Math.Floor(Math.Log2(magnitude)) - 23);
    }

    public static void AssertSameBits(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
    {
        Assert.AreEqual(expected.Length, actual.Length, what);
        for (int i = 0; i < expected.Length; i++)
        {
            bool same = float.IsNaN(expected[i])
                ? float.IsNaN(actual[i])
                : BitConverter.SingleToInt32Bits(expected[i]) == BitConverter.SingleToInt32Bits(actual[i]);
            if (!same)
                Assert.Fail($"{what}: element {i} is {actual[i]:R} where {expected[i]:R} is expected.");
        }
    }

    /// <summary>|actual - expected| &lt;= bound, and NaN exactly where NaN is expected.</summary>
    public static void AssertWithin(double expected, float actual, double bound, Func<string> what)
    {
        bool good = double.IsNaN(expected) ? float.IsNaN(actual) : expected.Equals(actual) || Math.Abs(actual - expected) <= bound;
        if (!good)
            Assert.Fail($"{what()}: {actual:R} where {expected:R} +- {bound:G3} is expected.");
    }

    /// <summary>Calls with the widest vectors that are fast on this machine: the path the entry points take.</summary>
    public static unsafe void Map<TFunction>(ReadOnlySpan<float> x, Span<float> y)
        where TFunction : struct, IVectorFunction
    {
        if (Vector512.IsHardwareAccelerated)
            Map<Simd512, Vector512<float>, TFunction>(x, y);
        else if (Vector256.IsHardwareAccelerated)
            Map<Simd256, Vector256<float>, TFunction>(x, y);
        else
            Map<Simd128, Vector128<float>, TFunction>(x, y);
    }

    /// <summary>y = f(x) elementwise; lengths are multiples of 16.</summary>
    public static unsafe void Map<TSimd, V, TFunction>(ReadOnlySpan<float> x, Span<float> y)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TFunction : struct, IVectorFunction
    {
        Assert.AreEqual(0, x.Length % 16);
        Assert.AreEqual(x.Length, y.Length);
        fixed (float* px = x, py = y)
        {
            for (int i = 0; i < x.Length; i += TSimd.Width)
                TSimd.Store(py + i, TFunction.Invoke<TSimd, V>(TSimd.Load(px + i)));
        }
    }
}

/// <summary>A function of one vector.</summary>
internal interface IVectorFunction
{
    static abstract V Invoke<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct;
}

/// <summary>A span at any alignment inside an array whose other elements must not be written.</summary>
internal sealed class Guarded
{
    private const int Margin = 48;
    private const float Sentinel = -12345.678f;

    private readonly float[] _array;
    private readonly int _first;
    private readonly int _length;

    /// <param name="content">Copied into the span.</param>
    /// <param name="shift">Floats by which the span is moved off its natural place: 0..15 makes every alignment.</param>
    public Guarded(ReadOnlySpan<float> content, int shift = 0)
    {
        _array = new float[content.Length + (2 * Margin)];
        Array.Fill(_array, Sentinel);
        _first = Margin - 16 + (shift & 15);
        _length = content.Length;
        content.CopyTo(Span);
    }

    public Guarded(int length, int shift = 0)
        : this(new float[length], shift)
    {
    }

    public Span<float> Span => _array.AsSpan(_first, _length);

    public void AssertUntouchedAround(string what)
    {
        Assert.IsFalse(_array.AsSpan(0, _first).ContainsAnyExcept(Sentinel), $"{what}: written before the span");
        Assert.IsFalse(_array.AsSpan(_first + _length).ContainsAnyExcept(Sentinel), $"{what}: written behind the span");
    }
}
