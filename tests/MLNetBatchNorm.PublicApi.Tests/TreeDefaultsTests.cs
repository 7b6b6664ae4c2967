using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.ML.Trainers.FastTree;
using Microsoft.ML.Trainers.LightGbm;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>The defaults that docs/from-trees.md writes behind options, theirs and ours, are those of the packages.</summary>
[TestClass]
public sealed partial class TreeDefaultsTests
{
    [TestMethod]
    public void Table_OfTrees_HasTheDefaultsOfThePackages()
    {
        string document = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "docs", "from-trees.md")).ReplaceLineEndings("\n");
        object[] lightGbm = [new LightGbmBinaryTrainer.Options(), new GradientBooster.Options()];
        object[] fastTree = [new FastTreeBinaryTrainer.Options()];
        object[] ours = [new BatchNormNetworkBinaryTrainer.Options()];

        string[] faults =
        [
            .. Faults(document, "LightGBM in ML.NET", lightGbm, out int ofLightGbm),
            .. Faults(document, "FastTree", fastTree, out int ofFastTree), .. Faults(document, "here", ours, out int ofOurs),
        ];

        Assert.IsEmpty(faults, string.Join("\n", faults));
        Assert.IsGreaterThan(15, ofLightGbm);
        Assert.IsGreaterThan(10, ofFastTree);
        Assert.IsGreaterThan(10, ofOurs);
    }

    [TestMethod]
    public void Faults_OfAText_AreWhatIsNotSo()
    {
        const string Text = "| FastTree | x |\n| --- | --- |\n"
            + "| `NumberOfTrees` (100), `LearningRate` (0.3: high) | `NumberOfLeaves` (9) |\n"
            + "| `Seed` (`null`), `Nothing` (1) | |\n";
        string[] faults = Faults(Text, "FastTree", [new FastTreeBinaryTrainer.Options()], out int count);
        CollectionAssert.AreEqual(
            new[] { "LearningRate is 0.2, not 0.3", "Seed is 123, not null", "there is no Nothing" }, faults);
        Assert.AreEqual(4, count);
    }

    private static string[] Faults(string markdown, string column, object[] options, out int count)
    {
        var faults = new List<string>();
        count = 0;
        int place = -1;
        foreach (string line in markdown.Split('\n'))
        {
            string[] cells = line.StartsWith('|') ? [.. line.Split('|').Select(cell => cell.Trim())] : [];
            if (cells.Length == 0 || cells.Contains(column))
            {
                place = Array.IndexOf(cells, column);
                continue;
            }

            foreach (Match option in place < 0 ? [] : Default().Matches(cells[place]).AsEnumerable())
            {
                count++;
                string name = option.Groups["name"].Value, said = option.Groups["value"].Value;
                MemberInfo[] members = [.. options.SelectMany(of => of.GetType().GetMember(name))];
                if (members.Length == 0)
                    faults.Add($"there is no {name}");
                else if (Text(options, members[0]) is var found && found != said)
                    faults.Add($"{name} is {found}, not {said}");
            }
        }

        return [.. faults];
    }

    private static string Text(object[] options, MemberInfo member)
    {
        object owner = options.First(of => member.DeclaringType!.IsInstanceOfType(of));
        object? value = member is FieldInfo field ? field.GetValue(owner) : ((PropertyInfo)member).GetValue(owner);
        return value switch
        {
            null => "null",
            bool flag => flag ? "true" : "false",
            _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        };
    }

    /// <summary>The name of an option and the first thing in the brackets behind it, up to a colon, a comma or the end.</summary>
    [GeneratedRegex("`(?<name>[A-Z]\\w*)[^`]*` \\(`?(?<value>[^`:,)]+)`?[:,)]")]
    private static partial Regex Default();
}
