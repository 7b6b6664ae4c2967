using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace MLNetBatchNorm.Kernels;

// Products of what the windows of a convolution see, read where it lies: in a picture of whole pixels of 16 channels, with its padding
// around it. The chains are those of the same windows gathered into panels, and so are the bits; the gathering is spared.
internal static partial class MatrixMultiply
{
    /// <summary>c[cFirstRow + w, n] = bias[n] + sum_k window(w, k) * b[k, n] for all windows w of a picture, all panels of b.</summary>
    /// <remarks>
    /// Window y * width + x begins at float <c>(y * lineStep + x) * 16</c> of the picture; its number 16 j + l is lane l at
    /// <c>offsets[j]</c> from there. b is [16 * offsets, 16 * panels] in the weights' layout; bias is empty (then 0) or covers every lane;
    /// c is in panels of cRowCapacity rows, and must not overlap the others.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyLines(
        in WindowLines windows, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c, int cRowCapacity, int cFirstRow, int panels)
    {
        if (Vector512.IsHardwareAccelerated)
            MultiplyLines<Simd512, Vector512<float>>(windows, b, bias, c, cRowCapacity, cFirstRow, panels);
        else if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
            MultiplyLines<Simd256, Vector256<float>>(windows, b, bias, c, cRowCapacity, cFirstRow, panels);
        else
            MultiplyLines<Simd128, Vector128<float>>(windows, b, bias, c, cRowCapacity, cFirstRow, panels);
    }

    /// <summary>c[k, o] += sum_w window(w, k) * d[dFirstRow + w, o] for all windows w of a picture and all panels of c.</summary>
    /// <remarks>
    /// Windows as in <see cref="MultiplyLines(in WindowLines, ReadOnlySpan{float}, ReadOnlySpan{float}, Span{float}, int, int, int)"/>;
    /// d is in panels of dRowCapacity rows. A chain goes on from what c holds.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddWeightGradientOfLines(
        in WindowLines windows, ReadOnlySpan<float> d, int dRowCapacity, int dFirstRow, Span<float> c, int panels)
    {
        if (Vector512.IsHardwareAccelerated)
            AddWeightGradientOfLines<Simd512, Vector512<float>>(windows, d, dRowCapacity, dFirstRow, c, panels);
        else if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
            AddWeightGradientOfLines<Simd256, Vector256<float>>(windows, d, dRowCapacity, dFirstRow, c, panels);
        else
            AddWeightGradientOfLines<Simd128, Vector128<float>>(windows, d, dRowCapacity, dFirstRow, c, panels);
    }

    /// <summary>The public one on a given vector width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static unsafe void MultiplyLines<TSimd, V>(
        in WindowLines windows, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c, int cRowCapacity, int cFirstRow, int panels)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        int inner = windows.Offsets.Length * Width;
        RequireLines(windows, cRowCapacity, cFirstRow, panels);
        if (b.Length < (long)panels * Width * inner)
            ThrowShort(nameof(b));
        if (!bias.IsEmpty && bias.Length < (long)panels * Width)
            ThrowShort(nameof(bias));
        if (c.Length < (long)panels * Width * cRowCapacity)
            ThrowShort(nameof(c));

        float* zeros = stackalloc float[Width];
        new Span<float>(zeros, Width).Clear();
        int most = TSimd.Width < Width && !AdvSimd.IsSupported ? 6 : 12;
        // Tiles of a line are as equal as can be: a small one at its end would wait for its few chains.
        int parts = (windows.Width + most - 1) / most, tile = (windows.Width + parts - 1) / parts;
        fixed (float* aStart = windows.Picture, bStart = b, biasStart = bias, cStart = c)
        fixed (int* offsets = windows.Offsets)
        {
            nint bPanel = (nint)inner * Width, cPanel = (nint)cRowCapacity * Width;
            Strip s = default;
            s.Inner = inner;
            s.Offsets = offsets;
            s.BSecond = TSimd.Width < Width ? TSimd.Width : bPanel;
            s.CSecond = TSimd.Width < Width ? TSimd.Width : cPanel;
            for (int n = 0; n < panels * Width; n += 2 * TSimd.Width)
            {
                s.B = At(bStart, bPanel, n);
                s.Start = biasStart == null ? zeros : biasStart + n;
                s.StartSecond = biasStart == null ? 0 : TSimd.Width;
                bool two = TSimd.Width < Width || n + TSimd.Width < panels * Width;
                for (int y = 0; y < windows.Lines; y++)
                {
                    s.A = aStart + (nint)y * windows.LineStep * Width;
                    s.C = At(cStart, cPanel, n) + ((nint)cFirstRow + y * windows.Width) * Width;
                    for (int r = 0; r < windows.Width;)
                    {
                        int rows = Math.Min(windows.Width - r, tile), end = r + (windows.Width - r) / rows * rows;
                        if (two)
                            Tiles<TSimd, V, WindowsDownLines, N2>(s, rows, r, end);
                        else
                            Tiles<TSimd, V, WindowsDownLines, N1>(s, rows, r, end);
                        r = end;
                    }
                }
            }
        }
    }

    /// <summary>The public one on a given vector width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static unsafe void AddWeightGradientOfLines<TSimd, V>(
        in WindowLines windows, ReadOnlySpan<float> d, int dRowCapacity, int dFirstRow, Span<float> c, int panels)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        int inputs = windows.Offsets.Length * Width;
        RequireLines(windows, dRowCapacity, dFirstRow, panels);
        if (d.Length < (long)panels * Width * dRowCapacity)
            ThrowShort(nameof(d));
        if (c.Length < (long)panels * Width * inputs)
            ThrowShort(nameof(c));

        int most = TSimd.Width < Width && !AdvSimd.IsSupported ? 6 : 8;
        fixed (float* aStart = windows.Picture, dStart = d, cStart = c)
        fixed (int* offsets = windows.Offsets)
        {
            nint dPanel = (nint)dRowCapacity * Width, cPanel = (nint)inputs * Width;
            Strip s = default;
            s.A = aStart;
            s.Inner = (nint)windows.Lines * windows.Width;
            s.Offsets = offsets;
            s.Line = windows.Width;
            s.LineGap = (nint)(windows.LineStep - windows.Width) * Width;
            s.BSecond = TSimd.Width < Width ? TSimd.Width : dPanel;
            s.CSecond = TSimd.Width < Width ? TSimd.Width : cPanel;
            s.StartRow = Width;
            s.StartSecond = s.CSecond;
            for (int n = 0; n < panels * Width; n += 2 * TSimd.Width)
            {
                s.B = At(dStart, dPanel, n) + (nint)dFirstRow * Width;
                s.C = s.Start = At(cStart, cPanel, n);
                bool two = TSimd.Width < Width || n + TSimd.Width < panels * Width;
                for (int r = 0; r < inputs;)
                {
                    // A tile lies in one run of 16.
                    int rows = Math.Min(most, Width - r % Width);
                    if (two)
                        Tiles<TSimd, V, WindowsAcrossLines, N2>(s, rows, r, r + rows);
                    else
                        Tiles<TSimd, V, WindowsAcrossLines, N1>(s, rows, r, r + rows);
                    r += rows;
                }
            }
        }
    }

    private static void RequireLines(in WindowLines windows, int rowCapacity, int firstRow, int panels)
    {
        long count = (long)windows.Lines * windows.Width;
        if (windows.Offsets.IsEmpty || windows.Lines < 1 || windows.Width < 1 || windows.LineStep < windows.Width || firstRow < 0
            || count > (long)rowCapacity - firstRow || panels < 0)
        {
            ThrowRange();
        }
        int last = 0;
        foreach (int offset in windows.Offsets)
        {
            if (offset < 0)
                ThrowRange();
            last = Math.Max(last, offset);
        }
        if (windows.Picture.Length < last + ((long)(windows.Lines - 1) * windows.LineStep + windows.Width) * Width)
            ThrowShort(nameof(windows));
    }
}
