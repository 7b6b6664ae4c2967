using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>With d = z - y: d^2/2 if |d| &lt;= delta, else delta (|d| - delta/2); derivative d clamped to +-delta.</summary>
internal readonly struct HuberErrorLoss : IPointwiseLoss
{
    /// <summary>With c the clamped d both branches are c (d - c/2).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Evaluate<TSimd, V>(V z, V y, V parameter, out V gradient)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V d = TSimd.Subtract(z, y);
        gradient = TSimd.Min(parameter, TSimd.Max(TSimd.Negate(parameter), d));
        return TSimd.Multiply(gradient, TSimd.FusedMultiplyAdd(gradient, TSimd.Broadcast(-0.5f), d));
    }
}
