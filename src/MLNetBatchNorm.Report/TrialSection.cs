namespace MLNetBatchNorm.Reporting;

/// <summary>What was tried before the networks of the model were chosen.</summary>
internal static class TrialSection
{
    /// <summary>More trials than these make a table that nobody reads; all that are in the model are shown.</summary>
    private const int MostShown = 30;

    public static void Add(Page page, IReadOnlyList<BatchNormNetworkTrial> trials)
    {
        if (trials.Count == 0)
            return;
        BatchNormNetworkTrial[] chosen = [.. trials.Where(trial => trial.Weight > 0)];
        page.Section(
            "Trials",
            $"{Numbers.Count(trials.Count)} configurations were tried; the model is a weighted mean of the networks of "
            + $"{Numbers.Count(chosen.Length)}. Trial 1 has the options as they were given.");
        BatchNormNetworkTrial[] shown =
        [
            .. trials.OrderByDescending(trial => trial.Weight).ThenByDescending(trial => trial.NumberOfTrainedNetworks)
                .ThenBy(trial => trial.Score ?? double.PositiveInfinity).Take(Math.Max(MostShown, chosen.Length)),
        ];
        bool areSmoothed = trials.Any(trial => trial.LabelSmoothing > 0);
        string[] header =
        [
            "trial", "weight", "loss", "networks", "units", "activation", "normalization", "dropout", "rows of a step", "epochs", "rate",
            "decay", "pieces",
        ];
        var rows = shown.Select(trial =>
        {
            string[] cells =
            [
                Numbers.Count(trial.Number + 1), trial.Weight > 0 ? Numbers.Exact(trial.Weight) : "–",
                trial.Score is { } score ? Numbers.Exact(score) : "diverged", Numbers.Count(trial.NumberOfTrainedNetworks),
                string.Join(" + ", trial.HiddenUnits), trial.Activation.ToString(), trial.Placement.ToString(),
                Numbers.Exact(trial.DropoutRate), Numbers.Count(trial.BatchSize), Numbers.Count(trial.MaximumNumberOfEpochs),
                Numbers.Exact(trial.LearningRate), trial.WeightDecay is { } decay ? Numbers.Exact(decay) : "–",
                Numbers.Count(trial.NumberOfInputPieces),
            ];
            return areSmoothed ? [.. cells, Numbers.Exact(trial.LabelSmoothing ?? 0)] : cells;
        });
        page.Figure(
            "Configurations", Page.Table(areSmoothed ? [.. header, "label smoothing"] : header, rows),
            "The loss is that of a trial's networks on rows that they were neither trained on nor chosen by. One with fewer networks than "
            + "others was given up early, and its loss is that on fewer rows."
            + (shown.Length < trials.Count ? $" {Numbers.Count(trials.Count - shown.Length)} that judged worse are not shown." : ""));
    }
}
