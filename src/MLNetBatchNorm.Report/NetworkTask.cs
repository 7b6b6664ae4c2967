namespace MLNetBatchNorm.Reporting;

/// <summary>What the network predicts.</summary>
internal enum NetworkTask
{
    Binary,
    Multiclass,
    Regression,
}
