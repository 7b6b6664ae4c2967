using ScottPlot;

namespace MLNetBatchNorm.Reporting;

/// <summary>How training went, epoch by epoch.</summary>
internal static class CourseSections
{
    public static void Add(Page page, TrainingHistory history, NetworkTask task)
    {
        IReadOnlyList<EpochRecord> epochs = history.Epochs;
        if (epochs.Count == 0)
            return;
        string reason = history.StopReason == TrainingStopReason.AllEpochsDone ? "all epochs were done" : "the validation loss stopped improving";
        page.Section("Training", $"{epochs.Count} epochs; training ended because {reason}. The model is that of epoch {history.BestEpoch}.");
        AddLoss(page, history, task == NetworkTask.Regression ? "loss (squared label units)" : "loss (nats)");
        AddRate(page, epochs);
    }

    private static void AddLoss(Page page, TrainingHistory history, string unit)
    {
        IReadOnlyList<EpochRecord> epochs = history.Epochs;
        double[] numbers = [.. epochs.Select(epoch => (double)epoch.Epoch)];
        var figure = new Figure("epoch", unit);
        figure.Line(numbers, [.. epochs.Select(epoch => epoch.TrainingLoss)], Figure.Blue, "training");
        EpochRecord[] validated = [.. epochs.Where(epoch => epoch.ValidationLoss is not null)];
        if (validated.Length > 0)
            figure.Line([.. validated.Select(epoch => (double)epoch.Epoch)], [.. validated.Select(epoch => epoch.ValidationLoss!.Value)], Figure.Orange, "validation");
        figure.Vertical(history.BestEpoch, Figure.Gray, "best epoch");
        figure.FromZero();
        figure.Legend(Alignment.UpperRight);

        EpochRecord best = epochs[history.BestEpoch - 1];
        string validation = best.ValidationLoss is { } loss ? $", {Numbers.Exact(loss)} on the validation rows" : "";
        page.Figure(
            "Loss", figure,
            $"It fell from {Numbers.Exact(epochs[0].TrainingLoss)} to {Numbers.Exact(epochs[^1].TrainingLoss)} on the training rows (measured while they are learned from, with dropout). In the best epoch, {best.Epoch}, it was {Numbers.Exact(best.TrainingLoss)} there{validation}.",
            ["epoch", "training", "validation", "learning rate"],
            epochs.Select(epoch => new[]
            {
                Numbers.Count(epoch.Epoch), Numbers.Exact(epoch.TrainingLoss), epoch.ValidationLoss is { } value ? Numbers.Exact(value) : "none", Numbers.Exact(epoch.LearningRate),
            }));
    }

    private static void AddRate(Page page, IReadOnlyList<EpochRecord> epochs)
    {
        var figure = new Figure("epoch", "learning rate");
        figure.Line([.. epochs.Select(epoch => (double)epoch.Epoch)], [.. epochs.Select(epoch => epoch.LearningRate)], Figure.Blue);
        figure.FromZero();
        EpochRecord highest = epochs.MaxBy(epoch => epoch.LearningRate)!;
        page.Figure(
            "Learning rate", figure, $"At the end of each epoch. The highest is {Numbers.Exact(highest.LearningRate)}, in epoch {highest.Epoch}.",
            ["epoch", "learning rate"], epochs.Select(epoch => new[] { Numbers.Count(epoch.Epoch), Numbers.Exact(epoch.LearningRate) }));
    }
}
