using System.Text.RegularExpressions;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>
/// The messages that docs/troubleshooting.md explains are those that people get: each is provoked here, and stands there word for word.
/// </summary>
[TestClass]
public sealed partial class TroubleshootingTests
{
    private readonly MLContext _mlContext = new(seed: 1);

    [TestMethod]
    public void Messages_AreThoseOfTheDocument()
    {
        string document = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "docs", "troubleshooting.md")).ReplaceLineEndings("\n");
        string[] shown = [.. MessageBlock().Matches(document).Select(block => block.Groups["text"].Value.TrimEnd('\n'))];
        string[] provoked = [.. Exceptions().Select(Provoke), .. Warnings().SelectMany(Listen)];

        string[] absent = [.. provoked.Except(shown)], invented = [.. shown.Except(provoked)];
        Assert.IsTrue(
            absent.Length == 0 && invented.Length == 0,
            $"not in the document:\n{string.Join("\n", absent)}\n\nin the document, and not provoked:\n{string.Join("\n", invented)}");
    }

    /// <summary>The table at the end of the document: what a key, its names and a threshold are.</summary>
    [TestMethod]
    public void KeysAndThresholds_AreAsTheDocumentSays()
    {
        IDataView rows = _mlContext.Transforms.Conversion.MapValueToKey("Key", "Class").Fit(Rows(Some(60))).Transform(Rows(Some(60)));
        IDataView scored = Multiclass("Key").Fit(rows).Transform(rows);
        VBuffer<ReadOnlyMemory<char>> names = default;
        scored.Schema["Score"].GetSlotNames(ref names);
        CollectionAssert.AreEqual(new[] { "tent", "chair" }, names.DenseValues().Select(name => name.ToString()).ToArray());
        IDataView named = _mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(scored).Transform(scored);
        Assert.IsTrue(named.GetColumn<string>("PredictedLabel").All(name => name is "tent" or "chair"));

        var model = Binary("IsLarge").Fit(rows);
        int at = Count(0), below = Count(-1.39f);
        Assert.AreEqual(0.2, 1 / (1 + Math.Exp(1.39)), 0.001);
        Assert.IsGreaterThanOrEqualTo(at, below);
        Assert.IsLessThanOrEqualTo(at, Count(0.2f));

        int Count(float threshold) => _mlContext.BinaryClassification.ChangeModelThreshold(model, threshold).Transform(rows)
            .GetColumn<bool>("PredictedLabel").Count(label => label);
    }

    private IEnumerable<Action> Exceptions()
    {
        IDataView rows = Rows(Some(60));

        // Columns.
        yield return () => _mlContext.Transforms.Concatenate("Features", "Age", "Double")
            .Append(Regression("Amount", "Features")).Fit(rows);
        yield return () => Regression("Amount", "Feature").Fit(rows);
        yield return () => Regression("Price", "Numbers").Fit(rows);
        yield return () => Regression("Amount", "Age").Fit(rows);
        yield return () => Regression("Amount", "Doubles").Fit(rows);
        yield return () => Regression("Amount", "Unsized").Fit(rows);
        yield return () => Regression("Double", "Numbers").Fit(rows);
        yield return () => Binary("Amount").Fit(rows);
        yield return () => Multiclass("Class").Fit(rows);
        yield return () => Regression("Amount", "Numbers").Fit(rows).Transform(Wider(rows));
        yield return () => _mlContext.Regression.Evaluate(Regression("Amount", "Numbers").Fit(rows).Transform(rows));

        // Rows.
        yield return () => Regression("Amount", "Numbers").Fit(Rows([]));
        yield return () => Regression("Amount", "Numbers").Fit(Rows(Some(60, row => row.Amount = float.NaN)));
        yield return () => Regression("Amount", "Numbers").Fit(Rows(Some(1)));
        yield return () => Regression("Amount", "Numbers").Fit(Rows(Some(60, row => row.Numbers = [float.NaN, float.NaN])));
        yield return () => Regression("Amount", "Numbers").Fit(Rows(Some(60, row => row.Numbers[1] /= 0)));
        yield return () => Regression("Amount", "Numbers").Fit(Rows(Some(60, row => row.Amount = float.PositiveInfinity)));
        yield return () => Multiclass("Key").Fit(Keyed(rows, rows, row => row.Class != "tent"));
        yield return () => Multiclass("Key").Fit(Keyed(rows, rows), Keyed(Rows(Some(61).Skip(1)), rows));
        yield return () => Multiclass("Key").Fit(
            Keyed(Rows(Some(61).Skip(1)), rows), null, Multiclass("Key").Fit(Keyed(rows, rows)).Model);
        yield return () => Regression("Amount", "Numbers").Fit(Both("Amount", "Age", "Numbers"), Both("Age", "Amount", "Numbers"));
        yield return () => Regression("Amount", "Numbers", options => options.ExampleWeightColumnName = "Tiny").Fit(rows);
        yield return () => _mlContext.BinaryClassification.Evaluate(
            Binary("IsLarge").Fit(rows).Transform(Rows(Some(60, row => row.IsLarge = false))), "IsLarge");

        // Several targets.
        yield return () => Numbers("Unsized").Fit(rows);
        yield return () => Numbers("Amount").Fit(rows);
        yield return () => Numbers("Doubles").Fit(rows);
        yield return () => Numbers("Key").Fit(_mlContext.Transforms.Conversion.MapValueToKey("Key", "Numbers").Fit(rows).Transform(rows));
        yield return () => Numbers("Numbers", [1, 2, 3]).Fit(rows);
        yield return () => Numbers("Numbers").Fit(Rows(Some(60, row => row.Numbers[1] = float.NaN)));
        yield return () => Numbers("Numbers").Fit(Rows(Some(60, row => row.Numbers[0] /= 0)));
        yield return () => Labels("Numbers").Fit(Rows(Some(60, row => row.Numbers = [2, 0])));
        yield return () => Numbers("Both").Fit(Both("Amount", "Age"), Both("Age", "Amount"));
        yield return () => Numbers("Both").Fit(
            Both("Age", "Amount"), null, Numbers("Both").Fit(Both("Amount", "Age")).Model);
        yield return () => _mlContext.Regression.Evaluate(Numbers("Numbers").Fit(rows).Transform(rows), "Numbers");

        // Options.
        yield return () => Regression("Amount", "Numbers", options => options.BatchSize = 1);
        yield return () => Binary("IsLarge", options => options.ClassWeights = [1, 2, 3]).Fit(rows);
        yield return () => Regression("Amount", "Numbers", options => options.LearningRate = 1000);
        yield return () => Regression("Amount", "Numbers", options =>
        {
            options.Placement = BatchNormalizationPlacement.None;
            options.Optimizer = new SgdOptimizer();
            options.LearningRateSchedule = new ConstantSchedule();
            options.LearningRate = 100;
            options.MaximumNumberOfEpochs = 100;
            options.Seed = 1;
        }).Fit(rows);

        // Files.
        yield return () => _mlContext.Model.Load(new MemoryStream([1, 2, 3]), out _);
    }

    private IEnumerable<Action> Warnings()
    {
        yield return () => Regression("Amount", "Numbers", options => options.ValidationFraction = 0.2).Fit(Rows(Some(2)));
        yield return () => Regression("Amount", "Numbers").Fit(Rows([.. Some(60), .. Some(2, row => row.Amount = float.NaN)]));
        yield return () => Regression("Amount", "Numbers").Fit(Rows(Some(60, row => row.Numbers[1] = float.NaN)));
        yield return () => Binary("IsLarge").Fit(Rows(Some(60, row => row.IsLarge = false)));
        yield return () => Numbers("Numbers").Fit(Rows(Some(60, row => row.Numbers[1] = 7)));
        IDataView thin = Rows([.. Some(60, row => row.Class = "tent"), .. Some(1, row => row.Class = "chair")]);
        yield return () => Multiclass("Key").Fit(Keyed(thin, thin));
    }

    private static string Provoke(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e)
        {
            return e.Message;
        }

        throw new AssertFailedException("No message came.");
    }

    private string[] Listen(Action action)
    {
        List<string> warnings = [];
        void Add(object? sender, LoggingEventArgs line)
        {
            if (line.Kind == ChannelMessageKind.Warning)
                warnings.Add(line.RawMessage);
        }

        _mlContext.Log += Add;
        action();
        _mlContext.Log -= Add;
        Assert.IsNotEmpty(warnings);
        return [.. warnings.Distinct()];
    }

    private BatchNormNetworkRegressionTrainer Regression(string label, string features, Action<BatchNormNetworkOptions>? change = null) =>
        _mlContext.Regression.Trainers.BatchNormNetwork(Options<BatchNormNetworkRegressionTrainer.Options>(label, features, change));

    private BatchNormNetworkBinaryTrainer Binary(string label, Action<BatchNormNetworkBinaryTrainer.Options>? change = null) =>
        _mlContext.BinaryClassification.Trainers.BatchNormNetwork(Options(label, "Numbers", change));

    private BatchNormNetworkMulticlassTrainer Multiclass(string label) =>
        _mlContext.MulticlassClassification.Trainers.BatchNormNetwork(
            Options<BatchNormNetworkMulticlassTrainer.Options>(label, "Numbers", null));

    private BatchNormNetworkMultiOutputRegressionTrainer Numbers(string label, double[]? weights = null) =>
        _mlContext.Regression.Trainers.BatchNormNetworkMultiOutput(Options<BatchNormNetworkMultiOutputRegressionTrainer.Options>(
            label, "Inputs", options => options.TargetWeights = weights));

    private BatchNormNetworkMultiLabelTrainer Labels(string label) => _mlContext.BinaryClassification.Trainers.BatchNormNetworkMultiLabel(
        Options<BatchNormNetworkMultiLabelTrainer.Options>(label, "Inputs", null));

    private static T Options<T>(string label, string features, Action<T>? change)
        where T : BatchNormNetworkOptions, new()
    {
        var options = new T
        {
            LabelColumnName = label,
            FeatureColumnName = features,
            HiddenUnits = [4],
            MaximumNumberOfEpochs = 2,
            NumberOfEnsembleMembers = 1,
        };
        change?.Invoke(options);
        return options;
    }

    /// <summary>With keys that are made of some rows, and without those of a class.</summary>
    private IDataView Keyed(IDataView keysFrom, IDataView rows, Func<Named, bool>? without = null) =>
        _mlContext.Data.FilterByCustomPredicate<Named>(
            _mlContext.Transforms.Conversion.MapValueToKey("Key", "Class").Fit(keysFrom).Transform(rows), without ?? (_ => false));

    private IDataView Rows(IEnumerable<Row> rows) => _mlContext.Data.LoadFromEnumerable(rows);

    /// <summary>With two columns as the targets, or as features, in this order.</summary>
    private IDataView Both(string first, string second, string name = "Both")
    {
        IDataView rows = Rows(Some(60));
        return _mlContext.Transforms.Concatenate(name, first, second).Fit(rows).Transform(rows);
    }

    private IDataView Wider(IDataView rows) => _mlContext.Transforms.Concatenate("Numbers", "Numbers", "Age").Fit(rows).Transform(rows);

    private static List<Row> Some(int count, Action<Row>? change = null)
    {
        var random = new Random(3);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            var row = new Row
            {
                Age = random.Next(80),
                Numbers = [1 + random.NextSingle(), 1 + random.NextSingle()],
                Amount = random.NextSingle(),
                IsLarge = random.Next(2) == 0,
                Class = i % 2 == 0 ? "tent" : "chair",
                Inputs = [i % 7, i % 11],
            };
            change?.Invoke(row);
            return row;
        })];
    }

    [GeneratedRegex("^```message\n(?<text>.*?)^```$", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex MessageBlock();

    private sealed class Named
    {
        public string Class { get; set; } = "";
    }

    private sealed class Row
    {
        public float Tiny { get; set; } = 1e-33f;

        public float Age { get; set; }

        public double Double { get; set; }

        [VectorType(2)]
        public float[] Numbers { get; set; } = [];

        /// <summary>Features of the trainers whose labels are the numbers.</summary>
        [VectorType(2)]
        public float[] Inputs { get; set; } = [];

        [VectorType(2)]
        public double[] Doubles { get; set; } = [0, 0];

        public float[] Unsized { get; set; } = [0, 0];

        public float Amount { get; set; }

        public bool IsLarge { get; set; }

        public string Class { get; set; } = "";
    }
}
