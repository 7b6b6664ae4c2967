namespace MLNetBatchNorm.Kernels;

/// <summary>A small deterministic generator of random numbers: SplitMix64 (Steele, Lea, Flood 2014).</summary>
/// <remarks>
/// The state is a counter, so a stream for any purpose is made from a seed and a purpose number without drawing from a shared one:
/// adding a consumer never moves the numbers another consumer sees. Passes BigCrush; not for cryptography.
/// </remarks>
internal struct RandomStream
{
    private const ulong GoldenGamma = 0x9E3779B97F4A7C15;

    private ulong _state;

    /// <summary>
    /// The stream number <paramref name="purpose"/> of a seed, see
    /// <see cref="RandomPurpose"/>; streams of different purposes are unrelated.
    /// </summary>
    public RandomStream(ulong seed, ulong purpose) => _state = Mix(seed + GoldenGamma * (purpose + 1));

    /// <summary>SplitMix64's finalizer: a bijection of 64-bit numbers in which every input bit moves half of the output bits.</summary>
    public static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>64 random bits.</summary>
    public ulong NextUInt64() => Mix(_state += GoldenGamma);

    /// <summary>Uniform in [0, 1), a multiple of 2^-53.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform in [0, <paramref name="exclusiveMaximum"/>), without bias beyond 2^-32 (Lemire's multiplication).</summary>
    public int Next(int exclusiveMaximum) => (int)Math.BigMul(NextUInt64(), (ulong)exclusiveMaximum, out _);

    /// <summary>Puts <paramref name="items"/> into random order (Fisher and Yates).</summary>
    public void Shuffle(Span<int> items)
    {
        for (int i = items.Length - 1; i > 0; i--)
        {
            int j = Next(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }
}
