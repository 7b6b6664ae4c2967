using System.Xml.Linq;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Reporting.Tests;

/// <summary>The page about a network of pictures shows the filters of its first layer and how channels are scaled.</summary>
[TestClass]
public sealed class PictureReportTests
{
    private const int Side = 6;
    private const int Filters = 20;

    [TestMethod]
    [DataRow(1, PixelOrder.Planar)]
    [DataRow(3, PixelOrder.Interleaved)]
    [DataRow(2, PixelOrder.Planar)]
    public void Page_OfPictures_ShowsFiltersAndChannels(int channels, PixelOrder order)
    {
        var mlContext = new MLContext(1);
        IDataView rows = Rows(mlContext, channels, order);
        var trained = mlContext.BinaryClassification.Trainers.BatchNormNetwork(new BatchNormNetworkBinaryTrainer.Options
        {
            InputShape = new ImageShape(Side, Side, channels) { Order = order }, Convolutions = [new ConvolutionLayer(Filters, 3)],
            HiddenUnits = [8], MaximumNumberOfEpochs = 3, NumberOfEnsembleMembers = 2, BatchSize = 32, Seed = 1,
        }).Fit(rows);
        string html = TrainingReport.ToHtml(mlContext, trained, rows, new TrainingReportOptions { PermutationCount = 0 });
        XElement page = XElement.Parse(html[html.IndexOf("<html", StringComparison.Ordinal)..]);

        XElement filters = Figure(page, "Filters of the first layer");
        XElement drawing = filters.Elements().Single(element => element.Name.LocalName == "svg");
        XElement[] cells = [.. drawing.Elements().Where(element => element.Name.LocalName == "rect")];
        Assert.HasCount(Filters * 9, cells);
        XElement title = drawing.Elements().First();
        Assert.AreEqual(drawing.Attribute("aria-labelledby")!.Value, title.Attribute("id")!.Value);
        Assert.HasCount(1, page.Descendants().Where(element => element.Attribute("id")?.Value == title.Attribute("id")!.Value).ToArray());
        Assert.HasCount(Filters + 1, filters.Descendants("tr").ToArray());
        var first = (BatchNormNetworkConvolutionLayer)trained.Model.SubModel.Network.Members[0].Layers[0];
        if (channels == 1)
        {
            // The largest weight of a filter is full; its sign is its colour.
            var weights = Enumerable.Range(0, 9).Select(i => first[0, 0, i / 3, i % 3]).ToArray();
            int largest = Enumerable.Range(0, 9).MaxBy(i => Math.Abs(weights[i]));
            Assert.AreEqual("1", cells[largest].Attribute("fill-opacity")!.Value);
            string colour = cells[largest].Attribute("fill")!.Value;
            for (int i = 0; i < 9; i++)
                Assert.AreEqual(weights[i] >= 0 == weights[largest] >= 0, cells[i].Attribute("fill")!.Value == colour);
        }
        else
        {
            Assert.AreEqual(channels == 3, cells[0].Attribute("fill")!.Value.StartsWith("rgb(", StringComparison.Ordinal));
        }

        // Channel c has the numbers 100 c to 100 c + 1.
        string[][] table = [.. Figure(page, "Channels").Descendants("tr").Skip(1)
            .Select(row => row.Elements().Select(cell => cell.Value).ToArray())];
        Assert.HasCount(channels, table);
        for (int channel = 0; channel < channels; channel++)
        {
            Assert.AreEqual(100 * channel + 0.5, double.Parse(table[channel][1], System.Globalization.CultureInfo.InvariantCulture), 0.1);
            Assert.AreEqual(0.29, double.Parse(table[channel][2], System.Globalization.CultureInfo.InvariantCulture), 0.03);
        }
        Assert.Contains(
            $"Layer 1: {channels} → {Filters}, windows of 3 x 3", page.Descendants("h2").Select(heading => heading.Value).ToArray());
    }

    /// <summary>Filters of a signal are one line high, whatever the kernel; their table says so.</summary>
    [TestMethod]
    public void Page_OfSignals_ShowsFiltersOfOneLine()
    {
        var mlContext = new MLContext(1);
        IDataView rows = Rows(mlContext, 1, PixelOrder.Planar);
        var trained = mlContext.BinaryClassification.Trainers.BatchNormNetwork(new BatchNormNetworkBinaryTrainer.Options
        {
            InputShape = new ImageShape(1, Side * Side, 1), MaximumNumberOfEpochs = 2, NumberOfEnsembleMembers = 1, BatchSize = 32,
            Seed = 1,
        }).Fit(rows);
        string html = TrainingReport.ToHtml(mlContext, trained, rows, new TrainingReportOptions { PermutationCount = 0 });
        XElement page = XElement.Parse(html[html.IndexOf("<html", StringComparison.Ordinal)..]);
        XElement filters = Figure(page, "Filters of the first layer");
        Assert.HasCount(32 * 3, filters.Descendants().Where(element => element.Name.LocalName == "rect").ToArray());
        Assert.Contains("32 filters of 1 x 3", filters.Value);
        Assert.Contains("Rows are pictures of 1 x 36 pixels and 1 channel", page.Value);
    }

    private static XElement Figure(XElement page, string caption) =>
        page.Descendants("figure").Single(figure => figure.Element("figcaption")!.Value == caption);

    private static IDataView Rows(MLContext mlContext, int channels, PixelOrder order)
    {
        var random = new Random(2);
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, channels * Side * Side);
        return mlContext.Data.LoadFromEnumerable(
            Enumerable.Range(0, 200).Select(_ =>
            {
                var pixels = new float[channels * Side * Side];
                for (int i = 0; i < pixels.Length; i++)
                    pixels[i] = 100 * (order == PixelOrder.Planar ? i / (Side * Side) : i % channels) + random.NextSingle();
                bool label = pixels[0] > 0.5f;
                // A pixel that no picture has says nothing of its channel.
                pixels[0] = float.NaN;
                return new Row { Features = pixels, Label = label };
            }).ToArray(),
            schema);
    }

    private sealed class Row
    {
        public float[] Features { get; set; } = [];

        public bool Label { get; set; }
    }
}
