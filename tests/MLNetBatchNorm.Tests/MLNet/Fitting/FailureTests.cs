using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Microsoft.ML;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Persistence;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// <c>Fit</c> that does not come to its end, in every phase and for every reason: the reason comes out as it is, nothing stays behind
/// (threads, open files, cursors, objects), and the same trainer then trains the model it would have trained in the first place.
/// </summary>
[TestClass]
public sealed class FailureTests
{
    /// <summary>What the system shows of "BatchNormNetwork worker": names of threads are cut to 15 characters.</summary>
    private const string WorkerThreadName = "BatchNormNetwor";

    private readonly string _folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;
    private readonly MLContext _context = new(1);

    [TestCleanup]
    public void Cleanup() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DataRow(nameof(FaultPlace.Cursor), false)]
    [DataRow(nameof(FaultPlace.Getter), false)]
    [DataRow(nameof(FaultPlace.MoveNext), false)]
    [DataRow(nameof(FaultPlace.Value), false)]
    [DataRow(nameof(FaultPlace.End), false)]
    [DataRow(nameof(FaultPlace.Value), true, DisplayName = "in the validation rows")]
    public void Fit_DataThatThrows_PassesTheExceptionOnAndLeavesNothing(string place, bool inValidation)
    {
        var thrown = new TimeZoneNotFoundException("the data's own");
        var scenario = new Scenario { Place = Enum.Parse<FaultPlace>(place), FaultInValidation = inValidation, Fault = () => throw thrown };
        Assert.AreSame(thrown, Check<TimeZoneNotFoundException>(scenario));
    }

    [TestMethod]
    [DataRow(nameof(FaultPlace.MoveNext), false, DisplayName = "while reading")]
    [DataRow(nameof(FaultPlace.End), false, DisplayName = "after the last row, before scaling")]
    [DataRow(nameof(FaultPlace.MoveNext), true, DisplayName = "while reading validation rows")]
    public void Fit_CancelledWhileReading_EndsAndLeavesNothing(string place, bool inValidation)
    {
        var scenario = new Scenario { Place = Enum.Parse<FaultPlace>(place), FaultInValidation = inValidation, Cancels = true };
        Assert.AreEqual(0, scenario.Epochs);
        CheckCancelled(scenario);
        Assert.AreEqual(0, scenario.EpochsBeforeTheEnd);
    }

    [TestMethod]
    [DataRow(1, 1, DisplayName = "after the first epoch")]
    [DataRow(1, 3, DisplayName = "after the last epoch, before the pass for statistics")]
    [DataRow(2, 2, DisplayName = "in the second network")]
    public void Fit_CancelledWhileTraining_EndsAndLeavesNothing(int member, int epoch)
    {
        var scenario = new Scenario { Member = member, Epoch = epoch, Cancels = true };
        CheckCancelled(scenario);
        // The other network is trained at the same time, as far as chance has it.
        Assert.IsInRange(epoch, Scenario.Members * Scenario.EpochsOfANetwork, scenario.EpochsBeforeTheEnd);
    }

    /// <summary>
    /// Cancelled from another thread at moments that no callback sees: within a step, a validation block, the statistics.
    /// </summary>
    [TestMethod]
    public void Fit_CancelledAtAnyMoment_EndsAndLeavesNothing()
    {
        int cancelled = 0;
        for (int moment = 0; moment < 12; moment++)
        {
            using var source = new CancellationTokenSource();
            var scenario = new Scenario
            {
                NumberOfMembers = 1, Token = source.Token, Member = 1, Epoch = 1 + moment % 3,
                Fault = () => source.CancelAfter(TimeSpan.FromMicroseconds(400 * moment)),
            };
            try
            {
                scenario.Create(_context).Fit(scenario.View(_context));
            }
            catch (OperationCanceledException)
            {
                cancelled++;
            }

            AssertNoWorkerThreads();
        }

        Assert.IsGreaterThanOrEqualTo(3, cancelled, "the first three moments are at once");
    }

    [TestMethod]
    [DataRow(1, 1)]
    [DataRow(2, 3)]
    public void Fit_ObserverThatThrows_PassesTheExceptionOnAndLeavesNothing(int member, int epoch)
    {
        var thrown = new TimeZoneNotFoundException("the observer's own");
        Assert.AreSame(
            thrown, Check<TimeZoneNotFoundException>(new Scenario { Member = member, Epoch = epoch, Fault = () => throw thrown }));
    }

    /// <summary>What has been counted above is there while a training is under way.</summary>
    [TestMethod]
    public void Scenario_WhileTraining_HasThreadsAndFiles()
    {
        int threads = 0, files = 0, cursors = 0;
        FaultyView? view = null;
        var scenario = new Scenario { NumberOfMembers = 1, Member = 1, Epoch = 1, Place = FaultPlace.Value };
        scenario.Fault = () =>
        {
            threads = Math.Max(threads, WorkerThreads());
            cursors = Math.Max(cursors, view!.OpenCursors);
            using FileStream open = File.Create(Path.Combine(_folder, "open"));
            files = FilesOpenIn(_folder);
        };
        view = scenario.View(_context);
        scenario.Create(_context).Fit(view);

        if (threads == -1 || files == -1)
            Assert.Inconclusive("This system does not show the threads and open files of a process in /proc.");
        Assert.AreEqual((Scenario.Threads - 1, 1, 1), (threads, files, cursors));
    }

    /// <summary>A system that refuses every file: the file that is there stays as it is, and training comes to its end.</summary>
    [TestMethod]
    public void Fit_DiskFull_WarnsAndTrainsTheSameModel()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("The limit is set with a shell of Linux.");
        // A good checkpoint that a full disk must not destroy; the model itself is saved to memory.
        string path = Path.Combine(_folder, "checkpoint");
        var interrupted = new Scenario
        {
            NumberOfThreads = 1, Checkpoint = path, Member = 1, Epoch = 2, Fault = () => throw new TimeZoneNotFoundException(),
        };
        Assert.ThrowsExactly<TimeZoneNotFoundException>(() => interrupted.Create(_context).Fit(interrupted.View(_context)));
        byte[] before = File.ReadAllBytes(path);

        string[] output = FreshProcess.RunWithFileLimit<FullDisk>(blocks: 4, path).Split('\n');
        var undisturbed = new Scenario();
        IDataView view = undisturbed.View(_context);
        Assert.AreEqual(FullDisk.Hash(undisturbed.Create(_context).Fit(view)), output[0]);
        Assert.AreEqual(
            Scenario.Members * Scenario.EpochsOfANetwork - 1 + Scenario.Members, int.Parse(output[1]),
            "every later epoch and both networks could not be kept");
        Assert.AreEqual(Convert.ToHexString(before), output[2], "the checkpoint that was there");
    }

    /// <summary>Rows beyond the memory budget need a file; where it cannot grow, the error says what it is for and what to do.</summary>
    [TestMethod]
    public void Fit_DiskFullOfRows_SaysWhatToDoAndLeavesNothing()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("The limit is set with a shell of Linux.");
        string[] output = FreshProcess.RunWithFileLimit<FullOfRows>(blocks: 1000, _folder).Split('\n');
        Assert.StartsWith("Writing the temporary file of the training rows in", output[0]);
        Assert.Contains("MemoryBudgetInMegabytes (1)", output[0]);
        Assert.AreEqual("marked, 0 files, 0 threads, then a model", output[1]);
        Assert.IsEmpty(Directory.GetFiles(_folder));
    }

    [TestMethod]
    public void Fit_FolderThatCannotBeWrittenTo_IsRefused()
    {
        // The rights of a folder mean nothing to root; not even root can make a file in /sys.
        const string folder = "/sys/kernel";
        if (!Directory.Exists(folder))
            Assert.Inconclusive("There is no folder here that nobody can write to.");
        IOException exception = Assert.ThrowsExactly<IOException>(
            () => new Scenario { Checkpoint = Path.Combine(folder, "checkpoint") }.Create(_context).Fit(new Scenario().View(_context)));

        Assert.IsTrue(exception.IsMarked());
        Assert.Contains("cannot be written", exception.Message);
        Assert.Contains("Set Checkpoint.Path to", exception.Message);
    }

    private void CheckCancelled(Scenario scenario)
    {
        using var source = new CancellationTokenSource();
        scenario.Token = source.Token;
        scenario.Fault = source.Cancel;
        OperationCanceledException exception = Check<OperationCanceledException>(scenario);
        Assert.AreEqual(source.Token, exception.CancellationToken);
        Assert.IsTrue(exception.IsMarked());
    }

    /// <summary>Fails a training as the scenario says; checks all that must hold afterwards.</summary>
    private TException Check<TException>(Scenario scenario)
        where TException : Exception
    {
        scenario.Checkpoint = Path.Combine(_folder, "checkpoint");
        File.WriteAllText(Path.Combine(_folder, "model.zip"), "an earlier model");
        IEstimator<ITransformer> trainer = scenario.Create(_context);
        (TException exception, WeakReference view, int cursors) = Fail<TException>(scenario, trainer);
        scenario.EpochsBeforeTheEnd = scenario.Epochs;

        Assert.AreEqual(0, cursors, "open cursors");
        AssertNoWorkerThreads();
        Assert.AreEqual(0, Math.Max(0, FilesOpenIn(_folder)), "open files");
        Assert.AreEqual("an earlier model", File.ReadAllText(Path.Combine(_folder, "model.zip")));
        if (scenario is { FaultInValidation: false })   // a validation set is an option, which the trainer keeps
            Assert.IsTrue(IsCollected(view), "the data is still held");

        if (scenario.Cancels)
            return exception;                          // a token that is cancelled stays so
        scenario.Fault = () => { };
        var undisturbed = new Scenario();
        IDataView data = undisturbed.View(_context);
        Assert.AreEqual(
            ModelFile.Contents(_context, undisturbed.Create(_context).Fit(data), data.Schema),
            ModelFile.Contents(_context, trainer.Fit(scenario.View(_context)), data.Schema));
        Assert.HasCount(1, Directory.GetFiles(_folder), "the earlier model, and no checkpoint");
        return exception;
    }

    // In methods of their own, so that no local variable keeps the view.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private (TException Exception, WeakReference View, int OpenCursors) Fail<TException>(
        Scenario scenario, IEstimator<ITransformer> trainer)
        where TException : Exception
    {
        FaultyView view = scenario.View(_context);
        TException exception = Assert.ThrowsExactly<TException>(() => trainer.Fit(view));
        return (exception, new WeakReference(view), view.OpenCursors);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool IsCollected(WeakReference reference)
    {
        for (int i = 0; i < 10 && reference.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        return !reference.IsAlive;
    }

    /// <summary>Threads of worker teams in this process; -1 where the system does not show them.</summary>
    private static int WorkerThreads() => !Directory.Exists("/proc/self/task")
        ? -1 : Directory.GetDirectories("/proc/self/task")
            .Count(task => Read(Path.Combine(task, "comm")).StartsWith(WorkerThreadName, StringComparison.Ordinal));

    /// <summary>The system shows a thread for some moments after it has been joined.</summary>
    private static void AssertNoWorkerThreads() =>
        Assert.IsTrue(SpinWait.SpinUntil(() => WorkerThreads() <= 0, TimeSpan.FromSeconds(10)), $"{WorkerThreads()} threads are left");

    /// <summary>Files below a folder that this process has open; -1 where the system does not show them.</summary>
    private static int FilesOpenIn(string folder) => !Directory.Exists("/proc/self/fd")
        ? -1 : Directory.GetFiles("/proc/self/fd")
            .Count(file => new FileInfo(file).LinkTarget?.StartsWith(folder, StringComparison.Ordinal) == true);

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return "";                                 // a thread that has just ended
        }
    }

    /// <summary>A training of two networks with several threads, and what happens in it.</summary>
    internal sealed class Scenario : IProgress<TrainingProgress>
    {
        public const int Threads = 3;
        public const int Members = 2;
        public const int EpochsOfANetwork = 3;

        /// <summary>1: one network after the other, so that what happens can be counted.</summary>
        public int NumberOfThreads { get; init; } = Threads;

        /// <summary>1: all threads train one network, and its reports are not left behind by another's training.</summary>
        public int NumberOfMembers { get; init; } = Members;

        public FaultPlace Place { get; init; }

        public bool FaultInValidation { get; init; }

        public bool Cancels { get; init; }

        public int Member { get; init; }

        public int Epoch { get; init; }

        public string? Checkpoint { get; set; }

        public CancellationToken Token { get; set; }

        public Action Fault { get; set; } = () => { };

        public int Epochs { get; private set; }

        public int EpochsBeforeTheEnd { get; set; }

        public FaultyView View(MLContext context) => new(Rows(context, 1), FaultInValidation ? FaultPlace.Nowhere : Place, () => Fault());

        public IEstimator<ITransformer> Create(MLContext context) => NetworkExamples.Quick(context, NetworkKind.Regression, options =>
        {
            // Wide enough to keep three threads busy.
            options.HiddenUnits = [256, 128];
            options.BatchSize = 256;
            options.MaximumNumberOfEpochs = EpochsOfANetwork;
            options.NumberOfEnsembleMembers = NumberOfMembers;
            options.NumberOfThreads = NumberOfThreads;
            options.Statistics = BatchNormalizationStatistics.Population;
            options.ValidationSet = new FaultyView(Rows(context, 2), FaultInValidation ? Place : FaultPlace.Nowhere, () => Fault());
            options.Checkpoint = Checkpoint is null ? null : new() { Path = Checkpoint, IntervalInEpochs = 1 };
            options.CancellationToken = Token;
            options.Progress = this;
        });

        public void Report(TrainingProgress value)
        {
            Epochs++;
            if ((value.Member, value.Epoch) == (Member, Epoch))
                Fault();
        }

        private static IDataView Rows(MLContext context, int seed) =>
            NetworkExamples.View(context, NetworkKind.Regression, NetworkExamples.Rows(600, seed));
    }

    /// <summary>Goes on from a checkpoint where no file can be larger than a few kilobytes.</summary>
    internal sealed class FullDisk : IFreshProcessTask
    {
        public static void Run(string[] arguments, TextWriter output)
        {
            var context = new MLContext(1);
            int warnings = 0;
            context.Log += (_, e) => warnings += e.Kind == ChannelMessageKind.Warning
                && e.RawMessage.Contains("training goes on without it", StringComparison.Ordinal)
                ? 1
                : 0;
            string before = "";
            var scenario = new Scenario
            {
                NumberOfThreads = 1, Checkpoint = arguments[0], Member = Scenario.Members, Epoch = Scenario.EpochsOfANetwork,
            };
            scenario.Fault = () => before = Convert.ToHexString(File.ReadAllBytes(arguments[0]));
            IDataView view = scenario.View(context);
            ITransformer model = scenario.Create(context).Fit(view);
            output.Write($"{Hash(model)}\n{warnings}\n{before}");
        }

        /// <summary>Of what is the library's own; ML.NET makes temporary files to save a model.</summary>
        public static string Hash(ITransformer model)
        {
            using var stream = new MemoryStream();
            using var writer = new BinaryWriter(stream);
            NetworkFormat.Write(writer, ((INetworkModel)((ISingleFeaturePredictionTransformer<object>)model).Model).Network);
            writer.Flush();
            return Convert.ToHexString(SHA256.HashData(stream.ToArray()));
        }
    }
    /// <summary>Trains on more rows than memory may hold where no file can be larger than half a megabyte; then on fewer.</summary>
    internal sealed class FullOfRows : IFreshProcessTask
    {
        public static void Run(string[] arguments, TextWriter output)
        {
            var context = new MLContext(1) { TempFilePath = arguments[0] };
            IEstimator<ITransformer> trainer = NetworkExamples.Quick(
                context, NetworkKind.Regression, options => options.MemoryBudgetInMegabytes = 1);
            try
            {
                trainer.Fit(NetworkExamples.View(context, NetworkKind.Regression, NetworkExamples.Rows(40_000)));
            }
            catch (InvalidOperationException e)
            {
                SpinWait.SpinUntil(() => WorkerThreads() <= 0, TimeSpan.FromSeconds(10));
                output.Write(
                    $"{e.Message}\n{(e.IsMarked() ? "marked" : "unmarked")}, {Math.Max(0, FilesOpenIn(arguments[0]))} files, "
                    + $"{Math.Max(0, WorkerThreads())} threads, then ");
            }

            trainer.Fit(NetworkExamples.View(context, NetworkKind.Regression, NetworkExamples.Rows(100)));
            output.Write("a model");
        }
    }
}
