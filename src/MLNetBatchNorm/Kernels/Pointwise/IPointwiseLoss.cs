using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>A loss of one output z against one target y.</summary>
internal interface IPointwiseLoss
{
    /// <summary>The loss, and in <paramref name="gradient"/> its derivative by z.</summary>
    static abstract V Evaluate<TSimd, V>(V z, V y, V parameter, out V gradient)
        where TSimd : struct, ISimd<V>
        where V : struct;
}
