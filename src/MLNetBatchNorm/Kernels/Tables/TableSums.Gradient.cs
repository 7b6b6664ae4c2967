using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MLNetBatchNorm.Kernels;

// The gradient of weights whose running sums are a table. Let A_i be the sum of g over the rows of the batch that name row i of the table,
// and B_i the sum of f g. Row i then has the gradient D_i = (A_i - B_i) + B_(i-1). The border S_k contains w_1 to w_k, so w_j has D_j + ...
// + D_K, where all B but two cancel:
//   dw_j = B_(j-1) + A_j + ... + A_(K-1) + (A_K - B_K)
// (Piece j lies between the rows j - 1 and j. B_K is 0 unless there are lines from the last border to a plain row.)
internal static unsafe partial class TableSums
{
    /// <summary>
    /// Gradient of the weights that a table is made from (see <see cref="RunningSums"/>), for the panels [firstPanel, endPanel).
    /// </summary>
    /// <remarks>
    /// order: the batch, sorted; g: gradient of the result, panels of <paramref name="gRowCapacity"/> rows, its rows the batch's; gradient:
    /// [endPanel or more][weightRows][16], not overlapping g; the slots' rows are overwritten, others left alone.
    /// A_i and B_i are chains over the rows in order from +0, sum + g and fma(f, g, sum). With S = A_K - B_K, then for j = K down to 1:
    /// dw_j = B_(j-1) + S, S = S + A_(j-1). A plain row has (A_i - B_i) + B_(i-1), which without fractions is A_i.
    /// </remarks>
    public static void WeightGradient(TableOrder order, ReadOnlySpan<float> g, int gRowCapacity, Span<float> gradient, int weightRows,
        int firstPanel, int endPanel)
    {
        if (Vector512.IsHardwareAccelerated)
            WeightGradient<Simd512, Vector512<float>>(order, g, gRowCapacity, gradient, weightRows, firstPanel, endPanel);
        else if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
            WeightGradient<Simd256, Vector256<float>>(order, g, gRowCapacity, gradient, weightRows, firstPanel, endPanel);
        else
            WeightGradient<Simd128, Vector128<float>>(order, g, gRowCapacity, gradient, weightRows, firstPanel, endPanel);
    }

    /// <summary><see cref="WeightGradient"/> on a given vector width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void WeightGradient<TSimd, V>(TableOrder order, ReadOnlySpan<float> g, int gRowCapacity,
        Span<float> gradient, int weightRows, int firstPanel, int endPanel)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        TableLayout layout = order.Layout;
        RequirePanels(firstPanel, endPanel);
        KernelArguments.RequireRows(0, order.BatchRows, gRowCapacity);
        KernelArguments.RequireLength(g.Length, (long)endPanel * gRowCapacity * Width, nameof(g));
        RequireWeights(layout, gradient.Length, weightRows, endPanel);
        fixed (int* pStarts = order.Starts)
        fixed (TableEntry* pEntries = order.Entries)
        fixed (float* pg = g, pw = gradient)
        {
            var p = new SlotPass { Entries = pEntries, LinePanel = (nint)gRowCapacity * Width, WeightPanel = (nint)weightRows * Width };
            for (int panel = firstPanel; panel < endPanel; panel += PanelsAtOnce)
            {
                p.Lines = pg + panel * p.LinePanel;
                for (int s = 0; s < layout.Slots; s++)
                {
                    p.Take(layout, s, pStarts, pw + panel * p.WeightPanel, s < order.BatchLines);
                    for (int lane = 0; lane < Width; lane += TSimd.Width)
                    {
                        switch (endPanel - panel)
                        {
                            case 1: SumSlot<TSimd, V, P1>(p, lane); break;
                            case 2: SumSlot<TSimd, V, P2>(p, lane); break;
                            case 3: SumSlot<TSimd, V, P3>(p, lane); break;
                            default: SumSlot<TSimd, V, P4>(p, lane); break;
                        }
                    }
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void SumSlot<TSimd, V, TPanels>(in SlotPass p, int lane)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TPanels : struct, IPanels
    {
        V a0, a1, a2, a3, b0, b1, b2, b3;
        V s0 = default, s1 = default, s2 = default, s3 = default;       // S of the pieces
        V c0 = default, c1 = default, c2 = default, c3 = default;       // the B that a plain row has from the row before it
        nint panel = p.WeightPanel;
        float* w = p.Weights + lane;
        int first = 0;
        if (p.Pieces > 0)
        {
            SumRow<TSimd, V, TPanels>(p, lane, p.Pieces, out a0, out a1, out a2, out a3, out b0, out b1, out b2, out b3);
            if (TPanels.Count > 0) { s0 = TSimd.Subtract(a0, b0); c0 = b0; }
            if (TPanels.Count > 1) { s1 = TSimd.Subtract(a1, b1); c1 = b1; }
            if (TPanels.Count > 2) { s2 = TSimd.Subtract(a2, b2); c2 = b2; }
            if (TPanels.Count > 3) { s3 = TSimd.Subtract(a3, b3); c3 = b3; }
            for (int k = p.Pieces - 1; k >= 0; k--)
            {
                float* to = w + (nint)k * Width;
                SumRow<TSimd, V, TPanels>(p, lane, k, out a0, out a1, out a2, out a3, out b0, out b1, out b2, out b3);
                if (TPanels.Count > 0) { TSimd.Store(to, TSimd.Add(b0, s0)); s0 = TSimd.Add(s0, a0); }
                if (TPanels.Count > 1) { TSimd.Store(to + panel, TSimd.Add(b1, s1)); s1 = TSimd.Add(s1, a1); }
                if (TPanels.Count > 2) { TSimd.Store(to + 2 * panel, TSimd.Add(b2, s2)); s2 = TSimd.Add(s2, a2); }
                if (TPanels.Count > 3) { TSimd.Store(to + 3 * panel, TSimd.Add(b3, s3)); s3 = TSimd.Add(s3, a3); }
            }
            w += (nint)p.Pieces * Width;
            first = p.Pieces + 1;
        }
        for (int k = 0; k < p.PlainRows; k++, w += Width)
        {
            SumRow<TSimd, V, TPanels>(p, lane, first + k, out a0, out a1, out a2, out a3, out b0, out b1, out b2, out b3);
            if (TPanels.Count > 0) { TSimd.Store(w, TSimd.Add(TSimd.Subtract(a0, b0), c0)); c0 = b0; }
            if (TPanels.Count > 1) { TSimd.Store(w + panel, TSimd.Add(TSimd.Subtract(a1, b1), c1)); c1 = b1; }
            if (TPanels.Count > 2) { TSimd.Store(w + 2 * panel, TSimd.Add(TSimd.Subtract(a2, b2), c2)); c2 = b2; }
            if (TPanels.Count > 3) { TSimd.Store(w + 3 * panel, TSimd.Add(TSimd.Subtract(a3, b3), c3)); c3 = b3; }
        }
    }

    /// <summary>A (a0 to a3) and B (b0 to b3) of one row of the table.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SumRow<TSimd, V, TPanels>(in SlotPass p, int lane, int row,
        out V a0, out V a1, out V a2, out V a3, out V b0, out V b1, out V b2, out V b3)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TPanels : struct, IPanels
    {
        a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = default;
        float* g0 = p.Lines + lane, g1 = g0 + p.LinePanel, g2 = g1 + p.LinePanel, g3 = g2 + p.LinePanel;
        TableEntry* end = p.Entries + p.Starts[row + 1];
        for (TableEntry* entry = p.Entries + p.Starts[row]; entry < end; entry++)
        {
            V f = TSimd.Broadcast(entry->Fraction), g;
            nint line = entry->Line;
            if (TPanels.Count > 0) { g = TSimd.Load(g0 + line); a0 = TSimd.Add(a0, g); b0 = TSimd.FusedMultiplyAdd(f, g, b0); }
            if (TPanels.Count > 1) { g = TSimd.Load(g1 + line); a1 = TSimd.Add(a1, g); b1 = TSimd.FusedMultiplyAdd(f, g, b1); }
            if (TPanels.Count > 2) { g = TSimd.Load(g2 + line); a2 = TSimd.Add(a2, g); b2 = TSimd.FusedMultiplyAdd(f, g, b2); }
            if (TPanels.Count > 3) { g = TSimd.Load(g3 + line); a3 = TSimd.Add(a3, g); b3 = TSimd.FusedMultiplyAdd(f, g, b3); }
        }
    }
}
