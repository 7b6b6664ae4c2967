using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>max(z, 0) - z y + ln(1 + e^-|z|); derivative sigmoid(z) - y. y in 0..1.</summary>
internal readonly struct BinaryCrossEntropyLoss : IPointwiseLoss
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Evaluate<TSimd, V>(V z, V y, V parameter, out V gradient)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        gradient = TSimd.Subtract(VectorMath.Sigmoid<TSimd, V>(z, out V u, out _), y);
        V linear = TSimd.FusedMultiplyAdd(TSimd.Negate(z), y, TSimd.Max(TSimd.Broadcast(0f), z));
        return TSimd.Add(linear, VectorMath.LogOnePlusOfUnit<TSimd, V>(u));
    }
}
