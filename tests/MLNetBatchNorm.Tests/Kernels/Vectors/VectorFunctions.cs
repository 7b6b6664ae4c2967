using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

internal readonly struct ExpFunction : IVectorFunction
{
    public static V Invoke<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => VectorMath.ExpUpTo88<TSimd, V>(x);
}

internal readonly struct ExpMinusOneFunction : IVectorFunction
{
    public static V Invoke<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => VectorMath.ExpMinusOneOfNonPositive<TSimd, V>(x);
}

internal readonly struct LogFunction : IVectorFunction
{
    public static V Invoke<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => VectorMath.Log<TSimd, V>(x);
}

internal readonly struct LogOnePlusFunction : IVectorFunction
{
    public static V Invoke<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => VectorMath.LogOnePlusOfUnit<TSimd, V>(x);
}

internal readonly struct SigmoidFunction : IVectorFunction
{
    public static V Invoke<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => VectorMath.Sigmoid<TSimd, V>(x);
}

internal readonly struct TanhFunction : IVectorFunction
{
    public static V Invoke<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => VectorMath.Tanh<TSimd, V>(x);
}

internal readonly struct ErfFunction : IVectorFunction
{
    public static V Invoke<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => VectorMath.Erf<TSimd, V>(x);
}

internal readonly struct NormalCumulativeFunction : IVectorFunction
{
    public static V Invoke<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => VectorMath.NormalCumulative<TSimd, V>(x, out _);
}

internal readonly struct NormalDensityFunction : IVectorFunction
{
    public static V Invoke<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        VectorMath.NormalCumulative<TSimd, V>(x, out V density);
        return density;
    }
}

internal readonly struct SinOfTurnsFunction : IVectorFunction
{
    public static V Invoke<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => VectorMath.SinCosOfTurns<TSimd, V>(x, out _);
}

internal readonly struct CosOfTurnsFunction : IVectorFunction
{
    public static V Invoke<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        VectorMath.SinCosOfTurns<TSimd, V>(x, out V cosine);
        return cosine;
    }
}

/// <summary>Negative control: e^x of an argument that is off by one part in a million.</summary>
internal readonly struct WrongExpFunction : IVectorFunction
{
    public static V Invoke<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => VectorMath.ExpUpTo88<TSimd, V>(TSimd.Multiply(x, TSimd.Broadcast(1.000001f)));
}
