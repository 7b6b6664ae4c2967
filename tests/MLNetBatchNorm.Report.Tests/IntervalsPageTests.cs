using System.Globalization;
using System.Xml;
using System.Xml.Linq;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Reporting.Tests;

/// <summary>The page about a network with prediction intervals says how often and where they hold.</summary>
[TestClass]
public sealed class IntervalsPageTests
{
    private readonly MLContext _mlContext = new(seed: 1);

    private sealed class Row
    {
        [VectorType(2)]
        public float[] Features { get; set; } = [];

        public float Label { get; set; }
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void Page_OfLevels_HasCoverageAndWidths_AlsoOverThePrediction(int count)
    {
        double[] levels = new[] { 0.8, 0.95 }[..count];
        IDataView test = Rows(2, 500);
        ITransformer model = Trainer(levels).Fit(Rows(1, 1500));
        string page = Page(model, test);

        IDataView scored = model.Transform(test);
        float[] labels = [.. scored.GetColumn<float>("Label")], scores = [.. scored.GetColumn<float>("Score")];
        (float Lower, float Upper)[][] bounds = [.. Bounds("ScoreLowerBound").Zip(
            Bounds("ScoreUpperBound"), (lower, upper) => lower.Zip(upper).ToArray())];
        int[] order = [.. Enumerable.Range(0, labels.Length).OrderBy(i => scores[i])];
        for (int level = 0; level < count; level++)
        {
            Assert.Contains(Covered(order, level), page);
            double width = bounds.Average(row => (double)row[level].Upper - row[level].Lower);
            Assert.Contains(width.ToString("G4", CultureInfo.InvariantCulture)[..4], page);
            foreach (int tenth in Enumerable.Range(0, 10))
                Assert.Contains(Covered(order[(50 * tenth)..(50 * tenth + 50)], level), page);
        }

        Assert.Contains("Coverage and widths", page);
        Assert.Contains("Coverage over predictions", page);

        float[][] Bounds(string name) => count > 1
            ? [.. scored.GetColumn<float[]>(name)]
            : [.. scored.GetColumn<float>(name).Select(bound => new[] { bound })];
        string Covered(int[] rows, int level) => (rows.Count(
            i => labels[i] >= bounds[i][level].Lower && labels[i] <= bounds[i][level].Upper) / (double)rows.Length)
            .ToString("0.0000", CultureInfo.InvariantCulture);
    }

    [TestMethod]
    public void Page_WithoutLevels_HasNoneOfIt()
    {
        string page = Page(Trainer([]).Fit(Rows(1, 300)), Rows(2, 100));
        Assert.DoesNotContain("Coverage", page);
        Assert.Contains("R²", page);
    }

    private string Page(ITransformer model, IDataView rows)
    {
        string html = TrainingReport.ToHtml(_mlContext, model, rows, new TrainingReportOptions { PermutationCount = 0 });
        using var reader = XmlReader.Create(new StringReader(html), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore });
        return XElement.Load(reader).Value;
    }

    private BatchNormNetworkRegressionTrainer Trainer(double[] levels) =>
        _mlContext.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            HiddenUnits = [16], MaximumNumberOfEpochs = 4, NumberOfEnsembleMembers = 2, Seed = 1, IntervalLevels = levels,
        });

    private IDataView Rows(int seed, int count)
    {
        var random = new Random(seed);
        return _mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(_ =>
        {
            float[] x = [random.NextSingle(), random.NextSingle()];
            return new Row { Features = x, Label = 5 * x[0] + (0.1f + x[1]) * (random.NextSingle() - random.NextSingle()) };
        }).ToArray());
    }
}
