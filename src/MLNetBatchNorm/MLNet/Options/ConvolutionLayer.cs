namespace MLNetBatchNorm;

/// <summary>
/// One convolutional layer, see <see cref="BatchNormNetworkOptions.Convolutions"/>: the same linear map of a small window at every
/// position of the picture, then batch normalization, activation and pooling.
/// </summary>
/// <remarks>
/// The output has <c>floor((size + padding - kernel) / stride) + 1</c> positions along a side; pooling has no partial windows either.
/// Along a side of a single pixel (signals have height 1) kernel, stride and pooling are 1 and there is no padding.
/// </remarks>
public sealed class ConvolutionLayer
{
    /// <summary>Most pixels of a kernel or a pooling along one side.</summary>
    internal const int MaximumKernel = 255;

    /// <summary>A layer.</summary>
    /// <param name="filters">Number of channels that it makes.</param>
    /// <param name="kernel">Height and width of the window in pixels; 3 is usual.</param>
    public ConvolutionLayer(int filters, int kernel)
    {
        Filters = filters;
        Kernel = kernel;
    }

    /// <summary>Number of channels that the layer makes. Range [1, 65536]; multiples of 16 are computed without waste.</summary>
    [OptionRange(1, BatchNormNetworkOptions.MaximumNumberOfUnits, "16 to 128 are usual; multiples of 16 are computed without waste.")]
    public int Filters { get; set; }

    /// <summary>Width of the window in pixels, and its height unless <see cref="KernelHeight"/> says otherwise. Range [1, 255].</summary>
    [OptionRange(1, MaximumKernel, "3 and 5 are usual.")]
    public int Kernel { get; set; }

    /// <summary>Height of the window in pixels where it is not as high as wide.</summary>
    /// <value>Default null: <see cref="Kernel"/>. Range [1, 255].</value>
    [OptionRange(1, MaximumKernel, "Set null for a window as high as wide.")]
    public int? KernelHeight { get; set; }

    /// <summary>Pixels from one window to the next, in both directions.</summary>
    /// <value>Default 1. Range [1, 255].</value>
    [OptionRange(1, MaximumKernel, "1 is usual; to make maps smaller, pooling keeps more.")]
    public int Stride { get; set; } = 1;

    /// <summary>Pixels of zeros on each of the four sides.</summary>
    /// <value>
    /// Default null: as many, kernel - 1 in all, as keep the picture's size at stride 1; where they cannot be equal on both sides, the
    /// bottom and the right have one more. Range [0, 254].
    /// </value>
    [OptionRange(0, MaximumKernel - 1, "Set null to keep the picture's size, 0 for no padding.")]
    public int? Padding { get; set; }

    /// <summary>What is kept of each window of the output, behind activation and batch normalization.</summary>
    /// <value>Default <see cref="PoolingKind.None"/>: everything.</value>
    public PoolingKind Pooling { get; set; }

    /// <summary>Height and width of the pooling's windows.</summary>
    /// <value>Default 2. Range [1, 255]. Not used without <see cref="Pooling"/>.</value>
    [OptionRange(1, MaximumKernel, "2 is usual: it halves both sides.")]
    public int PoolingSize { get; set; } = 2;

    /// <summary>Positions from one window of the pooling to the next.</summary>
    /// <value>Default null: <see cref="PoolingSize"/>, so that windows do not overlap. Range [1, 255].</value>
    [OptionRange(1, MaximumKernel, "Set null for windows that do not overlap.")]
    public int? PoolingStride { get; set; }

    /// <summary>Probability that a number of the output is replaced by zero in a training step.</summary>
    /// <value>Default 0: batch statistics over many pixels and shared kernels regularize already. Range [0, 1).</value>
    [OptionRange(0, 1, "It is the share of numbers dropped, not kept; set 0 to drop none.", ExcludesMaximum = true)]
    public double DropoutRate { get; set; }

    internal ConvolutionLayer Copy() => (ConvolutionLayer)MemberwiseClone();
}
