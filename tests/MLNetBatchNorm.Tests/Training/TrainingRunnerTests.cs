using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>
/// One training of one network is a value that comes to the same wherever, whenever and in
/// whatever company it is run; here without any ML.NET.
/// </summary>
[TestClass]
public sealed class TrainingRunnerTests
{
    private const int Epochs = 4;

    [TestMethod]
    public void Run_OnAnyNumberOfThreads_InAnyOrder_ComesToTheSame()
    {
        using FitRows rows = Rows();
        NetworkTraining[] trainings = Trainings(rows, members: 3, restarts: 1);
        string[] expected = Results(new ThreadRunner(1, 1), trainings);
        Assert.HasCount(6, expected.Distinct(), "no two are the same training");
        CollectionAssert.AreEqual(expected, Results(new ThreadRunner(2, 2), trainings));
        CollectionAssert.AreEqual(expected, Results(new ThreadRunner(5, 3), trainings));
        CollectionAssert.AreEqual(expected, Results(new ThreadRunner(4, 1), trainings));
        CollectionAssert.AreEqual(expected, Results(new Backward(), trainings));
        CollectionAssert.AreEqual(expected[4..5], Results(new ThreadRunner(1, 1), trainings[4..5]));
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void Run_TellsOnTheCallersThread_EachTrainingInOrder(int threads)
    {
        using FitRows rows = Rows();
        var observer = new Recorder();
        new ThreadRunner(threads, threads).Run(Trainings(rows, members: 3, restarts: 0), observer, null, CancellationToken.None);
        Assert.AreEqual(Environment.CurrentManagedThreadId, observer.Threads.Distinct().Single());
        for (int member = 0; member < 3; member++)
        {
            string[] told = [.. observer.Told.Where(line => line.StartsWith($"{member} ", StringComparison.Ordinal))];
            string[] expected =
            [
                $"{member} started 112 28", .. Enumerable.Range(1, Epochs).Select(epoch => $"{member} epoch {epoch}/{Epochs}"),
                $"{member} ended",
            ];
            CollectionAssert.AreEqual(expected, told);
        }
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void Run_ObserverThatThrows_EndsAllWithItsException(int threads)
    {
        using FitRows rows = Rows();
        var thrown = new TimeZoneNotFoundException();
        var observer = new Recorder
        {
            Then = line =>
            {
                if (line == $"1 epoch 2/{Epochs}")
                    throw thrown;
            },
        };
        Assert.AreSame(thrown, Assert.ThrowsExactly<TimeZoneNotFoundException>(
            () => new ThreadRunner(threads, threads).Run(
                Trainings(rows, members: 3, restarts: 0), observer, null, CancellationToken.None)));
        CollectionAssert.DoesNotContain(observer.Told, "1 ended");
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void Run_TrainingThatFails_EndsTheOthersAndIsThrown(int threads)
    {
        using FitRows rows = Rows();
        NetworkTraining[] trainings = Trainings(rows, members: 3, restarts: 0);
        trainings[1] = Training(
            rows, trainings[1].Number,
            settings => settings with { LearningRate = 1e30, Optimizer = new SgdOptimizer(), MaximumEpochs = 100_000 });
        trainings[2] = Training(rows, trainings[2].Number, settings => settings with { MaximumEpochs = 1_000_000 });
        Assert.ThrowsExactly<TrainingDivergedException>(
            () => new ThreadRunner(threads, threads).Run(trainings, new Recorder(), null, CancellationToken.None));
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void Run_Cancelled_EndsAll(int threads)
    {
        using FitRows rows = Rows();
        using var source = new CancellationTokenSource();
        NetworkTraining[] trainings = [.. Trainings(rows, members: 3, restarts: 0).Select(
            training => Training(rows, training.Number, settings => settings with { MaximumEpochs = 1_000_000 }))];
        var observer = new Recorder { Then = _ => source.Cancel() };
        Assert.Throws<OperationCanceledException>(() => new ThreadRunner(threads, threads).Run(trainings, observer, null, source.Token));
        Assert.IsFalse(observer.Told.Any(line => line.EndsWith("ended", StringComparison.Ordinal)));
    }

    /// <summary>As a runner for trials does it: a rung each, the state in bytes between, here on one thread and there on two.</summary>
    [TestMethod]
    public void Run_InRungs_FromBytes_ComesToWhatAllRungsInOneGoCome()
    {
        using FitRows rows = Rows();
        NetworkTraining[] first = Trainings(rows, members: 2, restarts: 0),
            second = [.. first.Select(training => Training(rows, training.Number, settings => settings with { Rungs = 2 }))];
        var store = new Store();
        string[] afterOne = Results(new ThreadRunner(2, 2), first, store);
        CollectionAssert.AreEqual(Results(new ThreadRunner(1, 1), first), afterOne, "to be kept has no influence");
        string[] inOneGo = Results(new ThreadRunner(1, 1), second);
        CollectionAssert.AreEqual(inOneGo, Results(new ThreadRunner(1, 1), second, store));
        Assert.HasCount(0, inOneGo.Intersect(afterOne));
        Assert.AreEqual(2, store.Restored);
    }

    [TestMethod]
    public void BestOfRestarts_KeepsTheLowestLoss_OfEqualOnesTheEarlier_InWhateverOrderTheyCome()
    {
        double[][] losses = [[3, 1, 1], [2, 3, 5], [4, 4, 4]];
        var definition = new NetworkDefinition { Inputs = 1, HiddenUnits = [], Outputs = 1 };
        NetworkMember[] results = [.. losses.SelectMany(ofNetwork => ofNetwork).Select(loss => new NetworkMember(
            new NetworkParameters(definition), new TrainingHistory { Epochs = [Generated.Epoch(1, 1, 0, loss)], BestEpoch = 1 }))];
        foreach (int[] order in new int[][] { [0, 1, 2, 3, 4, 5, 6, 7, 8], [8, 7, 6, 5, 4, 3, 2, 1, 0], [2, 1, 0, 4, 3, 5, 7, 8, 6] })
        {
            var best = new BestOfRestarts(3);
            foreach (int index in order)
                best.Add(new TrainingNumber(index, 3, 2), results[index]);
            CollectionAssert.AreEqual(new[] { 1, 0, 0 }, best.Kept.Select(kept => kept.Number.Restart).ToArray());
            Assert.AreSame(results[1], best.Networks[0]);
            Assert.AreEqual(1, best.Kept.First().Loss);
        }
    }

    private static string[] Results(ITrainingRunner runner, NetworkTraining[] trainings, ITrainingStore? store = null)
    {
        var observer = new Recorder();
        runner.Run(trainings, observer, store, CancellationToken.None);
        return [.. trainings.Select(training => observer.Results[training.Number.Index]).Select(
            result => $"{Generated.Hash(result.Parameters)} {result.History.BestEpoch} {string.Join(' ', result.History.Epochs)}")];
    }

    private static FitRows Rows()
    {
        double[][] x = Generated.Rows(140, 6, 1);
        return FitRows.Join(
            new MemoryRows(Generated.Table(x, Generated.Targets(new SquaredLoss(), x, 1, 2))), null, new SquaredLoss(),
            null, CancellationToken.None);
    }

    private static NetworkTraining[] Trainings(FitRows rows, int members, int restarts) =>
        [.. Enumerable.Range(0, members * (1 + restarts))
            .Select(index => Training(rows, new TrainingNumber(index, members, restarts), settings => settings))];

    private static NetworkTraining Training(FitRows rows, TrainingNumber number, Func<TrainingSettings, TrainingSettings> change) => new()
    {
        Number = number,
        Rows = rows,
        Split = new ValidationSplit(0.2, 7, ByClass: false),
        Encoder = InputEncoder.Identity(6),
        Definition = new NetworkDefinition { Inputs = 6, HiddenUnits = [8, 5], Outputs = 1, DropoutRate = 0.1 },
        Settings = change(new TrainingSettings
        {
            Objective = new SquaredLoss(), BatchSize = 16, MaximumEpochs = Epochs, LearningRate = 0.01, Schedule = new OneCycleSchedule(),
            Seed = number.SeedFrom(3),
        }),
    };

    /// <summary>Another way to run them.</summary>
    private sealed class Backward : ITrainingRunner
    {
        public void Run(
            IReadOnlyList<NetworkTraining> trainings, ITrainingsObserver observer, ITrainingStore? store, CancellationToken cancellation)
        {
            foreach (NetworkTraining training in trainings.Reverse())
                observer.Ended(training, training.Run(1, new Deaf(), store, cancellation));
        }

        private sealed class Deaf : INetworkTrainingObserver
        {
            public void Started(int rows, int validationRows)
            {
            }

            public void EpochEnded(EpochRecord record, int bestEpoch, int maximumEpochs)
            {
            }

            public void Noted(TrainingNote note)
            {
            }
        }
    }

    private sealed class Recorder : ITrainingsObserver
    {
        public List<string> Told { get; } = [];

        public List<int> Threads { get; } = [];

        public Dictionary<int, NetworkMember> Results { get; } = [];

        public Action<string>? Then { get; set; }

        public void Started(NetworkTraining training, int rows, int validationRows) =>
            Tell($"{training.Number.Index} started {rows} {validationRows}");

        public void EpochEnded(NetworkTraining training, EpochRecord record, int bestEpoch, int maximumEpochs) =>
            Tell($"{training.Number.Index} epoch {record.Epoch}/{maximumEpochs}");

        public void Noted(NetworkTraining training, TrainingNote note) => Tell($"{training.Number.Index} {note.Text}");

        public void Ended(NetworkTraining training, NetworkMember result)
        {
            Results[training.Number.Index] = result;
            Tell($"{training.Number.Index} ended");
        }

        private void Tell(string line)
        {
            Told.Add(line);
            Threads.Add(Environment.CurrentManagedThreadId);
            Then?.Invoke(line);
        }
    }

    /// <summary>Keeps the state after the last epoch as bytes, and nothing of the results: a training may be extended.</summary>
    private sealed class Store : ITrainingStore
    {
        private readonly Dictionary<int, byte[]> _states = [];
        private int _restored;

        public int Restored => _restored;

        public IKeptTraining Open(NetworkTraining training, NetworkParameters initial, INetworkTrainingObserver observer) =>
            new Kept(this, training.Number.Index);

        private sealed class Kept(Store store, int index) : IKeptTraining
        {
            private static readonly CheckpointOwner s_owner = new(new byte[32], new byte[32], new byte[32]);

            public NetworkMember? Finished => null;

            public bool Restore(TrainingState state)
            {
                byte[]? bytes;
                lock (store._states)
                {
                    if (!store._states.TryGetValue(index, out bytes))
                        return false;
                }

                Interlocked.Increment(ref store._restored);
                state.CopyFrom(CheckpointFormat.Read(new MemoryStream(bytes), s_owner, state.Parameters.Definition).State!);
                return true;
            }

            public void EpochEnded(TrainingState state)
            {
                using var stream = new MemoryStream();
                CheckpointFormat.Write(stream, s_owner, state);
                lock (store._states)
                    store._states[index] = stream.ToArray();
            }

            public void Finish(NetworkMember result)
            {
            }
        }
    }
}
