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
    private static EpochRecord Epoch(int epoch, double rate, double trainingLoss, double? validationLoss, double? metric = null) => new()
    {
        Epoch = epoch, LearningRate = rate, TrainingLoss = trainingLoss, ValidationLoss = validationLoss, ValidationMetric = metric,
    };

    private static readonly MLContext s_mlContext = new(seed: 1);
    private static readonly IDataView s_rows = ReportedTables.Rows(s_mlContext, 400);
    private static readonly IDataView s_heldOut = s_mlContext.Data.SkipRows(ReportedTables.Rows(s_mlContext, 520), 400);
    private static readonly Dictionary<NetworkTask, ITransformer> s_models = Enum.GetValues<NetworkTask>().ToDictionary(
        task => task, task => ReportedTables.Train(s_mlContext, task, s_rows));
    private static readonly Dictionary<NetworkTask, XElement> s_pages = s_models.ToDictionary(
        model => model.Key, model => Parse(Html(model.Key, model.Value)));

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
                .Where(a => a.Value.Contains("//") || a.Name.LocalName is "src" or "href"
                    || (a.Value.Contains("url(") && !a.Value.StartsWith("url(#")))
                .Select(a => a.ToString()),
        ];
        Assert.IsEmpty(references, string.Join("\n", references));
        string style = page.Descendants("style").Single().Value;
        Assert.IsFalse(style.Contains("url(") || style.Contains("@import"), "The style loads something.");
    }

    [TestMethod]
    [DataRow(0, 14)]
    [DataRow(1, 13)]
    [DataRow(2, 15)]
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
        string[] dangling =
            [.. page.Descendants().Attributes().Where(a => a.Value.StartsWith("url(#")).Select(a => a.Value[5..^1]).Except(ids)];
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
        // ML.NET's is in bits
        Assert.AreEqual(metrics.LogLoss * Math.Log(2), double.Parse(Tile(page, "log-loss"), CultureInfo.InvariantCulture), 2e-4);
        bool[] labels = [.. scored.GetColumn<bool>("IsMuch")], decisions = [.. scored.GetColumn<bool>("PredictedLabel")];
        int Count(bool label, bool decision) => labels.Zip(decisions).Count(pair => pair == (label, decision));
        CollectionAssert.AreEqual(
            new[] { Count(false, false), Count(false, true), Count(true, false), Count(true, true) }.Select(
                n => n.ToString(CultureInfo.InvariantCulture)).ToArray(),
            Confusion(page));
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
        string[] confusion = [.. metrics.ConfusionMatrix.Counts.SelectMany(row => row)
            .Select(n => n.ToString("0", CultureInfo.InvariantCulture))];
        CollectionAssert.AreEqual(confusion, Confusion(page));
        string[] names = [.. page.Descendants("table").First().Descendants("tbody").Descendants("th").Select(th => th.Value)];
        CollectionAssert.AreEquivalent(new[] { "5", "7", "20" }, names);
        Assert.AreEqual(
            Enumerable.Range(0, 3).Select(
                i => scored.GetColumn<int>("Size").Count(size => size.ToString(CultureInfo.InvariantCulture) == names[i])).ToArray()
                .Aggregate("", (all, n) => $"{all} {n}"),
            RowSums(page));
    }

    [TestMethod]
    public void Regression_NumbersAreThoseOfMLNet()
    {
        IDataView scored = s_models[NetworkTask.Regression].Transform(s_heldOut);
        RegressionMetrics metrics = s_mlContext.Regression.Evaluate(scored, "Amount");
        XElement page = s_pages[NetworkTask.Regression];

        Assert.AreEqual(metrics.RSquared, double.Parse(Tile(page, "R²"), CultureInfo.InvariantCulture), 1e-4);
        Assert.AreEqual(
            metrics.RootMeanSquaredError, double.Parse(Tile(page, "root mean squared error"), CultureInfo.InvariantCulture),
            1e-3 * metrics.RootMeanSquaredError);
        Assert.AreEqual(
            metrics.MeanAbsoluteError, double.Parse(Tile(page, "mean absolute error"), CultureInfo.InvariantCulture),
            1e-3 * metrics.MeanAbsoluteError);
        XElement residuals = Figure(page, "Residuals");
        Assert.AreEqual(
            120,
            residuals.Descendants("tbody").Single().Elements("tr")
                .Sum(row => int.Parse(row.Elements("td").Last().Value, CultureInfo.InvariantCulture)));
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(2)]
    public void Contributions_AreThoseOfTheModel_AndAddUpFromTheBaseToTheScore(int task)
    {
        XElement page = s_pages[(NetworkTask)task];
        XElement section = page.Descendants("section").Single(s => s.Element("h2")!.Value == "Contributions");
        XElement[] figures = [.. section.Descendants("figure")];
        Assert.HasCount(4, figures);
        ReportedNetwork network = ReportedNetwork.Find(s_models[(NetworkTask)task]);
        float[][] features = [.. network.Before.Transform(s_heldOut).GetColumn<float[]>("Features")];
        string[][] summary = Lines(figures[0]);
        CollectionAssert.AreEqual(new[] { "Deciding", "Helping", "Noise" }, summary.Select(line => line[0]).ToArray());
        double size = 0;
        float[] contributions = new float[3 * network.ContributionBase!.Count];
        foreach (float[] row in features)
        {
            network.Explain(row, 1, contributions);
            size += Enumerable.Range(0, network.ContributionBase!.Count).Average(o => Math.Abs(contributions[3 * o])) / features.Length;
        }
        Assert.AreEqual(size, double.Parse(summary[0][1], CultureInfo.InvariantCulture), 1e-3 * size);

        List<double> scores = [];
        foreach (XElement figure in figures[1..])
        {
            int row = int.Parse(figure.Element("figcaption")!.Value.Split(' ', ',')[1], CultureInfo.InvariantCulture) - 1;
            string[][] lines = Lines(figure);
            double[] numbers = [.. lines.Select(line => double.Parse(line[1], CultureInfo.InvariantCulture))];
            Assert.HasCount(5, numbers);
            Assert.AreEqual(numbers[^1], numbers[..^1].Sum(), 5e-3 * numbers.Max(Math.Abs));
            string deciding = $"Deciding = {features[row][0].ToString("G4", CultureInfo.InvariantCulture)}";
            Assert.Contains(deciding, lines.Select(line => line[0]));
            scores.Add(numbers[^1]);
        }
        CollectionAssert.AreEqual(scores.Order().ToArray(), scores);

        static string[][] Lines(XElement figure) =>
            [.. figure.Descendants("tbody").Single().Elements("tr").Select(tr => tr.Elements().Select(cell => cell.Value).ToArray())];
    }

    [TestMethod]
    public void Contributions_CanBeLeftOut()
    {
        string html = TrainingReport.ToHtml(
            s_mlContext, s_models[NetworkTask.Regression], s_heldOut,
            new TrainingReportOptions { LabelColumnName = "Amount", PermutationCount = 0, ContributionRowCount = 0 });
        Assert.DoesNotContain("Contributions", html);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => TrainingReport.ToHtml(
            s_mlContext, s_models[NetworkTask.Regression], s_heldOut, new TrainingReportOptions { NumberOfExplainedRows = -1 }));
    }

    [TestMethod]
    [DataRow(0, "Area under ROC")]
    [DataRow(1, "Accuracy")]
    [DataRow(2, "R²")]
    public void Course_IsTheHistoryOfEveryNetwork(int task, string metric)
    {
        TrainingHistory[] histories = [.. ReportedNetwork.Find(s_models[(NetworkTask)task])
            .Members.Select(member => member.TrainingHistory)];
        XElement page = s_pages[(NetworkTask)task];
        Assert.HasCount(8, histories);

        (int Network, EpochRecord Epoch)[] epochs =
            [.. histories.SelectMany((history, i) => history.Epochs.Select(epoch => (i + 1, epoch)))];
        string[][] expected = [.. epochs.Select(
            e => new[]
            {
                $"{e.Network}", $"{e.Epoch.Epoch}", Exact(e.Epoch.TrainingLoss), Exact(e.Epoch.ValidationLoss!.Value),
                Exact(e.Epoch.LearningRate),
            })];
        CheckRows(expected, Figure(page, "Loss"));
        CheckRows(
            [.. epochs.Select(e => new[] { $"{e.Network}", $"{e.Epoch.Epoch}", Measure(e.Epoch.ValidationMetric!.Value) })],
            Figure(page, metric));
        EpochRecord[] best = [.. histories.Select(history => history.Epochs[history.BestEpoch - 1])];
        CheckRows(
            [.. best.Select(
                (e, i) => new[]
                {
                    $"{i + 1}", $"{e.Epoch} of {histories[i].Epochs.Count}", Exact(e.TrainingLoss), Exact(e.ValidationLoss!.Value),
                    Measure(e.ValidationMetric!.Value),
                })],
            Figure(page, "Networks"));
        // Two lines for each network, one in the other picture, and eight points on each.
        Assert.HasCount(16, Lines(Figure(page, "Loss")));
        Assert.HasCount(8, Lines(Figure(page, metric)));
    }

    [TestMethod]
    [DataRow(0, "")]
    [DataRow(8, " It has learned what 8 other networks say together, instead of labels; its losses are against that.")]
    public void Course_OfATaughtNetwork_SaysSo(int teachers, string expected)
    {
        var history = new TrainingHistory
        {
            Epochs = [Epoch(1, 0.1, 0.9, null), Epoch(2, 0.1, 0.7, null)], BestEpoch = 2, StopReason = TrainingStopReason.AllEpochsDone,
        };
        Assert.AreEqual(
            "2 epochs; training ended because all epochs were done. The model is that of epoch 2." + expected,
            Course(teachers, history).Descendants("section").Single().Element("p")!.Value);
    }

    [TestMethod]
    public void Course_OfOneNetwork_IsItsHistory()
    {
        var history = new TrainingHistory
        {
            Epochs = [Epoch(1, 0.1, 0.9, 0.8, 0.6), Epoch(2, 0.2, 0.7, 0.5, 0.75), Epoch(3, 0.1, 0.6, 0.55, 0.7)],
            BestEpoch = 2,
            StopReason = TrainingStopReason.ValidationLossStoppedImproving,
        };
        XElement page = Course(history);

        StringAssert.StartsWith(
            page.Descendants("section").Single().Element("p")!.Value,
            "3 epochs; training ended because the validation loss stopped improving. The model is that of epoch 2.");
        CheckRows([["1", "0.9", "0.8", "0.1"], ["2", "0.7", "0.5", "0.2"], ["3", "0.6", "0.55", "0.1"]], Figure(page, "Loss"));
        CheckRows([["1", "0.6000"], ["2", "0.7500"], ["3", "0.7000"]], Figure(page, "Area under ROC"));
        StringAssert.Contains(Figure(page, "Area under ROC").Element("p")!.Value, "In the best epoch it was 0.7500.");
        CollectionAssert.AreEqual(new[] { "training", "validation", "best epoch" }, Legend(Figure(page, "Loss")));
        Assert.IsFalse(page.Descendants("figcaption").Any(caption => caption.Value == "Networks"));
    }

    /// <summary>
    /// Models of the first format version have no metric; where there is one class only among the validation rows, it is not defined.
    /// </summary>
    [TestMethod]
    public void Course_WithoutMetric_LeavesItOut()
    {
        var absent = new TrainingHistory { Epochs = [Epoch(1, 0.1, 0.9, 0.8)], BestEpoch = 1 };
        var undefined = new TrainingHistory { Epochs = [Epoch(1, 0.1, 0.9, 0.8, double.NaN)], BestEpoch = 1 };
        var defined = new TrainingHistory { Epochs = [Epoch(1, 0.1, 0.9, 0.8, 0.5)], BestEpoch = 1 };
        var notTrained = new TrainingHistory();

        Assert.IsFalse(Course(absent).Descendants("figcaption").Any(caption => caption.Value == "Area under ROC"));
        Assert.IsFalse(Course(undefined, absent).Descendants("figcaption").Any(caption => caption.Value == "Area under ROC"));
        CheckRows(
            [["1", "1", "–"], ["2", "1", "none"], ["3", "1", "0.5000"]], Figure(Course(undefined, absent, defined), "Area under ROC"));
        CheckRows(
            [["1", "1 of 1", "0.9", "0.8", "–"], ["2", "1 of 1", "0.9", "0.8", "none"]], Figure(Course(undefined, absent), "Networks"));
        Assert.IsEmpty(Course(notTrained).Descendants("section"));
        Assert.HasCount(1, Course(notTrained, defined).Descendants("section"));
    }

    /// <summary>A picture of very many epochs has all of them, its table some.</summary>
    [TestMethod]
    public void Course_OfVeryManyEpochs_ShowsEvenlyTakenNumbers()
    {
        var history = new TrainingHistory
        {
            Epochs = [.. Enumerable.Range(1, 10_000).Select(i => Epoch(i, 0.1, 1.0 / i, 2.0 / i, 1 - 20.0 / i))],
            BestEpoch = 9_999,
        };
        XElement page = Course(history);
        string[] epochs =
            [.. Figure(page, "Loss").Descendants("tbody").Single().Elements("tr").Select(row => row.Elements().First().Value)];

        Assert.IsTrue(epochs.Length is > 1000 and < 2100, $"{epochs.Length}");
        CollectionAssert.IsSubsetOf(new[] { "9,999", "10,000" }, epochs);
        StringAssert.Contains(Figure(page, "Area under ROC").Element("p")!.Value, "The lowest, down to -19.0000, are below the picture.");
    }

    /// <summary>What the lines mean stands above the picture, where it can hide none of them.</summary>
    [TestMethod]
    public void Legends_StandOutsideOfThePictures()
    {
        XElement loss = Figure(s_pages[NetworkTask.Binary], "Loss");
        CollectionAssert.AreEqual(new[] { "training", "validation", "best epoch of a network" }, Legend(loss));
        Assert.IsFalse(
            loss.Descendants().Single(element => element.Name.LocalName == "svg").Descendants()
                .Any(element => element.Name.LocalName == "text" && element.Value == "training"));
    }

    [TestMethod]
    public void Layers_AreThoseOfAllNetworks()
    {
        BatchNormNetworkNormalization[] networks = [.. ReportedNetwork.Find(s_models[NetworkTask.Binary])
            .Members.Select(member => member.Layers[0].BatchNormalization!)];
        XElement gamma = Figure(s_pages[NetworkTask.Binary], "Gamma");

        string[][] rows = Rows(gamma);
        Assert.HasCount(9, rows);
        (string, string, string) Ends(string name, IEnumerable<float> values) => (name, Exact(values.Min()), Exact(values.Max()));
        Assert.AreEqual(Ends("all", networks.SelectMany(n => n.Gamma)), (rows[0][0], rows[0][1], rows[0][^1]));
        for (int i = 0; i < 8; i++)
            Assert.AreEqual(Ends($"{i + 1}", networks[i].Gamma), (rows[i + 1][0], rows[i + 1][1], rows[i + 1][^1]));
        StringAssert.StartsWith(gamma.Element("p")!.Value, "128 columns, ");
        Assert.HasCount(8, rows.Skip(1).Select(row => string.Join(' ', row.Skip(1))).Distinct(), "the networks differ");
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(2)]
    public void Importance_PutsTheDecidingSlotFirst(int task)
    {
        string[] slots = [.. s_pages[(NetworkTask)task].Descendants("section")
            .Single(section => section.Element("h2")!.Value == "Permutation importance")
            .Descendants("tbody")
            .Descendants("th")
            .Select(th => th.Value)];

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
    public void Numbers_OfZero_HaveNoSign()
    {
        Assert.AreEqual("0", Numbers.Exact(-0.0));
        Assert.AreEqual("-0.0001235", Numbers.Exact(-0.00012347));
        Assert.AreEqual("–", Numbers.Metric(double.NaN));
    }

    /// <summary>What was tried is a table, the trials of the model first; without trials there is no such section.</summary>
    [TestMethod]
    public void Trials_AreATable()
    {
        var model = s_mlContext.Transforms.Concatenate("Features", "Deciding", "Noise")
            .Append(s_mlContext.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
            {
                LabelColumnName = "Amount", MaximumNumberOfEpochs = 2, NumberOfTrials = 5, Seed = 1,
                SearchSpace = new SearchSpace { NumberOfUnits = [4, 8] },
            })).Fit(s_rows);
        IReadOnlyList<BatchNormNetworkTrial> trials = model.LastTransformer.Model.Network.Trials;
        XElement page = Parse(Html(NetworkTask.Regression, model));

        XElement section = page.Descendants("section").Single(
            one => one.Descendants().Any(element => element.Name.LocalName == "h2" && element.Value == "Trials"));
        string[][] rows =
        [
            .. section.Descendants().Where(element => element.Name.LocalName == "tr").Skip(1)
                .Select(row => row.Elements().Select(cell => cell.Value).ToArray()),
        ];
        Assert.HasCount(5, rows);
        CollectionAssert.AreEquivalent(
            Enumerable.Range(1, 5).Select(number => $"{number}").ToArray(), rows.Select(row => row[0]).ToArray());
        Assert.AreEqual(Numbers.Exact(trials.Max(trial => trial.Weight)), rows[0][1]);
        Assert.AreEqual(trials.Count(trial => trial.Weight > 0), rows.Count(row => row[1] != "–"));
        Assert.DoesNotContain("configurations were tried", Html(NetworkTask.Regression, s_models[NetworkTask.Regression]));
    }

    [TestMethod]
    public void Title_IsEscaped()
    {
        string html = TrainingReport.ToHtml(
            s_mlContext, s_models[NetworkTask.Regression], s_heldOut,
            new TrainingReportOptions { Title = "<b>A & B</b>", LabelColumnName = "Amount", PermutationCount = 0 });

        Assert.AreEqual("<b>A & B</b>", Parse(html).Descendants("h1").Single().Value);
        Assert.IsFalse(html.Contains("Permutation importance"));
    }

    [TestMethod]
    public void WrongModelOrLabel_IsRefused()
    {
        ITransformer linear = s_mlContext.Transforms.Concatenate("Features", "Deciding", "Noise")
            .Append(s_mlContext.BinaryClassification.Trainers.LbfgsLogisticRegression("IsMuch")).Fit(s_rows);
        var noNetwork = Assert.ThrowsExactly<ArgumentException>(() => TrainingReport.ToHtml(s_mlContext, linear, s_heldOut));
        StringAssert.Contains(noNetwork.Message, "no batch-normalized network");
        var noLabel =
            Assert.ThrowsExactly<ArgumentException>(() => TrainingReport.ToHtml(s_mlContext, s_models[NetworkTask.Binary], s_heldOut));
        StringAssert.Contains(noLabel.Message, "no label column 'Label'");
        var wrongType =
            Assert.ThrowsExactly<ArgumentException>(() => Html(NetworkTask.Binary, s_models[NetworkTask.Binary], label: "Amount"));
        StringAssert.Contains(wrongType.Message, "needs a Boolean");
        var empty = Assert.ThrowsExactly<ArgumentException>(
            () => TrainingReport.ToHtml(
                s_mlContext, s_models[NetworkTask.Binary], s_mlContext.Data.SkipRows(s_rows, 1000),
                new TrainingReportOptions { LabelColumnName = "IsMuch" }));
        StringAssert.Contains(empty.Message, "no held-out row");
    }

    private static string Html(NetworkTask task, ITransformer model, string? label = null)
        => TrainingReport.ToHtml(
            new MLContext(seed: 1), model, s_heldOut, new TrainingReportOptions { LabelColumnName = label ?? ReportedTables.Label(task) });

    // Whatever is not closed or escaped throws here.
    private static XElement Parse(string html)
    {
        using XmlReader reader = XmlReader.Create(new StringReader(html), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore });
        return XElement.Load(reader);
    }

    private static XElement Course(params TrainingHistory[] histories) => Course(0, histories);

    private static XElement Course(int teachers, params TrainingHistory[] histories)
    {
        var page = new Page("course");
        CourseSections.Add(page, histories, NetworkTask.Binary, null, teachers);
        return Parse(page.ToHtml());
    }

    private static void CheckRows(string[][] expected, XElement figure)
    {
        string[][] actual = Rows(figure);
        Assert.HasCount(expected.Length, actual);
        for (int i = 0; i < expected.Length; i++)
            CollectionAssert.AreEqual(expected[i], actual[i], $"{string.Join(' ', expected[i])} is {string.Join(' ', actual[i])}");
    }

    private static string[][] Rows(XElement figure)
        => [.. figure.Descendants("tbody").Single().Elements("tr").Select(row => row.Elements().Select(cell => cell.Value).ToArray())];

    private static string[] Legend(XElement figure) => [.. figure.Elements("ul").Single().Elements("li").Select(item => item.Value)];

    // Grid, axes and ticks are in the colour of the text.
    private static XElement[] Lines(XElement figure)
        => [.. figure.Descendants().Where(element => element.Name.LocalName == "path" && element.Attribute("fill")?.Value == "none"
            && element.Attribute("stroke")?.Value is { } stroke && stroke != "currentColor")];

    private static string Tile(XElement page, string name)
        => page.Descendants("dt").Single(dt => dt.Value == name).Parent!.Element("dd")!.Value;

    private static XElement Figure(XElement page, string title)
        => page.Descendants("figure").First(figure => figure.Element("figcaption")!.Value == title);

    private static string[] Confusion(XElement page) => [.. Figure(page, "Confusion matrix").Descendants("td").Select(cell => cell.Value)];

    private static string RowSums(XElement page) => Figure(page, "Confusion matrix").Descendants("tbody").Single().Elements("tr")
        .Select(row => row.Elements("td").Sum(cell => int.Parse(cell.Value, CultureInfo.InvariantCulture))).Aggregate(
            "", (all, n) => $"{all} {n}");

    private static string Measure(double value) => value.ToString("0.0000", CultureInfo.InvariantCulture);

    private static string Exact(double value) => value.ToString("G4", CultureInfo.InvariantCulture);
}
