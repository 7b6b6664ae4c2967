namespace MLNetBatchNorm.Reporting;

/// <summary>One bin of a reliability diagram.</summary>
/// <param name="Count">Rows in it.</param>
/// <param name="Predicted">The mean of what was predicted for them.</param>
/// <param name="Observed">What was true of them: the part for which it came true, or the mean label.</param>
internal sealed record ReliabilityBin(int Count, double Predicted, double Observed);
