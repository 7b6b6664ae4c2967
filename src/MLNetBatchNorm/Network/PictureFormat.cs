using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>The bytes of what a definition says of pictures and convolutions.</summary>
/// <remarks>
/// <code>
/// int32    height, width, channels of a picture
/// byte     order of its numbers: 0 planar, 1 interleaved
/// byte     the mean over the pixels goes on, and not all pixels: 0 or 1
/// int32    number of convolutional layers C; what follows is there C times
/// int32    filters, kernel height, kernel width, stride down, stride across, padding above, below, left, right
/// float64  dropout rate
/// byte     pooling: 0 none, 1 maximum, 2 mean; if not 0:
///          int32 window height, window width, stride down, stride across, padding above and below, padding left and right
/// </code>
/// </remarks>
internal static class PictureFormat
{
    private const int MaximumSide = 1 << 24;

    // Pixels along a kernel, a window or a stride.
    private const int MaximumWindow = 1 << 12;

    /// <summary>Writes what the definition of a network of pictures says of them.</summary>
    public static void Write(BinaryWriter writer, NetworkDefinition definition)
    {
        MapShape picture = definition.Picture!.Value;
        writer.Write(picture.Height);
        writer.Write(picture.Width);
        writer.Write(picture.Channels);
        writer.Write((byte)definition.PixelOrder);
        writer.WriteFlag(definition.AveragesPixels);
        writer.Write(definition.Convolutions.Length);
        foreach (ConvolutionDefinition layer in definition.Convolutions)
        {
            int[] sizes =
            [
                layer.Filters, layer.KernelHeight, layer.KernelWidth, layer.StrideY, layer.StrideX, layer.Top, layer.Bottom, layer.Left,
                layer.Right,
            ];
            foreach (int size in sizes)
                writer.Write(size);
            writer.Write(layer.DropoutRate);
            writer.Write((byte)(layer.Pooling is null ? 0 : layer.Pooling.TakesMaximum ? 1 : 2));
            if (layer.Pooling is not { } pooling)
                continue;
            sizes = [pooling.Height, pooling.Width, pooling.StrideY, pooling.StrideX, pooling.PaddingY, pooling.PaddingX];
            foreach (int size in sizes)
                writer.Write(size);
        }
    }

    /// <summary>Reads what <see cref="Write"/> wrote, and joins it to the rest of the definition.</summary>
    /// <exception cref="NetworkFormatException">A value is not allowed, or sizes do not fit each other.</exception>
    public static NetworkDefinition Read(BinaryReader reader, NetworkDefinition definition)
    {
        var picture = new MapShape(
            reader.ReadCount("rows of a picture", 1, MaximumSide, 0), reader.ReadCount("columns of a picture", 1, MaximumSide, 0),
            reader.ReadCount("channels of a picture", 1, MaximumSide, 0));
        if ((double)picture.Height * picture.Width * picture.Channels != definition.Inputs)
        {
            throw new NetworkFormatException(
                CheckedBytes.Text($"A picture of {picture} does not have the {definition.Inputs} numbers of the network's input."));
        }
        PixelOrder order = reader.ReadEnumeration<PixelOrder>("order of a picture's numbers");
        bool averages = reader.ReadFlag("flag of the mean over pixels");
        var layers = new ConvolutionDefinition[
            reader.ReadCount("convolutional layers", 1, NetworkDefinition.MaximumConvolutions, 9 * sizeof(int) + sizeof(double) + 1)];
        MapShape map = picture;
        for (int i = 0; i < layers.Length; i++)
        {
            layers[i] = ReadLayer(reader);
            map = After(layers[i], map, i);
        }
        return definition.With(picture, order, layers, averages);
    }

    private static ConvolutionDefinition ReadLayer(BinaryReader reader)
    {
        int Window(string name) => reader.ReadCount(name, 1, MaximumWindow, 0);
        int Padding(string name) => reader.ReadCount(name, 0, MaximumWindow, 0);
        var layer = new ConvolutionDefinition
        {
            Filters = reader.ReadCount("filters", 1, NetworkDefinition.MaximumUnits, 0),
            KernelHeight = Window("rows of a kernel"), KernelWidth = Window("columns of a kernel"),
            StrideY = Window("rows of a stride"), StrideX = Window("columns of a stride"),
            Top = Padding("rows of padding above"), Bottom = Padding("rows of padding below"),
            Left = Padding("columns of padding on the left"), Right = Padding("columns of padding on the right"),
            DropoutRate = reader.ReadNumber("dropout rate", value => value is >= 0 and < 1, "in [0, 1)"),
        };
        byte pooling = reader.ReadByte();
        if (pooling > 2)
            throw new NetworkFormatException(CheckedBytes.Text($"The kind of a pooling is {pooling}; it must be 0, 1 or 2."));
        if (pooling == 0)
            return layer;
        var windows = new PoolingDefinition(
            pooling == 1, Window("rows of a pooling"), Window("columns of a pooling"), Window("rows of a pooling's stride"),
            Window("columns of a pooling's stride"), Padding("rows of a pooling's padding"), Padding("columns of a pooling's padding"));
        if (windows.PaddingY >= windows.Height || windows.PaddingX >= windows.Width)
            throw new NetworkFormatException("The padding of a pooling is not smaller than its window.");
        return layer with { Pooling = windows };
    }

    private static MapShape After(ConvolutionDefinition layer, MapShape map, int number)
    {
        MapShape convolved = layer.Convolved(map), after = convolved.Height < 1 || convolved.Width < 1 ? convolved : layer.After(map);
        if (after.Height < 1 || after.Width < 1)
            throw new NetworkFormatException(CheckedBytes.Text($"Convolutional layer {number} leaves nothing of a map of {map}."));
        double values = (double)convolved.Height * convolved.Width * ((convolved.Channels + 15L) / 16 * 16);
        double padded = ((double)map.Height + layer.Top + layer.Bottom) * ((double)map.Width + layer.Left + layer.Right) * map.Channels;
        double weights = (double)layer.KernelHeight * layer.KernelWidth * map.Channels * layer.Filters;
        if (Math.Max(Math.Max(values, padded), weights) > NetworkDefinition.MaximumMapValues)
        {
            throw new NetworkFormatException(CheckedBytes.Text(
                $"Convolutional layer {number} has maps or kernels of more than {NetworkDefinition.MaximumMapValues} numbers."));
        }
        // A pooling whose last windows lie in its padding alone has nothing to take.
        if (layer.Pooling is { } pooling)
        {
            WindowGrid grid = pooling.Over(convolved);
            if ((grid.OutputHeight - 1L) * grid.StrideY - grid.Top >= grid.Height
                || (grid.OutputWidth - 1L) * grid.StrideX - grid.Left >= grid.Width)
            {
                throw new NetworkFormatException(CheckedBytes.Text($"A pooling of convolutional layer {number} lies in its padding."));
            }
        }
        return after;
    }
}
