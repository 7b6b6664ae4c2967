using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>The size of the picture that each row of the feature column is, see <see cref="BatchNormNetworkOptions.InputShape"/>.</summary>
/// <remarks>A signal of one dimension, such as a window of a sensor's values, is a picture of height 1.</remarks>
public sealed class ImageShape
{
    /// <summary>Most pixels along one side.</summary>
    internal const int MaximumSide = 4096;

    /// <summary>Most channels.</summary>
    internal const int MaximumChannels = 4096;

    /// <summary>A shape; height x width x channels must be the length of the feature column.</summary>
    /// <param name="height">Rows of pixels, in [1, 4096].</param>
    /// <param name="width">Columns of pixels, in [1, 4096].</param>
    /// <param name="channels">Numbers of a pixel, in [1, 4096]: 1 for grey, 3 for colours.</param>
    public ImageShape(int height, int width, int channels)
    {
        Height = height;
        Width = width;
        Channels = channels;
    }

    /// <summary>Rows of pixels.</summary>
    [OptionRange(1, MaximumSide, "Give the height of the pictures in pixels, 1 for signals.")]
    public int Height { get; }

    /// <summary>Columns of pixels.</summary>
    [OptionRange(1, MaximumSide, "Give the width of the pictures in pixels.")]
    public int Width { get; }

    /// <summary>Numbers of a pixel.</summary>
    [OptionRange(1, MaximumChannels, "Give 1 for grey pictures, 3 for colours.")]
    public int Channels { get; }

    /// <summary>In which order the feature column has the numbers.</summary>
    /// <value>Default <see cref="PixelOrder.Planar"/>, what ML.NET's <c>ExtractPixels</c> gives unless it is asked to interleave.</value>
    public PixelOrder Order { get; init; } = PixelOrder.Planar;
}
