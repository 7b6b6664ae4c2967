using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Training that survives its process: killed anywhere and started again, it ends in the model of an uninterrupted run.</summary>
[TestClass]
public sealed class CheckpointTests
{
    private readonly string _folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;
    private readonly List<string> _log = [];
    private readonly MLContext _context = new(1);

    public CheckpointTests() => _context.Log += (_, e) =>
    {
        lock (_log)
            _log.Add($"{e.Kind}: {e.RawMessage}");
    };

    public TestContext TestContext { get; set; } = null!;

    private string CheckpointPath => Path.Combine(_folder, "training.checkpoint");

    [TestCleanup]
    public void Cleanup() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void Fit_KilledAtRandomMoments_EndsInTheSameModel()
    {
        const int Kills = 20;
        var random = new Random(20);
        int resumed = 0;
        for (int kill = 0; kill < Kills; kill++)
        {
            using Process process = FreshProcess.Start<Training>(new Dictionary<string, string>(), _folder);
            // In one of five runs before training has begun; else some epochs and some tenths of milliseconds later.
            int epochs = kill % 5 == 4 ? 0 : random.Next(1, 5);
            for (string? line = ""; epochs > 0 && line is not null;)
            {
                line = process.StandardOutput.ReadLine();
                epochs -= line == "epoch" ? 1 : 0;
                resumed += line == "resumed" ? 1 : 0;
            }

            var watch = Stopwatch.StartNew();
            double delay = random.NextDouble() * 10;
            while (watch.Elapsed.TotalMilliseconds < delay)
                Thread.SpinWait(10);
            Assert.IsFalse(
                process.HasExited,
                $"the training was over, or failed, before it could be killed for the {kill + 1}th time: "
                + $"{(process.HasExited ? process.StandardError.ReadToEnd() : "")}");
            process.Kill();
            process.WaitForExit();
        }

        string output = FreshProcess.Run<Training>(_folder);
        Assert.Contains("resumed", output);
        TestContext.WriteLine(
            $"{resumed} of {Kills} killed runs and the last one went on from a checkpoint; "
            + $"the last one had {output.Split("epoch").Length - 1} epochs left.");
        Assert.IsGreaterThan(Kills / 2, resumed);

        string uninterrupted = ModelFile.Contents(
            _context, Training.Create(_context, null, () => { }).Fit(Training.Rows(_context)), Training.Rows(_context).Schema);
        Assert.AreEqual(uninterrupted, ModelFile.Contents(Path.Combine(_folder, "model.zip")));
        Assert.HasCount(1, Directory.GetFiles(_folder), "the model is all that is left");
    }

    /// <summary>Cancelled in the second network of an ensemble: the first is not trained again, the second goes on.</summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Fit_AgainAfterCancellation_GoesOnToTheSameModel(string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        IDataView rows = NetworkExamples.View(_context, kind, NetworkExamples.Rows(80));
        int epochs = 0;
        using var source = new CancellationTokenSource();
        string expected = ModelFile.Contents(_context, Estimator(kind, null, () => { }).Fit(rows), rows.Schema);

        Assert.ThrowsExactly<OperationCanceledException>(() => Estimator(kind, CheckpointPath, () =>
        {
            if (++epochs == 6)
                source.Cancel();
        }, source.Token).Fit(rows));
        CollectionAssert.AreEquivalent(
            new[] { "training.checkpoint", "training.checkpoint.previous", "training.checkpoint.2", "training.checkpoint.2.previous" },
            Directory.GetFiles(_folder).Select(Path.GetFileName).ToArray());

        epochs = 0;
        string actual = ModelFile.Contents(
            _context, Estimator(kind, CheckpointPath, () => epochs++, CancellationToken.None).Fit(rows), rows.Schema);
        Assert.AreEqual(2, epochs, "four epochs of the first network and two of the second were done");
        Assert.AreEqual(expected, actual);
        Assert.IsEmpty(Directory.GetFiles(_folder));
    }

    /// <summary>
    /// Rows that are more than the memory budget come from a temporary file, in an order that is made anew for every epoch.
    /// </summary>
    [TestMethod]
    public void Fit_AgainWithRowsInATemporaryFile_GoesOnToTheSameModel()
    {
        IDataView rows = NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(40_000));
        string expected = ModelFile.Contents(_context, Large(null, () => { }).Fit(rows), rows.Schema);
        Assert.IsTrue(_log.Any(line => line.Contains("temporary file", StringComparison.Ordinal)), "the rows were to be too many");
        int epochs = 0;
        Assert.ThrowsExactly<NotSupportedException>(() => Large(CheckpointPath, () => Stop(++epochs > 2)).Fit(rows));

        epochs = 0;
        Assert.AreEqual(expected, ModelFile.Contents(_context, Large(CheckpointPath, () => epochs++).Fit(rows), rows.Schema));
        Assert.AreEqual(2, epochs);

        IEstimator<ITransformer> Large(string? path, Action epochEnded) =>
            Single(path, epochEnded, options => (options.MemoryBudgetInMegabytes, options.BatchSize) = (1, 1000));
    }

    /// <summary>Networks side by side: how far each had come is chance, what becomes of them is not.</summary>
    [TestMethod]
    public void Fit_AgainAfterCancellationSideBySide_GoesOnToTheSameModel()
    {
        IDataView rows = Rows();
        void SideBySide(BatchNormNetworkOptions options) =>
            (options.NumberOfEnsembleMembers, options.NumberOfThreads, options.MaximumNumberOfEpochs) = (5, 3, 40);
        int all = 0, epochs = 0, rest = 0;
        using var source = new CancellationTokenSource();
        string expected = ModelFile.Contents(
            _context, Estimator(NetworkKind.Regression, null, () => all++, change: SideBySide).Fit(rows), rows.Schema);

        Assert.ThrowsExactly<OperationCanceledException>(() => Estimator(
            NetworkKind.Regression, CheckpointPath, () =>
            {
                if (++epochs == 20)
                    source.Cancel();
            }, source.Token, SideBySide).Fit(rows));
        string actual = ModelFile.Contents(
            _context, Estimator(NetworkKind.Regression, CheckpointPath, () => rest++, change: SideBySide).Fit(rows), rows.Schema);

        Assert.AreEqual(expected, actual);
        Assert.IsLessThan(all, rest, "Nothing went on from a checkpoint.");
        Assert.IsEmpty(Directory.GetFiles(_folder));
    }

    [TestMethod]
    public void Fit_NewestCheckpointDamaged_UsesTheOneBefore()
    {
        Interrupt(afterEpochs: 3);
        Spoil(CheckpointPath);

        int epochs = FinishAndCompare();

        Assert.AreEqual(2, epochs, "the file before it is that of the second of four epochs");
        Assert.IsTrue(
            _log.Any(line => line.StartsWith("Error: The checkpoint", StringComparison.Ordinal)
                && line.Contains("is damaged and is not used", StringComparison.Ordinal)),
            string.Join('\n', _log));
    }

    /// <summary>
    /// Nothing is lost but time, since the model is the same; a training that is restarted by a script must not need a person.
    /// </summary>
    [TestMethod]
    public void Fit_BothCheckpointsDamaged_BeginsAnew()
    {
        Interrupt(afterEpochs: 3);
        Spoil(CheckpointPath);
        Spoil(CheckpointPath + ".previous");

        Assert.AreEqual(4, FinishAndCompare());
        Assert.HasCount(2, _log.Where(line => line.StartsWith("Error: The checkpoint", StringComparison.Ordinal)).ToArray());
    }

    /// <summary>Killed between the two renames, or while the temporary file was written.</summary>
    [TestMethod]
    public void Fit_NewestCheckpointMissing_UsesTheOneBefore()
    {
        Interrupt(afterEpochs: 3);
        File.Move(CheckpointPath, CheckpointPath + ".temporary");

        Assert.AreEqual(2, FinishAndCompare());
    }

    [TestMethod]
    public void Fit_CheckpointOfAnotherTraining_IsRefused()
    {
        Interrupt(afterEpochs: 2);
        IDataView rows = Rows();
        CheckRefused(
            "its options, seed or initial network are others",
            () => Estimator(NetworkKind.Regression, CheckpointPath, () => { }, change: o => o.LearningRate = 0.02).Fit(rows));
        CheckRefused(
            "its options, seed or initial network are others",
            () => Estimator(NetworkKind.Regression, CheckpointPath, () => { }, change: o => o.Seed = 12).Fit(rows));
        CheckRefused(
            "its options, seed or initial network are others. Seed is not set",
            () => Estimator(NetworkKind.Regression, CheckpointPath, () => { }, change: o => o.Seed = null).Fit(rows));
        List<Example> others = NetworkExamples.Rows(80);
        others[79].Features[0]++;
        CheckRefused(
            "its training or validation rows are others",
            () => Estimator(NetworkKind.Regression, CheckpointPath, () => { }).Fit(
                NetworkExamples.View(_context, NetworkKind.Regression, others)));
        // Threads have no influence, and the refusals have not touched the files.
        int epochs = 0;
        Estimator(
            NetworkKind.Regression, CheckpointPath, () => epochs++, change: o => (o.NumberOfEnsembleMembers, o.NumberOfThreads) = (1, 3))
            .Fit(rows);
        Assert.AreEqual(2, epochs);
    }

    [TestMethod]
    public void Fit_PathOfSomethingElse_IsRefusedAndNotOverwritten()
    {
        File.WriteAllText(CheckpointPath, "the only copy of a thesis");

        InvalidOperationException exception =
            Assert.ThrowsExactly<InvalidOperationException>(() => Single(CheckpointPath, () => { }).Fit(Rows()));

        Assert.IsTrue(exception.IsMarked());
        Assert.Contains("is no checkpoint of this library, and is not overwritten", exception.Message);
        Assert.AreEqual("the only copy of a thesis", File.ReadAllText(CheckpointPath));
    }

    [TestMethod]
    public void Fit_FolderThatDoesNotExist_IsRefusedBeforeAnyRowIsRead()
    {
        var counting = new CountingView(Rows());
        IOException exception =
            Assert.ThrowsExactly<IOException>(() => Single(Path.Combine(_folder, "absent", "file"), () => { }).Fit(counting));

        Assert.IsTrue(exception.IsMarked());
        Assert.Contains("cannot be written", exception.Message);
        Assert.Contains("Checkpoint.Path", exception.Message);
        Assert.AreEqual(0, counting.Rows);
    }

    /// <summary>The folder goes away in the middle: reported, and the training comes to its end all the same.</summary>
    [TestMethod]
    public void Fit_CheckpointCannotBeWrittenAnyMore_WarnsAndGoesOn()
    {
        string folder = Path.Combine(_folder, "sub");
        Directory.CreateDirectory(folder);
        int epochs = 0;
        Single(Path.Combine(folder, "file"), () =>
        {
            if (++epochs == 2)
                Directory.Delete(folder, recursive: true);
        }).Fit(Rows());

        Assert.AreEqual(4, epochs);
        Assert.IsTrue(
            _log.Any(line => line.StartsWith("Warning: The checkpoint", StringComparison.Ordinal)
                && line.Contains("training goes on without it", StringComparison.Ordinal)),
            string.Join('\n', _log));
    }

    /// <summary>
    /// A training that diverges would diverge again from its checkpoint; what is to be changed is an
    /// option, and another checkpoint would be refused.
    /// </summary>
    [TestMethod]
    public void Fit_Diverged_LeavesNoCheckpoint()
    {
        Assert.ThrowsExactly<InvalidOperationException>(
            () => Estimator(NetworkKind.Regression, CheckpointPath, () => { }, change: options =>
            {
                options.LearningRate = 100;
                options.Optimizer = new SgdOptimizer();
                options.LearningRateSchedule = new ConstantSchedule();
                options.Placement = BatchNormalizationPlacement.None;
            }).Fit(Rows()));
        Assert.IsEmpty(Directory.GetFiles(_folder));
    }

    [TestMethod]
    [DataRow(null, 0.0, 4, DisplayName = "0 seconds: every epoch")]
    [DataRow(3, null, 1, DisplayName = "every third epoch")]
    [DataRow(2, 1e6, 2, DisplayName = "every second epoch, whichever comes first")]
    [DataRow(null, 1e6, 0, DisplayName = "never within the time")]
    public void Fit_Intervals_DecideHowOften(int? intervalInEpochs, double? intervalInSeconds, int expected)
    {
        // An epoch's observer comes before its checkpoint, so the five epochs of this training see what is written after the first four.
        var seen = new HashSet<string>();
        Single(CheckpointPath, () =>
        {
            if (File.Exists(CheckpointPath))
                seen.Add(Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(CheckpointPath))));
        }, options =>
        {
            options.MaximumNumberOfEpochs = 5;
            options.Checkpoint =
                new() { Path = CheckpointPath, IntervalInEpochs = intervalInEpochs, IntervalInSeconds = intervalInSeconds };
        }).Fit(Rows());
        Assert.HasCount(expected, seen);
    }

    [TestMethod]
    public void Create_CheckpointOptionsThatCannotBe_AreRefused()
    {
        foreach ((Action<BatchNormNetworkOptions> change, string expected) in new (Action<BatchNormNetworkOptions>, string)[]
        {
            (o => o.Checkpoint = new() { Path = " " }, "Checkpoint.Path is empty"),
            (o => o.Checkpoint = new(), "Checkpoint.Path is null"),
            (o => o.Checkpoint = new() { Path = "x", IntervalInSeconds = null }, "are both null"),
        })
        {
            Assert.Contains(
                expected,
                Assert
                    .ThrowsExactly<ArgumentOutOfRangeException>(() => NetworkExamples.Quick(_context, NetworkKind.Binary, change)).Message);
        }
    }

    /// <summary>Every option either is in the fingerprint of a training or is known to have no influence on it.</summary>
    [TestMethod]
    public void Fingerprint_NamesEveryOptionThatHasInfluence()
    {
        var options = new BatchNormNetworkRegressionTrainer.Options
        {
            Checkpoint = new() { Path = "x" }, HiddenUnits = [256, 128], Optimizer = new AdamWOptimizer(),
            ValidationSet = Rows(), Progress = new Observer(() => { }),
        };
        string text = FitFingerprint.TextOf(options);
        string[] missing =
        [
            .. options.GetType().GetProperties().Select(p => p.Name)
                .Where(name => !text.Contains($"Options.{name}", StringComparison.Ordinal)).Order(StringComparer.Ordinal),
        ];
        // What is no value cannot be compared: rows are, as rows; the others are told, and do not tell. Who trains has no influence.
        string[] expected = ["CancellationToken", "Checkpoint", "NumberOfThreads", "Progress", "TrainingRunner", "ValidationSet"];
        CollectionAssert.AreEqual(expected, missing, string.Join(", ", missing));
        Assert.Contains("Options.HiddenUnits[1] = 128\n", text);
        Assert.Contains("Options.Optimizer.Beta2 = 0.999\n", text);
        Assert.Contains("Options.Optimizer is MLNetBatchNorm.AdamWOptimizer\n", text);
    }

    private IDataView Rows() => NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(80));

    private IEstimator<ITransformer> Estimator(
        NetworkKind kind, string? path, Action epochEnded, CancellationToken token = default,
        Action<BatchNormNetworkOptions>? change = null) =>
        NetworkExamples.Quick(_context, kind, options =>
        {
            options.NumberOfEnsembleMembers = change is null ? 2 : 1;
            options.NumberOfThreads = 1;               // one network after the other, so that epochs can be counted
            options.Checkpoint = path is null ? null : new() { Path = path, IntervalInEpochs = 1 };
            options.Progress = new Observer(epochEnded);
            options.CancellationToken = token;
            change?.Invoke(options);
        });

    private IEstimator<ITransformer> Single(string? path, Action epochEnded, Action<BatchNormNetworkOptions>? change = null) =>
        Estimator(NetworkKind.Regression, path, epochEnded, change: options => change?.Invoke(options));

    /// <summary>Trains a single network of four epochs and stops it.</summary>
    private void Interrupt(int afterEpochs)
    {
        int epochs = 0;
        // The checkpoint of an epoch is written after its observer has returned, so the next epoch's observer stops the training.
        Assert.ThrowsExactly<NotSupportedException>(() => Single(CheckpointPath, () => Stop(++epochs > afterEpochs)).Fit(Rows()));
    }

    private static void Stop(bool now)
    {
        if (now)
            throw new NotSupportedException("stopped by the test");
    }

    /// <summary>Trains to the end, compares with an uninterrupted training, and says how many epochs were trained.</summary>
    private int FinishAndCompare()
    {
        int epochs = 0;
        IDataView rows = Rows();
        string expected = ModelFile.Contents(_context, Single(null, () => { }).Fit(rows), rows.Schema);
        Assert.AreEqual(expected, ModelFile.Contents(_context, Single(CheckpointPath, () => epochs++).Fit(rows), rows.Schema));
        return epochs;
    }

    private static void Spoil(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(path, bytes);
    }

    private static void CheckRefused(string expected, Action fit)
    {
        InvalidOperationException exception = Assert.ThrowsExactly<InvalidOperationException>(fit);
        Assert.IsTrue(exception.IsMarked());
        Assert.Contains("belongs to another training: " + expected, exception.Message);
    }

    private sealed class Observer(Action epochEnded) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => epochEnded();
    }

    /// <summary>Trains in a process of its own, says when an epoch is over, and saves the model.</summary>
    internal sealed class Training : IFreshProcessTask
    {
        public static void Run(string[] arguments, TextWriter output)
        {
            var context = new MLContext(5);
            context.Log += (_, e) =>
            {
                if (e.RawMessage.Contains("goes on from the checkpoint", StringComparison.Ordinal))
                    output.WriteLine("resumed");
            };
            IDataView rows = Rows(context);
            ITransformer model = Create(context, Path.Combine(arguments[0], "training.checkpoint"), () =>
            {
                output.WriteLine("epoch");
                output.Flush();
            }).Fit(rows);
            context.Model.Save(model, rows.Schema, Path.Combine(arguments[0], "model.zip"));
        }

        public static IDataView Rows(MLContext context) =>
            NetworkExamples.View(context, NetworkKind.Multiclass, NetworkExamples.Rows(1000));

        public static IEstimator<ITransformer> Create(MLContext context, string? path, Action epochEnded) =>
            NetworkExamples.Quick(context, NetworkKind.Multiclass, options =>
            {
                options.HiddenUnits = [128, 64];
                options.NumberOfEnsembleMembers = 2;
                options.MaximumNumberOfEpochs = 200;
                options.EarlyStoppingPatience = 0;
                options.Checkpoint = path is null ? null : new() { Path = path, IntervalInEpochs = 1 };
                options.Progress = new Observer(epochEnded);
            });
    }
}
