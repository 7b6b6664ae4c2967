using System.Globalization;
using Orleans;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>Silos without Orleans, whose trainings end when a rule says so and not after some time. It is the lock of its silos.</summary>
internal sealed class FakeCluster
{
    private readonly Func<FakeCluster, FakeSilo, bool> _mayEnd;

    /// <param name="silos">Number of silos, of one core each.</param>
    /// <param name="mayEnd">Whether the training at work on a silo may end now. All that may do so together.</param>
    public FakeCluster(int silos, Func<FakeCluster, FakeSilo, bool> mayEnd)
    {
        _mayEnd = mayEnd;
        Silos = [.. Enumerable.Range(0, silos).Select(silo => new FakeSilo(this, $"silo {silo}"))];
    }

    public FakeSilo[] Silos { get; }

    /// <summary>Whether every other answer is lost.</summary>
    public bool LosesAnswers { get; init; }

    /// <summary>Number of trainings that were begun anywhere.</summary>
    public int Begun => Silos.Sum(silo => silo.Begun.Count);

    /// <summary>A runner for a fit on these silos.</summary>
    public TrainingRunner CreateRunner() => new Runner(this);

    /// <summary>Ends what may end, until nothing may.</summary>
    public void Changed()
    {
        while (Silos.Where(silo => silo.Here.Count > 0 && _mayEnd(this, silo)).ToArray() is { Length: > 0 } ending)
        {
            foreach (FakeSilo silo in ending)
                silo.EndFirst();
        }

        foreach (FakeSilo silo in Silos)
            silo.Signal();
    }

    /// <summary>The directory of the silos.</summary>
    private sealed class Directory(FakeCluster cluster)
    {
        public Task<string[]> Silos() => Task.FromResult(cluster.Silos.Select((_, silo) => $"{silo}").ToArray());
    }

    private sealed class Runner(FakeCluster cluster) : TrainingRunner
    {
        public override void Run(FitTrainings trainings, CancellationToken cancellation)
        {
            IGrainFactory grains = StandIn.Of<IGrainFactory>(new Grains(cluster));
            using var session = new FitSession(grains, new OrleansRunnerOptions(), trainings, lendsRows: false);
            session.Run(cancellation);
        }
    }

    /// <summary>Gives out the fakes.</summary>
    private sealed class Grains(FakeCluster cluster)
    {
        public object GetGrain(object key, string? prefix) => key is string silo
            ? StandIn.Of<ITrainingSilo>(cluster.Silos[int.Parse(silo, CultureInfo.InvariantCulture)])
            : StandIn.Of<ITrainingDirectory>(new Directory(cluster));
    }
}
