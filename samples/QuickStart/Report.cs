using Spectre.Console;

namespace QuickStart;

/// <summary>What is printed at the end.</summary>
internal static class Report
{
    /// <summary>Whether somebody looks at a terminal that can redraw a line.</summary>
    public static bool IsTerminal { get; } = !Console.IsOutputRedirected && AnsiConsole.Profile.Capabilities.Ansi;

    public static void Table(IReadOnlyList<TaskResult> results)
    {
        var table = new Table { Border = IsTerminal ? TableBorder.Rounded : TableBorder.Markdown };
        table.AddColumns("task", "measure", "network", "linear", "linear trainer", "required");
        foreach (TaskResult result in results)
        {
            table.AddRow(
                result.Name, result.Measure, $"{result.Network:F4}", $"{result.Linear:F4}", result.LinearTrainer, $"{result.Required:F4}");
        }

        AnsiConsole.Write(table);
    }

    /// <summary>Prints the one line that says whether all is well, and returns the exit code.</summary>
    public static int Summary(IReadOnlyList<TaskResult> results, IReadOnlyList<bool> identical, TimeSpan elapsed)
    {
        string[] missed =
        [
            .. results.Where(result => !result.IsGoodEnough)
                .Select(result => $"{result.Name} {result.Measure} {result.Network:F4} is below {result.Required:F4}"),
            .. results.Where((_, i) => !identical[i]).Select(result => $"{result.Name} has other scores in the second process"),
        ];
        string figures = string.Join(", ", results.Select(result => $"{result.Name} {result.Measure} {result.Network:F4}"));
        Console.WriteLine(missed.Length == 0
            ? $"QuickStart passed: {figures}, {results.Count} saved models identical bit for bit, {elapsed.TotalSeconds:F1} s"
            : $"QuickStart failed: {string.Join("; ", missed)}");
        return missed.Length == 0 ? 0 : 1;
    }
}
