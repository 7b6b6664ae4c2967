namespace MLNetBatchNorm.Kernels;

/// <summary>Where the windows of a convolution or a pooling lie over pictures of one size.</summary>
/// <remarks>
/// Window (i, j) has its first pixel at row <c>i * StrideY - Top</c> and column <c>j * StrideX - Left</c>. What lies outside of the picture
/// is padding; rows and columns left over at the bottom and on the right are in no window.
/// </remarks>
/// <param name="Height">Rows of a picture.</param>
/// <param name="Width">Columns of a picture.</param>
/// <param name="KernelHeight">Rows of a window.</param>
/// <param name="KernelWidth">Columns of a window.</param>
/// <param name="StrideY">Rows from one window to the next one below.</param>
/// <param name="StrideX">Columns from one window to the next one on its right.</param>
/// <param name="Top">Rows of padding above.</param>
/// <param name="Left">Columns of padding on the left.</param>
/// <param name="OutputHeight">Rows of windows.</param>
/// <param name="OutputWidth">Columns of windows.</param>
internal readonly record struct WindowGrid(
    int Height, int Width, int KernelHeight, int KernelWidth, int StrideY, int StrideX, int Top, int Left, int OutputHeight,
    int OutputWidth)
{
    /// <summary>Pixels of a picture.</summary>
    public int Pixels => Height * Width;

    /// <summary>Number of windows.</summary>
    public int Positions => OutputHeight * OutputWidth;

    /// <summary>Whether no pixel is in two windows.</summary>
    public bool IsDisjoint => StrideY >= KernelHeight && StrideX >= KernelWidth;

    /// <summary>Whether windows are the squares of 2 x 2 that lie side by side from the first pixel on.</summary>
    public bool IsHalving => KernelHeight == 2 && KernelWidth == 2 && StrideY == 2 && StrideX == 2 && Top == 0 && Left == 0;

    /// <summary>Whether every pixel is in exactly one window.</summary>
    public bool IsTiling => IsDisjoint && StrideY == KernelHeight && StrideX == KernelWidth && Top == 0 && Left == 0
        && OutputHeight * StrideY == Height && OutputWidth * StrideX == Width;

    /// <summary>
    /// Number of windows along one side, <c>floor((size + padding - kernel) / stride) + 1</c>; 0 where a window is larger than that.
    /// </summary>
    /// <param name="size">Pixels along the side.</param>
    /// <param name="kernel">Pixels of a window.</param>
    /// <param name="stride">Pixels from one window to the next.</param>
    /// <param name="padding">Padding at both ends together.</param>
    public static int Count(int size, int kernel, int stride, long padding) =>
        size + padding < kernel ? 0 : (int)Math.Min(int.MaxValue, (size + padding - kernel) / stride + 1);
}
