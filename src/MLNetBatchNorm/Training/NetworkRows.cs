using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;

namespace MLNetBatchNorm.Training;

/// <summary>The rows of one network; ends the reading of rows that do not fit into memory when disposed.</summary>
/// <param name="Training">Those that it learns from.</param>
/// <param name="Validation">Those that choose its best epoch, or null.</param>
/// <param name="Stream">What reads the training rows, where they do not fit into memory.</param>
internal sealed record NetworkRows(TrainingData Training, TrainingData? Validation, StreamedRows? Stream) : IDisposable
{
    public void Dispose() => Stream?.Dispose();
}
