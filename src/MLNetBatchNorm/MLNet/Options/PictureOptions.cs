using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Reflection;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>What the options say of pictures and convolutions: their checks, and the layers that follow from them.</summary>
internal static class PictureOptions
{
    /// <summary>Filters of the first layer that is chosen where none are given; each layer doubles them up to four times as many.</summary>
    private const int FewestFilters = 32;
    private const int MostFilters = 128;

    /// <summary>Maps are pooled while their shorter side, if it is more than one pixel, has at least this many.</summary>
    private const int SmallestPooled = 8;

    /// <summary>The size of the pictures; null where rows are none.</summary>
    public static MapShape? Picture(BatchNormNetworkOptions options, TrainedNetwork? start) =>
        start is not null ? start.Parameters.Definition.Picture : ShapeOf(options.InputShape);

    /// <summary>The order of their numbers.</summary>
    public static PixelOrder Order(BatchNormNetworkOptions options, TrainedNetwork? start) =>
        start is not null ? start.Parameters.Definition.PixelOrder : options.InputShape?.Order ?? PixelOrder.Planar;

    /// <summary>The convolutional layers: those of the network to go on from, those asked for, or those that suit the size.</summary>
    public static ConvolutionDefinition[] Convolutions(BatchNormNetworkOptions options, TrainedNetwork? start)
    {
        if (start is not null)
            return start.Parameters.Definition.Convolutions;
        return ShapeOf(options.InputShape) is { } picture ? Define(picture, options.Convolutions ?? Usual(picture)) : [];
    }

    /// <summary>Whether the mean over the pixels goes to the hidden layers.</summary>
    public static bool AveragesPixels(BatchNormNetworkOptions options, TrainedNetwork? start) =>
        start?.Parameters.Definition.AveragesPixels ?? options.GlobalAveragePooling;

    /// <summary>Refuses what cannot work whatever the rows are.</summary>
    public static void Check(IExceptionContext context, BatchNormNetworkOptions options)
    {
        if (options.InputShape is not { } shape)
        {
            string? option = options.Convolutions is not null ? nameof(options.Convolutions)
                : options.GlobalAveragePooling ? nameof(options.GlobalAveragePooling) : null;
            if (option is not null)
                throw NeedsShape(context, option);
            return;
        }
        CheckNumbers(context, nameof(options.InputShape), shape);
        if (!Enum.IsDefined(shape.Order))
        {
            throw context.ExceptUserArg(
                nameof(options.InputShape), $"InputShape.Order is {shape.Order:D}; it must be Planar or Interleaved.");
        }
        if (options.NumberOfInputPieces > 0)
        {
            throw context.ExceptUserArg(
                nameof(options.NumberOfInputPieces),
                Text($"NumberOfInputPieces is {options.NumberOfInputPieces}, but InputShape is set; ")
                + "pixels have no pieces. Set it to null or 0.");
        }
        CheckChanges(context, options, ShapeOf(shape));
        if (options.Convolutions is { } layers)
            CheckLayers(context, layers);
        CheckMaps(context, ShapeOf(shape)!.Value, options.Convolutions ?? Usual(ShapeOf(shape)!.Value));
    }

    /// <summary>
    /// Refuses changes of pictures that cannot be made: where rows are none, or have nothing that could move. A model to go on from has
    /// the size of its pictures, and the options need not say it again.
    /// </summary>
    /// <param name="context">Whose exceptions they are.</param>
    /// <param name="options">The options.</param>
    /// <param name="picture">The size of the pictures; null where rows are none.</param>
    public static void CheckChanges(IExceptionContext context, BatchNormNetworkOptions options, MapShape? picture)
    {
        if (picture is not { } shape)
        {
            if (options.RandomShift > 0)
                throw NeedsShape(context, nameof(options.RandomShift));
            if (options.RandomHorizontalFlip)
                throw NeedsShape(context, nameof(options.RandomHorizontalFlip));
            return;
        }
        foreach (int side in new[] { shape.Height, shape.Width })
        {
            if (side > 1 && options.RandomShift >= side)
            {
                throw context.ExceptUserArg(
                    nameof(options.RandomShift),
                    Text($"RandomShift is {options.RandomShift}, but pictures are {shape}: nothing of them would be left. ")
                    + Text($"Set it to at most {side - 1}."));
            }
        }
        if (options.RandomShift > 0 && shape.Pixels == 1)
        {
            throw context.ExceptUserArg(
                nameof(options.RandomShift),
                Text($"RandomShift is {options.RandomShift}, but pictures are {shape}: a single pixel cannot be moved. Set it to 0."));
        }
        if (options.RandomHorizontalFlip && shape.Width == 1)
        {
            throw context.ExceptUserArg(
                nameof(options.RandomHorizontalFlip),
                Text($"RandomHorizontalFlip is set, but pictures are {shape}: one column has no mirror image. Set it to false, or give ")
                + "what runs in one direction as pictures of height 1.");
        }
    }

    private static Exception NeedsShape(IExceptionContext context, string option) => context.ExceptUserArg(
        option, $"{option} is set, but InputShape is null; only pictures have pixels. Set InputShape to the size of the pictures.");

    /// <summary>Refuses a feature column whose length is not that of the pictures.</summary>
    public static void CheckSlots(IExceptionContext context, MapShape? picture, int slots, string column)
    {
        if (picture is { } shape && shape.Values != slots)
        {
            throw context.ExceptUserArg(
                nameof(BatchNormNetworkOptions.InputShape),
                Text($"InputShape is {shape}, which is {shape.Values} numbers, but feature column '{column}' has {slots}. ")
                + "Give the shape as height, width, channels of the pictures in the column.");
        }
    }

    /// <summary>
    /// What is odd about a column that says in which order its numbers are, as one of <c>ExtractPixels</c> does, and not in that of the
    /// shape; null where it says nothing, or the same. Such a network trains, and finds little.
    /// </summary>
    /// <param name="picture">The size of the pictures; null where rows are none.</param>
    /// <param name="order">The order that the options say.</param>
    /// <param name="type">The type of the column.</param>
    /// <param name="column">Its name.</param>
    public static string? OddOrder(MapShape? picture, PixelOrder order, VectorDataViewType? type, string column)
    {
        if (picture is not { } shape || type is not { Dimensions: { Length: 3 } dimensions } || dimensions.Contains(0))
            return null;
        int[] expected = order == PixelOrder.Planar
            ? [shape.Channels, shape.Height, shape.Width] : [shape.Height, shape.Width, shape.Channels];
        // A side of one pixel, or one channel, stands anywhere without changing the order.
        if (expected.Where(size => size > 1).SequenceEqual(dimensions.Where(size => size > 1)))
            return null;
        return $"Feature column '{column}' has the dimensions {string.Join(" x ", dimensions)}, but InputShape is {shape} in "
            + $"{order} order, which is {string.Join(" x ", expected)}. ExtractPixels gives channels x height x width, "
            + "which is Planar, and with interleavePixelColors height x width x channels, which is Interleaved. "
            + "Look at height, width and Order of InputShape.";
    }

    /// <summary>Refuses a batch whose pictures have a map together that does not fit into one array.</summary>
    public static void CheckBatch(IExceptionContext context, long largestMap, int batchSize, long rows)
    {
        long most = largestMap == 0 ? long.MaxValue : NetworkDefinition.MaximumBatchValues / largestMap;
        if (Math.Min(rows, BatchPlan.LargestBatchOf(batchSize)) > most)
        {
            throw context.ExceptUserArg(
                nameof(BatchNormNetworkOptions.BatchSize),
                Text($"BatchSize is {batchSize}, and a picture has a map of {largestMap} numbers; all pictures of a batch together may ")
                + Text($"have {NetworkDefinition.MaximumBatchValues}. Set it to at most {most - 1}."));
        }
    }

    /// <summary>As people write it.</summary>
    public static string Describe(ConvolutionDefinition[] layers) => string.Join("; ", layers.Select(Describe));

    private static string Describe(ConvolutionDefinition layer)
    {
        string pooling = layer.Pooling is not { } p ? ""
            : Text($", {(p.TakesMaximum ? "maximum" : "average")} pooling {p.Height} x {p.Width} every {p.StrideY} x {p.StrideX}");
        string stride = layer is { StrideY: 1, StrideX: 1 } ? "" : Text($", stride {layer.StrideY} x {layer.StrideX}");
        string padding = Text($", padding {layer.Top} {layer.Bottom} {layer.Left} {layer.Right}");
        return Text($"{layer.Filters} filters {layer.KernelHeight} x {layer.KernelWidth}{stride}{padding}{pooling}");
    }

    private static MapShape? ShapeOf(ImageShape? shape) => shape is null ? null : new MapShape(shape.Height, shape.Width, shape.Channels);

    /// <summary>
    /// Where none are given: two layers of 3 x 3, the second with maximum pooling, and again with twice the filters, until a side is short;
    /// small pictures get two layers in all. The networks of Simonyan and Zisserman 2015 (arXiv:1409.1556) in little.
    /// </summary>
    private static ConvolutionLayer[] Usual(MapShape picture)
    {
        var layers = new List<ConvolutionLayer>();
        int side = picture.Height == 1 ? picture.Width : picture.Width == 1 ? picture.Height : Math.Min(picture.Height, picture.Width);
        int filters = FewestFilters;
        bool isSmall = side < 2 * SmallestPooled;
        if (isSmall)
        {
            layers.Add(new ConvolutionLayer(filters, 3));
            filters *= 2;
        }
        for (; side >= SmallestPooled; side /= 2, filters = Math.Min(2 * filters, MostFilters))
        {
            if (!isSmall)
                layers.Add(new ConvolutionLayer(filters, 3));
            layers.Add(new ConvolutionLayer(filters, 3) { Pooling = PoolingKind.Maximum });
        }
        return [.. layers];
    }

    private static ConvolutionDefinition[] Define(MapShape picture, ConvolutionLayer[] layers)
    {
        var definitions = new ConvolutionDefinition[layers.Length];
        MapShape map = picture;
        for (int i = 0; i < layers.Length; i++)
        {
            definitions[i] = Define(map, layers[i]);
            map = definitions[i].After(map);
        }
        return definitions;
    }

    private static ConvolutionDefinition Define(MapShape map, ConvolutionLayer layer)
    {
        (int Kernel, int Stride, int Before, int Behind) Side(int size, int kernel) =>
            size == 1 ? (1, 1, 0, 0)
            : layer.Padding is { } padding ? (kernel, layer.Stride, padding, padding)
            : (kernel, layer.Stride, (kernel - 1) / 2, kernel / 2);
        var y = Side(map.Height, layer.KernelHeight ?? layer.Kernel);
        var x = Side(map.Width, layer.Kernel);
        var definition = new ConvolutionDefinition
        {
            Filters = layer.Filters, KernelHeight = y.Kernel, KernelWidth = x.Kernel, StrideY = y.Stride, StrideX = x.Stride,
            Top = y.Before, Bottom = y.Behind, Left = x.Before, Right = x.Behind, DropoutRate = layer.DropoutRate,
        };
        if (layer.Pooling == PoolingKind.None)
            return definition;
        MapShape convolved = definition.Convolved(map);
        int stride = layer.PoolingStride ?? layer.PoolingSize;
        return definition with
        {
            Pooling = new PoolingDefinition(
                layer.Pooling == PoolingKind.Maximum, convolved.Height == 1 ? 1 : layer.PoolingSize,
                convolved.Width == 1 ? 1 : layer.PoolingSize, convolved.Height == 1 ? 1 : stride, convolved.Width == 1 ? 1 : stride),
        };
    }

    private static void CheckLayers(IExceptionContext context, ConvolutionLayer[] layers)
    {
        const string Option = nameof(BatchNormNetworkOptions.Convolutions);
        if (layers.Length == 0)
        {
            throw context.ExceptUserArg(
                Option, $"{Option} is empty; it must hold at least one layer, such as new ConvolutionLayer(32, 3), or be null.");
        }
        if (layers.Length > NetworkDefinition.MaximumConvolutions)
        {
            throw context.ExceptUserArg(
                Option, Text($"{Option} has {layers.Length} layers; at most {NetworkDefinition.MaximumConvolutions} are allowed."));
        }
        for (int i = 0; i < layers.Length; i++)
        {
            if (layers[i] is not { } layer)
                throw context.ExceptUserArg(Option, Text($"{Option}[{i}] is null; give a layer, such as new ConvolutionLayer(32, 3)."));
            CheckNumbers(context, Text($"{Option}[{i}]"), layer);
            if (!Enum.IsDefined(layer.Pooling))
            {
                throw context.ExceptUserArg(
                    Option,
                    Text($"{Option}[{i}].Pooling is {layer.Pooling:D}; it must be one of ")
                    + $"{string.Join(", ", Enum.GetNames<PoolingKind>())}.");
            }
        }
    }

    private static void CheckMaps(IExceptionContext context, MapShape picture, ConvolutionLayer[] layers)
    {
        const string Option = nameof(BatchNormNetworkOptions.Convolutions);
        MapShape map = picture;
        for (int i = 0; i < layers.Length; i++)
        {
            ConvolutionDefinition layer = Define(map, layers[i]);
            int height = map.Height + layer.Top + layer.Bottom, width = map.Width + layer.Left + layer.Right;
            if (layer.KernelHeight > height || layer.KernelWidth > width)
            {
                throw context.ExceptUserArg(
                    Option, Text($"{Option}[{i}] has a kernel of {layer.KernelHeight} x {layer.KernelWidth}, larger than the map that it ")
                    + Text($"reads, which is {height} x {width} with its padding. ")
                    + "Use a smaller kernel, more padding, or less pooling before.");
            }
            MapShape convolved = layer.Convolved(map);
            if (layer.Pooling is { } pooling && (pooling.Height > convolved.Height || pooling.Width > convolved.Width))
            {
                throw context.ExceptUserArg(
                    Option, Text($"{Option}[{i}] pools windows of {pooling.Height} x {pooling.Width}, but its map is {convolved.Height} x ")
                    + Text($"{convolved.Width}: nothing is left. Use a smaller PoolingSize or Stride, or fewer poolings before."));
            }
            long weights = (long)layer.KernelHeight * layer.KernelWidth * map.Channels * layer.Filters;
            if (Math.Max(PadChannels(convolved) * convolved.Pixels, weights) > NetworkDefinition.MaximumMapValues)
            {
                throw context.ExceptUserArg(
                    Option, Text($"{Option}[{i}] makes a map of {convolved} and has {weights} weights; at most ")
                    + Text($"{NetworkDefinition.MaximumMapValues} numbers are allowed for either. Use fewer filters or smaller pictures."));
            }
            map = layer.After(map);
        }
    }

    private static long PadChannels(MapShape map) => (long)PanelLayout.PanelCount(map.Channels) * PanelLayout.Width;

    private static void CheckNumbers<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] T>(
        IExceptionContext context, string name, T part)
        where T : class
    {
        foreach (PropertyInfo property in typeof(T).GetProperties())
        {
            if (property.GetCustomAttribute<OptionRangeAttribute>() is { } range
                && range.Complaint($"{name}.{property.Name}", property.GetValue(part)) is { } complaint)
            {
                throw context.ExceptUserArg(name.Split('[')[0], complaint);
            }
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
