namespace MLNetBatchNorm.Data;

/// <summary>Told about a row that is about to be added.</summary>
/// <param name="row">Its number.</param>
/// <param name="target">Its targets.</param>
/// <param name="weight">Its weight, 1 where rows have none.</param>
internal delegate void RowAdded(int row, ReadOnlySpan<float> target, float weight);
