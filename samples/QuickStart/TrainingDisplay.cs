using MLNetBatchNorm;
using Spectre.Console;

namespace QuickStart;

/// <summary>Shows a training as it goes: a live bar in a terminal, plain lines where output is redirected.</summary>
internal static class TrainingDisplay
{
    private const int EpochsBetweenLines = 10;

    /// <summary>Leaves room for the text beside it in 80 columns.</summary>
    private const int BarWidth = 20;

    /// <summary>Runs <paramref name="train"/> with something to report every epoch to, and returns its result.</summary>
    public static T Run<T>(string name, Func<IProgress<TrainingProgress>, T> train)
    {
        TrainingProgress? last = null;
        T result = Report.IsTerminal
            ? WithBar(name, bar => train(new EpochHandler(progress =>
            {
                last = progress;
                bar.MaxValue = progress.NumberOfMembers * progress.MaximumNumberOfEpochs;
                bar.Value = (progress.Member - 1) * progress.MaximumNumberOfEpochs + progress.Epoch;
                bar.Description = Describe(name, progress);
            })))
            : train(new EpochHandler(progress =>
            {
                last = progress;
                if (progress.Epoch == 1 || progress.Epoch % EpochsBetweenLines == 0)
                    Console.WriteLine(Describe(name, progress));
            }));
        Console.WriteLine($"{name}: trained in {last?.ElapsedSeconds:F1} s");
        return result;
    }

    private static T WithBar<T>(string name, Func<ProgressTask, T> train) => AnsiConsole.Progress()
        .AutoClear(true)
        .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = BarWidth }, new ElapsedTimeColumn())
        .Start(context => train(context.AddTask(name)));

    private static string Describe(string name, TrainingProgress progress) =>
        $"{name}: {(progress.NumberOfMembers > 1 ? $"network {progress.Member}/{progress.NumberOfMembers}, " : "")}"
        + $"epoch {progress.Epoch,2}/{progress.MaximumNumberOfEpochs}, validation loss {progress.ValidationLoss:F4}";

    /// <summary>Calls back on the training thread, in order; <see cref="Progress{T}"/> would hand over to the thread pool of a console program.</summary>
    private sealed class EpochHandler(Action<TrainingProgress> handle) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => handle(value);
    }
}
