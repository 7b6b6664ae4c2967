namespace MLNetBatchNorm.Clustering;

/// <summary>A silo takes nothing of the fit.</summary>
/// <param name="message">Why, and what to do: whole sentences.</param>
/// <param name="isFatal">Whether it is a mistake that somebody has to mend; otherwise other silos do its work.</param>
internal sealed class SiloRefusalException(string message, bool isFatal) : Exception(message)
{
    /// <summary>Whether it is a mistake that somebody has to mend.</summary>
    public bool IsFatal { get; } = isFatal;
}
