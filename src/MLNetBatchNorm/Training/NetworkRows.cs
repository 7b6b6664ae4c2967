using MLNetBatchNorm.Encoding;

namespace MLNetBatchNorm.Training;

/// <summary>The rows of one network; ends the reading of rows that do not fit into memory when disposed.</summary>
/// <param name="Training">Those that it learns from.</param>
/// <param name="Validation">Those that choose its best epoch, or null.</param>
/// <param name="KeptBack">Those that it neither learns from nor is chosen by, or null.</param>
internal sealed record NetworkRows(EncodedRows Training, EncodedRows? Validation, EncodedRows? KeptBack = null) : IDisposable
{
    public void Dispose() => Training.Source.Dispose();
}
