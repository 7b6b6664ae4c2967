using System.Diagnostics.CodeAnalysis;

namespace MLNetBatchNorm.Kernels;

/// <summary>Length checks of the kernels' entry points: after them the bodies may use pointers.</summary>
internal static class KernelArguments
{
    /// <summary>Columns of a panel, equal to <c>PanelLayout.Width</c>: one row of a panel is one 64-byte cache line.</summary>
    public const int PanelWidth = 16;

    /// <summary>Refuses a span shorter than <paramref name="required"/> elements.</summary>
    public static void RequireLength(int length, long required, string name)
    {
        if (length < required)
        {
            ThrowTooShort(length, required, name);
        }
    }

    /// <summary>Refuses a span that does not have exactly <paramref name="required"/> elements.</summary>
    public static void RequireEqualLength(int length, int required, string name)
    {
        if (length != required)
        {
            throw new ArgumentException($"The span has {length} elements where {required} are needed.", name);
        }
    }

    /// <summary>Refuses a length that is not a whole number of panel rows.</summary>
    public static void RequireWholeLines(int length, string name)
    {
        if ((length & (PanelWidth - 1)) != 0)
        {
            throw new ArgumentException($"The span has {length} elements; a multiple of {PanelWidth} is needed.", name);
        }
    }

    /// <summary>Refuses a value below <paramref name="least"/>.</summary>
    public static void RequireAtLeast(int value, int least, string name)
    {
        if (value < least)
        {
            throw new ArgumentOutOfRangeException(name, value, $"At least {least} is needed.");
        }
    }

    /// <summary>Refuses a range of rows that is not inside 0..<paramref name="rowCapacity"/>.</summary>
    public static void RequireRows(int firstRow, int endRow, int rowCapacity)
    {
        if (firstRow < 0 || endRow < firstRow || endRow > rowCapacity)
        {
            throw new ArgumentOutOfRangeException(nameof(endRow), $"Rows {firstRow}..{endRow} are not inside 0..{rowCapacity}.");
        }
    }

    [DoesNotReturn]
    private static void ThrowTooShort(int length, long required, string name)
        => throw new ArgumentException($"The span has {length} elements where at least {required} are needed.", name);
}
