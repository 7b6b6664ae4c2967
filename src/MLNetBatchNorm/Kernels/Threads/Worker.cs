using System.Runtime.ExceptionServices;

namespace MLNetBatchNorm.Kernels;

/// <summary>One member of a <see cref="WorkerTeam"/>: which share of the work is its own.</summary>
/// <remarks>
/// Shares are contiguous and depend on nothing but the three numbers, so the same member owns the same parameters in every step.
/// </remarks>
internal readonly record struct Worker(int Index, int Count)
{
    /// <summary>The member of a team of one: everything is its own.</summary>
    public static Worker Alone => new(0, 1);

    /// <summary>This member's part [begin, end) of <paramref name="items"/> equal items.</summary>
    public (int Begin, int End) Share(int items) =>
        ((int)((long)items * Index / Count), (int)((long)items * (Index + 1) / Count));
}
