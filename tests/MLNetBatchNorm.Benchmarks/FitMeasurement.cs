using System.Diagnostics;
using Microsoft.ML;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>One call of <c>Fit</c>, its time, and the working set of the process.</summary>
/// <param name="Model">What it gave back.</param>
/// <param name="Seconds">On the clock.</param>
/// <param name="ProcessorSeconds">Of all threads, which other programs disturb less.</param>
/// <param name="Before">Bytes of the working set before the call, all garbage collected.</param>
/// <param name="Peak">Most bytes of it during the call.</param>
internal sealed record FitMeasurement(ITransformer Model, double Seconds, double ProcessorSeconds, long Before, long Peak)
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(20);

    private static readonly TimeSpan s_betweenCollections = TimeSpan.FromMilliseconds(250);

    /// <summary>Calls <paramref name="fit"/> and looks at the working set all the while.</summary>
    public static FitMeasurement Of(Func<ITransformer> fit)
    {
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        long before = Environment.WorkingSet, peak = before;
        using var stop = new CancellationTokenSource();
        Task watch = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                peak = Math.Max(peak, Environment.WorkingSet);
                Thread.Sleep(s_interval);
            }
        });
        TimeSpan processorBefore = Environment.CpuUsage.TotalTime;
        var clock = Stopwatch.StartNew();
        ITransformer model = fit();
        double seconds = clock.Elapsed.TotalSeconds, processorSeconds = (Environment.CpuUsage.TotalTime - processorBefore).TotalSeconds;
        stop.Cancel();
        watch.Wait();
        return new FitMeasurement(model, seconds, processorSeconds, before, peak);
    }

    /// <summary>
    /// Most managed bytes that were in use at once during the call, above those before it: garbage is collected several times a second,
    /// which takes time.
    /// </summary>
    public static long LiveBytes(Func<ITransformer> fit)
    {
        long before = GC.GetTotalMemory(forceFullCollection: true), most = before;
        using var stop = new CancellationTokenSource();
        Task watch = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true));
                Thread.Sleep(s_betweenCollections);
            }
        });
        fit();
        stop.Cancel();
        watch.Wait();
        return most - before;
    }

    /// <summary>
    /// What the weights of a model's networks took at most while they were trained with an optimizer of two averages: value, two averages,
    /// the best epoch's value and either the gradient or, of a projection, which keeps none, the average over the last steps that classes
    /// have, of networks that were trained at the same time, in whole panels; and those that are kept of the ones that had ended.
    /// </summary>
    public static long WeightBytes(INetworkModel model)
    {
        IReadOnlyList<NetworkParameters> networks = model.Network.Networks;
        int atOnce = Math.Min(networks.Count, Environment.ProcessorCount);
        long kept = networks.Skip(atOnce).Sum(Weights);
        return sizeof(float) * (5 * atOnce * Weights(new NetworkParameters(networks[0].Definition)) + kept);
    }

    private static long Weights(NetworkParameters network) =>
        network.Linear.Sum(linear => linear.Weights.Length + linear.Projections.Sum(each => (long)each.Weights.Length));
}
