using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>Pooling of one panel of channels, forward and backward.</summary>
/// <remarks>
/// x and dx are [pictures x pixels][16], y and d [pictures x windows][16]. What lies in the padding does not count for a maximum, and
/// counts as 0 for a mean, whose divisor is the size of the window wherever it lies. Lanes are channels, so the bits are those of any
/// vector width.
/// </remarks>
internal static unsafe class PoolingKernels
{
    private const int Width = PanelLayout.Width;

    /// <summary>y = largest number of each window.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Maximum(ReadOnlySpan<float> x, int pictures, in WindowGrid grid, Span<float> y)
    {
        Require(x.Length, y.Length, pictures, grid);
        fixed (float* px = x, py = y)
        {
            if (Vector512.IsHardwareAccelerated)
                Maximum<Simd512, Vector512<float>>(px, pictures, grid, py);
            else if (Vector256.IsHardwareAccelerated)
                Maximum<Simd256, Vector256<float>>(px, pictures, grid, py);
            else
                Maximum<Simd128, Vector128<float>>(px, pictures, grid, py);
        }
    }

    /// <summary>
    /// dx = gradient by x from that by y: the first of the largest numbers of a window, row by row, gets all of it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MaximumBackward(
        ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> d, int pictures, in WindowGrid grid, Span<float> dx)
    {
        Require(x.Length, y.Length, pictures, grid);
        Require(dx.Length, d.Length, pictures, grid);
        fixed (float* px = x, py = y, pd = d, pdx = dx)
        {
            if (Vector512.IsHardwareAccelerated)
                MaximumBackward<Simd512, Vector512<float>>(px, py, pd, pictures, grid, pdx);
            else if (Vector256.IsHardwareAccelerated)
                MaximumBackward<Simd256, Vector256<float>>(px, py, pd, pictures, grid, pdx);
            else
                MaximumBackward<Simd128, Vector128<float>>(px, py, pd, pictures, grid, pdx);
        }
    }

    /// <summary>y = mean of each window.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Mean(ReadOnlySpan<float> x, int pictures, in WindowGrid grid, Span<float> y)
    {
        Require(x.Length, y.Length, pictures, grid);
        fixed (float* px = x, py = y)
        {
            if (Vector512.IsHardwareAccelerated)
                Mean<Simd512, Vector512<float>>(px, pictures, grid, py);
            else if (Vector256.IsHardwareAccelerated)
                Mean<Simd256, Vector256<float>>(px, pictures, grid, py);
            else
                Mean<Simd128, Vector128<float>>(px, pictures, grid, py);
        }
    }

    /// <summary>dx = gradient by x from that by y: a window's pixels get equal parts of its gradient.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MeanBackward(ReadOnlySpan<float> d, int pictures, in WindowGrid grid, Span<float> dx)
    {
        Require(dx.Length, d.Length, pictures, grid);
        fixed (float* pd = d, pdx = dx)
        {
            if (Vector512.IsHardwareAccelerated)
                MeanBackward<Simd512, Vector512<float>>(pd, pictures, grid, pdx);
            else if (Vector256.IsHardwareAccelerated)
                MeanBackward<Simd256, Vector256<float>>(pd, pictures, grid, pdx);
            else
                MeanBackward<Simd128, Vector128<float>>(pd, pictures, grid, pdx);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Maximum<TSimd, V>(float* x, int pictures, in WindowGrid grid, float* y)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        if (grid.IsHalving)
        {
            HalvingMaximum<TSimd, V>(x, pictures, grid, y);
            return;
        }
        for (int picture = 0; picture < pictures; picture++, x += grid.Pixels * Width)
        {
            for (int i = 0; i < grid.OutputHeight; i++)
            {
                (int top, int bottom) = Inside(i * grid.StrideY - grid.Top, grid.KernelHeight, grid.Height);
                for (int j = 0; j < grid.OutputWidth; j++, y += Width)
                {
                    (int left, int right) = Inside(j * grid.StrideX - grid.Left, grid.KernelWidth, grid.Width);
                    for (int c = 0; c < Width; c += TSimd.Width)
                    {
                        V largest = TSimd.Load(x + (top * grid.Width + left) * Width + c);
                        for (int row = top; row < bottom; row++)
                        {
                            float* pixel = x + (row * grid.Width + left) * Width + c;
                            for (int column = left; column < right; column++, pixel += Width)
                                largest = TSimd.Max(largest, TSimd.Load(pixel));
                        }
                        TSimd.Store(y + c, largest);
                    }
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void MaximumBackward<TSimd, V>(float* x, float* y, float* d, int pictures, in WindowGrid grid, float* dx)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        bool adds = !grid.IsDisjoint;
        if (!grid.IsTiling)
            new Span<float>(dx, pictures * grid.Pixels * Width).Clear();
        if (grid.IsHalving)
        {
            HalvingMaximumBackward<TSimd, V>(x, y, d, pictures, grid, dx);
            return;
        }
        V all = TSimd.BroadcastBits(-1);
        for (int picture = 0; picture < pictures; picture++, x += grid.Pixels * Width, dx += grid.Pixels * Width)
        {
            for (int i = 0; i < grid.OutputHeight; i++)
            {
                (int top, int bottom) = Inside(i * grid.StrideY - grid.Top, grid.KernelHeight, grid.Height);
                for (int j = 0; j < grid.OutputWidth; j++, y += Width, d += Width)
                {
                    (int left, int right) = Inside(j * grid.StrideX - grid.Left, grid.KernelWidth, grid.Width);
                    for (int c = 0; c < Width; c += TSimd.Width)
                    {
                        V largest = TSimd.Load(y + c), gradient = TSimd.Load(d + c), open = all;
                        for (int row = top; row < bottom; row++)
                        {
                            int first = (row * grid.Width + left) * Width + c;
                            for (int column = left; column < right; column++, first += Width)
                            {
                                V taken = TSimd.And(open, TSimd.AreEqual(TSimd.Load(x + first), largest));
                                open = TSimd.Xor(open, taken);
                                V part = TSimd.And(gradient, taken);
                                TSimd.Store(dx + first, adds ? TSimd.Add(TSimd.Load(dx + first), part) : part);
                            }
                        }
                    }
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Mean<TSimd, V>(float* x, int pictures, in WindowGrid grid, float* y)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V part = TSimd.Broadcast(1f / (grid.KernelHeight * grid.KernelWidth));
        for (int picture = 0; picture < pictures; picture++, x += grid.Pixels * Width)
        {
            for (int i = 0; i < grid.OutputHeight; i++)
            {
                (int top, int bottom) = Inside(i * grid.StrideY - grid.Top, grid.KernelHeight, grid.Height);
                for (int j = 0; j < grid.OutputWidth; j++, y += Width)
                {
                    (int left, int right) = Inside(j * grid.StrideX - grid.Left, grid.KernelWidth, grid.Width);
                    for (int c = 0; c < Width; c += TSimd.Width)
                    {
                        V sum = TSimd.Broadcast(0f);
                        for (int row = top; row < bottom; row++)
                        {
                            float* pixel = x + (row * grid.Width + left) * Width + c;
                            for (int column = left; column < right; column++, pixel += Width)
                                sum = TSimd.Add(sum, TSimd.Load(pixel));
                        }
                        TSimd.Store(y + c, TSimd.Multiply(sum, part));
                    }
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void MeanBackward<TSimd, V>(float* d, int pictures, in WindowGrid grid, float* dx)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V part = TSimd.Broadcast(1f / (grid.KernelHeight * grid.KernelWidth));
        new Span<float>(dx, pictures * grid.Pixels * Width).Clear();
        for (int picture = 0; picture < pictures; picture++, dx += grid.Pixels * Width)
        {
            for (int i = 0; i < grid.OutputHeight; i++)
            {
                (int top, int bottom) = Inside(i * grid.StrideY - grid.Top, grid.KernelHeight, grid.Height);
                for (int j = 0; j < grid.OutputWidth; j++, d += Width)
                {
                    (int left, int right) = Inside(j * grid.StrideX - grid.Left, grid.KernelWidth, grid.Width);
                    for (int c = 0; c < Width; c += TSimd.Width)
                    {
                        V share = TSimd.Multiply(TSimd.Load(d + c), part);
                        for (int row = top; row < bottom; row++)
                        {
                            float* pixel = dx + (row * grid.Width + left) * Width + c;
                            for (int column = left; column < right; column++, pixel += Width)
                                TSimd.Store(pixel, TSimd.Add(TSimd.Load(pixel), share));
                        }
                    }
                }
            }
        }
    }

    /// <summary>The usual pooling, of 2 x 2 without overlap: the numbers and the bits of the general one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void HalvingMaximum<TSimd, V>(float* x, int pictures, in WindowGrid grid, float* y)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        int width = grid.OutputWidth;
        nint line = (nint)grid.Width * Width;
        for (int picture = 0; picture < pictures; picture++, x += grid.Pixels * Width)
        {
            for (int i = 0; i < grid.OutputHeight; i++)
            {
                float* upper = x + 2 * i * line;
                float* lower = upper + line;
                for (int j = 0; j < width; j++, upper += 2 * Width, lower += 2 * Width, y += Width)
                {
                    for (int c = 0; c < Width; c += TSimd.Width)
                    {
                        V above = TSimd.Max(TSimd.Load(upper + c), TSimd.Load(upper + Width + c));
                        TSimd.Store(y + c, TSimd.Max(TSimd.Max(above, TSimd.Load(lower + c)), TSimd.Load(lower + Width + c)));
                    }
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void HalvingMaximumBackward<TSimd, V>(float* x, float* y, float* d, int pictures, in WindowGrid grid, float* dx)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        int width = grid.OutputWidth;
        nint line = (nint)grid.Width * Width;
        V none = TSimd.Broadcast(0f);
        for (int picture = 0; picture < pictures; picture++, x += grid.Pixels * Width, dx += grid.Pixels * Width)
        {
            for (int i = 0; i < grid.OutputHeight; i++)
            {
                nint at = 2 * i * line;
                for (int j = 0; j < width; j++, at += 2 * Width, y += Width, d += Width)
                {
                    for (int c = 0; c < Width; c += TSimd.Width)
                    {
                        nint first = at + c, second = first + Width, third = first + line, fourth = third + Width;
                        // What is left of the gradient when the first of the largest numbers has taken it is nothing.
                        V largest = TSimd.Load(y + c), gradient = TSimd.Load(d + c);
                        V taken = TSimd.AreEqual(TSimd.Load(x + first), largest);
                        TSimd.Store(dx + first, TSimd.Select(taken, gradient, none));
                        gradient = TSimd.Select(taken, none, gradient);
                        taken = TSimd.AreEqual(TSimd.Load(x + second), largest);
                        TSimd.Store(dx + second, TSimd.Select(taken, gradient, none));
                        gradient = TSimd.Select(taken, none, gradient);
                        taken = TSimd.AreEqual(TSimd.Load(x + third), largest);
                        TSimd.Store(dx + third, TSimd.Select(taken, gradient, none));
                        gradient = TSimd.Select(taken, none, gradient);
                        taken = TSimd.AreEqual(TSimd.Load(x + fourth), largest);
                        TSimd.Store(dx + fourth, TSimd.Select(taken, gradient, none));
                    }
                }
            }
        }
    }

    /// <summary>The part of a window that is no padding.</summary>
    private static (int Begin, int End) Inside(int begin, int length, int size) => (Math.Max(0, begin), Math.Min(begin + length, size));

    private static void Require(int x, int y, int pictures, in WindowGrid grid)
    {
        KernelArguments.RequireAtLeast(pictures, 0, nameof(pictures));
        KernelArguments.RequireLength(x, (long)pictures * grid.Pixels * Width, nameof(x));
        KernelArguments.RequireLength(y, (long)pictures * grid.Positions * Width, nameof(y));
        // Every window has a pixel: that is what Maximum begins with.
        if (grid.Top >= grid.KernelHeight || grid.Left >= grid.KernelWidth
            || (grid.OutputHeight - 1) * grid.StrideY - grid.Top >= grid.Height
            || (grid.OutputWidth - 1) * grid.StrideX - grid.Left >= grid.Width)
        {
            throw new ArgumentException("A window of a pooling lies wholly in the padding.", nameof(grid));
        }
    }
}
