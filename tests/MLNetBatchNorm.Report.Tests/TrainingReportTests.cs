using System.Globalization;
using System.Xml;
using System.Xml.Linq;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Reporting.Tests;

/// <summary>The page is a document that stands for itself, and what it says of a model is what ML.NET and the model say.</summary>
[TestClass]
public sealed class TrainingReportTests
{
    private static readonly MLContext s_mlContext = new(seed: 1);
    private static readonly IDataView s_rows = ReportedTables.Rows(s_mlContext, 400);
    private static readonly IDataView s_heldOut = s_mlContext.Data.SkipRows(ReportedTables.Rows(s_mlContext, 520), 400);
    private static readonly Dictionary<NetworkTask, ITransformer> s_models = Enum.GetValues<NetworkTask>().ToDictionary(task => task, task => ReportedTables.Train(s_mlContext, task, s_rows));
    private static readonly Dictionary<NetworkTask, XElement> s_pages = s_models.ToDictionary(model => model.Key, model => Parse(Html(model.Key, model.Value)));

    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(2)]
    public void Page_RefersToNothingOutsideOfIt(int task)
    {
        XElement page = s_pages[(NetworkTask)task];
        string[] forbidden = ["script", "link", "img", "iframe", "object", "image", "use", "a"];
        Assert.IsEmpty(page.Descendants().Where(element => forbidden.Contains(element.Name.LocalName)));
        string[] references =
        [
            .. page.Descendants().Attributes().Where(a => !a.IsNamespaceDeclaration)
                .Where(a => a.Value.Contains("//") || a.Name.LocalName is "src" or "href" || (a.Value.Contains("url(") && !a.Value.StartsWith("url(#"))).Select(a => a.ToString()),
        ];
        Assert.IsEmpty(references, string.Join("\n", references));
        string style = page.Descendants("style").Single().Value;
        Assert.IsFalse(style.Contains("url(") || style.Contains("@import"), "The style loads something.");
    }

    [TestMethod]
    [DataRow(0, 9)]
    [DataRow(1, 8)]
    [DataRow(2, 10)]
    public void Pictures_HaveWordsAndNumbers_AndShareNoIdentifier(int task, int pictures)
    {
        XElement page = s_pages[(NetworkTask)task];
        XElement[] drawings = [.. page.Descendants().Where(element => element.Name.LocalName == "svg")];
        Assert.HasCount(pictures, drawings);
        foreach (XElement svg in drawings)
        {
            Assert.AreEqual("img", svg.Attribute("role")?.Value);
            XElement title = svg.Elements().Single(element => element.Name.LocalName == "title");
            Assert.AreEqual(svg.Attribute("aria-labelledby")?.Value, title.Attribute("id")?.Value);
            Assert.IsGreaterThan(20, title.Value.Length);
            Assert.IsNotEmpty(svg.Parent!.Descendants("td"), $"No numbers behind the picture: {title.Value}");
            string svgText = svg.ToString();
            Assert.IsFalse(svgText.Contains("NaN"), title.Value);
            Assert.IsFalse(svgText.Contains("#010203"), "Ink is left in the colour it was drawn with.");
            StringAssert.Contains(svgText, "currentColor");
        }

        string[] ids = [.. page.Descendants().Attributes("id").Select(id => id.Value)];
        CollectionAssert.AllItemsAreUnique(ids);
        string[] dangling = [.. page.Descendants().Attributes().Where(a => a.Value.StartsWith("url(#")).Select(a => a.Value[5..^1]).Except(ids)];
        Assert.IsEmpty(dangling, string.Join(", ", dangling));
    }

    [TestMethod]
    public void Binary_NumbersAreThoseOfMLNet()
    {
        IDataView scored = s_models[NetworkTask.Binary].Transform(s_heldOut);
        CalibratedBinaryClassificationMetrics metrics = s_mlContext.BinaryClassification.Evaluate(scored, "IsMuch");
        XElement page = s_pages[NetworkTask.Binary];

        Assert.AreEqual(Measure(metrics.AreaUnderRocCurve), Tile(page, "area under ROC"));
        Assert.AreEqual(Measure(metrics.Accuracy), Tile(page, "accuracy"));
        Assert.AreEqual(metrics.LogLoss * Math.Log(2), double.Parse(Tile(page, "log-loss"), CultureInfo.InvariantCulture), 2e-4);   // ML.NET's is in bits
        bool[] labels = [.. scored.GetColumn<bool>("IsMuch")], decisions = [.. scored.GetColumn<bool>("PredictedLabel")];
        int Count(bool label, bool decision) => labels.Zip(decisions).Count(pair => pair == (label, decision));
        CollectionAssert.AreEqual(
            new[] { Count(false, false), Count(false, true), Count(true, false), Count(true, true) }.Select(n => n.ToString(CultureInfo.InvariantCulture)).ToArray(), Confusion(page));
    }

    [TestMethod]
    public void Multiclass_NumbersAreThoseOfMLNet_AndClassesHaveTheirNames()
    {
        IDataView scored = s_models[NetworkTask.Multiclass].Transform(s_heldOut);
        MulticlassClassificationMetrics metrics = s_mlContext.MulticlassClassification.Evaluate(scored, "Key");
        XElement page = s_pages[NetworkTask.Multiclass];

        Assert.AreEqual(Measure(metrics.MicroAccuracy), Tile(page, "accuracy"));
        Assert.AreEqual(Measure(metrics.MacroAccuracy), Tile(page, "mean of the classes' recalls"));
        Assert.AreEqual(Measure(metrics.LogLoss), Tile(page, "log-loss"));
        string[] confusion = [.. metrics.ConfusionMatrix.Counts.SelectMany(row => row).Select(n => n.ToString("0", CultureInfo.InvariantCulture))];
        CollectionAssert.AreEqual(confusion, Confusion(page));
        string[] names = [.. page.Descendants("table").First().Descendants("tbody").Descendants("th").Select(th => th.Value)];
        CollectionAssert.AreEquivalent(new[] { "5", "7", "20" }, names);
        Assert.AreEqual(Enumerable.Range(0, 3).Select(i => scored.GetColumn<int>("Size").Count(size => size.ToString(CultureInfo.InvariantCulture) == names[i])).ToArray().Aggregate("", (all, n) => $"{all} {n}"), RowSums(page));
    }

    [TestMethod]
    public void Regression_NumbersAreThoseOfMLNet()
    {
        IDataView scored = s_models[NetworkTask.Regression].Transform(s_heldOut);
        RegressionMetrics metrics = s_mlContext.Regression.Evaluate(scored, "Amount");
        XElement page = s_pages[NetworkTask.Regression];

        Assert.AreEqual(metrics.RSquared, double.Parse(Tile(page, "R²"), CultureInfo.InvariantCulture), 1e-4);
        Assert.AreEqual(metrics.RootMeanSquaredError, double.Parse(Tile(page, "root mean squared error"), CultureInfo.InvariantCulture), 1e-3 * metrics.RootMeanSquaredError);
        Assert.AreEqual(metrics.MeanAbsoluteError, double.Parse(Tile(page, "mean absolute error"), CultureInfo.InvariantCulture), 1e-3 * metrics.MeanAbsoluteError);
        XElement residuals = Figure(page, "Residuals");
        Assert.AreEqual(120, residuals.Descendants("tbody").Single().Elements("tr").Sum(row => int.Parse(row.Elements("td").Last().Value, CultureInfo.InvariantCulture)));
    }

    [TestMethod]
    public void Course_IsTheHistory()
    {
        TrainingHistory history = ReportedNetwork.Find(s_models[NetworkTask.Regression]).History;
        string[][] rows = [.. Figure(s_pages[NetworkTask.Regression], "Loss").Descendants("tbody").Single().Elements("tr").Select(row => row.Elements().Select(cell => cell.Value).ToArray())];

        Assert.HasCount(history.Epochs.Count, rows);
        for (int i = 0; i < rows.Length; i++)
        {
            EpochRecord epoch = history.Epochs[i];
            CollectionAssert.AreEqual(new[] { $"{epoch.Epoch}", Exact(epoch.TrainingLoss), Exact(epoch.ValidationLoss!.Value), Exact(epoch.LearningRate) }, rows[i]);
        }
    }

    [TestMethod]
    public void Layers_AreThoseOfTheNetwork()
    {
        BatchNormNetworkNormalization normalization = ReportedNetwork.Find(s_models[NetworkTask.Binary]).Layers[0].BatchNormalization!;
        XElement gamma = Figure(s_pages[NetworkTask.Binary], "Gamma");

        string[] quantiles = [.. gamma.Descendants("td").Select(cell => cell.Value)];
        Assert.AreEqual((Exact(normalization.Gamma.Min()), Exact(normalization.Gamma.Max())), (quantiles[0], quantiles[^1]));
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(2)]
    public void Importance_PutsTheDecidingSlotFirst(int task)
    {
        string[] slots = [.. s_pages[(NetworkTask)task].Descendants("section").Single(section => section.Element("h2")!.Value == "Permutation importance").Descendants("tbody").Descendants("th").Select(th => th.Value)];

        CollectionAssert.AreEqual(new[] { "Deciding", "Helping", "Noise" }, slots);
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(2)]
    public void LoadedModel_GivesTheSamePage(int task)
    {
        using var file = new MemoryStream();
        s_mlContext.Model.Save(s_models[(NetworkTask)task], s_rows.Schema, file);
        file.Position = 0;
        ITransformer loaded = new MLContext(1).Model.Load(file, out _);

        Assert.AreEqual(Html((NetworkTask)task, s_models[(NetworkTask)task]), Html((NetworkTask)task, loaded));
    }

    [TestMethod]
    public void Title_IsEscaped()
    {
        string html = TrainingReport.ToHtml(
            s_mlContext, s_models[NetworkTask.Regression], s_heldOut, new TrainingReportOptions { Title = "<b>A & B</b>", LabelColumnName = "Amount", PermutationCount = 0 });

        Assert.AreEqual("<b>A & B</b>", Parse(html).Descendants("h1").Single().Value);
        Assert.IsFalse(html.Contains("Permutation importance"));
    }

    [TestMethod]
    public void WrongModelOrLabel_IsRefused()
    {
        ITransformer linear = s_mlContext.Transforms.Concatenate("Features", "Deciding", "Noise").Append(s_mlContext.BinaryClassification.Trainers.LbfgsLogisticRegression("IsMuch")).Fit(s_rows);
        var noNetwork = Assert.ThrowsExactly<ArgumentException>(() => TrainingReport.ToHtml(s_mlContext, linear, s_heldOut));
        StringAssert.Contains(noNetwork.Message, "no batch-normalized network");
        var noLabel = Assert.ThrowsExactly<ArgumentException>(() => TrainingReport.ToHtml(s_mlContext, s_models[NetworkTask.Binary], s_heldOut));
        StringAssert.Contains(noLabel.Message, "no label column 'Label'");
        var wrongType = Assert.ThrowsExactly<ArgumentException>(() => Html(NetworkTask.Binary, s_models[NetworkTask.Binary], label: "Amount"));
        StringAssert.Contains(wrongType.Message, "needs a Boolean");
        var empty = Assert.ThrowsExactly<ArgumentException>(
            () => TrainingReport.ToHtml(s_mlContext, s_models[NetworkTask.Binary], s_mlContext.Data.SkipRows(s_rows, 1000), new TrainingReportOptions { LabelColumnName = "IsMuch" }));
        StringAssert.Contains(empty.Message, "no held-out row");
    }

    private static string Html(NetworkTask task, ITransformer model, string? label = null)
        => TrainingReport.ToHtml(new MLContext(seed: 1), model, s_heldOut, new TrainingReportOptions { LabelColumnName = label ?? ReportedTables.Label(task) });

    // Whatever is not closed or escaped throws here.
    private static XElement Parse(string html)
    {
        using XmlReader reader = XmlReader.Create(new StringReader(html), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore });
        return XElement.Load(reader);
    }

    private static string Tile(XElement page, string name) => page.Descendants("dt").Single(dt => dt.Value == name).Parent!.Element("dd")!.Value;

    private static XElement Figure(XElement page, string title) => page.Descendants("figure").First(figure => figure.Element("figcaption")!.Value == title);

    private static string[] Confusion(XElement page) => [.. Figure(page, "Confusion matrix").Descendants("td").Select(cell => cell.Value)];

    private static string RowSums(XElement page) => Figure(page, "Confusion matrix").Descendants("tbody").Single().Elements("tr")
        .Select(row => row.Elements("td").Sum(cell => int.Parse(cell.Value, CultureInfo.InvariantCulture))).Aggregate("", (all, n) => $"{all} {n}");

    private static string Measure(double value) => value.ToString("0.0000", CultureInfo.InvariantCulture);

    private static string Exact(double value) => value.ToString("G4", CultureInfo.InvariantCulture);
}
