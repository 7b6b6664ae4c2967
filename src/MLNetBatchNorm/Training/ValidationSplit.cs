namespace MLNetBatchNorm.Training;

/// <summary>Which rows each network sets aside for validation, where none were given.</summary>
/// <param name="Fraction">Their share; 0: none.</param>
/// <param name="Seed">Decides which.</param>
/// <param name="ByClass">Whether labels are classes, each of which is to give its part.</param>
/// <param name="KeepsBack">
/// Whether half of the validation rows, given or set aside, are kept out of the choice of the best epoch, to be measured later.
/// </param>
internal readonly record struct ValidationSplit(double Fraction, ulong Seed, bool ByClass, bool KeepsBack = false);
