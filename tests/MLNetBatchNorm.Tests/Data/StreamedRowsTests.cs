using System.Runtime.Versioning;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.Data;

/// <summary>
/// Rows in a temporary file: the same rows as in memory, each once an epoch, in an order that seed and epoch decide; and what can go wrong.
/// </summary>
[TestClass]
public sealed class StreamedRowsTests
{
    private const int Inputs = 5;
    private const long Budget = 1 << 20;

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    [DataRow(false, false)]
    [DataRow(false, true)]
    [DataRow(true, false)]
    [DataRow(true, true)]
    public void Epoch_OfSpilledRows_HasEveryRowOnceAndUnchanged(bool sparse, bool weighted)
    {
        using FileRows rows = CollectInFile(30_000, Budget, sparse, weighted);
        Assert.IsGreaterThan(8, rows.Spilled.Blocks);
        using StreamedRows stream = rows.Read(RowPart.All, largestBatch: 300);
        stream.BeginEpoch(1, 1, shuffle: true);
        int[] order = ReadEpoch(stream, 300, sparse, weighted);
        Assert.IsFalse(order.SequenceEqual(Enumerable.Range(0, 30_000)), "The order is shuffled.");
        CollectionAssert.AreEqual(Enumerable.Range(0, 30_000).ToArray(), order.Order().ToArray());

        stream.Restart();
        CollectionAssert.AreEqual(order, ReadEpoch(stream, 299, sparse, weighted), "Another pass in the same order, in other batches.");
        stream.BeginEpoch(1, 2, shuffle: true);
        int[] second = ReadEpoch(stream, 300, sparse, weighted);
        CollectionAssert.AreNotEqual(order, second);
        stream.BeginEpoch(1, 1, shuffle: true);
        CollectionAssert.AreEqual(
            order, ReadEpoch(stream, 300, sparse, weighted), "The order of an epoch does not depend on those before it.");
        stream.BeginEpoch(2, 1, shuffle: true);
        CollectionAssert.AreNotEqual(order, ReadEpoch(stream, 300, sparse, weighted), "Another seed.");
        stream.BeginEpoch(2, 1, shuffle: false);
        CollectionAssert.AreEqual(Enumerable.Range(0, 30_000).ToArray(), ReadEpoch(stream, 300, sparse, weighted));
    }

    /// <summary>A row's neighbours in an epoch come from all over the file, not from its own block.</summary>
    [TestMethod]
    public void Epoch_Shuffled_MixesRowsOfManyBlocks()
    {
        using FileRows rows = CollectInFile(60_000, Budget, sparse: false, weighted: false);
        using StreamedRows stream = rows.Read(RowPart.All, 256);
        stream.BeginEpoch(5, 1, shuffle: true);
        int[] order = ReadEpoch(stream, 256, false, false);
        int rowsOfBlock = rows.Spilled.RowsOf(0).Count;
        double blocksInBatch = order.Chunk(256).Take(100).Average(batch => batch.Select(row => row / rowsOfBlock).Distinct().Count());
        Assert.IsGreaterThan(3, blocksInBatch);
        Assert.IsLessThan(0.05, Math.Abs(Correlation(order)), "Where a row stands says nothing about where it was.");
    }

    [TestMethod]
    public void Parts_OfAFraction_AreDisjointAndTogetherAllRows()
    {
        int[] hits = new int[20_000];
        for (int part = 0; part < 4; part++)
        {
            RowPart aside = RowPart.Of(0.25, seed: 9, part);
            int count = 0;
            for (int row = 0; row < hits.Length; row++)
            {
                Assert.AreNotEqual(aside.Contains(row), aside.Rest.Contains(row));
                if (!aside.Contains(row))
                    continue;
                hits[row]++;
                count++;
            }
            Assert.AreEqual(hits.Length / 4, count, 5 * Math.Sqrt(hits.Length * 0.25 * 0.75), $"Rows of part {part}.");
        }
        Assert.IsTrue(hits.All(h => h == 1));
        Assert.IsFalse(
            Enumerable.Range(0, 100).All(row => RowPart.Of(0.25, 9, 0).Contains(row) == RowPart.Of(0.25, 10, 0).Contains(row)),
            "Another seed, other rows.");
    }

    [TestMethod]
    public void Split_OfSpilledRows_LosesNoRow()
    {
        using FileRows rows = CollectInFile(20_000, Budget, sparse: false, weighted: false);
        RowPart aside = RowPart.Of(0.2, 3, 1);
        TrainingTable validation = rows.Load(aside, CancellationToken.None);
        using StreamedRows stream = rows.Read(aside.Rest, 64);
        stream.BeginEpoch(1, 1, shuffle: true);
        int[] all =
            [.. ReadEpoch(stream, 64, false, false), .. Enumerable.Range(0, validation.Rows).Select(r => (int)validation.Features(r)[0])];
        CollectionAssert.AreEqual(Enumerable.Range(0, 20_000).ToArray(), all.Order().ToArray());
    }

    [TestMethod]
    public void Collector_WithinTheBudget_KeepsATable_AndOneRowMoreSpills()
    {
        int fitting = (int)(Budget / new RowShape(Inputs, 1, false, false).RowBytes(0));
        using RowStore within = Collect(fitting, Budget, false, false);
        Assert.AreEqual(fitting, within.Rows);
        Assert.IsTrue(within.IsInMemory);
        Assert.AreEqual(0, within.FileBytes);
        using RowStore above = Collect(fitting + 1, Budget, false, false);
        Assert.AreEqual(fitting + 1, above.Rows);
        Assert.IsFalse(above.IsInMemory);
        Assert.IsGreaterThan(0, above.FileBytes);
    }

    /// <summary>
    /// What is learned from passing rows is what is learned from rows in memory: ranges exactly, moments
    /// to rounding, quantiles as a sample gives them.
    /// </summary>
    [TestMethod]
    public void Collector_SpilledRows_SummarizesAsInMemory()
    {
        using FileRows file = CollectInFile(40_000, Budget, false, true);
        using RowStore memory = Collect(40_000, 1L << 30, false, true);
        Assert.IsTrue(memory.IsInMemory);
        SlotSummary expected = memory.Slots;
        for (int slot = 0; slot < Inputs; slot++)
            Assert.AreEqual(expected[slot], file.Slots[slot], $"Facts of slot {slot}.");
        Assert.IsGreaterThan(0, expected[4].Missing);
        TargetScale exact = LabelUnits.Of(new SquaredLoss(), memory, null).Scale!;
        TargetScale streamed = LabelUnits.Of(new SquaredLoss(), file, null).Scale!;
        Assert.AreEqual(exact.Mean, streamed.Mean, 1e-9 * Math.Abs(exact.Mean));
        Assert.AreEqual(exact.Deviation, streamed.Deviation, 1e-9 * exact.Deviation);

        ScaleAndClip whole = EncoderLearning.Learn(memory).Part<ScaleAndClip>()!;
        ScaleAndClip sampled = EncoderLearning.Learn(file).Part<ScaleAndClip>()!;
        TableRows sample = file.Sample(RowStore.LargestSample);
        Assert.IsLessThan(2000, sample.Count);
        // Standard error of a sample median of uniform values of range 2: 1 / sqrt(n).
        double tolerance = 5 / Math.Sqrt(sample.Count);
        for (int slot = 1; slot < Inputs; slot++)
        {
            Assert.AreEqual(whole.Center[slot], sampled.Center[slot], tolerance, $"Median of slot {slot}.");
            Assert.AreEqual(1, sampled.Scale[slot] / whole.Scale[slot], 2 * tolerance, $"Scale of slot {slot}.");
        }
        double meanOfRowNumbers = sample.Rows.Average(r => sample.Table.Features(r)[0]);
        Assert.AreEqual(
            20_000, meanOfRowNumbers, 5 * 40_000 / Math.Sqrt(12 * sample.Count), "The sample is of all rows, not of the first.");
    }

    /// <summary>Training on streamed rows gives the same bits with any number of threads, and learns as well as in memory.</summary>
    [TestMethod]
    public void Train_StreamedRows_DoesNotDependOnThreads()
    {
        NetworkParameters one = Train(1, 4), three = Train(3, 4), other = Train(1, 5);
        CollectionAssert.AreEqual(one.Linear[0].Weights.Span.ToArray(), three.Linear[0].Weights.Span.ToArray());
        CollectionAssert.AreEqual(one.Linear[1].Weights.Span.ToArray(), three.Linear[1].Weights.Span.ToArray());
        CollectionAssert.AreNotEqual(one.Linear[0].Weights.Span.ToArray(), other.Linear[0].Weights.Span.ToArray());
    }

    [TestMethod]
    [DataRow(BatchNormalizationStatistics.Population)]
    [DataRow(BatchNormalizationStatistics.PopulationPooled)]
    public void Train_StreamedRowsWithPopulationStatistics_SeesAllRows(BatchNormalizationStatistics statistics)
    {
        NetworkParameters parameters = Train(1, 4, statistics);
        Assert.AreEqual(40, parameters.BatchNormalization[0]!.BatchesTracked, "Batches of 500 of 20,000 rows.");
        Assert.IsTrue(parameters.IsFinite());
        Assert.IsFalse(parameters.BatchNormalization[0]!.RunningVariance.Contains(1));
    }

    [TestMethod]
    public void Append_OnAFullDisk_SaysSo()
    {
        if (!File.Exists("/dev/full"))
            Assert.Inconclusive("The system has no /dev/full.");
        var full = new FileStream("/dev/full", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        using var file = new SpillFile(full, "/somewhere");
        var exception = Assert.ThrowsExactly<SpillException>(() => file.Append(new byte[100]));
        Assert.StartsWith("Writing the temporary file of the training rows in '/somewhere' failed after 0 MB: ", exception.Message);
        Assert.IsInstanceOfType<IOException>(exception.InnerException);
    }

    /// <summary>Whatever the process allows for other files.</summary>
    [TestMethod]
    [UnsupportedOSPlatform("windows")]
    public void Create_OnUnix_MakesAFileForItsOwnerAlone()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("The system has no /proc/self/fd.");
        string directory = Directory.CreateTempSubdirectory("batchnorm-test").FullName;
        try
        {
            File.WriteAllBytes(Path.Combine(directory, "usual"), []);
            Assert.AreNotEqual(
                UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(directory, "usual")),
                "The test shows nothing where the process gives no rights to others.");
            using SpillFile file = SpillFile.Create(directory);
            string open = Directory.GetFileSystemEntries("/proc/self/fd").Single(
                link => new FileInfo(link).LinkTarget?.StartsWith($"{directory}/batchnorm-", StringComparison.Ordinal) == true);
            Assert.AreEqual(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(open));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [TestMethod]
    public void Create_InADirectoryThatIsNotThere_SaysSo()
    {
        string missing = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"));
        Assert.StartsWith(
            $"No temporary file can be made in '{missing}'", Assert.ThrowsExactly<SpillException>(() => SpillFile.Create(missing)).Message);
    }

    [TestMethod]
    [DataRow(true, "ends at byte")]
    [DataRow(false, "is not what was written")]
    public void Prepare_WhenTheFileWasChanged_SaysSoOnTheTrainingThread(bool truncate, string expected)
    {
        string path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.rows");
        try
        {
            var handle = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            using FileRows rows = CollectInFile(20_000, Budget, false, false, () => new SpillFile(handle, "dir"));
            using (FileStream other = File.Open(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
            {
                if (truncate)
                    other.SetLength(other.Length / 2);
                else
                    other.Write(new byte[4]);
            }
            using StreamedRows stream = rows.Read(RowPart.All, 64);
            stream.BeginEpoch(1, 1, shuffle: true);
            var exception = Assert.ThrowsExactly<SpillException>(() => ReadEpoch(stream, 64, false, false));
            Assert.Contains(expected, exception.Message);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [TestMethod]
    public void Create_LeavesNoNameBehind_AndDisposeEndsTheThread()
    {
        string directory = Directory.CreateTempSubdirectory("batchnorm-test").FullName;
        try
        {
            using FileRows rows = CollectInFile(20_000, Budget, false, false, () => SpillFile.Create(directory));
            if (!OperatingSystem.IsWindows())
                Assert.IsEmpty(Directory.GetFileSystemEntries(directory), "Killed now, the process would leave nothing.");
            StreamedRows stream = rows.Read(RowPart.All, 64);
            stream.BeginEpoch(1, 1, shuffle: true);
            stream.Prepare(0, 10);
            if (Directory.Exists("/proc/self/task"))
                Assert.IsGreaterThan(0, ReaderThreads());
            stream.Dispose();
            if (Directory.Exists("/proc/self/task"))
                Assert.IsTrue(SpinWait.SpinUntil(() => ReaderThreads() == 0, 30_000));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>Reading threads of this process, as the system sees them.</summary>
    internal static int ReaderThreads() => Directory.GetDirectories("/proc/self/task").Count(task =>
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "comm")).Trim() == StreamedRows.ThreadName;
        }
        catch (IOException)
        {
            return false;                              // ended meanwhile
        }
    });

    /// <summary>
    /// Reading a whole epoch allocates nothing once the windows have their size, neither on the
    /// thread that trains nor on the one that reads.
    /// </summary>
    [TestMethod]
    public void Prepare_ThroughAWarmEpoch_AllocatesNothing()
    {
        using FileRows rows = CollectInFile(30_000, Budget, false, true);
        using StreamedRows stream = rows.Read(RowPart.All, 100);
        long least = long.MaxValue;
        for (int epoch = 1; epoch <= 12 && least > 0; epoch++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            stream.BeginEpoch(1, 1, shuffle: true);
            for (int first = 0; first < stream.Count; first += 100)
                stream.Prepare(first, 100);
            if (epoch > 2)
                least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }
        Assert.AreEqual(0, least);
    }

    private static NetworkParameters Train(
        int threads, ulong seed, BatchNormalizationStatistics statistics = BatchNormalizationStatistics.RunningAverage)
    {
        using FileRows rows = CollectInFile(20_000, Budget, false, false);
        rows.StandardizeTargets([(10_000, 5_000)]);
        using StreamedRows stream = rows.Read(RowPart.All, 501);
        var data = new EncodedRows(stream, EncoderLearning.Learn(rows));
        var definition = new NetworkDefinition
        {
            Inputs = data.Encoder.EncodedInputs, HiddenUnits = [40], Outputs = 1, Statistics = statistics, DropoutRate = 0.1,
        };
        NetworkParameters parameters = Initialization.Create(definition, 1);
        var settings = new TrainingSettings
        {
            Objective = KnownObjectives.SquaredError, BatchSize = 500, MaximumEpochs = 2, LearningRate = 0.01, Seed = seed,
        };
        using var team = new WorkerTeam(threads);
        TrainingHistory history = TrainingLoop.Train(team, parameters, data, null, settings, null, CancellationToken.None);
        Assert.IsLessThan(0.5, history.Epochs[^1].TrainingLoss, "The row number is the label, and the first feature.");
        return parameters;
    }

    /// <summary>Rows whose first feature and target are their number, so that a row can be told and checked.</summary>
    private static RowStore Collect(int rows, long budget, bool sparse, bool weighted, Func<SpillFile>? createFile = null)
    {
        var collector = new RowCollector(
            new RowShape(Inputs, 1, weighted, sparse), budget, createFile ?? (() => SpillFile.Create(Path.GetTempPath())), seed: 1);
        float[] features = new float[Inputs];
        for (int row = 0; row < rows; row++)
        {
            Fill(row, features);
            if (sparse)
                collector.AddSparse([0, 2, 3], [features[0], features[2], features[3]], [row], Weight(row));
            else
                collector.Add(features, [row], Weight(row));
        }
        return collector.Complete();
    }

    private static FileRows CollectInFile(int rows, long budget, bool sparse, bool weighted, Func<SpillFile>? createFile = null)
    {
        RowStore store = Collect(rows, budget, sparse, weighted, createFile);
        Assert.IsInstanceOfType<FileRows>(store);
        return (FileRows)store;
    }

    private static void Fill(int row, Span<float> features)
    {
        var random = new RandomStream(77, (ulong)row);
        features[0] = row;
        for (int i = 1; i < features.Length; i++)
            features[i] = (float)(2 * random.NextDouble() - 1);
        if (row % 1000 == 3)
            features[4] = float.NaN;
    }

    private static float Weight(int row) => 1 + row % 7;

    /// <summary>Reads all batches of an epoch as training does, checks every row, and returns the row numbers in order.</summary>
    private static int[] ReadEpoch(StreamedRows stream, int batch, bool sparse, bool weighted)
    {
        var numbers = new List<int>(stream.Count);
        float[] expected = new float[Inputs];
        for (int first = 0; first < stream.Count; first += batch)
        {
            int count = Math.Min(batch, stream.Count - first);
            stream.Prepare(first, count);
            for (int done = 0; done < count;)
            {
                RowRun run = stream.Run(first + done, count - done);
                foreach (int row in run.Rows)
                {
                    int number = (int)run.Table.Targets[row];
                    Fill(number, expected);
                    bool same = sparse
                        ? run.Table.Sparse!.Indices(row).SequenceEqual([0, 2, 3])
                            && run.Table.Sparse.Values(row).SequenceEqual([expected[0], expected[2], expected[3]])
                        : run.Table.Features(row).SequenceEqual(expected);
                    if (!same || (weighted && run.Table.Weights[row] != Weight(number)))
                        Assert.Fail($"Row {number} has changed.");
                    numbers.Add(number);
                }
                done += run.Rows.Length;
            }
        }
        return [.. numbers];
    }

    private static double Correlation(int[] order)
    {
        double mean = (order.Length - 1) / 2.0, sum = 0, squares = 0;
        for (int i = 0; i < order.Length; i++)
        {
            sum += (i - mean) * (order[i] - mean);
            squares += (i - mean) * (i - mean);
        }
        return sum / squares;
    }
}
