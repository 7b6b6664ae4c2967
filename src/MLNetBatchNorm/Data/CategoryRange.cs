namespace MLNetBatchNorm.Data;

/// <summary>Neighbouring slots of which a row sets one.</summary>
/// <param name="First">The first slot.</param>
/// <param name="Count">Number of slots.</param>
/// <param name="Off">What each slot is where it is not set; null: 0, and 1 where it is.</param>
/// <param name="On">What each slot is where it is set, another number than that; null as <paramref name="Off"/>.</param>
internal sealed record CategoryRange(int First, int Count, float[]? Off = null, float[]? On = null)
{
    /// <summary>Behind the last slot.</summary>
    public int End => First + Count;

    /// <summary>
    /// Whether nothing but the rows so far says that it is a category; of these none lacks a slot, and one that does says that it is none.
    /// </summary>
    public bool IsFound { get; init; }

    /// <summary>What a slot is where it is not set.</summary>
    public float OffOf(int place) => Off is null ? 0 : Off[place];

    /// <summary>What a slot is where it is set.</summary>
    public float OnOf(int place) => On is null ? 1 : On[place];

    /// <summary>Whether some slot is not 0 where it is not set, so that no row leaves it out.</summary>
    public bool IsFull => NeededEntries > 0;

    /// <summary>Slots that are not 0 where they are not set: entries that every row has.</summary>
    public int NeededEntries { get; } = Off is null ? 0 : Off.Length - Off.AsSpan().Count(0f);
}
