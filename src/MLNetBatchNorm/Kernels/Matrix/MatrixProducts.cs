namespace MLNetBatchNorm.Kernels;

/// <summary>
/// The code that multiplies the matrices of training: whoever builds a network decides here, once, between managed and native.
/// </summary>
/// <remarks>
/// Safe for all workers of a training together. Prediction always uses
/// <see cref="MatrixMultiply"/>, so that scores do not depend on this choice.
/// </remarks>
internal abstract class MatrixProducts
{
    /// <summary><see cref="MatrixMultiply"/>.</summary>
    public static MatrixProducts Managed { get; } = new ManagedProducts();

    /// <summary>Output panels whose weight gradient is best computed in one call.</summary>
    public abstract int GradientPanelsAtOnce { get; }

    /// <summary>
    /// As
    /// <see cref="MatrixMultiply.Multiply(
    ///     ReadOnlySpan{float}, int, int, ReadOnlySpan{float}, ReadOnlySpan{float}, Span{float}, int, int, int, int, int)"/>.
    /// </summary>
    public void Multiply(
        ReadOnlySpan<float> a, int aRowCapacity, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c,
        int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel) =>
        Multiply(a, aRowCapacity, inner, b, bias, c, cRowCapacity, firstRow, endRow, firstPanel, endPanel, inner);

    /// <summary>The same with more rows in a panel of b, of which the first ones are read.</summary>
    public abstract void Multiply(
        ReadOnlySpan<float> a, int aRowCapacity, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c,
        int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel, int bRowCapacity);

    /// <summary>
    /// As <see cref="MatrixMultiply.WeightGradient(ReadOnlySpan{float}, int, int, ReadOnlySpan{float}, int, int, Span{float}, int, int)"/>.
    /// </summary>
    public void WeightGradient(
        ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity, int rows,
        Span<float> c, int firstPanel, int endPanel) =>
        WeightGradient(a, aRowCapacity, inputs, d, dRowCapacity, rows, c, firstPanel, endPanel, inputs);

    /// <summary>The same with more rows in a panel of c, of which the first ones are written.</summary>
    public abstract void WeightGradient(
        ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity, int rows,
        Span<float> c, int firstPanel, int endPanel, int cRowCapacity);

    private sealed class ManagedProducts : MatrixProducts
    {
        // Two panels of 512 inputs are 64 KiB of gradient: small enough to be in the
        // second-level cache still when the optimizer reads them.
        public override int GradientPanelsAtOnce => 2;

        public override void Multiply(
            ReadOnlySpan<float> a, int aRowCapacity, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c,
            int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel, int bRowCapacity) =>
            MatrixMultiply.Multiply(a, aRowCapacity, inner, b, bias, c, cRowCapacity, firstRow, endRow, firstPanel, endPanel, bRowCapacity);

        public override void WeightGradient(
            ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity, int rows,
            Span<float> c, int firstPanel, int endPanel, int cRowCapacity) =>
            MatrixMultiply.WeightGradient(a, aRowCapacity, inputs, d, dRowCapacity, rows, c, firstPanel, endPanel, cRowCapacity);
    }
}
