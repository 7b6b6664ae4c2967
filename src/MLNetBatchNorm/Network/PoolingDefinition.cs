using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A pooling: what it takes of each window, and where the windows are.</summary>
/// <param name="TakesMaximum">The largest number of a window; else the mean.</param>
/// <param name="Height">Rows of a window.</param>
/// <param name="Width">Columns of a window.</param>
/// <param name="StrideY">Rows from one window to the next.</param>
/// <param name="StrideX">Columns from one window to the next.</param>
/// <param name="PaddingY">Rows of padding above and below.</param>
/// <param name="PaddingX">Columns of padding on the left and on the right.</param>
internal sealed record PoolingDefinition(
    bool TakesMaximum, int Height, int Width, int StrideY, int StrideX, int PaddingY = 0, int PaddingX = 0)
{
    /// <summary>The windows over maps of a size; no partial ones.</summary>
    public WindowGrid Over(MapShape map) => new(
        map.Height, map.Width, Height, Width, StrideY, StrideX, PaddingY, PaddingX,
        WindowGrid.Count(map.Height, Height, StrideY, 2L * PaddingY), WindowGrid.Count(map.Width, Width, StrideX, 2L * PaddingX));
}
