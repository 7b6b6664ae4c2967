using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MLNetBatchNorm.Kernels;

/// <summary>The few vector operations every elementwise kernel is written in, once, for any vector width.</summary>
/// <remarks>
/// <typeparamref name="V"/> holds <see cref="Width"/> floats. A kernel is a generic method over (TSimd, V); the entry point picks the
/// widest supported pair and the JIT compiles the kernel as if it had been written for that width.
/// <para>Only operations whose result IEEE 754 fixes to the last bit are here, so a kernel gives the same bits on every width, in hardware
/// or in the runtime's software fallback. (The payload of a NaN is the one exception: hardware picks one of the operands'.)</para>
/// <para>
/// Comparisons give all-ones or all-zeros lanes in a V; the operations ending in <c>Bits</c> treat the lanes as 32-bit integers.
/// </para>
/// </remarks>
internal unsafe interface ISimd<V>
    where V : struct
{
    /// <summary>Lanes of a vector: 16, 8 or 4. It divides the panel width.</summary>
    static abstract int Width { get; }

    /// <summary>Lane i has value i.</summary>
    static abstract V LaneNumbers { get; }

    /// <summary>Lane i has the integer i in its bits.</summary>
    static abstract V LaneNumberBits { get; }

    static abstract V Load(float* source);

    static abstract void Store(float* target, V value);

    static abstract V Broadcast(float value);

    static abstract V BroadcastBits(int bits);

    static abstract V Add(V a, V b);

    static abstract V Subtract(V a, V b);

    static abstract V Multiply(V a, V b);

    static abstract V Divide(V a, V b);

    static abstract V Sqrt(V a);

    /// <summary>a * b + c, rounded once.</summary>
    static abstract V FusedMultiplyAdd(V a, V b, V c);

    /// <summary>
    /// <c>a &lt; b ? a : b</c> exactly, so that b is the result when either is NaN: put the value that may be NaN second.
    /// </summary>
    static abstract V Min(V a, V b);

    /// <summary>
    /// <c>a &gt; b ? a : b</c> exactly, so that b is the result when either is NaN: put the value that may be NaN second.
    /// </summary>
    static abstract V Max(V a, V b);

    /// <summary>The sign bit cleared.</summary>
    static abstract V Abs(V a);

    /// <summary>The sign bit turned.</summary>
    static abstract V Negate(V a);

    static abstract V GreaterThan(V a, V b);

    static abstract V LessThan(V a, V b);

    static abstract V AreEqual(V a, V b);

    /// <summary>Per lane <paramref name="a"/> where the mask is all ones, <paramref name="b"/> where it is all zeros.</summary>
    static abstract V Select(V mask, V a, V b);

    static abstract V And(V a, V b);

    static abstract V Or(V a, V b);

    static abstract V Xor(V a, V b);

    static abstract V AddBits(V a, V b);

    static abstract V SubtractBits(V a, V b);

    /// <summary>Low 32 bits of the integer product.</summary>
    static abstract V MultiplyBits(V a, V b);

    static abstract V ShiftLeftBits(V a, [ConstantExpected] int count);

    static abstract V ShiftRightLogicalBits(V a, [ConstantExpected] int count);

    /// <summary>Signed integer comparison.</summary>
    static abstract V GreaterThanBits(V a, V b);

    /// <summary>Sum over the lanes as a tree of halves: lane i + lane i + Width/2, until one is left.</summary>
    static abstract float SumLanes(V a);

    /// <summary>Largest lane, by the same tree with <see cref="Max"/>; NaN lanes must be looked for elsewhere.</summary>
    static abstract float MaxLanes(V a);

    /// <summary>totals[i] += value[i] for the <see cref="Width"/> lanes, in double.</summary>
    static abstract void AddWidened(double* totals, V value);
}
