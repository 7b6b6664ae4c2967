namespace MLNetBatchNorm.Clustering;

/// <summary>A silo is no longer there, or has forgotten the fit.</summary>
internal sealed class SiloLostException() : Exception("The silo is lost.");
