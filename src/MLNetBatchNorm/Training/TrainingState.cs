using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>Where a training stands between two epochs: with its rows and settings, all that the rest of it depends on.</summary>
/// <remarks>
/// Random numbers are not in it: row order and dropout are functions of the seed and of the number of the epoch or step. Nor is the
/// optimizer's number of steps, which follows from the number of epochs.
/// </remarks>
internal sealed class TrainingState
{
    /// <summary>The state before the first epoch; the arrays are those that training changes in place.</summary>
    public TrainingState(NetworkParameters parameters, IReadOnlyList<AlignedBuffer> optimizerMemory)
    {
        Parameters = parameters;
        OptimizerMemory = optimizerMemory;
    }

    /// <summary>Weights, batch normalizations and running statistics as they are now.</summary>
    public NetworkParameters Parameters { get; }

    /// <summary>What the optimizer remembers of past gradients.</summary>
    public IReadOnlyList<AlignedBuffer> OptimizerMemory { get; }

    /// <summary>The average of the parameters over the last steps, which is what is validated; null where there is none.</summary>
    public NetworkParameters? Average { get; init; }

    /// <summary>What the network would be if training ended now: the average, where there is one.</summary>
    public NetworkParameters Result => Average ?? Parameters;

    /// <summary>The epochs that are done.</summary>
    public List<EpochRecord> Epochs { get; } = [];

    /// <summary>The epoch with the lowest validation loss, the last one without validation rows; 0 if there is none yet.</summary>
    public int BestEpoch { get; private set; }

    /// <summary>The parameters after <see cref="BestEpoch"/>, where they have been set aside.</summary>
    public NetworkParameters? Best { get; private set; }

    private double BestLoss => BestEpoch == 0 ? double.PositiveInfinity : Epochs[BestEpoch - 1].ValidationLoss ?? double.PositiveInfinity;

    /// <summary>Adds an epoch. True if it is the best so far; a validation loss of NaN never is.</summary>
    public bool Add(EpochRecord epoch)
    {
        bool isBest = epoch.ValidationLoss is null || epoch.ValidationLoss < BestLoss;
        Epochs.Add(epoch);
        if (isBest)
            BestEpoch = epoch.Epoch;
        return isBest;
    }

    /// <summary>Sets the result aside as that of the best epoch.</summary>
    public void KeepAsBest() => KeepAsBest(Result);

    /// <summary>The same with given parameters.</summary>
    public void KeepAsBest(NetworkParameters parameters) => (Best ??= new NetworkParameters(Parameters.Definition)).CopyFrom(parameters);

    /// <summary>Whether another state's arrays have the lengths of this one's.</summary>
    public bool HasShapeOf(TrainingState other) =>
        Average is null == other.Average is null
        && OptimizerMemory.Select(m => m.Length).SequenceEqual(other.OptimizerMemory.Select(m => m.Length));

    /// <summary>Takes over another state of the same training and shape.</summary>
    public void CopyFrom(TrainingState source)
    {
        Parameters.CopyFrom(source.Parameters);
        Average?.CopyFrom(source.Average!);
        for (int i = 0; i < OptimizerMemory.Count; i++)
            source.OptimizerMemory[i].Span.CopyTo(OptimizerMemory[i].Span);
        Epochs.Clear();
        Epochs.AddRange(source.Epochs);
        BestEpoch = source.BestEpoch;
        if (source.Best is { } best)
            KeepAsBest(best);
    }
}
