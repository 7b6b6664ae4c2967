namespace MLNetBatchNorm.Reporting;

/// <summary>What a training report shows, and of what.</summary>
public sealed class TrainingReportOptions
{
    /// <summary>The heading of the page. Default: "Training report".</summary>
    public string Title { get; set; } = "Training report";

    /// <summary>
    /// The label column, as the network reads it: after the steps of the pipeline that stand before the network. Default: "Label".
    /// </summary>
    public string LabelColumnName { get; set; } = "Label";

    /// <summary>
    /// How often each slot of the features is shuffled to see what it is worth; 0 leaves that part out. Default: 3. The time is slots x
    /// this number x one scoring of the held-out rows.
    /// </summary>
    public int PermutationCount { get; set; } = 3;

    /// <summary>How many of the most important slots are shown, at least 1. Default: 15.</summary>
    public int NumberOfImportantSlots { get; set; } = 15;

    /// <summary>
    /// Of how many held-out rows the contributions of columns to the score are taken, spread over all; 0 leaves that part out.
    /// Default: 200. A row costs as much as a hundred scores or so.
    /// </summary>
    public int ContributionRowCount { get; set; } = 200;

    /// <summary>
    /// How many of these rows are shown by themselves, from the lowest score to the highest; of several classes
    /// from the least sure to the surest. Default: 3.
    /// </summary>
    public int NumberOfExplainedRows { get; set; } = 3;

    internal void Check()
    {
        ArgumentNullException.ThrowIfNull(Title);
        ArgumentException.ThrowIfNullOrEmpty(LabelColumnName);
        ArgumentOutOfRangeException.ThrowIfNegative(PermutationCount);
        ArgumentOutOfRangeException.ThrowIfLessThan(NumberOfImportantSlots, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(ContributionRowCount);
        ArgumentOutOfRangeException.ThrowIfNegative(NumberOfExplainedRows);
    }
}
