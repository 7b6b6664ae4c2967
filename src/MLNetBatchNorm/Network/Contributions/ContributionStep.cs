namespace MLNetBatchNorm.Network;

/// <summary>One row to be scored: the row before it with one player more, or one less.</summary>
/// <param name="Player">The player that comes or goes.</param>
/// <param name="Removes">Whether it goes.</param>
/// <param name="FromBase">Whether the row before is the base, where nobody plays.</param>
internal readonly record struct ContributionStep(int Player, bool Removes, bool FromBase);
