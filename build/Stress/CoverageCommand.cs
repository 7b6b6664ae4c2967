#if COVERAGE
using System.Numerics;
using System.Runtime.InteropServices;
using SharpFuzz;
using SharpFuzz.Common;

namespace MLNetBatchNorm.Stress;

/// <summary>instrument FILE: writes into a copy of the library that every branch is to be counted.</summary>
internal static class CoverageCommand
{
    public static int Run(string[] arguments)
    {
        int types = SharpFuzz.Fuzzer.Instrument(
            arguments[0],
            name => name.StartsWith("MLNetBatchNorm.", StringComparison.Ordinal)
                && !name.StartsWith("MLNetBatchNorm.Kernels.", StringComparison.Ordinal),
            Options.Value).Count();
        Console.WriteLine($"{types} types count their branches");
        return 0;
    }
}

/// <summary>The table that instrumented code counts in: 65,536 pairs of branches, each with a byte, as AFL has it.</summary>
internal sealed unsafe class BranchTable : ICoverage
{
    private const int Length = 1 << 16;

    private readonly byte* _counts = (byte*)NativeMemory.AllocZeroed(Length);
    private readonly byte[] _seen = new byte[Length];

    public BranchTable() => Trace.SharedMem = _counts;

    /// <summary>Pairs of branches seen so far.</summary>
    public int Seen => _seen.Count(b => b != 0);

    /// <summary>Nothing has been seen.</summary>
    public void Forget() => _seen.AsSpan().Clear();

    public void Begin()
    {
        new Span<byte>(_counts, Length).Clear();
        Trace.PrevLocation = 0;
    }

    public bool End()
    {
        bool isNew = false;
        var counts = new ReadOnlySpan<byte>(_counts, Length);
        for (int at = counts.IndexOfAnyExcept((byte)0); at >= 0;)
        {
            // Once, twice, up to four times, up to eight times and so on.
            byte magnitude = (byte)(1 << BitOperations.Log2(counts[at]));
            isNew |= (_seen[at] & magnitude) == 0;
            _seen[at] |= magnitude;
            int next = counts[(at + 1)..].IndexOfAnyExcept((byte)0);
            at = next < 0 ? -1 : at + 1 + next;
        }

        return isNew;
    }
}
#endif
