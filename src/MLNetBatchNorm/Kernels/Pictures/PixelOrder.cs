using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>In which order the numbers of a picture stand in a row.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PixelOrder>))]
public enum PixelOrder
{
    /// <summary>Channel by channel, each row by row: number <c>(channel * height + row) * width + column</c>.</summary>
    Planar,

    /// <summary>
    /// Pixel by pixel, row by row, the channels of a pixel side by side: number <c>(row * width + column) * channels + channel</c>.
    /// </summary>
    Interleaved,
}
