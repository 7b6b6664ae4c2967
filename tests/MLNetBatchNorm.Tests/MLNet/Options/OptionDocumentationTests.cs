using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.Rules;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>What the documentation of each option and README.md say of defaults and ranges is what the table of options has.</summary>
[TestClass]
public sealed partial class OptionDocumentationTests
{
    /// <summary>Numbers of which every one is allowed.</summary>
    private static readonly string[] s_withoutRange = [nameof(BatchNormNetworkOptions.Seed)];

    private static readonly Dictionary<string, string> s_documentation = ReadDocumentation();

    private static string Readme => File.ReadAllText(Path.Combine(Repository.Root, "README.md")).ReplaceLineEndings("\n");

    /// <summary>What null comes to where it does not depend on the size of the data, for two classes and for several.</summary>
    private static Dictionary<string, object> Automatic
    {
        get
        {
            var options = new BatchNormNetworkBinaryTrainer.Options();
            return new()
            {
                [nameof(options.HiddenUnits)] = AutomaticOptions.ChooseHiddenUnits(
                    options, null, AutomaticOptions.RowsOfLargerTables, severalClasses: false),
                [nameof(options.Activation)] = AutomaticOptions.ChooseActivation(options, null),
                [nameof(options.Placement)] = AutomaticOptions.ChoosePlacement(options, null),
                [nameof(options.DropoutRate)] = AutomaticOptions.UsualDropoutRate,
                [nameof(options.Optimizer)] = AutomaticOptions.ChooseOptimizer(options),
                [nameof(options.LearningRateSchedule)] = AutomaticOptions.ChooseSchedule(options),
                [nameof(BatchNormNetworkMulticlassTrainer.Options.LabelSmoothing)] = AutomaticOptions.UsualLabelSmoothing,
            };
        }
    }

    [TestMethod]
    public void Documentation_OfEveryOption_StatesDefaultAndRange()
    {
        var wrong = new List<string>();
        foreach (OptionRow row in NetworkOptionRows.All)
        {
            if (!s_documentation.TryGetValue(NetworkOptionRows.DocumentationName(row), out string? text))
            {
                wrong.Add($"{row.Name} has no <value>");
                continue;
            }

            if (row.Range is { } range
                && !text.Contains(row.Type.IsArray ? $" in {range.Text}" : $"Range {range.Text}", StringComparison.Ordinal))
            {
                wrong.Add($"{row.Name} does not say 'Range {range.Text}': {text}");
            }
            if (row.Range is null && (row.Type == typeof(int) || row.Type == typeof(double)) && !s_withoutRange.Contains(row.Name))
                wrong.Add($"{row.Name} is a number without a range");
            string expected = DefaultOf(row) is { } value ? $"Default {ShowInXml(value)}"
                : Automatic.TryGetValue(row.Name, out object? automatic) ? $"Default null: {ShowInXml(automatic)}" : "Default null";
            if (!text.Contains(expected, StringComparison.Ordinal))
                wrong.Add($"{row.Name} does not say '{expected}': {text}");
        }

        Assert.IsEmpty(wrong, string.Join("\n", wrong));
        string units =
            s_documentation[NetworkOptionRows.DocumentationName(NetworkOptionRows.Named(nameof(BatchNormNetworkOptions.HiddenUnits)))];
        Assert.Contains("1 to 64 layers; units of a layer in [1, 65536]", units);
        string ofClasses = string.Join(
            ", ", AutomaticOptions.ChooseHiddenUnits(new BatchNormNetworkMulticlassTrainer.Options(), null, 1, true));
        Assert.Contains($"for several classes {ofClasses}", units);
    }

    /// <summary>Options that can be null are those which size, effort or trials may choose, and no others become so unnoticed.</summary>
    [TestMethod]
    public void Options_ThatAreAutomatic_AreThese()
    {
        string[] expected =
        [
            "Activation", "BatchSize", "DropoutRate", "EarlyStoppingPatience", "HiddenUnits", "LabelSmoothing", "LearningRate",
            "LearningRateSchedule",
            "MaximumNumberOfEpochs", "NumberOfEnsembleMembers", "NumberOfInputPieces", "NumberOfTrials", "Optimizer", "Placement",
            "RandomShift", "ValidationFraction", "WeightAveragingEpochs",
        ];
        // Null has a meaning of its own here: no column, no library, no weights, no checkpoint, the whole batch, any seed, all threads.
        string[] otherNulls =
        [
            "ClassPriors", "ClassWeights", "Convolutions", "ExampleWeightColumnName", "InputShape",
            "NativeBlasLibrary", "NumberOfThreads", "SamplingKeyColumnName", "Seed",
            "TargetWeights", "VirtualBatchSize",
            "Checkpoint.IntervalInEpochs", "Checkpoint.IntervalInSeconds", "Checkpoint.Path",
            .. NetworkOptionRows.All.Where(row => row.Owner == typeof(SearchSpace)).Select(row => row.Name),
        ];
        CollectionAssert.AreEquivalent(
            expected.Concat(otherNulls).ToArray(), NetworkOptionRows.All.Where(row => DefaultOf(row) is null).Select(row => row.Name)
            .Append("Checkpoint.IntervalInSeconds").ToArray());
    }

    /// <summary>
    /// Each row of README.md's table names an option, its default and its range; the options that have no row stand below the table.
    /// </summary>
    [TestMethod]
    public void Readme_Table_IsThatOfTheOptions()
    {
        List<string> wrong = WrongRows(Readme);
        Assert.IsEmpty(wrong, string.Join("\n", wrong));
    }

    /// <summary>A wrong default, a wrong range, an option that does not exist, and one that is missing are all found.</summary>
    [TestMethod]
    public void Readme_TableWithMistakes_IsFoundWrong()
    {
        string readme = Readme;
        foreach ((string right, string mistake, string expected) in new[]
        {
            ("| `NumberOfRestarts` | `0` |", "| `NumberOfRestarts` | `1` |", "NumberOfRestarts: default is `0`"),
            ("| `DropoutRate` | `null`: 0.1 |", "| `DropoutRate` | `null`: 0.2 |", "DropoutRate: default is `null`: 0.1"),
            ("| [0, 1) | the validation loss rises", "| [0, 1] | the validation loss rises", "DropoutRate: range is [0, 1)"),
            ("| `Statistics` |", "| `Statistic` |", "Statistic: no such option"),
            ("`Shuffle`", "`Shuffled`", "Shuffle: not in README.md"),
        })
        {
            Assert.Contains(right, readme);
            Assert.Contains(
                expected,
                WrongRows(readme.Replace(right, mistake, StringComparison.Ordinal))
                    .Select(line => line[..Math.Min(line.Length, expected.Length)]));
        }
    }

    private static List<string> WrongRows(string readme)
    {
        var wrong = new List<string>();
        MatchCollection rows = TableRow().Matches(readme);
        Assert.IsGreaterThan(10, rows.Count, "The table of options was not found in README.md.");
        foreach (Match match in rows)
        {
            string name = match.Groups["name"].Value;
            if (NetworkOptionRows.All.SingleOrDefault(option => option.Name == name) is not { } row)
            {
                wrong.Add($"{name}: no such option");
                continue;
            }

            string expected = DefaultOf(row) is { } value
                ? $"`{Show(value)}`"
                : Automatic.TryGetValue(name, out object? automatic) ? $"`null`: {Show(automatic)}" : "`null`";
            if (match.Groups["default"].Value != expected)
                wrong.Add($"{name}: default is {expected}, and README.md says {match.Groups["default"].Value}");
            string range = row.Range?.Text ?? "";
            if (match.Groups["range"].Value != range)
                wrong.Add($"{name}: range is {range}, and README.md says {match.Groups["range"].Value}");
        }

        wrong.AddRange(
            NetworkOptionRows.All.Where(row => !readme.Contains($"`{row.Name}`", StringComparison.Ordinal))
                .Select(row => $"{row.Name}: not in README.md"));
        return wrong;
    }

    private static object? DefaultOf(OptionRow row) =>
        row.Read(NetworkOptionRows.OptionsWith(row)) is { } value && row.Name != "Checkpoint.Path" ? value : null;

    private static string Show(object value) => value switch
    {
        int[] numbers => string.Join(", ", numbers),
        double[] { Length: 0 } => "none",
        bool flag => flag ? "true" : "false",
        Optimizer or LearningRateSchedule or RegressionLoss => value.GetType().Name,
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    // In the documentation members and types are references.
    private static string ShowInXml(object value) => value switch
    {
        Enum member => $"<see cref=\"F:{value.GetType().FullName}.{member}\" />",
        Optimizer or LearningRateSchedule or RegressionLoss => $"<see cref=\"T:{value.GetType().FullName}\" />",
        _ => Show(value),
    };

    private static Dictionary<string, string> ReadDocumentation() =>
        XDocument.Load(Path.ChangeExtension(typeof(BatchNormNetworkOptions).Assembly.Location, ".xml")).Descendants("member")
            .Where(member => member.Element("value") is not null)
            .ToDictionary(
                member => member.Attribute("name")!.Value,
                member => string.Join(
                    ' ', string.Concat(member.Element("value")!.Nodes()).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)));

    [GeneratedRegex(@"^\| `(?<name>[\w.]+)` \| (?<default>`[^|]*?) \| (?<range>[^|`]*?) ?\| [^|]+ \|$", RegexOptions.Multiline)]
    private static partial Regex TableRow();
}
