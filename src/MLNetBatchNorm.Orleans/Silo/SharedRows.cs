using System.Collections.Concurrent;

namespace MLNetBatchNorm.Clustering;

/// <summary>The fits of this process: a silo in the same process reads their rows where they are.</summary>
internal static class SharedRows
{
    private static readonly ConcurrentDictionary<Guid, FitTrainings> s_fits = new();

    /// <summary>A name for this process that no other has.</summary>
    public static Guid Process { get; } = Guid.NewGuid();

    /// <summary>A fit begins.</summary>
    public static void Add(Guid fit, FitTrainings trainings) => s_fits[fit] = trainings;

    /// <summary>A fit has ended.</summary>
    public static void Remove(Guid fit) => s_fits.TryRemove(fit, out _);

    /// <summary>The rows of a fit of this process, or null.</summary>
    public static TrainingRows? Of(Guid fit) => s_fits.TryGetValue(fit, out FitTrainings? trainings) ? trainings.ShareRows() : null;
}
