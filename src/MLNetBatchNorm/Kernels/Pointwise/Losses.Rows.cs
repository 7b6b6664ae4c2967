using System.Runtime.CompilerServices;

namespace MLNetBatchNorm.Kernels;

/// <content>Passes over one row of outputs, from which the softmax kernels are built.</content>
internal static unsafe partial class Losses
{
    /// <summary>
    /// One panel row of up to 16 outputs in 1, 2 or 4 vectors; members beyond TVectors are never used and vanish in the compiled code.
    /// </summary>
    /// <remarks>Padding lanes hold -infinity as logits and so 0 as exponentials, without a mask.</remarks>
    private readonly struct Row<TSimd, V, TVectors>(V v0, V v1, V v2, V v3)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TVectors : struct, IVectorCount
    {
        private readonly V _v0 = v0;
        private readonly V _v1 = v1;
        private readonly V _v2 = v2;
        private readonly V _v3 = v3;

        /// <summary>All ones in the lanes below `outputs`.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Row<TSimd, V, TVectors> Inside(int outputs) => new(
            InsideMask<TSimd, V>(0, outputs),
            InsideMask<TSimd, V>(TSimd.Width, outputs),
            InsideMask<TSimd, V>(2 * TSimd.Width, outputs),
            InsideMask<TSimd, V>(3 * TSimd.Width, outputs));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Row<TSimd, V, TVectors> Load(float* z, in Row<TSimd, V, TVectors> inside)
        {
            V lowest = TSimd.Broadcast(float.NegativeInfinity);
            V v0 = TSimd.Select(inside._v0, TSimd.Load(z), lowest);
            V v1 = lowest, v2 = lowest, v3 = lowest;
            if (TVectors.Value > 1)
            {
                v1 = TSimd.Select(inside._v1, TSimd.Load(z + TSimd.Width), lowest);
            }

            if (TVectors.Value > 2)
            {
                v2 = TSimd.Select(inside._v2, TSimd.Load(z + (2 * TSimd.Width)), lowest);
                v3 = TSimd.Select(inside._v3, TSimd.Load(z + (3 * TSimd.Width)), lowest);
            }

            return new(v0, v1, v2, v3);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public float Largest()
        {
            V largest = _v0;
            if (TVectors.Value == 2)
            {
                largest = TSimd.Max(largest, _v1);
            }
            else if (TVectors.Value == 4)
            {
                largest = TSimd.Max(TSimd.Max(largest, _v2), TSimd.Max(_v1, _v3));
            }

            return TSimd.MaxLanes(largest);
        }

        /// <summary>
        /// Sum over all lanes in the order of <see cref="ISimd{V}.SumLanes"/> at width 16: first the halves of the panel row, and so on.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public float Sum()
        {
            V total = _v0;
            if (TVectors.Value == 2)
            {
                total = TSimd.Add(total, _v1);
            }
            else if (TVectors.Value == 4)
            {
                total = TSimd.Add(TSimd.Add(total, _v2), TSimd.Add(_v1, _v3));
            }

            return TSimd.SumLanes(total);
        }

        /// <summary>Sum of the lanes that are outputs.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public float SumInside(in Row<TSimd, V, TVectors> inside)
        {
            V zero = TSimd.Broadcast(0f);
            return new Row<TSimd, V, TVectors>(
                TSimd.Select(inside._v0, _v0, zero),
                TSimd.Select(inside._v1, _v1, zero),
                TSimd.Select(inside._v2, _v2, zero),
                TSimd.Select(inside._v3, _v3, zero)).Sum();
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Row<TSimd, V, TVectors> Shifted(float largest)
        {
            V shift = TSimd.Broadcast(largest);
            return new(TSimd.Subtract(_v0, shift), TSimd.Subtract(_v1, shift), TSimd.Subtract(_v2, shift), TSimd.Subtract(_v3, shift));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Row<TSimd, V, TVectors> Exponentials()
        {
            V e0 = VectorMath.ExpUpTo88<TSimd, V>(_v0);
            V e1 = e0, e2 = e0, e3 = e0;
            if (TVectors.Value > 1)
            {
                e1 = VectorMath.ExpUpTo88<TSimd, V>(_v1);
            }

            if (TVectors.Value > 2)
            {
                e2 = VectorMath.ExpUpTo88<TSimd, V>(_v2);
                e3 = VectorMath.ExpUpTo88<TSimd, V>(_v3);
            }

            return new(e0, e1, e2, e3);
        }

        /// <summary>dz[k] = scale * (e[k] * inverse - q[k]), 0 in padding lanes, for a whole row of the panel.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void StoreGradient(
            float* dz, in Row<TSimd, V, TVectors> inside, float inverse, float uniform, float certain, int target, float scale)
        {
            V zero = TSimd.Broadcast(0f);
            StoreGradientOf<TSimd, V>(dz, _v0, inside._v0, inverse, uniform, certain, target, scale);
            if (TVectors.Value > 1)
            {
                StoreGradientOf<TSimd, V>(dz + TSimd.Width, _v1, inside._v1, inverse, uniform, certain, target - TSimd.Width, scale);
            }

            if (TVectors.Value > 2)
            {
                StoreGradientOf<TSimd, V>(
                    dz + (2 * TSimd.Width), _v2, inside._v2, inverse, uniform, certain, target - (2 * TSimd.Width), scale);
                StoreGradientOf<TSimd, V>(
                    dz + (3 * TSimd.Width), _v3, inside._v3, inverse, uniform, certain, target - (3 * TSimd.Width), scale);
            }

            for (int k = TVectors.Value * TSimd.Width; k < Width; k += TSimd.Width)
            {
                TSimd.Store(dz + k, zero);
            }
        }

        /// <summary>target[k] = e[k] * factor for all lanes, padding included.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void StoreScaled(float* target, float factor)
        {
            V scale = TSimd.Broadcast(factor);
            TSimd.Store(target, TSimd.Multiply(_v0, scale));
            if (TVectors.Value > 1)
            {
                TSimd.Store(target + TSimd.Width, TSimd.Multiply(_v1, scale));
            }

            if (TVectors.Value > 2)
            {
                TSimd.Store(target + (2 * TSimd.Width), TSimd.Multiply(_v2, scale));
                TSimd.Store(target + (3 * TSimd.Width), TSimd.Multiply(_v3, scale));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreGradientOf<TSimd, V>(
        float* dz, V exponentials, V inside, float inverse, float uniform, float certain, int target, float scale)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V isTarget = TSimd.AreEqual(TSimd.LaneNumbers, TSimd.Broadcast(target));
        V q = TSimd.Select(isTarget, TSimd.Broadcast(certain + uniform), TSimd.Broadcast(uniform));
        V gradient = TSimd.Multiply(TSimd.Subtract(TSimd.Multiply(exponentials, TSimd.Broadcast(inverse)), q), TSimd.Broadcast(scale));
        TSimd.Store(dz, TSimd.Select(inside, gradient, TSimd.Broadcast(0f)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float LargestOfRow<TSimd, V>(float* z, nint panelStride, int outputs)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V lowest = TSimd.Broadcast(float.NegativeInfinity);
        V largest = lowest;
        for (int k = 0; k < outputs; k += TSimd.Width)
        {
            V value = TSimd.Load(z + ((k >> 4) * panelStride) + (k & 15));
            largest = TSimd.Max(largest, TSimd.Select(InsideMask<TSimd, V>(k, outputs), value, lowest));
        }

        return TSimd.MaxLanes(largest);
    }

    /// <summary>e[k] = exp(z[k] - largest), 0 in padding lanes, and their sum; e in panels of stride eStride.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float ExponentialsOfRow<TSimd, V>(float* z, nint panelStride, int outputs, float largest, float* e, nint eStride)
        where TSimd : struct, ISimd<V>
        where V : struct
        => ExponentialsOfRow<TSimd, V>(z, panelStride, outputs, largest, e, eStride, int.MaxValue, null);

    /// <summary>The same, with the panel that starts at class lastFirst stored to `last`.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float ExponentialsOfRow<TSimd, V>(
        float* z, nint panelStride, int outputs, float largest, float* e, nint eStride, int lastFirst, float* last)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        float* totals = stackalloc float[Width];
        V lowest = TSimd.Broadcast(float.NegativeInfinity);
        V shift = TSimd.Broadcast(largest);
        for (int c = 0; c < Width; c += TSimd.Width)
        {
            V total = TSimd.Broadcast(0f);
            for (int first = 0; first < outputs; first += Width)
            {
                V value = TSimd.Load(z + ((first >> 4) * panelStride) + c);
                value = TSimd.Select(InsideMask<TSimd, V>(first + c, outputs), value, lowest);
                value = VectorMath.ExpUpTo88<TSimd, V>(TSimd.Subtract(value, shift));
                total = TSimd.Add(total, value);
                TSimd.Store((first == lastFirst ? last : e + ((first >> 4) * eStride)) + c, value);
            }

            TSimd.Store(totals + c, total);
        }

        return SumLine<TSimd, V>(totals);
    }

    /// <summary>Sum of z[k] - largest over the classes.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float SumOfRow<TSimd, V>(float* z, nint panelStride, int outputs, float largest)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        float* totals = stackalloc float[Width];
        V zero = TSimd.Broadcast(0f);
        V shift = TSimd.Broadcast(largest);
        for (int c = 0; c < Width; c += TSimd.Width)
        {
            V total = zero;
            for (int first = 0; first < outputs; first += Width)
            {
                V value = TSimd.Subtract(TSimd.Load(z + ((first >> 4) * panelStride) + c), shift);
                total = TSimd.Add(total, TSimd.Select(InsideMask<TSimd, V>(first + c, outputs), value, zero));
            }

            TSimd.Store(totals + c, total);
        }

        return SumLine<TSimd, V>(totals);
    }

    /// <summary>dz: in the exponentials, out the gradients.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void GradientOfRow<TSimd, V>(float* dz, in ClassLoss c, float inverse, int target, float scale)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        int padded = (c.Outputs + Width - 1) & -Width;
        for (int k = 0; k < padded; k += TSimd.Width)
        {
            float* line = dz + ((k >> 4) * c.PanelStride) + (k & 15);
            V inside = InsideMask<TSimd, V>(k, c.Outputs);
            StoreGradientOf<TSimd, V>(line, TSimd.Load(line), inside, inverse, c.Uniform, c.Certain, target - k, scale);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ClearRow<TSimd, V>(float* dz, nint panelStride, int outputs)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        for (int first = 0; first < outputs; first += Width)
        {
            for (int c = 0; c < Width; c += TSimd.Width)
            {
                TSimd.Store(dz + ((first >> 4) * panelStride) + c, TSimd.Broadcast(0f));
            }
        }
    }

    /// <summary>The entries of a block that no row uses, so that the vector logarithm reads defined values.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FillUnused(float* sums, float* linear, int count)
    {
        for (int i = count; i < LogBlock; i++)
        {
            sums[i] = 1f;
            linear[i] = 0f;
        }
    }

    /// <summary>rowLoss[i] = ln(sums[i]) - linear[i]; sums is overwritten.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreLosses<TSimd, V>(float* sums, float* linear, float* rowLoss, int count)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        for (int i = 0; i < LogBlock; i += TSimd.Width)
        {
            V loss = TSimd.Subtract(VectorMath.Log<TSimd, V>(TSimd.Load(sums + i)), TSimd.Load(linear + i));
            TSimd.Store(sums + i, loss);
        }

        for (int i = 0; i < count; i++)
        {
            rowLoss[i] = sums[i];
        }
    }

    /// <summary>
    /// All ones in the lanes whose class number, counted from <paramref name="first"/>, is below <paramref name="outputs"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V InsideMask<TSimd, V>(int first, int outputs)
        where TSimd : struct, ISimd<V>
        where V : struct
        => TSimd.LessThan(TSimd.LaneNumbers, TSimd.Broadcast(outputs - first));

    /// <summary>Sum of 16 floats as a tree of halves: the order of <see cref="ISimd{V}.SumLanes"/> at width 16, on every width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float SumLine<TSimd, V>(float* line)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V total = TSimd.Load(line);
        if (TSimd.Width == 8)
        {
            total = TSimd.Add(total, TSimd.Load(line + 8));
        }
        else if (TSimd.Width == 4)
        {
            total = TSimd.Add(TSimd.Add(total, TSimd.Load(line + 8)), TSimd.Add(TSimd.Load(line + 4), TSimd.Load(line + 12)));
        }

        return TSimd.SumLanes(total);
    }
}
