using Orleans.Concurrency;

namespace MLNetBatchNorm.Clustering;

/// <summary>The silo's side of <see cref="ITrainingSilo"/>: checks sizes, and leaves the rest to <see cref="SiloTrainings"/>.</summary>
[Reentrant]
[OnOneSilo]
internal sealed class TrainingSiloGrain(SiloTrainings trainings) : Grain, ITrainingSilo
{
    public Task<SiloDescription> Describe() => Task.FromResult(trainings.Describe());

    public Task<RowsAnswer> Begin(RowsRequest request)
    {
        CheckBytes(request.Header);
        return Task.FromResult(trainings.Begin(request));
    }

    public Task<RowsAnswer> Add(RowsPiece piece)
    {
        CheckBytes(piece.Bytes);
        return Task.FromResult(trainings.Add(piece));
    }

    public Task<StartAnswer> Start(TrainingPiece piece)
    {
        CheckBytes(piece.Bytes);
        return Task.FromResult(trainings.Start(piece));
    }

    public Task<PollAnswer> Poll(PollRequest request)
    {
        int count = request.Trainings.Length;
        if (count > MessageLimits.Trainings || request.Attempts.Length != count || request.Offsets.Length != count)
            throw new ArgumentException("The lists of trainings are too long, or of unlike lengths.", nameof(request));
        return trainings.Poll(request);
    }

    public Task End(Guid fit) => trainings.End(fit);

    private static void CheckBytes(byte[] bytes)
    {
        if (bytes.Length > MessageLimits.PieceBytes)
            throw new ArgumentException($"A piece has {bytes.Length} bytes; {MessageLimits.PieceBytes} are the most.", nameof(bytes));
    }
}
