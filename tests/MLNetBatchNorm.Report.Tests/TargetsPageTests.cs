using System.Globalization;
using System.Xml;
using System.Xml.Linq;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Reporting.Tests;

/// <summary>The page about a network for several targets says of each what its evaluation says.</summary>
[TestClass]
public sealed class TargetsPageTests
{
    private readonly MLContext _mlContext = new(seed: 1);

    [TestMethod]
    public void Page_OfNumbers_HasEachTargetAndWhatItLooksAt()
    {
        IDataView rows = Rows(300, "Numbers");
        ITransformer model = _mlContext.Transforms.Concatenate("Features", "X").Append(
            _mlContext.Regression.Trainers.BatchNormNetworkMultiOutput("Numbers", maximumNumberOfEpochs: 4)).Fit(rows);
        string page = Text(TrainingReport.ToHtml(
            _mlContext, model, rows, new TrainingReportOptions { LabelColumnName = "Numbers", PermutationCount = 1 }));

        MultiOutputRegressionMetrics metrics = _mlContext.Regression.EvaluateMultiOutput(model.Transform(rows), "Numbers");
        foreach (MultiOutputRegressionTargetMetrics target in metrics.Targets)
        {
            Assert.Contains(target.Name, page);
            Assert.Contains(target.RSquared.ToString("0.0000", CultureInfo.InvariantCulture), page);
        }

        Assert.Contains("mean R²", page);
        Assert.Contains("loss (squared deviations of each target)", page);
        Assert.Contains("Permutation importance", page);
        Assert.Contains("3 without any", page);
        foreach (string name in new[] { "Area", "Height" })
        {
            Assert.Contains($"{name}: labels over predictions", page);
            Assert.Contains($"{name}: residuals", page);
        }

        Assert.Contains("Training of each target", page);
        var network = ((BatchNormNetworkMultiOutputModelParametersBase)((ISingleFeaturePredictionTransformer<object>)
            ((IEnumerable<ITransformer>)model).Last()).Model).Network;
        foreach (int target in new[] { 0, 1 })
        {
            double mean = network.Members.Average(
                member => member.TrainingHistory.Epochs[member.TrainingHistory.BestEpoch - 1].TargetValidationMetrics[target]);
            Assert.Contains($"In the best epochs {mean.ToString("0.0000", CultureInfo.InvariantCulture)}.", page);
        }
    }

    /// <summary>
    /// Of many targets only some have pictures, and the page says so; one that no row has, and one that is constant, do no harm.
    /// </summary>
    [TestMethod]
    public void Page_OfManyTargets_DrawsTheFirst()
    {
        var random = new Random(1);
        Many[] made = [.. Enumerable.Range(0, 200).Select(_ =>
        {
            float[] x = [random.NextSingle(), random.NextSingle(), random.NextSingle()];
            return new Many { X = x, Targets = [.. Enumerable.Range(0, 14).Select(target => x[target % 3] + 0.1f * random.NextSingle())] };
        })];
        ITransformer model = _mlContext.Regression.Trainers.BatchNormNetworkMultiOutput(
            "Targets", "X", maximumNumberOfEpochs: 2).Fit(_mlContext.Data.LoadFromEnumerable(made));
        foreach (Many row in made)
            (row.Targets[1], row.Targets[2]) = (float.NaN, 7);
        string page = Text(TrainingReport.ToHtml(
            _mlContext, model, _mlContext.Data.LoadFromEnumerable(made),
            new TrainingReportOptions { LabelColumnName = "Targets", PermutationCount = 0 }));

        Assert.Contains("Of the first 12.", page);
        Assert.Contains("Pictures of the first 12; the table has all.", page);
        foreach (int target in new[] { 0, 2, 11 })
            Assert.Contains($"{target}: residuals", page);
        Assert.DoesNotContain("12: residuals", page);
        Assert.DoesNotContain("\n1: residuals", page.Replace("numbers", "\n"));
    }

    [TestMethod]
    public void Page_OfLabels_HasEachLabel()
    {
        IDataView rows = Rows(300, "Flags");
        ITransformer model = _mlContext.BinaryClassification.Trainers.BatchNormNetworkMultiLabel(
            "Flags", "X", maximumNumberOfEpochs: 3).Fit(rows);
        string page = Text(TrainingReport.ToHtml(
            _mlContext, model, rows, new TrainingReportOptions { LabelColumnName = "Flags", PermutationCount = 0 }));
        Assert.Contains("mean area under ROC", page);
        foreach (string name in new[] { "IsWide", "IsHigh" })
        {
            Assert.Contains($"{name}: ROC curve", page);
            Assert.Contains($"{name}: reliability", page);
        }

        Assert.Contains("Targets in the best epochs", page);
        Assert.DoesNotContain("Permutation importance", page);
        Assert.Contains("'None'", Assert.Throws<ArgumentException>(() => TrainingReport.ToHtml(
            _mlContext, model, rows, new TrainingReportOptions { LabelColumnName = "None" })).Message);
    }

    private static string Text(string html)
    {
        using var reader = XmlReader.Create(new StringReader(html), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore });
        return XElement.Load(reader).Value;
    }

    private IDataView Rows(int count, string label)
    {
        var random = new Random(1);
        // Made once: a view reads an enumeration each time anew.
        Row[] made = [.. Enumerable.Range(0, count).Select(i =>
        {
            float a = 2 * random.NextSingle() - 1, b = 2 * random.NextSingle() - 1;
            bool isMissing = i % 100 == 7;
            return new Row
            {
                X = [a, b, random.NextSingle()], Area = isMissing ? float.NaN : 100 * a * b, Height = isMissing ? float.NaN : a + b,
                IsWide = a > 0, IsHigh = b > 0.2f,
            };
        })];
        IDataView rows = _mlContext.Data.LoadFromEnumerable(made);
        string[] parts = label == "Numbers" ? ["Area", "Height"] : ["IsWide", "IsHigh"];
        return _mlContext.Transforms.Concatenate(label, parts).Fit(rows).Transform(rows);
    }

    private sealed class Many
    {
        [VectorType(3)]
        public float[] X { get; set; } = [];

        [VectorType(14)]
        public float[] Targets { get; set; } = [];
    }

    private sealed class Row
    {
        [VectorType(3)]
        public float[] X { get; set; } = [];

        public float Area { get; set; }

        public float Height { get; set; }

        public bool IsWide { get; set; }

        public bool IsHigh { get; set; }
    }
}
