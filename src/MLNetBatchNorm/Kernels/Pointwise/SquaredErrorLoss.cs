using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>(z - y)^2; derivative 2 (z - y).</summary>
internal readonly struct SquaredErrorLoss : IPointwiseLoss
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Evaluate<TSimd, V>(V z, V y, V parameter, out V gradient)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V d = TSimd.Subtract(z, y);
        gradient = TSimd.Add(d, d);
        return TSimd.Multiply(d, d);
    }
}
