using MLNetBatchNorm.Data;
using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Encoding;

/// <summary>An encoded column in words of the slots.</summary>
/// <param name="Slot">The raw slot that it comes from.</param>
/// <param name="Kind">What it says of it.</param>
/// <param name="From">Where a piece begins; 0 for others.</param>
/// <param name="To">Where a piece ends; 0 for others.</param>
internal readonly record struct EncodedColumn(int Slot, EncodedColumnKind Kind, float From = 0, float To = 0);
