namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>Keeps what a Fit tells, and does something then.</summary>
internal sealed class Listener : IProgress<TrainingProgress>
{
    public List<(int Member, int Epoch)> Epochs { get; } = [];

    public List<int> Threads { get; } = [];

    public Action? Then { get; set; }

    public void Report(TrainingProgress value)
    {
        Epochs.Add((value.Member, value.Epoch));
        Threads.Add(Environment.CurrentManagedThreadId);
        Then?.Invoke();
    }
}
