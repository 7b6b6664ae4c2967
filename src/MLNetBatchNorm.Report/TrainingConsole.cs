using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace MLNetBatchNorm.Reporting;

/// <summary>Shows a training in the terminal while it runs.</summary>
public static class TrainingConsole
{
    private const int EpochsBetweenLines = 10;

    /// <summary>Leaves room for what stands beside it in 80 columns.</summary>
    private const int BarWidth = 12;

    /// <summary>
    /// Runs a training and shows it: in a terminal a bar with epoch, losses, the metric of the validation rows, rows a second and
    /// time left, which is gone at the end; where output goes into a file or another program, a plain line for the first epoch and
    /// every tenth. A line at the end says how it went.
    /// </summary>
    /// <example>
    /// <code>
    /// var model = TrainingConsole.Show("tumours", progress => mlContext.BinaryClassification.Trainers
    ///     .BatchNormNetwork(new BatchNormNetworkBinaryTrainer.Options { Progress = progress })
    ///     .Fit(trainingRows));
    /// </code>
    /// </example>
    /// <typeparam name="T">What the training gives.</typeparam>
    /// <param name="name">What is trained, in a word.</param>
    /// <param name="train">
    /// Trains; it gives its argument to <see cref="BatchNormNetworkOptions.Progress"/>. It is called once, on the calling thread.
    /// </param>
    /// <param name="console">Where to show it; null for standard output.</param>
    /// <returns>What <paramref name="train"/> returned. What it throws goes through.</returns>
    public static T Show<T>(string name, Func<IProgress<TrainingProgress>, T> train, IAnsiConsole? console = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(train);
        console ??= AnsiConsole.Console;
        // A build machine may claim to understand a terminal's commands though its output is a file.
        return Show(
            name, train, console, live: console.Profile.Capabilities is { Ansi: true, Interactive: true } && !Console.IsOutputRedirected);
    }

    internal static T Show<T>(string name, Func<IProgress<TrainingProgress>, T> train, IAnsiConsole console, bool live)
    {
        var last = new Reports();
        T result = live ? WithBar(name, train, console, last) : WithLines(name, train, console, last);
        if (last.Latest is { } progress)
        {
            Write(
                console,
                Text($"{name}: {Epoch(progress)}, best epoch {progress.BestEpoch}, {Losses(progress)}, ")
                + Text($"{progress.RowsPerSecond:N0} rows/s, {progress.ElapsedSeconds:0.0} s"));
        }

        return result;
    }

    private static T WithLines<T>(string name, Func<IProgress<TrainingProgress>, T> train, IAnsiConsole console, Reports reports)
    {
        reports.Handle = progress =>
        {
            if (progress.Epoch == 1 || progress.Epoch % EpochsBetweenLines == 0)
            {
                Write(
                    console,
                    Text($"{name}: {Epoch(progress)}, {Losses(progress)}, {progress.RowsPerSecond:N0} rows/s, {TimeLeft(progress)} left"));
            }
        };
        return train(reports);
    }

    private static T WithBar<T>(string name, Func<IProgress<TrainingProgress>, T> train, IAnsiConsole console, Reports reports)
    {
        var shown = new Shown { Latest = new Line(name, "") };
        bool first = true;
        return console.Progress().AutoClear(true)
            .Columns(new NameColumn(shown), new ProgressBarColumn { Width = BarWidth }, new MeasuresColumn(shown))
            .Start(context =>
            {
                ProgressTask bar = context.AddTask(Markup.Escape(name));
                reports.Handle = progress =>
                {
                    bar.MaxValue = 1;
                    bar.Value = progress.FractionDone;
                    shown.Latest = new Line(
                        Text($"{name} {progress.Epoch}/{progress.MaximumNumberOfEpochs}{Network(progress)}"),
                        Text($"{Brief(progress)} {progress.RowsPerSecond:N0} rows/s {TimeLeft(progress)}"));
                    if (first)
                        context.Refresh();             // afterwards the bar draws itself, ten times a second
                    first = false;
                };
                return train(reports);
            });
    }

    private static string Epoch(TrainingProgress progress)
        => (progress.NumberOfTrials > 1 ? Text($"trial {progress.Trial}/{progress.NumberOfTrials}, ") : "")
            + (progress.IsCompacting ? "compact network, " : "")
            + (progress is { NumberOfMembers: > 1, IsCompacting: false }
                ? Text($"network {progress.Member}/{progress.NumberOfMembers}, ") : "")
            + (progress.Restart > 0 ? Text($"restart {progress.Restart}/{progress.NumberOfRestarts}, ") : "")
            + Text($"epoch {progress.Epoch}/{progress.MaximumNumberOfEpochs}");

    /// <summary>
    /// Which of all networks that are trained, restarts included: for beside the bar, where there is no room for both numbers.
    /// </summary>
    private static string Network(TrainingProgress progress)
    {
        if (progress.NumberOfTrials > 1)
        {
            string best = progress.BestTrial is { } trial ? Text($", best {trial}") : "";
            return Text($" trial {progress.Trial}/{progress.NumberOfTrials}{best}");
        }
        if (progress.IsCompacting)
            return " compact";
        int trainings = 1 + progress.NumberOfRestarts;
        return progress.NumberOfMembers * trainings > 1
            ? Text($" net {(progress.Member - 1) * trainings + progress.Restart + 1}/{progress.NumberOfMembers * trainings}")
            : "";
    }

    private static string Losses(TrainingProgress progress)
    {
        string validation = progress.ValidationLoss is { } loss ? Text($", validation loss {loss:G4}") : "";
        string metric =
            progress.ValidationMetric is { } value ? $", {progress.ValidationMetricName} {Numbers.Metric(value, undefined: "-")}" : "";
        return Text($"loss {progress.TrainingLoss:G4}{validation}{metric}");
    }

    /// <summary>The same for beside the bar: three digits and short names, so that all of it fits.</summary>
    private static string Brief(TrainingProgress progress)
    {
        string validation = progress.ValidationLoss is { } loss ? Text($" val {loss:G3}") : "";
        string name = progress.ValidationMetricName == "accuracy" ? "acc" : progress.ValidationMetricName;
        string metric = progress.ValidationMetric is { } value ? Text($" {name} {(double.IsNaN(value) ? "-" : Text($"{value:F3}"))}") : "";
        return Text($"loss {progress.TrainingLoss:G3}{validation}{metric}");
    }

    private static string TimeLeft(TrainingProgress progress)
    {
        var left = TimeSpan.FromSeconds(Math.Ceiling(progress.EstimatedRemainingSeconds));
        return left.ToString(left.TotalHours >= 1 ? @"d\.hh\:mm\:ss" : @"m\:ss", CultureInfo.InvariantCulture);
    }

    // One line each, however narrow the terminal claims to be: whoever reads a log wants whole lines.
    private static void Write(IAnsiConsole console, string line) => console.Profile.Out.Writer.WriteLine(line);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>
    /// Calls back on the training thread, in order; <see cref="Progress{T}"/> would hand over to the thread pool of a console program.
    /// </summary>
    private sealed class Reports : IProgress<TrainingProgress>
    {
        public TrainingProgress? Latest { get; private set; }

        public Action<TrainingProgress> Handle { get; set; } = _ => { };

        public void Report(TrainingProgress value)
        {
            Latest = value;
            Handle(value);
        }
    }

    /// <summary>What stands on both sides of the bar, as one report had it.</summary>
    private sealed record Line(string Name, string Measures);

    /// <summary>
    /// Set by the thread that trains, drawn by a thread of the bar's own: a report that comes while a line is drawn must not give it
    /// another right side than left.
    /// </summary>
    private sealed class Shown
    {
        private volatile Line _latest = new("", "");

        public Line Latest
        {
            get => _latest;
            set => _latest = value;
        }

        /// <summary>What the line that is drawn shows; taken when its first column is.</summary>
        public Line Drawn { get; set; } = new("", "");
    }

    /// <summary>Left of the bar: name, epoch and network.</summary>
    private sealed class NameColumn(Shown shown) : ProgressColumn
    {
        protected override bool NoWrap => true;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime)
        {
            shown.Drawn = shown.Latest;
            return new Text(shown.Drawn.Name);
        }
    }

    /// <summary>Right of it: losses, speed and time left.</summary>
    private sealed class MeasuresColumn(Shown shown) : ProgressColumn
    {
        protected override bool NoWrap => true;

        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) => new Text(shown.Drawn.Measures);
    }
}
