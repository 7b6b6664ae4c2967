using MLNetBatchNorm.Encoding;

namespace MLNetBatchNorm.Network;

/// <summary>Who contributes to a score: every slot by itself, and the slots of a range together.</summary>
internal sealed class ContributionPlayers
{
    // The player of each slot, and the first slot of each player with the number of slots behind the last; null: a slot is its own player.
    private readonly int[]? _playerOf;
    private readonly int[]? _firsts;

    /// <summary>The players of so many slots, of which some are ranges.</summary>
    public ContributionPlayers(int slots, SlotRanges? ranges)
    {
        Count = slots;
        if (ranges is null)
            return;
        _playerOf = new int[slots];
        List<int> firsts = [];
        for (int slot = 0, range = 0; slot < slots;)
        {
            int count = 1;
            if (range < ranges.Count && ranges[range].First == slot)
                count = ranges[range++].Count;
            _playerOf.AsSpan(slot, count).Fill(firsts.Count);
            firsts.Add(slot);
            slot += count;
        }
        Count = firsts.Count;
        _firsts = [.. firsts, slots];
    }

    /// <summary>Number of players.</summary>
    public int Count { get; }

    /// <summary>The player whose slot it is.</summary>
    public int PlayerOf(int slot) => _playerOf is null ? slot : _playerOf[slot];

    /// <summary>First slot and number of slots of a player.</summary>
    public (int First, int Count) SlotsOf(int player) =>
        _firsts is null ? (player, 1) : (_firsts[player], _firsts[player + 1] - _firsts[player]);
}
