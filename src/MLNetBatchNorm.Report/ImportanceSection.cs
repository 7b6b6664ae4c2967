namespace MLNetBatchNorm.Reporting;

/// <summary>What the network looks at.</summary>
internal static class ImportanceSection
{
    private const string Title = "Permutation importance";

    /// <summary>Says why there is no picture.</summary>
    public static void AddReason(Page page, string reason) => page.Section(Title, $"Not measured: {reason}.");

    public static void Add(Page page, IReadOnlyList<SlotImportance> importance, int shown, NetworkTask task)
    {
        if (!importance.All(slot => double.IsFinite(slot.Loss)))
        {
            AddReason(page, "shuffled values gave predictions that are no finite numbers");
            return;
        }

        string measure = SlotImportance.Measure(task);
        SlotImportance[] top = [.. importance.Take(shown)];
        page.Section(
            Title,
            $"How much the {measure} falls when one slot of the features is shuffled among the held-out rows. "
            + "Slots that tell the same share their importance, and each may seem to be worth little.");
        var figure = new Figure($"loss of {measure}", "", width: 460, height: 60 + 22 * top.Length);
        figure.NamedBars([.. top.Select(slot => (slot.Name, slot.Loss))], Figure.Blue);
        page.Figure(
            importance.Count > top.Length ? $"The {top.Length} most important of {importance.Count} slots" : "All slots", figure,
            top[0].Loss > 0
                ? $"Most important: {Names.InSentence(top[0].Name)}, without which the {measure} is {Numbers.Exact(top[0].Loss)} lower."
                : $"On these rows no slot is worth anything: the {measure} is no lower without it.",
            ["slot", "loss", "standard error"],
            importance.Select(slot => new[]
            {
                slot.Name, Numbers.Exact(slot.Loss), slot.StandardError is { } error ? Numbers.Exact(error) : "one permutation",
            }));
    }
}
