using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MLNetBatchNorm.Kernels;

/// <summary>
/// A first layer that is a sum of table rows: a numeric slot's share lies on the line between two of them, a category's is one.
/// </summary>
/// <remarks>
/// A table is [panel][tableRows][16]. Every element of a result is ONE chain in slot order, for a slot with a fraction the two steps
///   sum = fma(1 - f, T[i], sum); sum = fma(f, T[f == +0 ? i : i + 1], sum)            (1 - f rounded)
/// and for another sum = sum + T[i]. Columns are lanes, and a chain that rests in the result goes on where it was left: neither the vector
/// width nor the cut into panels, rows, blocks of slots or threads changes a bit.
/// <para>
/// <see cref="Forward"/> reads a table that is there, for scoring; <see cref="ForwardFromWeights"/> and <see cref="WeightGradient"/> train.
/// Lists of any length (bags, words) with a value each are sparse rows: <see cref="SparseMultiply"/> makes a result of them and the bias,
/// and these, given no bias, go on from it.
/// </para>
/// </remarks>
internal static unsafe partial class TableSums
{
    private const int Width = PanelLayout.Width;

    /// <summary>With fewer rows than this a batch reads little of the table twice; all slots are then taken at once.</summary>
    private const int FewRows = 8;

    /// <summary>Rows of a table, four panels wide, that stay in the first-level cache beside what else is used: 40 KiB.</summary>
    private const int RowsPerBlock = 160;

    /// <summary>Slots of a block at the least, so that fetching and storing the sums in between does not become the work.</summary>
    private const int FewestSlots = 3;

    /// <summary>Panels taken at a time: what is known about a row and slot serves all of them.</summary>
    private const int PanelsAtOnce = 4;

    /// <summary>
    /// c[r, n] = (bias[n], or without a bias c[r, n]) + the table's rows that row r names, for rows and panels in the ranges.
    /// </summary>
    /// <remarks>
    /// table: [endPanel or more][tableRows][16]; bias: empty, or all lanes up to endPanel * 16; c: panels of <paramref
    /// name="cRowCapacity"/> rows, not overlapping the others. The rows of the batch are the rows of c. Nothing is prepared: a single row
    /// is as good as many. A table of many slots does not fit in the first-level cache, so many rows pass over a few slots at a time.
    /// </remarks>
    public static void Forward(in TableBatch batch, ReadOnlySpan<float> table, int tableRows, ReadOnlySpan<float> bias,
        Span<float> c, int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel)
    {
        if (Vector512.IsHardwareAccelerated)
            Forward<Simd512, Vector512<float>>(batch, table, tableRows, bias, c, cRowCapacity, firstRow, endRow, firstPanel, endPanel);
        else if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
            Forward<Simd256, Vector256<float>>(batch, table, tableRows, bias, c, cRowCapacity, firstRow, endRow, firstPanel, endPanel);
        else
            Forward<Simd128, Vector128<float>>(batch, table, tableRows, bias, c, cRowCapacity, firstRow, endRow, firstPanel, endPanel);
    }

    /// <summary><see cref="Forward"/> on a given vector width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Forward<TSimd, V>(in TableBatch batch, ReadOnlySpan<float> table, int tableRows, ReadOnlySpan<float> bias,
        Span<float> c, int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        RequireResult(batch.Rows, bias, c, cRowCapacity, firstRow, endRow, firstPanel, endPanel);
        KernelArguments.RequireAtLeast(tableRows, 0, nameof(tableRows));
        KernelArguments.RequireLength(table.Length, (long)endPanel * tableRows * Width, nameof(table));
        batch.RequireRowsOf(tableRows, firstRow, endRow);
        if (firstRow == endRow)
            return;

        int slots = endRow - firstRow < FewRows ? batch.Slots : SlotsPerBlock(batch.Slots, tableRows);
        fixed (int* pi = batch.Indices)
        fixed (float* pf = batch.Fractions, pt = table, pBias = bias, pc = c)
        {
            var p = new Pass(batch, firstRow, endRow, tableRows);
            for (int panel = firstPanel; panel < endPanel; panel += PanelsAtOnce)
            {
                p.Table = pt + panel * p.Panel;
                p.StartFrom(pBias, pc, cRowCapacity, firstRow, panel);
                int first = 0;
                do
                {
                    int end = Math.Min(batch.Slots, first + slots);
                    p.Take(batch, pi, pf, firstRow, first, end);
                    AddRows<TSimd, V>(p, endPanel - panel);
                    p.GoOn();
                    first = end;
                }
                while (first < batch.Slots);
            }
        }
    }

    /// <summary>Slots differ in rows, and which are whose is not known; on the average they fit.</summary>
    private static int SlotsPerBlock(int slots, int tableRows)
        => Math.Max(FewestSlots, (int)((long)RowsPerBlock * slots / Math.Max(tableRows, 1)));

    private static void RequireResult(int rows, ReadOnlySpan<float> bias, Span<float> c, int cRowCapacity,
        int firstRow, int endRow, int firstPanel, int endPanel)
    {
        RequirePanels(firstPanel, endPanel);
        KernelArguments.RequireRows(firstRow, endRow, rows);
        KernelArguments.RequireRows(firstRow, endRow, cRowCapacity);
        KernelArguments.RequireLength(c.Length, (long)endPanel * cRowCapacity * Width, nameof(c));
        if (!bias.IsEmpty)
            KernelArguments.RequireLength(bias.Length, (long)endPanel * Width, nameof(bias));
    }

    private static void RequirePanels(int firstPanel, int endPanel)
    {
        if (firstPanel < 0 || endPanel < firstPanel)
            throw new ArgumentOutOfRangeException(nameof(endPanel), $"{firstPanel}..{endPanel} is no range of panels.");
    }

    private static void RequireWeights(TableLayout layout, int length, int weightRows, int endPanel)
    {
        KernelArguments.RequireAtLeast(weightRows, layout.WeightRows, nameof(weightRows));
        KernelArguments.RequireLength(length, (long)endPanel * weightRows * Width, "weights");
    }

    /// <summary>One to four panels and some slots, passed over by the rows of a batch.</summary>
    private struct Pass
    {
        public Pass(in TableBatch batch, int firstRow, int endRow, int tableRows)
        {
            Rows = endRow - firstRow;
            IndexRow = batch.Slots;
            FractionRow = batch.Lines;
            Panel = (nint)tableRows * Width;
        }

        public int Rows;
        public int* Indices;        // of the first slot in the first row
        public nint IndexRow;       // from one row to the next, here and below
        public float* Fractions;
        public nint FractionRow;
        public int Lines;           // slots that have a fraction; the others follow
        public int Slots;
        public float* Table;
        public nint Panel;          // floats from one panel to the next, here and below
        public float* Start;        // where the chains start: the bias (StartRow 0) or the result
        public nint StartRow;
        public nint StartPanel;
        public float* C;
        public nint CPanel;

        public void Take(in TableBatch batch, int* indices, float* fractions, int firstRow, int firstSlot, int endSlot)
        {
            int firstLine = Math.Min(firstSlot, batch.Lines);
            Indices = indices + firstRow * IndexRow + firstSlot;
            Fractions = fractions + firstRow * FractionRow + firstLine;
            Lines = Math.Min(endSlot, batch.Lines) - firstLine;
            Slots = endSlot - firstSlot;
        }

        public void StartFrom(float* bias, float* c, int cRowCapacity, int firstRow, int panel)
        {
            CPanel = (nint)cRowCapacity * Width;
            C = c + panel * CPanel + (nint)firstRow * Width;
            GoOn();
            if (bias != null)
            {
                Start = bias + panel * Width;
                StartRow = 0;
                StartPanel = Width;
            }
        }

        /// <summary>The chains go on where they were left.</summary>
        public void GoOn()
        {
            Start = C;
            StartRow = Width;
            StartPanel = CPanel;
        }
    }

    private interface IPanels
    {
        static abstract int Count { get; }
    }

    private readonly struct P1 : IPanels { public static int Count => 1; }
    private readonly struct P2 : IPanels { public static int Count => 2; }
    private readonly struct P3 : IPanels { public static int Count => 3; }
    private readonly struct P4 : IPanels { public static int Count => 4; }

    private static void AddRows<TSimd, V>(in Pass p, int panels)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        for (int lane = 0; lane < Width; lane += TSimd.Width)
        {
            switch (panels)
            {
                case 1: AddRows<TSimd, V, P1>(p, lane); break;
                case 2: AddRows<TSimd, V, P2>(p, lane); break;
                case 3: AddRows<TSimd, V, P3>(p, lane); break;
                default: AddRows<TSimd, V, P4>(p, lane); break;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void AddRows<TSimd, V, TPanels>(in Pass p, int lane)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TPanels : struct, IPanels
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static V Fma(V x, float* y, V sum) => TSimd.FusedMultiplyAdd(x, TSimd.Load(y), sum);

        V c0 = default, c1 = default, c2 = default, c3 = default, one = TSimd.Broadcast(1f);
        nint lines = p.Lines, slots = p.Slots;
        float* t0 = p.Table + lane, t1 = t0 + p.Panel, t2 = t1 + p.Panel, t3 = t2 + p.Panel;
        int* indices = p.Indices;
        float* fractions = p.Fractions, start = p.Start + lane, c = p.C + lane;
        for (int left = p.Rows; left > 0; left--)
        {
            if (TPanels.Count > 0) c0 = TSimd.Load(start);
            if (TPanels.Count > 1) c1 = TSimd.Load(start + p.StartPanel);
            if (TPanels.Count > 2) c2 = TSimd.Load(start + 2 * p.StartPanel);
            if (TPanels.Count > 3) c3 = TSimd.Load(start + 3 * p.StartPanel);
            nint s = 0;
            for (; s < lines; s++)
            {
                V f = TSimd.Broadcast(fractions[s]), rest = TSimd.Subtract(one, f);
                nint at = (nint)indices[s] * Width, next = at + Step(fractions + s);
                if (TPanels.Count > 0) c0 = Fma(f, t0 + next, Fma(rest, t0 + at, c0));
                if (TPanels.Count > 1) c1 = Fma(f, t1 + next, Fma(rest, t1 + at, c1));
                if (TPanels.Count > 2) c2 = Fma(f, t2 + next, Fma(rest, t2 + at, c2));
                if (TPanels.Count > 3) c3 = Fma(f, t3 + next, Fma(rest, t3 + at, c3));
            }
            for (; s < slots; s++)
            {
                nint at = (nint)indices[s] * Width;
                if (TPanels.Count > 0) c0 = TSimd.Add(c0, TSimd.Load(t0 + at));
                if (TPanels.Count > 1) c1 = TSimd.Add(c1, TSimd.Load(t1 + at));
                if (TPanels.Count > 2) c2 = TSimd.Add(c2, TSimd.Load(t2 + at));
                if (TPanels.Count > 3) c3 = TSimd.Add(c3, TSimd.Load(t3 + at));
            }
            if (TPanels.Count > 0) TSimd.Store(c, c0);
            if (TPanels.Count > 1) TSimd.Store(c + p.CPanel, c1);
            if (TPanels.Count > 2) TSimd.Store(c + 2 * p.CPanel, c2);
            if (TPanels.Count > 3) TSimd.Store(c + 3 * p.CPanel, c3);
            indices += p.IndexRow;
            fractions += p.FractionRow;
            start += p.StartRow;
            c += Width;
        }
    }

    /// <summary>The way to the second row: none where the fraction is +0. Without a branch, for data often lie on a border.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nint Step(float* fraction) => Width & -(nint)(*(int*)fraction != 0 ? 1 : 0);
}
