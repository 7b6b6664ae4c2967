using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace MLNetBatchNorm.Kernels;

/// <summary>Argument checks of the kernels' entry points: after them the bodies may use pointers.</summary>
internal static class KernelArguments
{
    /// <summary>Refuses a span shorter than <paramref name="required"/> elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void RequireLength(int length, long required, string name)
    {
        if (length < required)
        {
            ThrowTooShort(length, required, name);
        }
    }

    /// <summary>Refuses a span that does not have exactly <paramref name="required"/> elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void RequireEqualLength(int length, int required, string name)
    {
        if (length != required)
        {
            ThrowUnequal(length, required, name);
        }
    }

    /// <summary>Refuses a length that is not a whole number of panel rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void RequireWholeLines(int length, string name)
    {
        if ((length & (PanelLayout.Width - 1)) != 0)
        {
            ThrowNotWhole(length, name);
        }
    }

    /// <summary>Refuses a value below <paramref name="least"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void RequireAtLeast(int value, int least, string name)
    {
        if (value < least)
        {
            ThrowTooSmall(value, least, name);
        }
    }

    /// <summary>Refuses a range of rows that is not inside 0..<paramref name="rowCapacity"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void RequireRows(int firstRow, int endRow, int rowCapacity)
    {
        if (firstRow < 0 || endRow < firstRow || endRow > rowCapacity)
        {
            ThrowRows(firstRow, endRow, rowCapacity);
        }
    }

    [DoesNotReturn]
    private static void ThrowTooShort(int length, long required, string name)
        => throw new ArgumentException($"The span has {length} elements where at least {required} are needed.", name);

    [DoesNotReturn]
    private static void ThrowUnequal(int length, int required, string name)
        => throw new ArgumentException($"The span has {length} elements where {required} are needed.", name);

    [DoesNotReturn]
    private static void ThrowNotWhole(int length, string name)
        => throw new ArgumentException($"The span has {length} elements; a multiple of {PanelLayout.Width} is needed.", name);

    [DoesNotReturn]
    private static void ThrowTooSmall(int value, int least, string name)
        => throw new ArgumentOutOfRangeException(name, value, $"At least {least} is needed.");

    [DoesNotReturn]
    private static void ThrowRows(int firstRow, int endRow, int rowCapacity)
        => throw new ArgumentOutOfRangeException(nameof(endRow), $"Rows {firstRow}..{endRow} are not inside 0..{rowCapacity}.");
}
