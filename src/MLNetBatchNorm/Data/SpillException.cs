namespace MLNetBatchNorm.Data;

/// <summary>The temporary file of the rows could not be made, written or read.</summary>
internal sealed class SpillException(string message, Exception? inner = null) : Exception(message, inner);
