namespace MLNetBatchNorm.Clustering;

/// <summary>Which silos there are, as the silo sees it that a client is connected to.</summary>
[Alias("mlnetbatchnorm.directory")]
internal interface ITrainingDirectory : IGrainWithIntegerKey
{
    /// <summary>The addresses of all silos that are alive, in a form that is the key of an <see cref="ITrainingSilo"/>.</summary>
    [Alias("silos")]
    [ResponseTimeout("00:00:02")]
    Task<string[]> Silos();
}
