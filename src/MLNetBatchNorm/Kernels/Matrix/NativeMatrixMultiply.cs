using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>The products of <see cref="MatrixMultiply"/> through a native library.</summary>
/// <remarks>
/// <para>A matrix in panels is not one matrix to BLAS. Operands are copied to row-major memory and results back, which costs
/// less than a tenth of the product at the sizes of training. The other way, a call for every pair of panels where they lie,
/// needs no copy, but libraries pack and start anew for each: it is as fast where a library has kernels for tiny matrices
/// (OpenBLAS with AVX-512) and half as fast elsewhere.</para>
/// <para>Error as for any order of summation, u = 2^-24: |computed - exact| &lt;= (n + 1) u / (1 - (n + 1) u) * (|bias| + sum |x| |y|). The
/// bits depend on the library, on the processor, and, since the work is split among threads by columns, on the number of threads.</para>
/// </remarks>
internal sealed unsafe class NativeMatrixMultiply(NativeBlas blas) : MatrixProducts
{
    private const int Width = PanelLayout.Width;

    // One for each call under way; at most as many as workers.
    private readonly Stack<Scratch> _free = [];

    /// <inheritdoc/>
    /// <remarks>More than a layer has: the library packs the left matrix anew in each call.</remarks>
    public override int GradientPanelsAtOnce => 1 << 20;

    /// <inheritdoc/>
    public override void Multiply(
        ReadOnlySpan<float> a, int aRowCapacity, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c,
        int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel, int bRowCapacity)
    {
        KernelArguments.RequireRows(firstRow, endRow, Math.Min(aRowCapacity, cRowCapacity));
        RequirePanels(firstPanel, endPanel);
        KernelArguments.RequireAtLeast(inner, 0, nameof(inner));
        KernelArguments.RequireLength(a.Length, PanelLayout.Length(aRowCapacity, inner), nameof(a));
        KernelArguments.RequireAtLeast(bRowCapacity, inner, nameof(bRowCapacity));
        KernelArguments.RequireLength(b.Length, (long)endPanel * Width * bRowCapacity, nameof(b));
        KernelArguments.RequireLength(bias.Length, bias.IsEmpty ? 0 : (long)endPanel * Width, nameof(bias));
        KernelArguments.RequireLength(c.Length, (long)endPanel * Width * cRowCapacity, nameof(c));
        int rows = endRow - firstRow, panels = endPanel - firstPanel, columns = panels * Width;
        if (rows == 0 || panels == 0)
            return;
        if (inner == 0)                                // BLAS refuses empty operands in its own ways
        {
            MatrixMultiply.Multiply(a, aRowCapacity, inner, b, bias, c, cRowCapacity, firstRow, endRow, firstPanel, endPanel, bRowCapacity);
            return;
        }

        int innerPanels = PanelLayout.PanelCount(inner), aStride = innerPanels * Width;
        Scratch scratch = Rent((long)rows * aStride, (long)inner * columns, (long)rows * columns);
        fixed (float* pa = a, pb = b, pBias = bias, pc = c)
        {
            ToRowMajor(pa + (long)firstRow * Width, aRowCapacity, rows, innerPanels, scratch.A);
            ToRowMajor(pb + (long)firstPanel * Width * bRowCapacity, bRowCapacity, inner, panels, scratch.B);
            blas.Multiply(false, rows, columns, inner, scratch.A, aStride, scratch.B, columns, scratch.C, columns);
            FromRowMajor(
                scratch.C, rows, panels, pBias == null ? null : pBias + firstPanel * Width,
                pc + ((long)firstPanel * cRowCapacity + firstRow) * Width, cRowCapacity);
        }
        Return(scratch);
    }

    /// <inheritdoc/>
    public override void WeightGradient(
        ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity, int rows,
        Span<float> c, int firstPanel, int endPanel, int cRowCapacity)
    {
        KernelArguments.RequireRows(0, rows, Math.Min(aRowCapacity, dRowCapacity));
        RequirePanels(firstPanel, endPanel);
        KernelArguments.RequireAtLeast(inputs, 0, nameof(inputs));
        KernelArguments.RequireLength(a.Length, PanelLayout.Length(aRowCapacity, inputs), nameof(a));
        KernelArguments.RequireLength(d.Length, (long)endPanel * Width * dRowCapacity, nameof(d));
        KernelArguments.RequireAtLeast(cRowCapacity, inputs, nameof(cRowCapacity));
        KernelArguments.RequireLength(c.Length, (long)endPanel * Width * cRowCapacity, nameof(c));
        int panels = endPanel - firstPanel, columns = panels * Width;
        if (inputs == 0 || panels == 0)
            return;
        if (rows == 0)
        {
            MatrixMultiply.WeightGradient(a, aRowCapacity, inputs, d, dRowCapacity, rows, c, firstPanel, endPanel, cRowCapacity);
            return;
        }

        int inputPanels = PanelLayout.PanelCount(inputs), aStride = inputPanels * Width;
        Scratch scratch = Rent((long)rows * aStride, (long)rows * columns, (long)inputs * columns);
        fixed (float* pa = a, pd = d, pc = c)
        {
            ToRowMajor(pa, aRowCapacity, rows, inputPanels, scratch.A);
            ToRowMajor(pd + (long)firstPanel * Width * dRowCapacity, dRowCapacity, rows, panels, scratch.B);
            blas.Multiply(true, inputs, columns, rows, scratch.A, aStride, scratch.B, columns, scratch.C, columns);
            FromRowMajor(scratch.C, inputs, panels, null, pc + (long)firstPanel * Width * cRowCapacity, cRowCapacity);
        }
        Return(scratch);
    }

    private static void RequirePanels(int firstPanel, int endPanel)
    {
        if (firstPanel < 0 || endPanel < firstPanel)
            throw new ArgumentOutOfRangeException(nameof(endPanel), $"There are no panels {firstPanel}..{endPanel}.");
    }

    /// <summary>Panels of rowCapacity rows to [rows, panels * 16], padding lanes included.</summary>
    private static void ToRowMajor(float* source, int rowCapacity, int rows, int panels, float* target)
    {
        int stride = panels * Width;
        for (int panel = 0; panel < panels; panel++)
        {
            float* from = source + (long)panel * rowCapacity * Width;
            float* to = target + panel * Width;
            for (int r = 0; r < rows; r++)
            {
                Vector512.Load(from).Store(to);
                from += Width;
                to += stride;
            }
        }
    }

    /// <summary>[rows, panels * 16] plus the bias, if there is one, to panels of rowCapacity rows.</summary>
    private static void FromRowMajor(float* source, int rows, int panels, float* bias, float* target, int rowCapacity)
    {
        int stride = panels * Width;
        for (int panel = 0; panel < panels; panel++)
        {
            float* from = source + panel * Width;
            float* to = target + (long)panel * rowCapacity * Width;
            Vector512<float> shift = bias == null ? Vector512<float>.Zero : Vector512.Load(bias + panel * Width);
            for (int r = 0; r < rows; r++)
            {
                (Vector512.Load(from) + shift).Store(to);
                from += stride;
                to += Width;
            }
        }
    }

    private Scratch Rent(long a, long b, long c)
    {
        Scratch? scratch;
        lock (_free)
            _free.TryPop(out scratch);
        scratch ??= new Scratch();
        scratch.Reserve(a, b, c);
        return scratch;
    }

    private void Return(Scratch scratch)
    {
        lock (_free)
            _free.Push(scratch);
    }

    /// <summary>Row-major copies of one product's matrices; grows to the largest product it has served.</summary>
    private sealed class Scratch
    {
        private AlignedBuffer _a = new(0);
        private AlignedBuffer _b = new(0);
        private AlignedBuffer _c = new(0);

        // The buffers are pinned: an address stays valid as long as its buffer is referred to, which is as long as the scratch is in use.
        public float* A => Start(_a);

        public float* B => Start(_b);

        public float* C => Start(_c);

        public void Reserve(long a, long b, long c)
        {
            Grow(ref _a, a);
            Grow(ref _b, b);
            Grow(ref _c, c);
        }

        private static void Grow(ref AlignedBuffer buffer, long length)
        {
            if (buffer.Length < length)
                buffer = new AlignedBuffer(length);
        }

        private static float* Start(AlignedBuffer buffer)
        {
            fixed (float* start = buffer.Span)
                return start;
        }
    }
}
