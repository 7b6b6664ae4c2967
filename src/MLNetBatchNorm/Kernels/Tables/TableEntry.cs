using System.Runtime.CompilerServices;

namespace MLNetBatchNorm.Kernels;

/// <param name="Line">Where the batch's row lies in a panel, in floats.</param>
/// <param name="Fraction">Towards the next row of the table; 0 in a slot without.</param>
internal readonly record struct TableEntry(int Line, float Fraction);
