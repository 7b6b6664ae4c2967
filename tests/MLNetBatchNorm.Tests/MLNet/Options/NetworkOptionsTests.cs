using System.Globalization;
using System.Xml.Linq;
using Microsoft.ML;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Options: one table of ranges is what the validator enforces, what the documentation says and what these tests read.</summary>
[TestClass]
public sealed class NetworkOptionsTests
{
    private static readonly string[] s_notNumbers =
    [
        nameof(BatchNormNetworkOptions.HiddenUnits), nameof(BatchNormNetworkOptions.Seed),
    ];

    private readonly MLContext _context = new(1);

    public static IEnumerable<object[]> Ranges => OptionRange.All.Select(range => new object[] { range.Option });

    [TestMethod]
    [DynamicData(nameof(Ranges))]
    public void Create_NumberOutsideItsRange_IsRefused(string option)
    {
        OptionRange range = OptionRange.All.Single(r => r.Option == option);
        foreach (double value in Outside(range))
        {
            BatchNormNetworkOptions options = WithOption(option);
            Set(options, option, value);
            string message = Refusal(options, option);
            Assert.StartsWith(string.Create(CultureInfo.InvariantCulture, $"{option} is {value}; it must be in {range.Text}. {range.Advice}"), message);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Ranges))]
    public void Create_NumberAtTheEndOfItsRange_IsAccepted(string option)
    {
        OptionRange range = OptionRange.All.Single(r => r.Option == option);
        foreach (double value in Inside(range))
        {
            BatchNormNetworkOptions options = WithOption(option);
            options.BatchSize = OptionRange.MaximumBatchSize;
            Set(options, option, value);
            Create(options);
        }
    }

    [TestMethod]
    public void Create_HiddenUnitsThatCannotBe_AreRefused()
    {
        foreach ((int[]? units, string expected) in new (int[]?, string)[]
        {
            (null, "HiddenUnits is null; it must hold the number of units of each hidden layer"),
            ([], "HiddenUnits is empty; it must hold the number of units of each hidden layer"),
            ([0], "HiddenUnits[0] is 0; it must be in [1, 65536]"),
            ([8, -3], "HiddenUnits[1] is -3; it must be in [1, 65536]"),
            ([8, 65537], "HiddenUnits[1] is 65537; it must be in [1, 65536]"),
            ([.. Enumerable.Repeat(4, 65)], "HiddenUnits has 65 layers; at most 64 are allowed"),
            ([65536, 65536], "Hidden layer 2 would map 65536 inputs to 65536 units"),
        })
        {
            Assert.StartsWith(expected, Refusal(new BatchNormNetworkBinaryTrainer.Options { HiddenUnits = units! }, "HiddenUnits"));
        }
    }

    [TestMethod]
    public void Create_EnumerationsThatDoNotExist_AreRefused()
    {
        Assert.StartsWith("Activation is 99; it must be one of ReLU,", Refusal(new BatchNormNetworkBinaryTrainer.Options { Activation = (ActivationFunction)99 }, "Activation"));
        Assert.StartsWith("Placement is 99; it must be one of None,", Refusal(new BatchNormNetworkBinaryTrainer.Options { Placement = (BatchNormalizationPlacement)99 }, "Placement"));
        Assert.StartsWith("Statistics is 99; it must be one of", Refusal(new BatchNormNetworkBinaryTrainer.Options { Statistics = (BatchNormalizationStatistics)99 }, "Statistics"));
        Assert.StartsWith(
            "MatrixMultiplication is 99; it must be one of Managed, Native",
            Refusal(new BatchNormNetworkBinaryTrainer.Options { MatrixMultiplication = (MatrixMultiplication)99 }, "MatrixMultiplication"));
    }

    [TestMethod]
    public void Create_ThingsThatAreNullOrDoNotGoTogether_AreRefused()
    {
        Assert.StartsWith("Loss is null", Refusal(new BatchNormNetworkRegressionTrainer.Options { Loss = null! }, "Loss"));
        Assert.StartsWith("Optimizer is null", Refusal(new BatchNormNetworkBinaryTrainer.Options { Optimizer = null! }, "Optimizer"));
        Assert.StartsWith("LearningRateSchedule is null", Refusal(new BatchNormNetworkBinaryTrainer.Options { LearningRateSchedule = null! }, "LearningRateSchedule"));
        Assert.StartsWith("LabelColumnName is null", Refusal(new BatchNormNetworkBinaryTrainer.Options { LabelColumnName = null! }, "LabelColumnName"));
        Assert.StartsWith("FeatureColumnName is empty", Refusal(new BatchNormNetworkBinaryTrainer.Options { FeatureColumnName = " " }, "FeatureColumnName"));
        Assert.StartsWith("ExampleWeightColumnName is empty", Refusal(new BatchNormNetworkBinaryTrainer.Options { ExampleWeightColumnName = "" }, "ExampleWeightColumnName"));
        Assert.StartsWith(
            "VirtualBatchSize is 64, but BatchSize is 32", Refusal(new BatchNormNetworkBinaryTrainer.Options { BatchSize = 32, VirtualBatchSize = 64 }, "VirtualBatchSize"));
        Assert.StartsWith("NormalizeOutputLayerInput is true, but Placement is BeforeActivation", Refusal(
            new BatchNormNetworkBinaryTrainer.Options { NormalizeOutputLayerInput = true }, "NormalizeOutputLayerInput"));
    }

    [TestMethod]
    public void Create_OptimizerOrScheduleOutOfRange_IsRefused()
    {
        Assert.Contains("Beta1 is 1", Refusal(new BatchNormNetworkBinaryTrainer.Options { Optimizer = new AdamOptimizer { Beta1 = 1 } }, "Optimizer"));
        Assert.Contains("OptimizerMomentum is NaN", Refusal(new BatchNormNetworkBinaryTrainer.Options { Optimizer = new SgdOptimizer { OptimizerMomentum = double.NaN } }, "Optimizer"));
        Assert.Contains("PeakFraction is 0", Refusal(
            new BatchNormNetworkBinaryTrainer.Options { LearningRateSchedule = new OneCycleSchedule { PeakFraction = 0 } }, "LearningRateSchedule"));
    }

    [TestMethod]
    public void Create_ShortOverload_RefusesTheSame()
    {
        ArgumentOutOfRangeException exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _context.Regression.Trainers.BatchNormNetwork(learningRate: double.NaN));
        Assert.IsTrue(exception.IsMarked());
        Assert.Contains("LearningRate is NaN", exception.Message);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _context.MulticlassClassification.Trainers.BatchNormNetwork(hiddenUnits: []));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _context.BinaryClassification.Trainers.BatchNormNetwork(batchSize: 1));
    }

    /// <summary>A trainer keeps a copy, so what happens to the caller's object later does not reach it.</summary>
    [TestMethod]
    public void Create_OptionsChangedAfterwards_HaveNoEffect()
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(60));
        var options = NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>();
        BatchNormNetworkRegressionTrainer trainer = _context.Regression.Trainers.BatchNormNetwork(options);
        float[] before = trainer.Fit(view).Transform(view).Scalars<float>("Score");
        options.HiddenUnits[0] = 3;
        options.MaximumNumberOfEpochs = 1;
        options.LabelColumnName = "Nowhere";

        CollectionAssert.AreEqual(before, trainer.Fit(view).Transform(view).Scalars<float>("Score"));
    }

    /// <summary>Every option says its default and, if it is a number, its range, in the words of the table.</summary>
    [TestMethod]
    public void Documentation_OfEveryOption_StatesDefaultAndRange()
    {
        XDocument documentation = XDocument.Load(Path.ChangeExtension(typeof(BatchNormNetworkOptions).Assembly.Location, ".xml"));
        Dictionary<string, string> values = documentation.Descendants("member")
            .Where(member => member.Element("value") is not null)
            .ToDictionary(member => member.Attribute("name")!.Value, member => string.Join(' ', member.Element("value")!.Value.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)));
        var wrong = new List<string>();
        foreach (Type type in new[]
        {
            typeof(BatchNormNetworkOptions), typeof(BatchNormNetworkClassificationOptions), typeof(BatchNormNetworkBinaryTrainer.Options), typeof(BatchNormNetworkMulticlassTrainer.Options), typeof(BatchNormNetworkRegressionTrainer.Options),
        })
        {
            var sample = (BatchNormNetworkOptions)Activator.CreateInstance(type.IsAbstract ? typeof(BatchNormNetworkBinaryTrainer.Options) : type)!;
            foreach (System.Reflection.FieldInfo field in type.GetFields().Where(f => f.DeclaringType == type))
            {
                if (!values.TryGetValue($"F:{type.FullName!.Replace('+', '.')}.{field.Name}", out string? text))
                {
                    wrong.Add($"{field.Name} has no <value>");
                    continue;
                }

                OptionRange? range = OptionRange.All.SingleOrDefault(r => r.Option == field.Name);
                if (range is not null && !text.Contains($"Range {range.Text}", StringComparison.Ordinal))
                    wrong.Add($"{field.Name} does not say 'Range {range.Text}': {text}");
                bool isNumber = field.FieldType == typeof(int) || field.FieldType == typeof(double) || field.FieldType == typeof(int?);
                if (isNumber && range is null && !s_notNumbers.Contains(field.Name))
                    wrong.Add($"{field.Name} is a number without a range");
                object? value = field.GetValue(sample);
                string shown = value is bool flag ? (flag ? "true" : "false") : Convert.ToString(value, CultureInfo.InvariantCulture)!;
                if (value is null)
                    shown = "null";
                if ((isNumber || value is bool) && !text.Contains($"Default {shown}", StringComparison.Ordinal))
                    wrong.Add($"{field.Name} does not say 'Default {shown}': {text}");
            }
        }

        Assert.IsEmpty(wrong, string.Join("\n", wrong));
        Assert.Contains("each in [0, 1000000]", values[$"F:{typeof(BatchNormNetworkClassificationOptions).FullName}.{nameof(BatchNormNetworkClassificationOptions.ClassWeights)}"]);
        Assert.Contains("1 to 64 layers; units of a layer in [1, 65536]", values[$"F:{typeof(BatchNormNetworkOptions).FullName}.{nameof(BatchNormNetworkOptions.HiddenUnits)}"]);
    }

    private static IEnumerable<double> Outside(OptionRange range)
    {
        bool isDouble = Field(range.Option).FieldType == typeof(double);
        if (!range.IncludesMinimum)
            yield return range.Minimum;
        yield return range.Minimum - 1;
        if (!range.IncludesMaximum)
            yield return range.Maximum;
        yield return range.Maximum + 1;
        if (!isDouble)
            yield break;
        yield return double.NaN;
        yield return double.PositiveInfinity;
        yield return double.NegativeInfinity;
    }

    private static IEnumerable<double> Inside(OptionRange range)
    {
        yield return range.IncludesMinimum ? range.Minimum : Math.BitIncrement(range.Minimum);
        yield return range.IncludesMaximum ? range.Maximum : Math.BitDecrement(range.Maximum);
    }

    private static BatchNormNetworkOptions WithOption(string option) => Field(option).DeclaringType switch
    {
        Type type when type == typeof(BatchNormNetworkMulticlassTrainer.Options) => new BatchNormNetworkMulticlassTrainer.Options(),
        Type type when type == typeof(BatchNormNetworkRegressionTrainer.Options) => new BatchNormNetworkRegressionTrainer.Options(),
        _ => new BatchNormNetworkBinaryTrainer.Options(),
    };

    private static System.Reflection.FieldInfo Field(string option) =>
        typeof(BatchNormNetworkOptions).GetField(option) ?? typeof(BatchNormNetworkMulticlassTrainer.Options).GetField(option)
        ?? typeof(BatchNormNetworkRegressionTrainer.Options).GetField(option)!;

    private static void Set(BatchNormNetworkOptions options, string option, double value)
    {
        System.Reflection.FieldInfo field = Field(option);
        Type type = Nullable.GetUnderlyingType(field.FieldType) ?? field.FieldType;
        field.SetValue(options, Convert.ChangeType(value, type, CultureInfo.InvariantCulture));
    }

    private IEstimator<ITransformer> Create(BatchNormNetworkOptions options) => options switch
    {
        BatchNormNetworkBinaryTrainer.Options binary => _context.BinaryClassification.Trainers.BatchNormNetwork(binary),
        BatchNormNetworkMulticlassTrainer.Options multiclass => _context.MulticlassClassification.Trainers.BatchNormNetwork(multiclass),
        _ => _context.Regression.Trainers.BatchNormNetwork((BatchNormNetworkRegressionTrainer.Options)options),
    };

    private string Refusal(BatchNormNetworkOptions options, string option)
    {
        ArgumentOutOfRangeException exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Create(options));
        Assert.IsTrue(exception.IsMarked(), $"The exception lacks ML.NET's mark: {exception}");
        Assert.AreEqual(option, exception.ParamName);
        return exception.Message;
    }
}
