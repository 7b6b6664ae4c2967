using Microsoft.ML;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Notes whether rows went to a temporary file: a test of spilled rows that asks shows that they were spilled.</summary>
internal sealed class SpillLog
{
    private volatile bool _hasSpilled;

    /// <summary>Listens to a context from now on.</summary>
    public SpillLog(MLContext context) =>
        context.Log += (_, line) => _hasSpilled |= line.Message.Contains("they are in a temporary file", StringComparison.Ordinal);

    /// <summary>Whether a training set of the context did not fit its budget.</summary>
    public bool HasSpilled => _hasSpilled;
}
