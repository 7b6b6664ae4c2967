using System.Globalization;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>Compares the lines that <see cref="AccuracyCommand"/> has written with those of other methods, in the same format.</summary>
/// <remarks>
/// A method's figure on a table is the mean over its seeds of the main metric: auc (binary), acc (multiclass) or r2 (regression); more is
/// better. Printed are a table in Markdown; README's small one, for each other method the tables on which batchnorm is better, and in a
/// line each those where it is not; the mean rank (equal figures share a rank) of the methods that have all tables; and the log-loss
/// beside LightGBM's, as it is and tuned. Tables that batchnorm has no line for, and lines that begin with #, are left out; lines
/// of the method batchnorm-fast are a column beside ours. With a name that ends in .png, <see cref="AccuracyChart"/> draws the errors
/// beside LightGBM's and FastTree's.
/// </remarks>
internal static class AccuracyTable
{
    private const string Ours = "batchnorm";
    private const string Fast = "batchnorm-fast";

    /// <summary>What methods are called in README.md, in its order, the strongest first; others have their own name.</summary>
    private static readonly (string Method, string Name)[] s_names =
    [
        (Fast, "`Fast`"), ("lightgbm_tuned", "LightGBM tuned"), ("tabm", "TabM"), ("lightgbm", "LightGBM"), ("xgboost", "XGBoost"),
        ("fasttree", "FastTree"), ("realmlp", "RealMLP-TD-S"), ("mlp", "scikit-learn's MLP"), ("lbfgs", "L-BFGS, SDCA"),
    ];

    private sealed record Line(string Table, string Task, string Method, Dictionary<string, double> Figures)
    {
        public double Main => Figures[Task switch { "binary" => "auc", "multiclass" => "acc", _ => "r2" }];

        public static Line Parse(string text)
        {
            string[] cells = text.Split('\t');
            var figures = new Dictionary<string, double>();
            for (int i = 4; i + 1 < cells.Length; i += 2)
                figures[cells[i]] = double.Parse(cells[i + 1], CultureInfo.InvariantCulture);
            return new Line(cells[0], cells[1], cells[2], figures);
        }
    }

    public static int Run(string[] args)
    {
        if (args.Length == 0)
        {
            Console.Error.WriteLine("usage: accuracy-table FILE... [picture.png]");
            return 2;
        }
        string[] files = [.. args.Where(arg => !arg.EndsWith(".png", StringComparison.Ordinal))];
        Line[] lines = [.. files.SelectMany(File.ReadLines).Where(line => line.Length > 0 && line[0] != '#').Select(Line.Parse)];
        string[] tables = [.. lines.Where(line => line.Method == Ours).Select(line => line.Table).Distinct().Order(StringComparer.Ordinal)];
        if (tables.Length == 0)
            throw new InvalidDataException($"No line is of the method '{Ours}'.");
        lines = [.. lines.Where(line => tables.Contains(line.Table))];
        string[] others = [.. lines.Select(line => line.Method).Where(method => method != Ours).Distinct()
            .OrderBy(method => (uint)Array.FindIndex(s_names, name => name.Method == method))
            .ThenBy(method => method, StringComparer.Ordinal)];

        Console.WriteLine($"| table | ours | {string.Join(" | ", others.Select(Name))} | fit, s |");
        Console.WriteLine($"| --- |{string.Concat(Enumerable.Repeat(" ---: |", others.Length + 2))}");
        foreach (string table in tables)
        {
            Console.WriteLine(
                $"| {table} | "
                + $"{string.Join(" | ", others.Prepend(Ours).Select(method => Show(Mean(lines, table, method, line => line.Main))))} | "
                + $"{Mean(lines, table, Ours, line => line.Figures["fit_s"]):F1} |");
        }
        Console.WriteLine();
        string[] peers = [.. others.Where(method => method != Fast)];
        Console.WriteLine($"| | {string.Join(" | ", peers.Select(Name))} |");
        Console.WriteLine($"| --- |{string.Concat(Enumerable.Repeat(" --- |", peers.Length))}");
        Console.WriteLine($"| ours is better on | {string.Join(" | ", peers.Select(other => Wins(lines, tables, other)))} |");
        Console.WriteLine();
        foreach (string other in peers)
            PrintWins(lines, tables, other);
        PrintRanks(lines, tables, [Ours, .. peers]);
        PrintLogLoss(lines, tables, "lightgbm");
        PrintLogLoss(lines, tables, "lightgbm_tuned");
        foreach (string picture in args.Except(files))
            Draw(picture, lines, tables);
        return 0;
    }

    private static double? Mean(Line[] lines, string table, string method, Func<Line, double> figure)
    {
        double[] values = [.. lines.Where(line => line.Table == table && line.Method == method).Select(figure)];
        return values.Length > 0 ? values.Average() : null;
    }

    private static void Draw(string picture, Line[] lines, string[] tables)
    {
        double? Error(string table, string method) => 1 - Mean(lines, table, method, line => line.Main);
        AccuracyChart.Save(
            picture, "LightGBM",
            [.. tables.Where(table => Error(table, "lightgbm") is not null).Select(
                table => (
                    table, (Error(table, Ours) / Error(table, "lightgbm"))!.Value, Error(table, "fasttree") / Error(table, "lightgbm")))],
            "MLNetBatchNorm", "FastTree");
    }

    private static string Show(double? value) => value?.ToString("F4", CultureInfo.InvariantCulture) ?? "";

    private static string Name(string method) => s_names.FirstOrDefault(name => name.Method == method).Name ?? method;

    private static string Wins(Line[] lines, string[] tables, string other)
    {
        (string[] both, string[] lost) = Compare(lines, tables, other);
        return $"{both.Length - lost.Length} of {both.Length}";
    }

    private static void PrintWins(Line[] lines, string[] tables, string other)
    {
        string[] lost = Compare(lines, tables, other).Lost;
        Console.WriteLine(
            $"better than {Name(other)} on {Wins(lines, tables, other)}{(lost.Length > 0 ? "; not on " + string.Join(", ", lost) : "")}");
    }

    /// <summary>The tables that both methods have, and those of them on which ours is not better.</summary>
    private static (string[] Both, string[] Lost) Compare(Line[] lines, string[] tables, string other)
    {
        string[] both = [.. tables.Where(table => Mean(lines, table, other, line => line.Main) is not null)];
        return (
            both,
            [.. both.Where(table => !(Mean(lines, table, Ours, line => line.Main) > Mean(lines, table, other, line => line.Main)))]);
    }

    private static void PrintRanks(Line[] lines, string[] tables, string[] methods)
    {
        methods = [.. methods.Where(method => tables.All(table => Mean(lines, table, method, line => line.Main) is not null))];
        
        var ranks = methods.ToDictionary(method => method, _ => 0.0);
        foreach (string table in tables)
        {
            Dictionary<string, double> figures = methods.ToDictionary(
                method => method, method => Mean(lines, table, method, line => line.Main)!.Value);
            foreach (string method in methods)
            {
                ranks[method] +=
                    (1 + figures.Values.Count(v => v > figures[method]) + (figures.Values.Count(v => v == figures[method]) - 1) / 2.0)
                        / tables.Length;
            }
        }
        IEnumerable<string> ranking = ranks.OrderBy(rank => rank.Value)
            .Select(rank => FormattableString.Invariant($"{(rank.Key == Ours ? Ours : Name(rank.Key))} {rank.Value:F2}"));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"mean rank on {tables.Length} tables: {string.Join(", ", ranking)}"));
    }

    private static void PrintLogLoss(Line[] lines, string[] tables, string other)
    {
        foreach (string table in tables.Where(table => lines.First(line => line.Table == table).Task != "regression"))
        {
            double? ours = Mean(lines, table, Ours, line => line.Figures["logloss"]),
                theirs = Mean(lines, table, other, line => line.Figures["logloss"]);
            if (theirs is not null)
            {
                Console.WriteLine(
                    $"log-loss\t{table}\t{Ours}\t{Show(ours)}\t{other}\t{Show(theirs)}\t{(ours <= theirs ? "no worse" : "worse")}");
            }
        }
    }
}
