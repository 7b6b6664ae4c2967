namespace MLNetBatchNorm.Data;

/// <summary>A target that has the same value in all rows that have it.</summary>
/// <param name="Target">Which.</param>
/// <param name="Value">The value.</param>
/// <param name="Rows">Number of rows that have it.</param>
internal readonly record struct ConstantTarget(int Target, float Value, int Rows);
