using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>The course of a Fit: what decides its result, what it tells while it runs, and how it ends early.</summary>
[TestClass]
public sealed class NetworkFitTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Fit_SameSeed_GivesTheSameBitsInAnyContextWithAnyNumberOfThreads(string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        float[] expected = FitAndScore(new MLContext(1), kind, Large(1));

        CollectionAssert.AreEqual(expected, FitAndScore(new MLContext(2), kind, Large(2)));
        CollectionAssert.AreEqual(expected, FitAndScore(new MLContext(), kind, Large(7)));
        CollectionAssert.AreNotEqual(expected, FitAndScore(new MLContext(1), kind, options =>
        {
            Large(1)(options);
            options.Seed = 12;
        }));

        // Wide enough that several threads have work to do.
        static Action<BatchNormNetworkOptions> Large(int threads) => options =>
        {
            options.HiddenUnits = [200, 100];
            options.BatchSize = 128;
            options.NumberOfThreads = threads;
        };
    }

    [TestMethod]
    public void Fit_WithoutSeed_FollowsTheSeedOfTheContext()
    {
        static void Unseeded(BatchNormNetworkOptions options) => options.Seed = null;
        float[] expected = FitAndScore(new MLContext(5), NetworkKind.Regression, Unseeded);

        CollectionAssert.AreEqual(expected, FitAndScore(new MLContext(5), NetworkKind.Regression, Unseeded));
        CollectionAssert.AreNotEqual(expected, FitAndScore(new MLContext(6), NetworkKind.Regression, Unseeded));
    }

    [TestMethod]
    public void Fit_TwiceWithOneTrainer_GivesTheSameBits()
    {
        IDataView view = View(NetworkKind.Multiclass);
        IEstimator<ITransformer> trainer = NetworkExamples.Quick(_context, NetworkKind.Multiclass, options => options.Seed = null);
        float[][] first = trainer.Fit(view).Transform(view).Vectors<float>("Score");
        trainer.Fit(NetworkExamples.View(_context, NetworkKind.Multiclass, NetworkExamples.Rows(50, seed: 9)));
        float[][] second = trainer.Fit(view).Transform(view).Vectors<float>("Score");

        for (int row = 0; row < first.Length; row++)
            CollectionAssert.AreEqual(first[row], second[row]);
    }

    [TestMethod]
    public void Fit_WithValidationSet_ReturnsTheEpochThatIsBestOnIt()
    {
        List<Example> noisy = NetworkExamples.Rows(60);
        var random = new Random(3);
        foreach (Example row in noisy)
            row.IsPositive = random.Next(3) == 0 ? !row.IsPositive : row.IsPositive;
        IDataView training = NetworkExamples.View(_context, NetworkKind.Binary, noisy);
        IDataView validation = NetworkExamples.View(_context, NetworkKind.Binary, NetworkExamples.Rows(500, seed: 4));
        BatchNormNetworkBinaryTrainer trainer = Binary(options =>
        {
            options.HiddenUnits = [64];
            options.DropoutRate = 0;
            options.LearningRate = 0.03;
            options.LearningRateSchedule = new ConstantSchedule();
            options.MaximumNumberOfEpochs = 200;
            options.EarlyStoppingPatience = 10;
        });

        var model = trainer.Fit(training, validation);

        TrainingHistory history = model.Model.SubModel.Network.Members[0].TrainingHistory;
        double best = history.Epochs.Min(epoch => epoch.ValidationLoss!.Value);
        Assert.AreEqual(TrainingStopReason.ValidationLossStoppedImproving, history.StopReason);
        Assert.AreEqual(history.BestEpoch + 10, history.Epochs.Count);
        Assert.AreEqual(best, history.Epochs[history.BestEpoch - 1].ValidationLoss);
        Assert.IsGreaterThan(best * 1.02, history.Epochs[^1].ValidationLoss!.Value);
        // The model is that of the best epoch: ML.NET, in bits, measures on it what the history says of that epoch, in nats.
        double measured = _context.BinaryClassification.Evaluate(model.Transform(validation)).LogLoss * Math.Log(2);
        Assert.AreEqual(best, measured, 1e-4);
    }

    [TestMethod]
    public void Fit_ValidationSetOption_IsUsedInAPipelineAndGivesWayToTheArgument()
    {
        IDataView training = View(NetworkKind.Binary);
        IDataView validation = NetworkExamples.View(_context, NetworkKind.Binary, NetworkExamples.Rows(100, seed: 4));
        IDataView other = NetworkExamples.View(_context, NetworkKind.Binary, NetworkExamples.Rows(100, seed: 5));
        BatchNormNetworkBinaryTrainer plain = Binary();
        BatchNormNetworkBinaryTrainer withOption = Binary(options => options.ValidationSet = validation);

        double[] asArgument = Losses(plain.Fit(training, validation).Model.SubModel);
        var pipeline = _context.Transforms.Concatenate("Copy", "Features").Append(withOption);

        CollectionAssert.AreEqual(asArgument, Losses(pipeline.Fit(training).LastTransformer.Model.SubModel));
        CollectionAssert.AreEqual(
            Losses(plain.Fit(training, other).Model.SubModel), Losses(withOption.Fit(training, other).Model.SubModel));
        CollectionAssert.AreNotEqual(asArgument, Losses(plain.Fit(training, other).Model.SubModel));

        static double[] Losses(BatchNormNetworkBinaryModelParameters model) =>
            [.. model.Network.Members[0].TrainingHistory.Epochs.Select(epoch => epoch.ValidationLoss!.Value)];
    }

    [TestMethod]
    public void Fit_ValidationFraction_SetsThatShareOfEachClassAside()
    {
        string[] log = Log(
            _context,
            () => NetworkExamples.Quick(_context, NetworkKind.Regression, options => options.ValidationFraction = 0.25)
                .Fit(View(NetworkKind.Regression)));
        Assert.IsTrue(log.Any(line => line.Contains("on 150 rows, 50 for validation")), string.Join("\n", log));

        IDataView all = View(NetworkKind.Regression);
        var model = (RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters>)
            NetworkExamples.Quick(_context, NetworkKind.Regression, options => options.ValidationFraction = 0).Fit(all);
        Assert.IsTrue(model.Model.Network.Members[0].TrainingHistory.Epochs.All(epoch => epoch.ValidationLoss is null));
        Assert.AreEqual(4, model.Model.Network.Members[0].TrainingHistory.BestEpoch);
    }

    /// <summary>Two rows leave nothing to validate on: they train, and the log says so.</summary>
    [TestMethod]
    public void Fit_TooFewRowsToSetAside_TrainsOnAllAndWarns()
    {
        string[] log = Log(_context, () => NetworkExamples.Quick(_context, NetworkKind.Regression)
            .Fit(NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(2))));

        Assert.IsTrue(
            log.Any(line => line.StartsWith("Warning", StringComparison.Ordinal) && line.Contains("2 rows are too few")),
            string.Join("\n", log));
    }

    [TestMethod]
    public void Fit_FromAModel_GoesOnWhereItStopped()
    {
        IDataView view = View(NetworkKind.Binary);
        void Steady(BatchNormNetworkOptions options)
        {
            options.LearningRate = 0.01;
            options.LearningRateSchedule = new ConstantSchedule();
            options.DropoutRate = 0;
            options.MaximumNumberOfEpochs = 15;
        }

        BatchNormNetworkBinaryModelParameters first = Binary(Steady).Fit(view).Model.SubModel;
        BatchNormNetworkBinaryModelParameters second = Binary(Steady).Fit(view, modelParameters: first).Model.SubModel;
        BatchNormNetworkBinaryModelParameters third = Binary(Steady).Fit(view, null, first).Model.SubModel;

        // The continued training starts far below where the first one started, and at most a little above where it ended.
        Assert.IsLessThan(
            0.8 * first.Network.Members[0].TrainingHistory.Epochs[0].TrainingLoss,
            second.Network.Members[0].TrainingHistory.Epochs[0].TrainingLoss);
        Assert.IsLessThan(
            1.5 * first.Network.Members[0].TrainingHistory.Epochs[^1].TrainingLoss,
            second.Network.Members[0].TrainingHistory.Epochs[0].TrainingLoss);
        CollectionAssert.AreEqual(
            second.Network.Members[0].TrainingHistory.Epochs.ToArray(), third.Network.Members[0].TrainingHistory.Epochs.ToArray());
    }

    /// <summary>A regression model holds its last layer in the label's units; going on from it takes that back.</summary>
    [TestMethod]
    public void Fit_FromARegressionModel_GoesOnWhereItStopped()
    {
        IDataView view = View(NetworkKind.Regression);
        BatchNormNetworkRegressionTrainer Steady(double rate) =>
            (BatchNormNetworkRegressionTrainer)NetworkExamples.Quick(_context, NetworkKind.Regression, options =>
            {
                options.LearningRate = rate;
                options.LearningRateSchedule = new ConstantSchedule();
                options.DropoutRate = 0;
                options.MaximumNumberOfEpochs = 15;
            });
        BatchNormNetworkRegressionModelParameters first = Steady(0.01).Fit(view).Model;
        // A rate so small that nothing is learned: the first validation loss is that of the model given.
        TrainingHistory still = Steady(1e-12).Fit(view, modelParameters: first).Model.Network.Members[0].TrainingHistory;

        double expected =
            first.Network.Members[0].TrainingHistory.Epochs[first.Network.Members[0].TrainingHistory.BestEpoch - 1].ValidationLoss!.Value;
        Assert.AreEqual(expected, still.Epochs[0].ValidationLoss!.Value, 0.05 * expected);
        Assert.IsLessThan(
            0.5 * first.Network.Members[0].TrainingHistory.Epochs[0].ValidationLoss!.Value, still.Epochs[0].ValidationLoss!.Value);
    }

    [TestMethod]
    public void Log_EveryEpoch_IsTold()
    {
        var context = new MLContext(1);
        string[] log = Log(
            context,
            () => NetworkExamples.Quick(context, NetworkKind.Regression).Fit(
                NetworkExamples.View(context, NetworkKind.Regression, NetworkExamples.Rows(80))));

        for (int epoch = 1; epoch <= 4; epoch++)
        {
            Assert.AreEqual(
                1,
                log.Count(line => line.StartsWith(
                    $"Info BatchNormNetworkRegression; Training: Epoch {epoch}/4: training loss ", StringComparison.Ordinal)),
                string.Join("\n", log));
        }
        Assert.IsTrue(log.Any(line => Regex.IsMatch(line, @", validation loss [\dE.+-]+, R2 -?\d\.\d{4}; ")), string.Join("\n", log));
        Assert.IsTrue(log.Any(line => line.Contains("Training a network of 4 features, 16 + 8 hidden units, 1 outputs")));
        Assert.IsTrue(log.Any(line => line.Contains("Training ended after 4 epochs")));
    }

    /// <summary>The metric of the best epoch is what ML.NET finds when it evaluates the model on the same validation rows.</summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary), "AUC")]
    [DataRow(nameof(NetworkKind.Multiclass), "accuracy")]
    [DataRow(nameof(NetworkKind.Regression), "R2")]
    public void ValidationMetric_IsThatOfMLNet(string kindName, string metricName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        IDataView validation = NetworkExamples.View(_context, kind, NetworkExamples.Rows(150, seed: 5));
        var reports = new List<TrainingProgress>();
        ITransformer model = NetworkExamples.Quick(_context, kind, options =>
        {
            options.MaximumNumberOfEpochs = 20;
            options.Statistics = BatchNormalizationStatistics.RunningAverage;
            options.ValidationSet = validation;
            options.Progress = new Collector(reports);
        }).Fit(View(kind));

        IDataView scored = model.Transform(validation);
        double expected = kind switch
        {
            NetworkKind.Binary => _context.BinaryClassification.Evaluate(scored).AreaUnderRocCurve,
            NetworkKind.Multiclass => _context.MulticlassClassification.Evaluate(scored).MicroAccuracy,
            _ => _context.Regression.Evaluate(scored).RSquared,
        };
        TrainingProgress best = reports[reports[^1].BestEpoch - 1];
        // Reported before the weights were rounded to half precision, 2^-12 of each at most: a pair of the 150 rows may change places.
        Assert.AreEqual(expected, best.ValidationMetric!.Value, 3e-4);
        Assert.IsTrue(expected is > 0.3 and < 0.999, $"{expected}");
        Assert.IsTrue(reports.All(r => r.ValidationMetricName == metricName));
        Assert.AreNotEqual(best.ValidationMetric, reports[0].ValidationMetric);
    }

    /// <summary>
    /// With a third of the labels drawn by chance a network gets too sure of itself. The loss that the history tells of the best epoch is
    /// that of the model, with the option and without; with it, it is lower, and no epoch's is higher.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    public void TemperatureScaling_LowersTheLossOfANetworkThatIsTooSure(string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        IDataView training = NetworkExamples.View(_context, kind, PartlyRandom(100, seed: 1)),
            validation = NetworkExamples.View(_context, kind, PartlyRandom(300, seed: 2));
        (double[] scaled, double ofModel) = Losses(true);
        (double[] plain, double ofPlainModel) = Losses(false);

        Assert.AreEqual(scaled.Min(), ofModel, 1e-4);
        Assert.AreEqual(plain.Min(), ofPlainModel, 1e-4);
        Assert.IsTrue(
            scaled.Zip(plain).All(pair => pair.First <= pair.Second), "The trainings are the same, so no epoch's loss can be higher.");
        Assert.IsLessThan(0.9 * plain[^1], scaled[^1], "The last epoch was not too sure of itself; the test shows nothing.");

        (double[] Losses, double OfModel) Losses(bool scales)
        {
            var reports = new List<TrainingProgress>();
            ITransformer model = NetworkExamples.Quick(_context, kind, options =>
            {
                ((BatchNormNetworkClassificationOptions)options).TemperatureScaling = scales;
                options.HiddenUnits = [64];
                options.LearningRate = 0.02;
                options.MaximumNumberOfEpochs = 200;
                options.EarlyStoppingPatience = 0;
                options.Statistics = BatchNormalizationStatistics.RunningAverage;
                options.ValidationSet = validation;
                options.Progress = new Collector(reports);
            }).Fit(training);
            IDataView rows = model.Transform(validation);
            double loss = kind == NetworkKind.Binary
                ? _context.BinaryClassification.Evaluate(rows).LogLoss * Math.Log(2)
                : _context.MulticlassClassification.Evaluate(rows).LogLoss;
            return ([.. reports.Select(report => report.ValidationLoss!.Value)], loss);
        }
    }

    private static List<Example> PartlyRandom(int count, int seed)
    {
        var random = new Random(seed);
        List<Example> rows = NetworkExamples.Rows(count, seed);
        foreach (Example row in rows.Where(_ => random.Next(3) == 0))
            (row.IsPositive, row.Class) = (random.Next(2) == 1, NetworkExamples.Classes[random.Next(3)]);
        return rows;
    }

    [TestMethod]
    public void Log_UnderACultureWithDecimalCommas_IsTheSame()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        string[] invariant = Log(_context, () => NetworkExamples.Quick(_context, NetworkKind.Regression).Fit(View(NetworkKind.Regression)));
        try
        {
            CultureInfo.CurrentCulture = new CultureInfo("de-DE");
            string[] german = Log(
                _context, () => NetworkExamples.Quick(_context, NetworkKind.Regression).Fit(View(NetworkKind.Regression)));
            CollectionAssert.AreEqual(Epochs(invariant), Epochs(german));
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }

        static string[] Epochs(string[] log) => [.. log.Where(line => line.Contains("Epoch "))];
    }

    [TestMethod]
    public void Progress_EveryEpoch_IsReportedWithTimes()
    {
        var reports = new List<TrainingProgress>();
        var model = Binary(options =>
        {
            options.Progress = new Collector(reports);
            options.MaximumNumberOfEpochs = 5;
        }).Fit(View(NetworkKind.Binary));
        IReadOnlyList<EpochRecord> history = model.Model.SubModel.Network.Members[0].TrainingHistory.Epochs;

        CollectionAssert.AreEqual(new[] { 1, 2, 3, 4, 5 }, reports.Select(report => report.Epoch).ToArray());
        double rows = Math.Round(reports[0].RowsPerSecond * reports[0].ElapsedSeconds);         // without those set aside for validation
        Assert.IsInRange(0.75, 0.85, rows / View(NetworkKind.Binary).GetColumn<bool>("Label").Count());
        for (int i = 0; i < reports.Count; i++)
        {
            TrainingProgress report = reports[i];
            Assert.AreEqual(5, report.MaximumNumberOfEpochs);
            Assert.AreEqual(history[i].TrainingLoss, report.TrainingLoss);
            Assert.AreEqual(history[i].ValidationLoss, report.ValidationLoss);
            Assert.AreEqual(history[i].LearningRate, report.LearningRate);
            Assert.AreEqual(
                1 + Array.IndexOf([.. history.Take(i + 1).Select(e => e.ValidationLoss)], history.Take(i + 1).Min(e => e.ValidationLoss)),
                report.BestEpoch);
            Assert.IsGreaterThan(i == 0 ? 0 : reports[i - 1].ElapsedSeconds, report.ElapsedSeconds);
            Assert.AreEqual(report.ElapsedSeconds / (i + 1) * (4 - i), report.EstimatedRemainingSeconds, 1e-9);
            Assert.AreEqual(rows * (i + 1), report.RowsPerSecond * report.ElapsedSeconds, 1e-6 * rows);
        }
    }

    /// <summary>
    /// A context keeps every progress channel and every event of it for ever, so that a Fit opens none.
    /// </summary>
    [TestMethod]
    [DataRow(1, 730)]
    [DataRow(8, 24)]
    public void Fit_OfAnyLength_LeavesNoProgressInTheContext(int networks, int epochs)
    {
        var context = new MLContext(1);
        IEstimator<ITransformer> trainer = NetworkExamples.Quick(context, NetworkKind.Regression, options =>
        {
            options.NumberOfEnsembleMembers = networks;
            options.MaximumNumberOfEpochs = epochs;
            options.HiddenUnits = [2];
            options.EarlyStoppingPatience = 0;
        });
        IDataView view = NetworkExamples.View(context, NetworkKind.Regression, NetworkExamples.Rows(10));
        for (int fit = 1; fit <= 3; fit++)
        {
            trainer.Fit(view);
            context.Transforms.BatchNormalize("Features").Fit(view);
            Assert.AreEqual(0, PendingProgressEvents(context));
        }

        context.Regression.Trainers.LbfgsPoissonRegression().Fit(view);
        Assert.IsGreaterThan(1, PendingProgressEvents(context), "what is counted");
    }

    [TestMethod]
    public void Fit_TokenCancelledWhileTraining_EndsAndLeavesTheContextAlive()
    {
        using var source = new CancellationTokenSource();
        var reports = new List<TrainingProgress>();
        IDataView view = View(NetworkKind.Binary);
        BatchNormNetworkBinaryTrainer trainer = Binary(options =>
        {
            options.MaximumNumberOfEpochs = 1_000_000;
            options.EarlyStoppingPatience = 0;
            options.CancellationToken = source.Token;
            options.Progress = new Collector(reports, report =>
            {
                if (report.Epoch == 3)
                    source.Cancel();
            });
        });

        OperationCanceledException exception = Assert.ThrowsExactly<OperationCanceledException>(() => trainer.Fit(view));

        Assert.AreEqual(source.Token, exception.CancellationToken);
        Assert.IsTrue(exception.IsMarked());
        Assert.HasCount(3, reports);
        Binary().Fit(view);
    }

    [TestMethod]
    public void Fit_TokenCancelledBefore_ReadsNothingToTheEnd()
    {
        var counting = new CountingView(View(NetworkKind.Binary));
        BatchNormNetworkBinaryTrainer trainer = Binary(options => options.CancellationToken = new CancellationToken(canceled: true));

        Assert.ThrowsExactly<OperationCanceledException>(() => trainer.Fit(counting));
        Assert.IsLessThanOrEqualTo(1, counting.Rows);
    }

    /// <summary>What AutoML does when its time is up.</summary>
    [TestMethod]
    public void Fit_ContextCancelled_Ends()
    {
        var context = new MLContext(1);
        IEstimator<ITransformer> trainer = NetworkExamples.Quick(context, NetworkKind.Binary, options =>
        {
            options.MaximumNumberOfEpochs = 1_000_000;
            options.EarlyStoppingPatience = 0;
            options.Progress = new Collector([], report =>
            {
                if (report.Epoch == 3)
                    context.CancelExecution();
            });
        });

        OperationCanceledException exception = Assert.ThrowsExactly<OperationCanceledException>(
            () => trainer.Fit(NetworkExamples.View(context, NetworkKind.Binary, NetworkExamples.Rows(200))));

        Assert.IsTrue(exception.IsMarked());
    }

    [TestMethod]
    public void Fit_ObserverThatThrows_PassesItsExceptionOn()
    {
        BatchNormNetworkBinaryTrainer trainer =
            Binary(options => options.Progress = new Collector([], _ => throw new NotSupportedException("mine")));

        Assert.AreEqual("mine", Assert.ThrowsExactly<NotSupportedException>(() => trainer.Fit(View(NetworkKind.Binary))).Message);
    }

    /// <summary>ML.NET keeps progress events where nobody can see them from outside.</summary>
    private static int PendingProgressEvents(MLContext context)
    {
        object environment = typeof(MLContext).GetField("_env", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(context)!;
        FieldInfo? field = null;
        for (Type? type = environment.GetType(); type is not null && field is null; type = type.BaseType)
            field = type.GetField("ProgressTracker", BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.DeclaredOnly);
        object tracker = field!.GetValue(environment)!;
        FieldInfo events = tracker.GetType().GetField("_pendingEvents", BindingFlags.Instance | BindingFlags.NonPublic)!;
        return ((System.Collections.ICollection)events.GetValue(tracker)!).Count;
    }

    private static string[] Log(MLContext context, Action action)
    {
        var lines = new List<string>();
        EventHandler<LoggingEventArgs> listener = (_, e) => lines.Add($"{e.Kind} {e.Source}: {e.RawMessage}");
        context.Log += listener;
        action();
        context.Log -= listener;
        return [.. lines];
    }

    private static float[] FitAndScore(MLContext context, NetworkKind kind, Action<BatchNormNetworkOptions> change)
    {
        IDataView view = NetworkExamples.View(context, kind, NetworkExamples.Rows(200));
        IDataView scored = NetworkExamples.Quick(context, kind, change).Fit(view).Transform(view);
        return kind == NetworkKind.Multiclass
            ? [.. scored.Vectors<float>("Score").SelectMany(scores => scores)]
            : scored.Scalars<float>("Score");
    }

    private IDataView View(NetworkKind kind) => NetworkExamples.View(_context, kind, NetworkExamples.Rows(200));

    private BatchNormNetworkBinaryTrainer Binary(Action<BatchNormNetworkOptions>? change = null) =>
        (BatchNormNetworkBinaryTrainer)NetworkExamples.Quick(_context, NetworkKind.Binary, change);

    /// <summary>Reports on the thread that trains, unlike <see cref="Progress{T}"/>.</summary>
    private sealed class Collector(List<TrainingProgress> reports, Action<TrainingProgress>? then = null) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            reports.Add(value);
            then?.Invoke(value);
        }
    }
}
