namespace MLNetBatchNorm.Clustering;

/// <summary>The state of a training as grain storage keeps it.</summary>
[GenerateSerializer, Alias("mlnetbatchnorm.checkpoint")]
internal sealed class TrainingCheckpoint
{
    /// <summary>The bytes of the state; empty: there is none.</summary>
    [Id(0)]
    public byte[] State { get; set; } = [];
}
