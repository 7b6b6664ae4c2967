using System.Globalization;
using System.Xml;
using System.Xml.Linq;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Reporting.Tests;

/// <summary>There is a page for any held-out rows with a label and for any names; what is not defined for them is said in words.</summary>
[TestClass]
public sealed class ReportEdgesTests
{
    private static readonly MLContext s_mlContext = new(seed: 1);
    private static readonly Example[] s_rows = Rows(200);
    private static readonly Dictionary<NetworkTask, ITransformer> s_models = Enum.GetValues<NetworkTask>().ToDictionary(
        task => task, task => Train(task, s_rows));

    /// <summary>Held-out rows of many shapes, each with what it is called.</summary>
    private static readonly Dictionary<string, Example[]> s_heldOut = new()
    {
        ["one row"] = s_rows[..1],
        ["two rows"] = s_rows[..2],
        ["rows of one class and of one label"] = [.. s_rows.Where(row => row.Kind == "b").Select(row => row with { Amount = 2 })],
        ["rows that are false"] = [.. s_rows.Where(row => !row.IsMuch)],
        ["rows that are true"] = [.. s_rows.Where(row => row.IsMuch)],
        ["equal features: equal predictions"] = [.. s_rows.Select(row => row with { Features = [0.5f, 0.5f] })],
        ["equal features, equal labels"] = [.. s_rows.Select(_ => s_rows[3])],
        ["one row of another class"] = [.. s_rows.Where(row => row.Kind == "a"), s_rows.First(row => row.Kind == "c")],
        ["labels of 1e30"] = [.. s_rows.Select(row => row with { Amount = row.Amount * 1e30f })],
        ["labels that are nearly equal"] =
            [.. s_rows.Select((row, i) => row with { Amount = i % 2 == 0 ? 1e7f : MathF.BitIncrement(1e7f) })],
        ["labels of 1e-40"] = [.. s_rows.Select(row => row with { Amount = row.Amount * 1e-40f })],
        ["infinite features in some rows"] =
            [.. s_rows.Select((row, i) => i % 3 == 0 ? row with { Features = [float.PositiveInfinity, 1] } : row)],
        ["infinite features in all rows"] =
            [.. s_rows.Select(row => row with { Features = [float.NegativeInfinity, float.PositiveInfinity] })],
        ["missing features"] = [.. s_rows.Select((row, i) => row with { Features = [float.NaN, i % 2 == 0 ? float.NaN : 1] })],
        ["labels that are missing in some rows"] =
            [.. s_rows.Select((row, i) => i % 2 == 0 ? row with { Amount = float.NaN, Kind = "none of these" } : row)],
        ["labels that are infinite in some rows"] =
            [.. s_rows.Select((row, i) => i % 2 == 0 ? row with { Amount = float.PositiveInfinity } : row)],
    };

    public static IEnumerable<object[]> Everything
        => from task in Enum.GetValues<NetworkTask>() from name in s_heldOut.Keys select new object[] { (int)task, name };

    [TestMethod]
    [DynamicData(nameof(Everything))]
    public void AnyRows_HaveAPage_WithoutNumbersThatAreNone(int task, string rows)
    {
        XElement page = Page((NetworkTask)task, s_models[(NetworkTask)task], s_heldOut[rows]);

        CollectionAssert.IsSubsetOf(
            new[] { "Held-out rows", "Training", "Permutation importance" }, page.Descendants("h2").Select(h2 => h2.Value).ToArray());
        string[] numbers = [.. page.Descendants().Where(element => !element.HasElements)
            .SelectMany(element => element.Attributes().Select(a => a.Value).Append(element.Value))];
        Assert.IsEmpty(numbers.Where(text => text.Contains("NaN") || text.Contains('∞') || text.Contains("Infinity")));
        CollectionAssert.AllItemsAreUnique(page.Descendants().Attributes("id").Select(id => id.Value).ToArray());
    }

    [TestMethod]
    public void WhatIsNotDefined_IsSaidInWords()
    {
        XElement oneClass = Page(NetworkTask.Binary, s_heldOut["rows that are false"]);
        Assert.AreEqual("one class only", Tile(oneClass, "area under ROC"));
        Assert.AreEqual(
            "Not measured: the area under the ROC curve is not defined where all rows are of one class.",
            Text(oneClass, "Permutation importance"));
        Assert.AreEqual("1.0000", Tile(Page(NetworkTask.Binary, Sure(NetworkTask.Binary)), "accuracy"), "the other numbers are there");

        XElement equal = Page(NetworkTask.Regression, s_heldOut["one row"]);
        Assert.AreEqual("labels are equal", Tile(equal, "R²"));
        Assert.AreEqual("Not measured: R² is not defined where all labels are equal.", Text(equal, "Permutation importance"));
        StringAssert.StartsWith(Text(equal, "Held-out rows"), "1 row that was not used for training. ");

        XElement one = Page(NetworkTask.Multiclass, s_heldOut["one row"]);
        StringAssert.StartsWith(Text(one, "Held-out rows"), "1 row that was not used for training. The network knows 3 classes.");
        StringAssert.Contains(Figure(one, "All slots").Element("p")!.Value, "no slot is worth anything");
    }

    /// <summary>Rows without a label are none to measure with; the page says how many there were.</summary>
    [TestMethod]
    public void RowsWithoutLabel_AreCountedAndLeftOut()
    {
        Example[] rows = s_heldOut["labels that are missing in some rows"];
        foreach (NetworkTask task in new[] { NetworkTask.Multiclass, NetworkTask.Regression })
        {
            XElement page = Page(task, rows), labelled = Page(task, [.. rows.Where((_, i) => i % 2 == 1)]);
            StringAssert.Contains(Text(page, "Held-out rows"), "100 rows that were not used for training");
            StringAssert.Contains(Text(page, "Held-out rows"), " Left out: 100 without a label.");
            CollectionAssert.AreEqual(Tiles(labelled), Tiles(page));
        }
    }

    [TestMethod]
    public void RowsWithoutScore_AreCountedAndLeftOut()
    {
        var rows = new CountedRows(5, i => i != 1, i => i is not (1 or 3));
        Assert.AreEqual((3, 1, 1), (rows.Count, rows.Unlabelled, rows.Unscored));
        CollectionAssert.AreEqual(new[] { 0, 20, 40 }, rows.Take(new[] { 0, 1, 2, 3, 4 }, x => 10 * x).ToArray());

        HeldOutResults[] results =
        [
            new BinaryResults(
                new CountedRows(3, _ => true, i => i != 1), [true, false, false], [0.9f, float.NaN, 0.2f], [true, false, false]),
            new MulticlassResults(
                ["a", "b"], new CountedRows(3, _ => true, i => i != 1), [1, 2, 2], [[0.9f, 0.1f], [float.NaN, float.NaN], [0.2f, 0.8f]]),
            new RegressionResults(new CountedRows(3, _ => true, i => i != 1), [1, 2, 3], [1, float.PositiveInfinity, 3]),
        ];
        foreach (HeldOutResults result in results)
        {
            XElement page = Section(result);
            StringAssert.Contains(Text(page, "Held-out rows"), "2 rows that were not used for training");
            StringAssert.Contains(Text(page, "Held-out rows"), " Left out: 1 without a score, where a feature is missing or infinite.");
            Assert.AreEqual("1.0000", Tile(page, result is RegressionResults ? "R²" : "accuracy"));
            Assert.IsNull(result.WhyNoMeasure);
        }

        var none = new RegressionResults(new CountedRows(3, i => i > 0, _ => false), [1, 2, 3], [float.NaN, float.NaN, float.NaN]);
        XElement empty = Section(none);
        Assert.AreEqual(
            "None of these rows could be scored. Left out: 1 without a label, and 2 without a score, "
            + "where a feature is missing or infinite.",
            Text(empty, "Held-out rows"));
        Assert.IsEmpty(empty.Descendants("figure"));
        Assert.AreEqual("no row could be scored", none.WhyNoMeasure);
    }

    /// <summary>The values that give no score stay out of the shuffling, so that the measure is over the same rows each time.</summary>
    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(2)]
    public void Importance_IsThatOfTheRowsWithScore(int task)
    {
        // What is neither scaled nor clipped lets infinite values through.
        var network = ReportedNetwork.Find(Train((NetworkTask)task, s_rows, scaleInputs: false));
        Example[] infinite = [.. s_rows.Select(
            (row, i) => i % 3 == 0
                ? row with { Features = [float.PositiveInfinity, i % 2 == 0 ? float.PositiveInfinity : float.NegativeInfinity] }
                : row)];
        int[] scored = [.. Scored(network, infinite)];
        Assert.IsLessThan(infinite.Length, scored.Length, "an infinite feature gives no score");
        // Leaving out where there is nothing to be left out draws the same random numbers.
        IReadOnlyList<SlotImportance> Measure(Example[] rows) => SlotImportance.Measure(
            new MLContext(1), network, network.Before.Transform(Load(rows)), areLeftOut: true,
            new TrainingReportOptions { LabelColumnName = Label((NetworkTask)task) });

        CollectionAssert.AreEqual(Measure([.. scored.Select(i => infinite[i])]).ToArray(), Measure(infinite).ToArray());
    }

    [TestMethod]
    public void NoRows_AreRefused()
    {
        foreach (NetworkTask task in Enum.GetValues<NetworkTask>())
        {
            StringAssert.Contains(
                Assert.ThrowsExactly<ArgumentException>(() => Page(task, s_models[task], [])).Message, "no held-out row that has a label");
        }
        Example[] unlabelled = [.. s_rows.Select(row => row with { Amount = float.NaN, Kind = "?" })];
        foreach (NetworkTask task in new[] { NetworkTask.Multiclass, NetworkTask.Regression })
        {
            StringAssert.Contains(
                Assert.ThrowsExactly<ArgumentException>(() => Page(task, s_models[task], unlabelled)).Message,
                "no held-out row that has a label");
        }
    }

    /// <summary>The network's columns hide others of the same name behind it.</summary>
    [TestMethod]
    [DataRow("Score")]
    [DataRow("PredictedLabel")]
    public void LabelThatIsCalledAsAnOutput_IsTheLabel(string name)
    {
        IDataView rows = s_mlContext.Transforms.CopyColumns(name, "Amount").Fit(Load(s_rows)).Transform(Load(s_rows));
        string page = TrainingReport.ToHtml(
            new MLContext(1), s_models[NetworkTask.Regression], rows, new TrainingReportOptions { LabelColumnName = name });

        Assert.AreEqual(Html(NetworkTask.Regression, s_models[NetworkTask.Regression], Load(s_rows)), page);
    }

    /// <summary>Keys that stand for other values than in training would count right answers as wrong ones.</summary>
    [TestMethod]
    public void KeysOfAnotherMapping_AreRefused()
    {
        IDataView Keyed(IEnumerable<Example> rows)
            => s_mlContext.Transforms.Conversion.MapValueToKey("Key", "Kind").Fit(Load([.. rows])).Transform(Load([.. rows]));
        ITransformer model = s_mlContext.MulticlassClassification.Trainers
            .BatchNormNetwork(Small<BatchNormNetworkMulticlassTrainer.Options>("Key")).Fit(Keyed(s_rows));
        string Report(IDataView rows)
            => TrainingReport.ToHtml(new MLContext(1), model, rows, new TrainingReportOptions { LabelColumnName = "Key" });

        Assert.IsGreaterThan(0, Report(Keyed(s_rows)).Length);
        string order =
            Assert.ThrowsExactly<ArgumentException>(() => Report(Keyed(s_rows.Reverse().OrderByDescending(row => row.Kind)))).Message;
        StringAssert.Contains(order, "'Key' stand for 3 classes (c, b, a), those that the network was trained with for 3 classes (");
        StringAssert.Contains(order, "Let one MapValueToKey");
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => Report(Keyed(s_rows.Where(row => row.Kind != "a")))).Message, "for 2 classes (");
    }

    /// <summary>Names of classes and of slots that hold what a page cannot, or what looks like nothing or like another.</summary>
    [TestMethod]
    public void NamesOfAnyKind_AreShown()
    {
        string[] names =
        [
            "good", "bad\0", "<script>alert(1)</script>", "\"'&amp;", new string('x', 5000), " ", "\ud83d", "\ud83d\udc1f", "שלום", "العمر",
            "日本語", "a\u202eb", "line\nbreak", "bad\\u0000", "\u0001",
        ];
        Example[] rows = [.. s_rows.Select((row, i) => row with { Kind = names[i % names.Length] })];
        IDataView data = new EstimatorChain<ITransformer>()
            .Append(s_mlContext.Transforms.Conversion.MapValueToKey("Key", "Kind")).Fit(Load(rows)).Transform(Load(rows));
        IDataView named = s_mlContext.Data.LoadFromEnumerable(
            s_mlContext.Data.CreateEnumerable<Keyed>(data, false)
                .Select(row => new NamedRow { Key = row.Key, Features = Wide(row.Features, names.Length) }),
            Schema(data, names));
        ITransformer model = s_mlContext.MulticlassClassification.Trainers
            .BatchNormNetwork(Small<BatchNormNetworkMulticlassTrainer.Options>("Key")).Fit(named);

        XElement page = Parse(TrainingReport.ToHtml(
            new MLContext(1), model, named, new TrainingReportOptions { LabelColumnName = "Key", Title = "<b>\0\u0007</b>" }));

        string[] expected = [.. names.Select(Names.Readable)];
        expected[1] += " (key 2)";
        expected[13] += " (key 14)";
        CollectionAssert.AreEqual(expected, Rows(page, "Classes"));
        CollectionAssert.AreEqual(
            expected.Append("is \\ as").Order().ToArray(),
            Figure(page, "Confusion matrix").Descendants("thead").Descendants("th").Select(th => th.Value).Order().ToArray());
        CollectionAssert.AreEquivalent(
            expected.Select(name => name.Replace("(key 2)", "(slot 1)").Replace("(key 14)", "(slot 13)")).ToArray(),
            Rows(page, "All slots"));
        Assert.AreEqual("<b>\\u0000\\u0007</b>", page.Descendants("h1").Single().Value);
        XElement svg = Figure(page, "All slots").Descendants().First(element => element.Name.LocalName == "svg");
        string[] drawn =
            [.. svg.Elements().Skip(1).DescendantsAndSelf().Where(element => element.Name.LocalName == "text").Select(text => text.Value)];
        foreach (string name in Rows(page, "All slots"))
            CollectionAssert.Contains(drawn, Names.Short(name), $"{name} is among {string.Join('|', drawn)}");
        Assert.IsEmpty(page.Descendants("script"));
    }

    /// <summary>What keys stand for may be of any type.</summary>
    [TestMethod]
    public void ClassNames_OfEveryType_AreTheirText()
    {
        void Check<T>(T[] values, params string[] expected)
        {
            IDataView data = s_mlContext.Data.LoadFromEnumerable(values.Select(value => new Valued<T> { Value = value }).ToArray());
            IDataView keyed = s_mlContext.Transforms.Conversion.MapValueToKey("Key", "Value").Fit(data).Transform(data);
            string[] names = [.. Names.Distinct(keyed.Schema["Key"].GetClassNames(), key => $"key {key + 1}")];
            Assert.AreEqual(string.Join("|", expected), string.Join("|", names), typeof(T).Name);
        }

        Check([true, false], "True", "False");
        Check<sbyte>([-1, 2], "-1", "2");
        Check<short>([-300, 2], "-300", "2");
        Check([70_000, 2], "70000", "2");
        Check([5_000_000_000, 2], "5000000000", "2");
        Check<byte>([200, 2], "200", "2");
        Check<ushort>([60_000, 2], "60000", "2");
        Check<uint>([4_000_000_000, 2], "4000000000", "2");
        Check<ulong>([10_000_000_000, 2], "10000000000", "2");
        Check([1.5f, -2], "1.5", "-2");
        Check([1e300, 0.1], "1E+300", "0.1");
        Check([TimeSpan.FromHours(25), TimeSpan.Zero], "1.01:00:00", "00:00:00");
        Check(["x", "y"], "x", "y");
        // Two moments of one second look the same.
        var noon = new DateTime(2026, 5, 4, 12, 0, 0);
        Check(
            [noon, noon.AddMilliseconds(3), noon.AddDays(1)], "05/04/2026 12:00:00 (key 1)",
            "05/04/2026 12:00:00 (key 2)", "05/05/2026 12:00:00");
    }

    [TestMethod]
    public void VeryManyClasses_AreCounted()
    {
        const int Classes = 100_000;                    // a square of counts would take 40 GB
        var matrix = new ConfusionMatrix([.. Enumerable.Range(0, Classes).Select(i => $"{i}")], [5, 5, Classes - 1], [5, 6, Classes - 1]);

        Assert.AreEqual((2, 3, 0.5, 1.0), (matrix.Right, matrix.Rows, matrix.Recall(5), matrix.Precision(Classes - 1)));
    }

    private static Example[] Rows(int count)
    {
        var random = new Random(3);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            float x = random.NextSingle(), y = random.NextSingle();
            return new Example { Features = [x, y], IsMuch = x > 0.5f, Kind = x < 0.3f ? "a" : x < 0.7f ? "b" : "c", Amount = 2 * x + y };
        })];
    }

    private static IDataView Load(Example[] rows) => s_mlContext.Data.LoadFromEnumerable(rows);

    private static ITransformer Train(NetworkTask task, Example[] rows, bool scaleInputs = true) => task switch
    {
        NetworkTask.Binary => s_mlContext.BinaryClassification.Trainers
            .BatchNormNetwork(Small<BatchNormNetworkBinaryTrainer.Options>("IsMuch", scaleInputs)).Fit(Load(rows)),
        NetworkTask.Multiclass => s_mlContext.Transforms.Conversion.MapValueToKey("Key", "Kind")
            .Append(s_mlContext.MulticlassClassification.Trainers.BatchNormNetwork(
                Small<BatchNormNetworkMulticlassTrainer.Options>("Key", scaleInputs)))
            .Fit(Load(rows)),
        _ => s_mlContext.Regression.Trainers.BatchNormNetwork(Small<BatchNormNetworkRegressionTrainer.Options>("Amount", scaleInputs))
            .Fit(Load(rows)),
    };

    private static T Small<T>(string label, bool scaleInputs = true)
        where T : BatchNormNetworkOptions, new()
        => new()
        {
            LabelColumnName = label, HiddenUnits = [8], NumberOfEnsembleMembers = 1, MaximumNumberOfEpochs = 10, BatchSize = 32,
            LearningRate = 0.02,
            ScaleInputs = scaleInputs, NumberOfInputPieces = scaleInputs ? null : 0,
        };

    private static string Label(NetworkTask task) => task switch
    {
        NetworkTask.Binary => "IsMuch",
        NetworkTask.Multiclass => "Key",
        _ => "Amount",
    };

    private static string Html(NetworkTask task, ITransformer model, IDataView rows)
        => TrainingReport.ToHtml(new MLContext(seed: 1), model, rows, new TrainingReportOptions { LabelColumnName = Label(task) });

    private static XElement Page(NetworkTask task, ITransformer model, Example[] rows) => Parse(Html(task, model, Load(rows)));

    private static XElement Page(NetworkTask task, Example[] rows) => Page(task, s_models[task], rows);

    private static XElement Section(HeldOutResults results)
    {
        var page = new Page("results");
        ResultSections.Add(page, results);
        return Parse(page.ToHtml());
    }

    /// <summary>Rows of one class that the network is sure of.</summary>
    private static Example[] Sure(NetworkTask task) => [.. s_rows.Where(row => row.Features[0] > 0.9f)];

    private static IEnumerable<int> Scored(ReportedNetwork network, Example[] rows)
    {
        IDataView scored = network.Predictor.Transform(network.Before.Transform(Load(rows)));
        return network.Task == NetworkTask.Multiclass
            ? scored.GetColumn<float[]>("Score").Index().Where(row => row.Item.All(float.IsFinite)).Select(row => row.Index)
            : scored.GetColumn<float>(network.Task == NetworkTask.Binary ? "Probability" : "Score").Index()
                .Where(row => float.IsFinite(row.Item))
                .Select(row => row.Index);
    }

    private static float[] Wide(float[] features, int slots)
        => [.. Enumerable.Range(0, slots).Select(i => features[i % features.Length] * (i + 1))];

    private static SchemaDefinition Schema(IDataView keyed, string[] slots)
    {
        var schema = SchemaDefinition.Create(typeof(NamedRow));
        var type = (KeyDataViewType)keyed.Schema["Key"].Type;
        VBuffer<ReadOnlyMemory<char>> values = default;
        keyed.Schema["Key"].GetKeyValues(ref values);
        schema["Key"].ColumnType = type;
        schema["Key"].AddAnnotation("KeyValues", values, new VectorDataViewType(TextDataViewType.Instance, values.Length));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, slots.Length);
        schema["Features"].AddAnnotation(
            "SlotNames", new VBuffer<ReadOnlyMemory<char>>(slots.Length, [.. slots.Select(name => name.AsMemory())]),
            new VectorDataViewType(TextDataViewType.Instance, slots.Length));
        return schema;
    }

    private static XElement Parse(string html)
    {
        using XmlReader reader = XmlReader.Create(new StringReader(html), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore });
        return XElement.Load(reader);
    }

    private static string Text(XElement page, string section)
        => page.Descendants("section").Single(s => s.Element("h2")!.Value == section).Element("p")!.Value;

    private static string Tile(XElement page, string name)
        => page.Descendants("dt").Single(dt => dt.Value == name).Parent!.Element("dd")!.Value;

    private static string[] Tiles(XElement page) => [.. page.Descendants("dd").Select(dd => dd.Value)];

    private static XElement Figure(XElement page, string title)
        => page.Descendants("figure").First(figure => figure.Element("figcaption")!.Value == title);

    private static string[] Rows(XElement page, string figure)
        => [.. Figure(page, figure).Descendants("tbody").Descendants("th").Select(th => th.Value)];

    private sealed record Example
    {
        [VectorType(2)]
        public float[] Features { get; init; } = [];

        public bool IsMuch { get; init; }

        public string Kind { get; init; } = "";

        public float Amount { get; init; }
    }

    private sealed class Keyed
    {
        [VectorType(2)]
        public float[] Features { get; set; } = [];

        [KeyType(15)]
        public uint Key { get; set; }
    }

    private sealed class NamedRow
    {
        public float[] Features { get; set; } = [];

        public uint Key { get; set; }
    }

    private sealed class Valued<T>
    {
        public T Value { get; set; } = default!;
    }
}
