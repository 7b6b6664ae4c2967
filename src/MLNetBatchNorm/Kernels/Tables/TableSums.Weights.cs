using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MLNetBatchNorm.Kernels;

// From trained weights to a table: written out for scoring, passing through registers in training, where every batch has other weights.
internal static unsafe partial class TableSums
{
    /// <summary>
    /// The table of weights, for the panels [firstPanel, endPanel): S_0 = 0, S_k = S_(k-1) + w_k, and the plain rows as they are.
    /// </summary>
    /// <remarks>weights: [endPanel or more][weightRows][16]; table: [endPanel or more][layout.Rows][16], not overlapping them.</remarks>
    public static void RunningSums(
        TableLayout layout, ReadOnlySpan<float> weights, int weightRows, Span<float> table, int firstPanel, int endPanel)
    {
        if (Vector512.IsHardwareAccelerated)
            RunningSums<Simd512, Vector512<float>>(layout, weights, weightRows, table, firstPanel, endPanel);
        else if (Vector256.IsHardwareAccelerated)
            RunningSums<Simd256, Vector256<float>>(layout, weights, weightRows, table, firstPanel, endPanel);
        else
            RunningSums<Simd128, Vector128<float>>(layout, weights, weightRows, table, firstPanel, endPanel);
    }

    /// <summary><see cref="RunningSums"/> and <see cref="Forward"/> in one, for all rows of a sorted batch; there is no table.</summary>
    /// <remarks>
    /// weights: [endPanel or more][weightRows][16]; bias: empty (then c as it is), or all lanes up to endPanel * 16; c: panels of
    /// <paramref name="cRowCapacity"/> rows, not overlapping the others. Where the weights are finite the bits are those of the two, but
    /// for the sign of a sum that is itself zero: a fraction of 0 multiplies the next row of the table here, the same row there.
    /// </remarks>
    public static void ForwardFromWeights(TableOrder order, ReadOnlySpan<float> weights, int weightRows, ReadOnlySpan<float> bias,
        Span<float> c, int cRowCapacity, int firstPanel, int endPanel)
    {
        if (Vector512.IsHardwareAccelerated)
            ForwardFromWeights<Simd512, Vector512<float>>(order, weights, weightRows, bias, c, cRowCapacity, firstPanel, endPanel);
        else if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
            ForwardFromWeights<Simd256, Vector256<float>>(order, weights, weightRows, bias, c, cRowCapacity, firstPanel, endPanel);
        else
            ForwardFromWeights<Simd128, Vector128<float>>(order, weights, weightRows, bias, c, cRowCapacity, firstPanel, endPanel);
    }

    /// <summary><see cref="RunningSums"/> on a given vector width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void RunningSums<TSimd, V>(
        TableLayout layout, ReadOnlySpan<float> weights, int weightRows, Span<float> table, int firstPanel, int endPanel)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        RequirePanels(firstPanel, endPanel);
        RequireWeights(layout, weights.Length, weightRows, endPanel);
        KernelArguments.RequireLength(table.Length, (long)endPanel * layout.Rows * Width, nameof(table));
        fixed (float* pw = weights, pt = table)
        {
            for (nint panel = firstPanel; panel < endPanel; panel++)
            {
                float* t = pt + panel * layout.Rows * Width;
                for (int s = 0; s < layout.Slots; s++)
                {
                    TableSlot slot = layout.Slot(s);
                    float* w = pw + (panel * weightRows + slot.FirstWeight) * Width;
                    for (int lane = 0; lane < Width; lane += TSimd.Width)
                        MakeSlot<TSimd, V>(slot, w + lane, t + lane);
                    t += slot.TableRows * Width;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MakeSlot<TSimd, V>(TableSlot slot, float* w, float* t)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        float* sums = w + (nint)slot.Pieces * Width, end = w + (nint)slot.WeightRows * Width;
        if (slot.Pieces > 0)
        {
            V sum = TSimd.Broadcast(0f);
            TSimd.Store(t, sum);
            t += Width;
            for (; w < sums; w += Width, t += Width)
            {
                sum = TSimd.Add(sum, TSimd.Load(w));
                TSimd.Store(t, sum);
            }
        }
        for (; w < end; w += Width, t += Width)
            TSimd.Store(t, TSimd.Load(w));
    }

    /// <summary><see cref="ForwardFromWeights"/> on a given vector width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void ForwardFromWeights<TSimd, V>(TableOrder order, ReadOnlySpan<float> weights, int weightRows,
        ReadOnlySpan<float> bias, Span<float> c, int cRowCapacity, int firstPanel, int endPanel)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        TableLayout layout = order.Layout;
        RequireResult(order.BatchRows, bias, c, cRowCapacity, 0, order.BatchRows, firstPanel, endPanel);
        RequireWeights(layout, weights.Length, weightRows, endPanel);
        if (order.BatchRows == 0)
            return;
        fixed (int* pStarts = order.Starts)
        fixed (TableEntry* pEntries = order.Entries)
        fixed (float* pBias = bias, pc = c, pw = weights)
        {
            var p = new SlotPass { Entries = pEntries, LinePanel = (nint)cRowCapacity * Width, WeightPanel = (nint)weightRows * Width };
            for (int panel = firstPanel; panel < endPanel; panel += PanelsAtOnce)
            {
                p.Lines = pc + panel * p.LinePanel;
                int panels = Math.Min(PanelsAtOnce, endPanel - panel);
                for (int i = 0; i < panels && pBias != null; i++)
                    Fill<TSimd, V>(pBias + (panel + i) * Width, p.Lines + i * p.LinePanel, order.BatchRows);
                for (int s = 0; s < layout.Slots; s++)
                {
                    p.Take(layout, s, pStarts, pw + panel * p.WeightPanel, s < order.BatchLines);
                    for (int lane = 0; lane < Width; lane += TSimd.Width)
                    {
                        switch (panels)
                        {
                            case 1: AddSlot<TSimd, V, P1>(p, lane); break;
                            case 2: AddSlot<TSimd, V, P2>(p, lane); break;
                            case 3: AddSlot<TSimd, V, P3>(p, lane); break;
                            default: AddSlot<TSimd, V, P4>(p, lane); break;
                        }
                    }
                }
            }
        }
    }

    /// <summary>A slot in one to four panels, with the rows of the batch sorted by row of the table.</summary>
    private struct SlotPass
    {
        public TableEntry* Entries;
        public float* Lines;        // the batch's rows: results, or gradients
        public nint LinePanel;      // floats from one panel to the next, here and below
        public nint WeightPanel;
        public float* Weights;      // the slot's first
        public int* Starts;         // of the slot's first row of the table
        public int Pieces;
        public int PlainRows;
        public bool HasFractions;

        public void Take(TableLayout layout, int slot, int* starts, float* weights, bool hasFractions)
        {
            TableSlot s = layout.Slot(slot);
            Weights = weights + (nint)s.FirstWeight * Width;
            Starts = starts + layout.FirstRows[slot];
            Pieces = s.Pieces;
            PlainRows = s.PlainRows;
            HasFractions = hasFractions;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fill<TSimd, V>(float* line, float* target, int rows)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        for (int lane = 0; lane < Width; lane += TSimd.Width)
        {
            V value = TSimd.Load(line + lane);
            for (nint r = 0; r < rows; r++)
                TSimd.Store(target + r * Width + lane, value);
        }
    }

    /// <summary>Adds the slot's share to the results, row of the table by row of the table.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void AddSlot<TSimd, V, TPanels>(in SlotPass p, int lane)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TPanels : struct, IPanels
    {
        // t0 to t3: the row of the table, first S_0 = 0; u0 to u3: the one behind it.
        V t0 = TSimd.Broadcast(0f), t1 = t0, t2 = t0, t3 = t0, u0 = t0, u1 = t0, u2 = t0, u3 = t0;
        nint panel = p.WeightPanel;
        float* w = p.Weights + lane;
        int* start = p.Starts;
        for (int k = 0; k < p.Pieces; k++, w += Width)
        {
            if (TPanels.Count > 0) u0 = TSimd.Add(t0, TSimd.Load(w));
            if (TPanels.Count > 1) u1 = TSimd.Add(t1, TSimd.Load(w + panel));
            if (TPanels.Count > 2) u2 = TSimd.Add(t2, TSimd.Load(w + 2 * panel));
            if (TPanels.Count > 3) u3 = TSimd.Add(t3, TSimd.Load(w + 3 * panel));
            AddRow<TSimd, V, TPanels>(p, lane, *start++, *start, t0, t1, t2, t3, u0, u1, u2, u3);
            t0 = u0;
            t1 = u1;
            t2 = u2;
            t3 = u3;
        }

        // The last border, or in a slot without pieces the first plain row; then plain rows. The last one has none behind it and only
        // fractions 0.
        int plain = p.PlainRows;
        if (p.Pieces == 0)
        {
            if (TPanels.Count > 0) t0 = TSimd.Load(w);
            if (TPanels.Count > 1) t1 = TSimd.Load(w + panel);
            if (TPanels.Count > 2) t2 = TSimd.Load(w + 2 * panel);
            if (TPanels.Count > 3) t3 = TSimd.Load(w + 3 * panel);
            w += Width;
            plain--;
        }
        while (true)
        {
            if (plain > 0)
            {
                if (TPanels.Count > 0) u0 = TSimd.Load(w);
                if (TPanels.Count > 1) u1 = TSimd.Load(w + panel);
                if (TPanels.Count > 2) u2 = TSimd.Load(w + 2 * panel);
                if (TPanels.Count > 3) u3 = TSimd.Load(w + 3 * panel);
            }
            AddRow<TSimd, V, TPanels>(p, lane, *start++, *start, t0, t1, t2, t3, u0, u1, u2, u3);
            if (plain-- == 0)
                return;
            w += Width;
            t0 = u0;
            t1 = u1;
            t2 = u2;
            t3 = u3;
        }
    }

    /// <summary>Adds one row of the table, t0 to t3, and the one behind it to the results of the entries.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddRow<TSimd, V, TPanels>(in SlotPass p, int lane, int first, int end,
        V t0, V t1, V t2, V t3, V u0, V u1, V u2, V u3)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TPanels : struct, IPanels
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static V Between(V rest, V t, V f, V u, V sum) => TSimd.FusedMultiplyAdd(f, u, TSimd.FusedMultiplyAdd(rest, t, sum));

        // A load waits for an earlier store whose address has the same last 12 bits, and the panels of a row often do: loads first.
        V sum0 = default, sum1 = default, sum2 = default, sum3 = default;
        nint panel = p.LinePanel;
        TableEntry* entry = p.Entries + first, last = p.Entries + end;
        float* c0 = p.Lines + lane, c1 = c0 + panel, c2 = c1 + panel, c3 = c2 + panel;
        if (!p.HasFractions)
        {
            for (; entry < last; entry++)
            {
                nint line = entry->Line;
                if (TPanels.Count > 0) sum0 = TSimd.Add(TSimd.Load(c0 + line), t0);
                if (TPanels.Count > 1) sum1 = TSimd.Add(TSimd.Load(c1 + line), t1);
                if (TPanels.Count > 2) sum2 = TSimd.Add(TSimd.Load(c2 + line), t2);
                if (TPanels.Count > 3) sum3 = TSimd.Add(TSimd.Load(c3 + line), t3);
                if (TPanels.Count > 0) TSimd.Store(c0 + line, sum0);
                if (TPanels.Count > 1) TSimd.Store(c1 + line, sum1);
                if (TPanels.Count > 2) TSimd.Store(c2 + line, sum2);
                if (TPanels.Count > 3) TSimd.Store(c3 + line, sum3);
            }
            return;
        }

        V one = TSimd.Broadcast(1f);
        for (; entry < last; entry++)
        {
            V f = TSimd.Broadcast(entry->Fraction), rest = TSimd.Subtract(one, f);
            nint line = entry->Line;
            if (TPanels.Count > 0) sum0 = Between(rest, t0, f, u0, TSimd.Load(c0 + line));
            if (TPanels.Count > 1) sum1 = Between(rest, t1, f, u1, TSimd.Load(c1 + line));
            if (TPanels.Count > 2) sum2 = Between(rest, t2, f, u2, TSimd.Load(c2 + line));
            if (TPanels.Count > 3) sum3 = Between(rest, t3, f, u3, TSimd.Load(c3 + line));
            if (TPanels.Count > 0) TSimd.Store(c0 + line, sum0);
            if (TPanels.Count > 1) TSimd.Store(c1 + line, sum1);
            if (TPanels.Count > 2) TSimd.Store(c2 + line, sum2);
            if (TPanels.Count > 3) TSimd.Store(c3 + line, sum3);
        }
    }
}
