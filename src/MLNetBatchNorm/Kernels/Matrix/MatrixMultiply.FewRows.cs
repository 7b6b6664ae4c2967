using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;

namespace MLNetBatchNorm.Kernels;

// Products of one or two rows. Each weight is read for one or two multiply-adds only: reading is the limit, and a tile of two vectors would
// wait for the latency of its few chains instead. Eight vectors of columns side by side keep eight chains per row going.
internal static partial class MatrixMultiply
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RunFewRows<TSimd, V, TRows>(in Product p)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TRows : struct, ICount
    {
        // Sums, the row of b and the broadcasts: 8 vectors of two rows need 19 registers.
        int most = TRows.Value > 1 && TSimd.Width < Width && !AdvSimd.IsSupported ? 4 : 8;
        for (int n = p.FirstColumn; n < p.EndColumn; n += most * TSimd.Width)
        {
            switch (Math.Min(most, (p.EndColumn - n) / TSimd.Width))
            {
                case 1: FewRows<TSimd, V, TRows, N1>(p, n); break;
                case 2: FewRows<TSimd, V, TRows, N2>(p, n); break;
                case 3: FewRows<TSimd, V, TRows, N3>(p, n); break;
                case 4: FewRows<TSimd, V, TRows, N4>(p, n); break;
                case 5: FewRows<TSimd, V, TRows, N5>(p, n); break;
                case 6: FewRows<TSimd, V, TRows, N6>(p, n); break;
                case 7: FewRows<TSimd, V, TRows, N7>(p, n); break;
                case 8: FewRows<TSimd, V, TRows, N8>(p, n); break;
            }
        }
    }

    /// <summary>The columns n to n + TVectors * TSimd.Width of all inner indices.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static unsafe void FewRows<TSimd, V, TRows, TVectors>(in Product p, int n)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TRows : struct, ICount
        where TVectors : struct, ICount
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static V Fma(V x, V y, V sum) => TSimd.FusedMultiplyAdd(x, y, sum);

        // c0 to c7: the sums of the first row; d0 to d7: of the second.
        V c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default, c6 = default, c7 = default;
        V d0 = default, d1 = default, d2 = default, d3 = default, d4 = default, d5 = default, d6 = default, d7 = default;
        int width = TSimd.Width;
        if (p.Bias != null)
        {
            float* bias = p.Bias + n;
            if (TVectors.Value > 0) c0 = d0 = TSimd.Load(bias + 0 * width);
            if (TVectors.Value > 1) c1 = d1 = TSimd.Load(bias + 1 * width);
            if (TVectors.Value > 2) c2 = d2 = TSimd.Load(bias + 2 * width);
            if (TVectors.Value > 3) c3 = d3 = TSimd.Load(bias + 3 * width);
            if (TVectors.Value > 4) c4 = d4 = TSimd.Load(bias + 4 * width);
            if (TVectors.Value > 5) c5 = d5 = TSimd.Load(bias + 5 * width);
            if (TVectors.Value > 6) c6 = d6 = TSimd.Load(bias + 6 * width);
            if (TVectors.Value > 7) c7 = d7 = TSimd.Load(bias + 7 * width);
        }

        // A column range starts with a panel, so that how far each vector lies from the first is known when this is compiled.
        float* b0 = p.B + (nint)(n / Width) * p.BPanel;
        float* b1 = b0 + Offset<TSimd, V>(1, p.BPanel);
        float* b2 = b0 + Offset<TSimd, V>(2, p.BPanel);
        float* b3 = b0 + Offset<TSimd, V>(3, p.BPanel);
        float* b4 = b0 + Offset<TSimd, V>(4, p.BPanel);
        float* b5 = b0 + Offset<TSimd, V>(5, p.BPanel);
        float* b6 = b0 + Offset<TSimd, V>(6, p.BPanel);
        float* b7 = b0 + Offset<TSimd, V>(7, p.BPanel);
        float* a = p.A;
        nint left = p.Inner, offset = 0;
        nint lanes = p.APanel == Width ? left : Width;      // panels of one row follow each other without a gap
        while (left > 0)
        {
            nint run = Math.Min(left, lanes);
            float* runEnd = a + run;
            do
            {
                V x0 = TSimd.Broadcast(a[0]), x1 = TRows.Value > 1 ? TSimd.Broadcast(a[Width]) : default, y;
                if (TVectors.Value > 0) { y = TSimd.Load(b0 + offset); c0 = Fma(x0, y, c0); if (TRows.Value > 1) d0 = Fma(x1, y, d0); }
                if (TVectors.Value > 1) { y = TSimd.Load(b1 + offset); c1 = Fma(x0, y, c1); if (TRows.Value > 1) d1 = Fma(x1, y, d1); }
                if (TVectors.Value > 2) { y = TSimd.Load(b2 + offset); c2 = Fma(x0, y, c2); if (TRows.Value > 1) d2 = Fma(x1, y, d2); }
                if (TVectors.Value > 3) { y = TSimd.Load(b3 + offset); c3 = Fma(x0, y, c3); if (TRows.Value > 1) d3 = Fma(x1, y, d3); }
                if (TVectors.Value > 4) { y = TSimd.Load(b4 + offset); c4 = Fma(x0, y, c4); if (TRows.Value > 1) d4 = Fma(x1, y, d4); }
                if (TVectors.Value > 5) { y = TSimd.Load(b5 + offset); c5 = Fma(x0, y, c5); if (TRows.Value > 1) d5 = Fma(x1, y, d5); }
                if (TVectors.Value > 6) { y = TSimd.Load(b6 + offset); c6 = Fma(x0, y, c6); if (TRows.Value > 1) d6 = Fma(x1, y, d6); }
                if (TVectors.Value > 7) { y = TSimd.Load(b7 + offset); c7 = Fma(x0, y, c7); if (TRows.Value > 1) d7 = Fma(x1, y, d7); }
                a++;
                offset += Width;
            }
            while (a < runEnd);
            a += p.APanel - run;
            left -= run;
        }

        float* c = p.C + (nint)(n / Width) * p.CPanel, to;
        if (TVectors.Value > 0)
        {
            to = c + Offset<TSimd, V>(0, p.CPanel);
            TSimd.Store(to, c0);
            if (TRows.Value > 1) TSimd.Store(to + Width, d0);
        }
        if (TVectors.Value > 1)
        {
            to = c + Offset<TSimd, V>(1, p.CPanel);
            TSimd.Store(to, c1);
            if (TRows.Value > 1) TSimd.Store(to + Width, d1);
        }
        if (TVectors.Value > 2)
        {
            to = c + Offset<TSimd, V>(2, p.CPanel);
            TSimd.Store(to, c2);
            if (TRows.Value > 1) TSimd.Store(to + Width, d2);
        }
        if (TVectors.Value > 3)
        {
            to = c + Offset<TSimd, V>(3, p.CPanel);
            TSimd.Store(to, c3);
            if (TRows.Value > 1) TSimd.Store(to + Width, d3);
        }
        if (TVectors.Value > 4)
        {
            to = c + Offset<TSimd, V>(4, p.CPanel);
            TSimd.Store(to, c4);
            if (TRows.Value > 1) TSimd.Store(to + Width, d4);
        }
        if (TVectors.Value > 5)
        {
            to = c + Offset<TSimd, V>(5, p.CPanel);
            TSimd.Store(to, c5);
            if (TRows.Value > 1) TSimd.Store(to + Width, d5);
        }
        if (TVectors.Value > 6)
        {
            to = c + Offset<TSimd, V>(6, p.CPanel);
            TSimd.Store(to, c6);
            if (TRows.Value > 1) TSimd.Store(to + Width, d6);
        }
        if (TVectors.Value > 7)
        {
            to = c + Offset<TSimd, V>(7, p.CPanel);
            TSimd.Store(to, c7);
            if (TRows.Value > 1) TSimd.Store(to + Width, d7);
        }
    }

    /// <summary>Distance of the vector number <paramref name="vector"/> from the first one of a panel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nint Offset<TSimd, V>(int vector, nint panel)
        where TSimd : struct, ISimd<V>
        where V : struct
        => vector * TSimd.Width / Width * panel + vector * TSimd.Width % Width;
}
