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
        CheckBytes(request.Header, MessageLimits.HeaderBytes);
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
        CheckNumbers([piece.Training]);
        return Task.FromResult(trainings.Start(piece));
    }

    public Task<PollAnswer> Poll(PollRequest request)
    {
        int count = request.Trainings.Length;
        bool isTooLong = Math.Max(count, request.Ended.Length) > MessageLimits.Trainings;
        if (isTooLong || request.Attempts.Length != count || request.Offsets.Length != count)
            throw new ArgumentException("The lists of trainings are too long, or of unlike lengths.", nameof(request));
        CheckNumbers(request.Ended);
        return trainings.Poll(request);
    }

    public Task<bool> Withdraw(Guid fit, int training, int attempt) => Task.FromResult(trainings.Withdraw(fit, training, attempt));

    public Task End(Guid fit) => trainings.End(fit);

    /// <summary>The silo keeps them, so that there are to be no more than trainings.</summary>
    private static void CheckNumbers(int[] trainings)
    {
        foreach (int training in trainings)
        {
            if (training is < 0 or >= MessageLimits.Trainings)
                throw new ArgumentException($"There is no training {training} in a fit.", nameof(trainings));
        }
    }

    private static void CheckBytes(byte[] bytes, int atMost = MessageLimits.PieceBytes)
    {
        if (bytes.Length > atMost)
            throw new ArgumentException($"A piece has {bytes.Length} bytes; {atMost} are the most.", nameof(bytes));
    }
}
