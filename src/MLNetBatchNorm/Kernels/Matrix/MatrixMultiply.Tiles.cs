using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace MLNetBatchNorm.Kernels;

// The products themselves, written once. Vector width, operand order and tile size are type arguments, hence constants to the JIT:
// every combination in use becomes straight code whose sums stay in registers.
internal static partial class MatrixMultiply
{
    private const int Width = PanelLayout.Width;

    /// <summary>
    /// Inner indices taken in one go: the strip of b that all row tiles share (two vectors wide, 128 KiB) stays in the second-level cache.
    /// </summary>
    /// <remarks>In between, the sums rest in c. Storing and loading a float changes nothing: an element is still one chain.</remarks>
    private const int InnerBlock = 1024;

    /// <summary>Elements of a taken in one go (384 KiB), so that the next strip still finds them in the second-level cache.</summary>
    private const int LeftBlock = 96 * 1024;

    /// <summary>Rows of a between a gradient's multiply-adds and what it asks the memory for: some 400 cycles.</summary>
    private const int PrefetchDistance = 24;

    /// <summary>
    /// c[r, n] = bias[n] + sum_k a(r, k) * b[k, n] for r in [0, Rows) and n in [FirstColumn, EndColumn), multiples of 16.
    /// </summary>
    private unsafe struct Product
    {
        public float* A;
        public nint APanel;         // floats from one panel to the next, here and below
        public int Rows;
        public int Inner;
        public float* B;
        public nint BPanel;
        public float* Bias;         // null: 0
        public float* C;
        public nint CPanel;
        public int FirstColumn;
        public int EndColumn;
        public bool GoesOn;         // chains start from what c holds
    }

    /// <summary>One strip of a product: all its rows, one or two neighbouring vectors of columns, one block of inner indices.</summary>
    private unsafe struct Strip
    {
        public float* A;
        public nint APanel;
        public float* B;
        public nint BSecond;        // floats from the first vector to the second, here and below
        public float* Start;        // where the chains start: bias or zeros (StartRow = 0), or c as the inner block before left it
        public nint StartRow;
        public nint StartSecond;
        public float* C;
        public nint CSecond;
        public nint Inner;
        public int* Offsets;        // of lines: where each run of 16 inner indices, or each 16 rows, begins
        public nint Line;           // of lines: inner indices of a line
        public nint LineGap;        // floats from the end of a line to the next one
    }

    private interface ICount
    {
        static abstract int Value { get; }
    }

    private readonly struct N1 : ICount { public static int Value => 1; }
    private readonly struct N2 : ICount { public static int Value => 2; }
    private readonly struct N3 : ICount { public static int Value => 3; }
    private readonly struct N4 : ICount { public static int Value => 4; }
    private readonly struct N5 : ICount { public static int Value => 5; }
    private readonly struct N6 : ICount { public static int Value => 6; }
    private readonly struct N7 : ICount { public static int Value => 7; }
    private readonly struct N8 : ICount { public static int Value => 8; }
    private readonly struct N9 : ICount { public static int Value => 9; }
    private readonly struct N10 : ICount { public static int Value => 10; }
    private readonly struct N11 : ICount { public static int Value => 11; }
    private readonly struct N12 : ICount { public static int Value => 12; }

    /// <summary>Where a(r, k) lies in panels of a. A whole product has rows down the panels, a gradient across them.</summary>
    private interface IOrder
    {
        static abstract bool RowsDown { get; }

        /// <summary>Whether a is a picture with lines longer than those that count, and a window's pixels lie at given distances.</summary>
        static abstract bool IsPicture { get; }
    }

    /// <summary>a(r, k) is element (r, k): the inner index runs through the 16 lanes of a panel's row, then moves on by a panel.</summary>
    private readonly struct RowsDownPanels : IOrder { public static bool RowsDown => true; public static bool IsPicture => false; }

    /// <summary>a(r, k) is element (k, r): the inner index runs down a panel.</summary>
    private readonly struct RowsAcrossPanels : IOrder { public static bool RowsDown => false; public static bool IsPicture => false; }

    /// <summary>a(r, k) is what window r of a line sees as its number k: the 16 lanes of a pixel, then those of the next one.</summary>
    private readonly struct WindowsDownLines : IOrder { public static bool RowsDown => true; public static bool IsPicture => true; }

    /// <summary>a(r, k) is number r of window k: the inner index runs along a line, then moves on to the next.</summary>
    private readonly struct WindowsAcrossLines : IOrder { public static bool RowsDown => false; public static bool IsPicture => true; }

    /// <summary>
    /// Cuts a product into blocks that suit the caches, strips of two vectors, and tiles of as many rows as the registers hold.
    /// </summary>
    /// <remarks>
    /// A tile of 12 rows and two vectors: 24 sums, two vectors of b, one element of a in every lane: 27 of 32 registers, and
    /// 14 loads for 24 fused multiply-adds. With 16 registers 6 rows. A gradient's tile must not cross a panel of a and
    /// takes 8 of its 16 lanes (6 with 16 registers).
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void Run<TSimd, V, TOrder>(in Product p)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TOrder : struct, IOrder
    {
        float* zeros = stackalloc float[Width];
        for (int lane = 0; lane < Width; lane++)
            zeros[lane] = 0f;

        int mostRows = TSimd.Width < Width && !AdvSimd.IsSupported ? 6 : TOrder.RowsDown ? 12 : 8;
        int blockRows = Math.Max(LeftBlock / Math.Clamp(p.Inner, 1, InnerBlock) / 48, 1) * 48;

        Strip s = default;
        s.APanel = p.APanel;
        s.BSecond = TSimd.Width < Width ? TSimd.Width : p.BPanel;
        s.CSecond = TSimd.Width < Width ? TSimd.Width : p.CPanel;
        int k = 0;
        bool goesOn = p.GoesOn;
        do
        {
            s.A = TOrder.RowsDown ? p.A + k / Width * p.APanel : p.A + (nint)k * Width;
            s.Inner = Math.Min(p.Inner - k, InnerBlock);
            for (int blockStart = 0; blockStart < p.Rows; blockStart += blockRows)
            {
                int blockEnd = Math.Min(p.Rows - blockStart, blockRows) + blockStart;
                for (int n = p.FirstColumn; n < p.EndColumn; n += 2 * TSimd.Width)
                {
                    s.B = At(p.B, p.BPanel, n) + (nint)k * Width;
                    s.C = At(p.C, p.CPanel, n);
                    s.Start = goesOn ? s.C : p.Bias == null ? zeros : p.Bias + n;
                    s.StartRow = goesOn ? Width : 0;
                    s.StartSecond = goesOn ? s.CSecond : p.Bias == null ? 0 : TSimd.Width;
                    bool two = TSimd.Width < Width || n + TSimd.Width < p.EndColumn;

                    int r = blockStart;
                    while (r < blockEnd)
                    {
                        int rows = Math.Min(blockEnd - r, mostRows);
                        int end = r + (blockEnd - r) / rows * rows;     // the last tile alone may be smaller
                        if (!TOrder.RowsDown && Width % mostRows != 0)
                        {
                            rows = Math.Min(rows, Width - r % Width);
                            end = r + rows;
                        }
                        if (two)
                            Tiles<TSimd, V, TOrder, N2>(s, rows, r, end);
                        else
                            Tiles<TSimd, V, TOrder, N1>(s, rows, r, end);
                        r = end;
                    }
                }
            }
            k += InnerBlock;
            goesOn = true;
        }
        while (k < p.Inner);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tiles<TSimd, V, TOrder, TVectors>(in Strip s, int rows, int r, int end)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TOrder : struct, IOrder
        where TVectors : struct, ICount
    {
        switch (rows)
        {
            case 1: Tiles<TSimd, V, TOrder, TVectors, N1>(s, r, end); break;
            case 2: Tiles<TSimd, V, TOrder, TVectors, N2>(s, r, end); break;
            case 3: Tiles<TSimd, V, TOrder, TVectors, N3>(s, r, end); break;
            case 4: Tiles<TSimd, V, TOrder, TVectors, N4>(s, r, end); break;
            case 5: Tiles<TSimd, V, TOrder, TVectors, N5>(s, r, end); break;
            case 6: Tiles<TSimd, V, TOrder, TVectors, N6>(s, r, end); break;
            case 7: Tiles<TSimd, V, TOrder, TVectors, N7>(s, r, end); break;
            case 8: Tiles<TSimd, V, TOrder, TVectors, N8>(s, r, end); break;
            case 9: Tiles<TSimd, V, TOrder, TVectors, N9>(s, r, end); break;
            case 10: Tiles<TSimd, V, TOrder, TVectors, N10>(s, r, end); break;
            case 11: Tiles<TSimd, V, TOrder, TVectors, N11>(s, r, end); break;
            case 12: Tiles<TSimd, V, TOrder, TVectors, N12>(s, r, end); break;
        }
    }

    /// <summary>The tiles of TRows rows of a strip: rows r to end, whose number TRows divides.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static unsafe void Tiles<TSimd, V, TOrder, TVectors, TRows>(in Strip s, int r, int end)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TOrder : struct, IOrder
        where TVectors : struct, ICount
        where TRows : struct, ICount
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static V Fma(V x, V y, V sum) => TSimd.FusedMultiplyAdd(x, y, sum);

        int rowStep = TOrder.RowsDown ? Width : 1;
        int innerStep = TOrder.RowsDown ? 1 : Width;
        do
        {
            // c0 to c11: the first vector of each row; d0 to d11: the second.
            V c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default;
            V c6 = default, c7 = default, c8 = default, c9 = default, c10 = default, c11 = default;
            V d0 = default, d1 = default, d2 = default, d3 = default, d4 = default, d5 = default;
            V d6 = default, d7 = default, d8 = default, d9 = default, d10 = default, d11 = default;
            nint startRow = s.StartRow;
            float* c = s.Start + r * startRow, d = c + s.StartSecond;
            if (TRows.Value > 0) { c0 = TSimd.Load(c + 0 * startRow); if (TVectors.Value > 1) d0 = TSimd.Load(d + 0 * startRow); }
            if (TRows.Value > 1) { c1 = TSimd.Load(c + 1 * startRow); if (TVectors.Value > 1) d1 = TSimd.Load(d + 1 * startRow); }
            if (TRows.Value > 2) { c2 = TSimd.Load(c + 2 * startRow); if (TVectors.Value > 1) d2 = TSimd.Load(d + 2 * startRow); }
            if (TRows.Value > 3) { c3 = TSimd.Load(c + 3 * startRow); if (TVectors.Value > 1) d3 = TSimd.Load(d + 3 * startRow); }
            if (TRows.Value > 4) { c4 = TSimd.Load(c + 4 * startRow); if (TVectors.Value > 1) d4 = TSimd.Load(d + 4 * startRow); }
            if (TRows.Value > 5) { c5 = TSimd.Load(c + 5 * startRow); if (TVectors.Value > 1) d5 = TSimd.Load(d + 5 * startRow); }
            if (TRows.Value > 6) { c6 = TSimd.Load(c + 6 * startRow); if (TVectors.Value > 1) d6 = TSimd.Load(d + 6 * startRow); }
            if (TRows.Value > 7) { c7 = TSimd.Load(c + 7 * startRow); if (TVectors.Value > 1) d7 = TSimd.Load(d + 7 * startRow); }
            if (TRows.Value > 8) { c8 = TSimd.Load(c + 8 * startRow); if (TVectors.Value > 1) d8 = TSimd.Load(d + 8 * startRow); }
            if (TRows.Value > 9) { c9 = TSimd.Load(c + 9 * startRow); if (TVectors.Value > 1) d9 = TSimd.Load(d + 9 * startRow); }
            if (TRows.Value > 10) { c10 = TSimd.Load(c + 10 * startRow); if (TVectors.Value > 1) d10 = TSimd.Load(d + 10 * startRow); }
            if (TRows.Value > 11) { c11 = TSimd.Load(c + 11 * startRow); if (TVectors.Value > 1) d11 = TSimd.Load(d + 11 * startRow); }

            float* a = TOrder.RowsDown ? s.A + (nint)r * Width
                : TOrder.IsPicture ? s.A + s.Offsets[(uint)r / Width] + (uint)r % Width
                : At(s.A, s.APanel, r);
            float* window = a;
            int* offset = s.Offsets;
            if (TOrder.RowsDown && TOrder.IsPicture)
                a += *offset;
            float* b = s.B;
            nint second = s.BSecond, left = s.Inner;
            while (left > 0)
            {
                nint run = TOrder.RowsDown ? Math.Min(left, Width) : TOrder.IsPicture ? Math.Min(left, s.Line) : left;
                float* runEnd = b + run * Width;
                if (TOrder.RowsDown && !TOrder.IsPicture && Sse.IsSupported)
                {
                    // The next panel, or the next tile, of a. Hardware does not foresee this jump, and it
                    // matters when a comes from beyond the second level.
                    float* next = left > Width ? a + s.APanel : s.A + (nint)(r + TRows.Value) * Width;
                    for (int row = 0; row < TRows.Value; row++)
                        Sse.Prefetch0(next + row * Width);
                }
                do
                {
                    if (!TOrder.RowsDown && Sse.IsSupported) Sse.Prefetch0(a + PrefetchDistance * Width);
                    V b0 = TSimd.Load(b), b1 = TVectors.Value > 1 ? TSimd.Load(b + second) : default, x;
                    if (TRows.Value > 0)
                    {
                        x = TSimd.Broadcast(a[0 * rowStep]);
                        c0 = Fma(x, b0, c0);
                        if (TVectors.Value > 1) d0 = Fma(x, b1, d0);
                    }
                    if (TRows.Value > 1)
                    {
                        x = TSimd.Broadcast(a[1 * rowStep]);
                        c1 = Fma(x, b0, c1);
                        if (TVectors.Value > 1) d1 = Fma(x, b1, d1);
                    }
                    if (TRows.Value > 2)
                    {
                        x = TSimd.Broadcast(a[2 * rowStep]);
                        c2 = Fma(x, b0, c2);
                        if (TVectors.Value > 1) d2 = Fma(x, b1, d2);
                    }
                    if (TRows.Value > 3)
                    {
                        x = TSimd.Broadcast(a[3 * rowStep]);
                        c3 = Fma(x, b0, c3);
                        if (TVectors.Value > 1) d3 = Fma(x, b1, d3);
                    }
                    if (TRows.Value > 4)
                    {
                        x = TSimd.Broadcast(a[4 * rowStep]);
                        c4 = Fma(x, b0, c4);
                        if (TVectors.Value > 1) d4 = Fma(x, b1, d4);
                    }
                    if (TRows.Value > 5)
                    {
                        x = TSimd.Broadcast(a[5 * rowStep]);
                        c5 = Fma(x, b0, c5);
                        if (TVectors.Value > 1) d5 = Fma(x, b1, d5);
                    }
                    if (TRows.Value > 6)
                    {
                        x = TSimd.Broadcast(a[6 * rowStep]);
                        c6 = Fma(x, b0, c6);
                        if (TVectors.Value > 1) d6 = Fma(x, b1, d6);
                    }
                    if (TRows.Value > 7)
                    {
                        x = TSimd.Broadcast(a[7 * rowStep]);
                        c7 = Fma(x, b0, c7);
                        if (TVectors.Value > 1) d7 = Fma(x, b1, d7);
                    }
                    if (TRows.Value > 8)
                    {
                        x = TSimd.Broadcast(a[8 * rowStep]);
                        c8 = Fma(x, b0, c8);
                        if (TVectors.Value > 1) d8 = Fma(x, b1, d8);
                    }
                    if (TRows.Value > 9)
                    {
                        x = TSimd.Broadcast(a[9 * rowStep]);
                        c9 = Fma(x, b0, c9);
                        if (TVectors.Value > 1) d9 = Fma(x, b1, d9);
                    }
                    if (TRows.Value > 10)
                    {
                        x = TSimd.Broadcast(a[10 * rowStep]);
                        c10 = Fma(x, b0, c10);
                        if (TVectors.Value > 1) d10 = Fma(x, b1, d10);
                    }
                    if (TRows.Value > 11)
                    {
                        x = TSimd.Broadcast(a[11 * rowStep]);
                        c11 = Fma(x, b0, c11);
                        if (TVectors.Value > 1) d11 = Fma(x, b1, d11);
                    }
                    a += innerStep;
                    b += Width;
                }
                while (b < runEnd);
                left -= run;
                if (!TOrder.IsPicture)
                    a += s.APanel - run;
                else if (!TOrder.RowsDown)
                    a += s.LineGap;
                else if (left > 0)
                    a = window + *++offset;
            }

            c = s.C + (nint)r * Width;
            d = c + s.CSecond;
            if (TRows.Value > 0) { TSimd.Store(c + 0 * Width, c0); if (TVectors.Value > 1) TSimd.Store(d + 0 * Width, d0); }
            if (TRows.Value > 1) { TSimd.Store(c + 1 * Width, c1); if (TVectors.Value > 1) TSimd.Store(d + 1 * Width, d1); }
            if (TRows.Value > 2) { TSimd.Store(c + 2 * Width, c2); if (TVectors.Value > 1) TSimd.Store(d + 2 * Width, d2); }
            if (TRows.Value > 3) { TSimd.Store(c + 3 * Width, c3); if (TVectors.Value > 1) TSimd.Store(d + 3 * Width, d3); }
            if (TRows.Value > 4) { TSimd.Store(c + 4 * Width, c4); if (TVectors.Value > 1) TSimd.Store(d + 4 * Width, d4); }
            if (TRows.Value > 5) { TSimd.Store(c + 5 * Width, c5); if (TVectors.Value > 1) TSimd.Store(d + 5 * Width, d5); }
            if (TRows.Value > 6) { TSimd.Store(c + 6 * Width, c6); if (TVectors.Value > 1) TSimd.Store(d + 6 * Width, d6); }
            if (TRows.Value > 7) { TSimd.Store(c + 7 * Width, c7); if (TVectors.Value > 1) TSimd.Store(d + 7 * Width, d7); }
            if (TRows.Value > 8) { TSimd.Store(c + 8 * Width, c8); if (TVectors.Value > 1) TSimd.Store(d + 8 * Width, d8); }
            if (TRows.Value > 9) { TSimd.Store(c + 9 * Width, c9); if (TVectors.Value > 1) TSimd.Store(d + 9 * Width, d9); }
            if (TRows.Value > 10) { TSimd.Store(c + 10 * Width, c10); if (TVectors.Value > 1) TSimd.Store(d + 10 * Width, d10); }
            if (TRows.Value > 11) { TSimd.Store(c + 11 * Width, c11); if (TVectors.Value > 1) TSimd.Store(d + 11 * Width, d11); }
            r += TRows.Value;
        }
        while (r < end);
    }

    /// <summary>Row 0 of a column in panels that are panel floats apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe float* At(float* first, nint panel, int column) =>
        first + (nint)((uint)column / Width) * panel + (uint)column % Width;
}
