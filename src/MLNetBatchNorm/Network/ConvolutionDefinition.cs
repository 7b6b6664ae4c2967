using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>One convolutional layer: the convolution, and the pooling behind its activation.</summary>
internal sealed record ConvolutionDefinition
{
    /// <summary>Channels that it writes.</summary>
    public required int Filters { get; init; }

    /// <summary>Rows of the kernel.</summary>
    public required int KernelHeight { get; init; }

    /// <summary>Columns of the kernel.</summary>
    public required int KernelWidth { get; init; }

    /// <summary>Rows from one window to the next.</summary>
    public int StrideY { get; init; } = 1;

    /// <summary>Columns from one window to the next.</summary>
    public int StrideX { get; init; } = 1;

    /// <summary>Rows of zeros above the picture.</summary>
    public int Top { get; init; }

    /// <summary>Rows of zeros below.</summary>
    public int Bottom { get; init; }

    /// <summary>Columns of zeros on the left.</summary>
    public int Left { get; init; }

    /// <summary>Columns of zeros on the right.</summary>
    public int Right { get; init; }

    /// <summary>The pooling behind it, or null.</summary>
    public PoolingDefinition? Pooling { get; init; }

    /// <summary>Probability that a number of its output is dropped in training, in [0, 1).</summary>
    public double DropoutRate { get; init; }

    /// <summary>The windows over maps of a size.</summary>
    public WindowGrid Over(MapShape map) => new(
        map.Height, map.Width, KernelHeight, KernelWidth, StrideY, StrideX, Top, Left,
        WindowGrid.Count(map.Height, KernelHeight, StrideY, (long)Top + Bottom),
        WindowGrid.Count(map.Width, KernelWidth, StrideX, (long)Left + Right));

    /// <summary>What the convolution makes of a map, in front of the pooling.</summary>
    public MapShape Convolved(MapShape map)
    {
        WindowGrid grid = Over(map);
        return new MapShape(grid.OutputHeight, grid.OutputWidth, Filters);
    }

    /// <summary>What the layer makes of a map, pooling included.</summary>
    public MapShape After(MapShape map)
    {
        MapShape convolved = Convolved(map);
        if (Pooling is null)
            return convolved;
        WindowGrid grid = Pooling.Over(convolved);
        return convolved with { Height = grid.OutputHeight, Width = grid.OutputWidth };
    }
}
