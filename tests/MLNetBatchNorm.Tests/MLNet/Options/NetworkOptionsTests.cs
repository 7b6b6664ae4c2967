using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Options: one table of ranges is what the validator enforces, what the documentation says and what these tests read.</summary>
[TestClass]
public sealed class NetworkOptionsTests
{
    private readonly MLContext _context = new(1);

    public static IEnumerable<object[]> Ranges =>
        NetworkOptionRows.All.Where(row => row.Range is not null).Select(row => new object[] { row.Name });

    [TestMethod]
    [DynamicData(nameof(Ranges))]
    public void Create_NumberOutsideItsRange_IsRefused(string option)
    {
        OptionRow row = NetworkOptionRows.Named(option);
        foreach (double value in Outside(row))
        {
            BatchNormNetworkOptions options = NetworkOptionRows.OptionsWith(row);
            Set(options, row, value);
            string message = Refusal(options, option);
            string element = row.Type.IsArray ? "[0]" : "";
            Assert.StartsWith(string.Create(
                CultureInfo.InvariantCulture,
                $"{option}{element} is {value}; it must be in {row.Range!.Text}. {row.Range.Advice}"), message);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Ranges))]
    public void Create_NumberAtTheEndOfItsRange_IsAccepted(string option)
    {
        OptionRow row = NetworkOptionRows.Named(option);
        foreach (double value in Inside(row.Range!))
        {
            BatchNormNetworkOptions options = NetworkOptionRows.OptionsWith(row);
            options.BatchSize = BatchNormNetworkOptions.MaximumBatchSize;
            if (option == nameof(options.RandomShift))
                options.InputShape = new ImageShape(100, 100, 1);
            Set(options, row, value);
            Create(options);
        }
    }

    [TestMethod]
    public void Create_HiddenUnitsThatCannotBe_AreRefused()
    {
        foreach ((int[] units, string expected) in new (int[], string)[]
        {
            ([], "HiddenUnits is empty; it must hold the number of units of each hidden layer"),
            ([0], "HiddenUnits[0] is 0; it must be in [1, 65536]"),
            ([8, -3], "HiddenUnits[1] is -3; it must be in [1, 65536]"),
            ([8, 65537], "HiddenUnits[1] is 65537; it must be in [1, 65536]"),
            ([.. Enumerable.Repeat(4, 65)], "HiddenUnits has 65 layers; at most 64 are allowed"),
            ([65536, 65536], "Hidden layer 2 would map 65536 inputs to 65536 units"),
        })
        {
            Assert.StartsWith(expected, Refusal(new BatchNormNetworkBinaryTrainer.Options { HiddenUnits = units }, "HiddenUnits"));
        }
    }

    [TestMethod]
    public void Create_EnumerationsThatDoNotExist_AreRefused()
    {
        Assert.StartsWith(
            "Activation is 99; it must be one of ReLU,",
            Refusal(new BatchNormNetworkBinaryTrainer.Options { Activation = (ActivationFunction)99 }, "Activation"));
        Assert.StartsWith(
            "Placement is 99; it must be one of None,",
            Refusal(new BatchNormNetworkBinaryTrainer.Options { Placement = (BatchNormalizationPlacement)99 }, "Placement"));
        Assert.StartsWith(
            "Statistics is 99; it must be one of",
            Refusal(new BatchNormNetworkBinaryTrainer.Options { Statistics = (BatchNormalizationStatistics)99 }, "Statistics"));
        Assert.StartsWith(
            "MatrixMultiplication is 99; it must be one of Managed, Native",
            Refusal(new BatchNormNetworkBinaryTrainer.Options { MatrixMultiplication = (MatrixMultiplication)99 }, "MatrixMultiplication"));
    }

    [TestMethod]
    public void Create_ThingsThatAreNullOrDoNotGoTogether_AreRefused()
    {
        Assert.StartsWith("Loss is null", Refusal(new BatchNormNetworkRegressionTrainer.Options { Loss = null! }, "Loss"));
        Assert.StartsWith(
            "LabelColumnName is null", Refusal(new BatchNormNetworkBinaryTrainer.Options { LabelColumnName = null! }, "LabelColumnName"));
        Assert.StartsWith(
            "FeatureColumnName is empty",
            Refusal(new BatchNormNetworkBinaryTrainer.Options { FeatureColumnName = " " }, "FeatureColumnName"));
        Assert.StartsWith(
            "ExampleWeightColumnName is empty",
            Refusal(new BatchNormNetworkBinaryTrainer.Options { ExampleWeightColumnName = "" }, "ExampleWeightColumnName"));
        Assert.StartsWith(
            "VirtualBatchSize is 64, but BatchSize is 32",
            Refusal(new BatchNormNetworkBinaryTrainer.Options { BatchSize = 32, VirtualBatchSize = 64 }, "VirtualBatchSize"));
        Assert.StartsWith("NormalizeOutputLayerInput is true, but Placement is BeforeActivation", Refusal(
            new BatchNormNetworkBinaryTrainer.Options { NormalizeOutputLayerInput = true }, "NormalizeOutputLayerInput"));
    }

    [TestMethod]
    public void Create_OptimizerOrScheduleOutOfRange_IsRefused()
    {
        Assert.Contains(
            "Beta1 is 1", Refusal(new BatchNormNetworkBinaryTrainer.Options { Optimizer = new AdamOptimizer { Beta1 = 1 } }, "Optimizer"));
        Assert.Contains("OptimizerMomentum is NaN", Refusal(
            new BatchNormNetworkBinaryTrainer.Options { Optimizer = new SgdOptimizer { OptimizerMomentum = double.NaN } }, "Optimizer"));
        Assert.Contains("PeakFraction is 0", Refusal(
            new BatchNormNetworkBinaryTrainer.Options { LearningRateSchedule = new OneCycleSchedule { PeakFraction = 0 } },
            "LearningRateSchedule"));
    }

    [TestMethod]
    public void Create_ShortOverload_RefusesTheSame()
    {
        ArgumentOutOfRangeException exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _context.Regression.Trainers.BatchNormNetwork(learningRate: double.NaN));
        Assert.IsTrue(exception.IsMarked());
        Assert.Contains("LearningRate is NaN", exception.Message);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _context.MulticlassClassification.Trainers.BatchNormNetwork(hiddenUnits: []));
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
        options.HiddenUnits![0] = 3;
        options.MaximumNumberOfEpochs = 1;
        options.LabelColumnName = "Nowhere";

        CollectionAssert.AreEqual(before, trainer.Fit(view).Transform(view).Scalars<float>("Score"));
    }

    /// <summary>
    /// A copy shares nothing with its original that can be changed: every array and every group of options is another one.
    /// </summary>
    [TestMethod]
    public void Copy_OfEveryOptionThatCanBeChanged_IsAnother()
    {
        foreach (BatchNormNetworkOptions options in NetworkOptionRows.Kinds)
        {
            System.Reflection.PropertyInfo[] parts =
            [
                .. options.GetType().GetProperties().Where(
                    p => p.PropertyType.IsArray || p.PropertyType == typeof(CheckpointOptions) || p.PropertyType == typeof(SearchSpace)),
            ];
            foreach (System.Reflection.PropertyInfo part in parts)
            {
                part.SetValue(
                    options,
                    part.PropertyType.IsArray
                        ? Array.CreateInstance(part.PropertyType.GetElementType()!, 2)
                        : part.PropertyType == typeof(SearchSpace) ? OtherValue.Filled(typeof(SearchSpace))
                        : new CheckpointOptions { Path = "x" });
            }
            BatchNormNetworkOptions copy = options.Copy<BatchNormNetworkOptions>();
            foreach (System.Reflection.PropertyInfo part in typeof(SearchSpace).GetProperties())
            {
                Assert.IsNotNull(part.GetValue(copy.SearchSpace), part.Name);
                Assert.AreNotSame(part.GetValue(options.SearchSpace), part.GetValue(copy.SearchSpace), part.Name);
            }

            Assert.IsNotEmpty(parts);
            foreach (System.Reflection.PropertyInfo part in parts)
            {
                Assert.IsNotNull(part.GetValue(copy), part.Name);
                Assert.AreNotSame(part.GetValue(options), part.GetValue(copy), part.Name);
            }
        }
    }

    private static IEnumerable<double> Outside(OptionRow row)
    {
        OptionRangeAttribute range = row.Range!;
        if (range.ExcludesMinimum)
            yield return range.Minimum;
        yield return range.Minimum - 1;
        if (range.ExcludesMaximum)
            yield return range.Maximum;
        yield return range.Maximum + 1;
        if (ElementType(row) != typeof(double))
            yield break;
        yield return double.NaN;
        yield return double.PositiveInfinity;
        yield return double.NegativeInfinity;
    }

    private static IEnumerable<double> Inside(OptionRangeAttribute range)
    {
        yield return range.ExcludesMinimum ? Math.BitIncrement(range.Minimum) : range.Minimum;
        yield return range.ExcludesMaximum ? Math.BitDecrement(range.Maximum) : range.Maximum;
    }

    private static Type ElementType(OptionRow row) => row.Type.IsArray ? row.Type.GetElementType()! : row.Type;

    private static void Set(BatchNormNetworkOptions options, OptionRow row, double value)
    {
        object number = Convert.ChangeType(value, ElementType(row), CultureInfo.InvariantCulture);
        if (!row.Type.IsArray)
        {
            NetworkOptionRows.Set(options, row, number);
            return;
        }

        // Other elements that are as they should be: two classes must count for something, and no part of one is there twice.
        bool isPart = row.Range is { ExcludesMaximum: true, Maximum: 1 };
        var numbers = Array.CreateInstance(ElementType(row), 3);
        for (int i = 0; i < numbers.Length; i++)
        {
            double other = isPart ? 1.0 / (1 + i) : Math.Max(1, row.Range!.Minimum);
            numbers.SetValue(i == 0 ? number : Convert.ChangeType(other, ElementType(row), CultureInfo.InvariantCulture), i);
        }

        NetworkOptionRows.Set(options, row, numbers);
    }

    private IEstimator<ITransformer> Create(BatchNormNetworkOptions options) => options switch
    {
        BatchNormNetworkBinaryTrainer.Options binary => _context.BinaryClassification.Trainers.BatchNormNetwork(binary),
        BatchNormNetworkMulticlassTrainer.Options multiclass => _context.MulticlassClassification.Trainers.BatchNormNetwork(multiclass),
        BatchNormNetworkRegressionTrainer.Options regression => _context.Regression.Trainers.BatchNormNetwork(regression),
        BatchNormNetworkMultiOutputRegressionTrainer.Options numbers =>
            _context.Regression.Trainers.BatchNormNetworkMultiOutput(numbers),
        _ => _context.BinaryClassification.Trainers.BatchNormNetworkMultiLabel((BatchNormNetworkMultiLabelTrainer.Options)options),
    };

    private string Refusal(BatchNormNetworkOptions options, string option)
    {
        ArgumentOutOfRangeException exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Create(options));
        Assert.IsTrue(exception.IsMarked(), $"The exception lacks ML.NET's mark: {exception}");
        Assert.AreEqual(option, exception.ParamName);
        return exception.Message;
    }
}
