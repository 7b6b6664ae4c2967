using System.Globalization;
using System.Xml.Linq;

namespace MLNetBatchNorm.Reporting;

/// <summary>What a network of pictures looks for: the filters of its first layer; and how the channels of pictures are scaled.</summary>
internal static class PictureSections
{
    /// <summary>Filters beyond these make pictures too small to be looked at.</summary>
    private const int MostFilters = 64;
    private const int MostFiltersOfLine = 16;
    private const int MostChannels = 64;

    /// <summary>Adds them, of the first network of the model; nothing where rows are no pictures.</summary>
    public static void Add(Page page, BatchNormNetwork network)
    {
        if (network.InputShape is not { } shape || network.Members[0].Layers[0] is not BatchNormNetworkConvolutionLayer first)
            return;
        int networks = network.Members.Count;
        page.Section(
            "Pictures",
            $"Rows are pictures of {shape.Height} x {shape.Width} pixels and {Plural(shape.Channels, "channel")}, scaled a channel. "
            + (networks == 1 ? "" : $"The filters are those of the first of {Numbers.Count(networks)} networks."));
        AddFilters(page, first);
        AddChannels(page, network.Encoder, shape);
    }

    private static void AddFilters(Page page, BatchNormNetworkConvolutionLayer layer)
    {
        int shown = Math.Min(layer.Outputs, MostFilters), height = layer.KernelHeight, width = layer.KernelWidth;
        bool coloured = layer.Inputs == 3;
        double[][] sizes = [.. Enumerable.Range(0, layer.Outputs).Select(filter => Weights(layer, filter).ToArray())];
        string mixed = layer.Inputs == 1 ? "Blue weights are positive, orange ones negative; the fuller the colour, the larger."
            : coloured ? "Colours are the weights of the three channels as red, green and blue; grey is 0."
            : "Each weight is the mean over the channels: blue is positive, orange negative; the fuller, the larger.";
        string which = shown == layer.Outputs ? $"{shown} filters" : $"The first {shown} of {layer.Outputs} filters";
        int strongest = Enumerable.Range(0, layer.Outputs).MaxBy(filter => Norm(sizes[filter])) + 1;
        page.Drawing(
            "Filters of the first layer", id => Draw(layer, shown, coloured, id),
            $"{which} of {height} x {width}, each by its own largest weight. {mixed} Filter {strongest} has the largest weights of all.",
            ["filter", "root of the sum of squares", "least weight", "greatest weight"],
            sizes.Select((weights, filter) => new[]
            {
                Numbers.Count(filter + 1), Numbers.Exact(Norm(weights)), Numbers.Exact(weights.Min()), Numbers.Exact(weights.Max()),
            }));
    }

    private static XElement Draw(BatchNormNetworkConvolutionLayer layer, int filters, bool coloured, string id)
    {
        const int Cell = 8, Gap = 6;
        int height = layer.KernelHeight * Cell + Gap, width = layer.KernelWidth * Cell + Gap;
        int ofLine = Math.Min(filters, MostFiltersOfLine), lines = (filters + ofLine - 1) / ofLine;
        XNamespace svg = "http://www.w3.org/2000/svg";
        var drawing = new XElement(
            svg + "svg", new XAttribute("viewBox", Text($"0 0 {ofLine * width + Gap} {lines * height + Gap}")),
            new XAttribute("role", "img"), new XAttribute("aria-labelledby", id));
        for (int filter = 0; filter < filters; filter++)
        {
            double largest = Math.Max(Weights(layer, filter).Max(Math.Abs), double.Epsilon);
            for (int row = 0; row < layer.KernelHeight; row++)
            {
                for (int column = 0; column < layer.KernelWidth; column++)
                {
                    (string colour, double opacity) = Colour(layer, filter, row, column, coloured, largest);
                    drawing.Add(new XElement(
                        svg + "rect", new XAttribute("x", Text($"{Gap + filter % ofLine * width + column * Cell}")),
                        new XAttribute("y", Text($"{Gap + filter / ofLine * height + row * Cell}")),
                        new XAttribute("width", Text($"{Cell}")), new XAttribute("height", Text($"{Cell}")), new XAttribute("fill", colour),
                        new XAttribute("fill-opacity", Text($"{opacity:0.##}"))));
                }
            }
        }
        return drawing;
    }

    private static (string Colour, double Opacity) Colour(
        BatchNormNetworkConvolutionLayer layer, int filter, int row, int column, bool coloured, double largest)
    {
        if (coloured)
        {
            byte Part(int channel) => (byte)Math.Round(127.5 * (1 + layer[filter, channel, row, column] / largest));
            return (Text($"rgb({Part(0)},{Part(1)},{Part(2)})"), 1);
        }
        double weight = Enumerable.Range(0, layer.Inputs).Average(channel => (double)layer[filter, channel, row, column]);
        return ((weight >= 0 ? Figure.Blue : Figure.Orange).ToHex(), Math.Abs(weight) / largest);
    }

    private static void AddChannels(Page page, BatchNormNetworkEncoder encoder, ImageShape shape)
    {
        int pixels = shape.Height * shape.Width, shown = Math.Min(shape.Channels, MostChannels);
        var rows = Enumerable.Range(0, shown).Select(channel =>
        {
            // All pixels of a channel are scaled alike, but those that no picture has.
            IEnumerable<BatchNormNetworkSlot> slots = Enumerable.Range(0, pixels).Select(
                pixel => encoder.Slots[shape.Order == PixelOrder.Planar ? channel * pixels + pixel : pixel * shape.Channels + channel]);
            BatchNormNetworkSlot slot = slots.FirstOrDefault(one => one.Scale != 0) ?? slots.First();
            return new[]
            {
                Numbers.Count(channel + 1), Numbers.Exact(slot.Center),
                slot.Scale == 0 ? "0: constant" : Numbers.Exact(1.0 / slot.Scale),
            };
        });
        page.Figure(
            "Channels", Page.Table(["channel", "mean", "deviation"], rows),
            (shown == shape.Channels ? "" : $"The first {shown} of {shape.Channels}. ")
            + "Of all pixels of the training pictures; the first layer reads a pixel less the mean, divided by the deviation. "
            + "Where inputs are not scaled the mean is 0 and the deviation 1.");
    }

    private static IEnumerable<double> Weights(BatchNormNetworkConvolutionLayer layer, int filter) =>
        from channel in Enumerable.Range(0, layer.Inputs)
        from row in Enumerable.Range(0, layer.KernelHeight)
        from column in Enumerable.Range(0, layer.KernelWidth)
        select (double)layer[filter, channel, row, column];

    private static double Norm(double[] weights) => Math.Sqrt(weights.Sum(weight => weight * weight));

    private static string Plural(int count, string what) => count == 1 ? $"1 {what}" : $"{Numbers.Count(count)} {what}s";

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
