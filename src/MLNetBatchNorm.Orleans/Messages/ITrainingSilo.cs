namespace MLNetBatchNorm.Clustering;

/// <summary>What a client may ask of a silo; the key of the grain is the silo's address. All calls are short.</summary>
/// <remarks>
/// These and those of <see cref="ITrainingDirectory"/> are all messages there are: numbers, texts and arrays of bytes of limited length.
/// What is in the bytes is checked by the library that reads them. A call may come twice: when its answer was lost it is made again.
/// </remarks>
[Alias("mlnetbatchnorm.silo")]
internal interface ITrainingSilo : IGrainWithStringKey
{
    /// <summary>What the silo has, and who it is.</summary>
    [Alias("describe")]
    [ResponseTimeout("00:00:03")]
    Task<SiloDescription> Describe();

    /// <summary>Begins with the rows of a fit.</summary>
    [Alias("begin")]
    [ResponseTimeout("00:00:05")]
    Task<RowsAnswer> Begin(RowsRequest request);

    /// <summary>Takes a piece of a block, and says which it wants next.</summary>
    [Alias("add")]
    [ResponseTimeout("00:00:05")]
    Task<RowsAnswer> Add(RowsPiece piece);

    /// <summary>Takes a piece of a training, and begins with it when all are there.</summary>
    [Alias("start")]
    [ResponseTimeout("00:00:05")]
    Task<StartAnswer> Start(TrainingPiece piece);

    /// <summary>Takes a training back that waits for a core: true if it is not here, and will not be; false if it has begun.</summary>
    [Alias("withdraw")]
    [ResponseTimeout("00:00:05")]
    Task<bool> Withdraw(Guid fit, int training, int attempt);

    /// <summary>What trainings have to tell; waits a moment if there is nothing new. It is also the sign that the client lives.</summary>
    [Alias("poll")]
    [ResponseTimeout("00:00:05")]
    Task<PollAnswer> Poll(PollRequest request);

    /// <summary>Ends all trainings of a fit, and frees its rows.</summary>
    [Alias("end")]
    [ResponseTimeout("00:00:05")]
    Task End(Guid fit);
}
