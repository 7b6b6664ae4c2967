namespace MLNetBatchNorm;

/// <summary>What a column of the table contributes to the score of a row; see <see cref="BatchNormNetworkEncoder.SumByColumn"/>.</summary>
public sealed class ColumnContribution
{
    // Between a column's name and that of a slot, as Concatenate writes it.
    private const char Separator = '.';

    internal ColumnContribution(BatchNormNetworkEncoder encoder, int firstSlot, int numberOfSlots, ReadOnlySpan<float> contributions)
    {
        FirstSlot = firstSlot;
        NumberOfSlots = numberOfSlots;
        Name = NameOf(encoder, firstSlot, numberOfSlots);
        double sum = 0;
        foreach (float contribution in contributions)
            sum += contribution;
        Contribution = (float)sum;
    }

    /// <summary>
    /// Name of the slot; of several slots what their names have in common up to a point. Where the model has no names,
    /// <c>slot 3</c> or <c>slots 3 to 7</c>.
    /// </summary>
    public string Name { get; }

    /// <summary>The column's first slot.</summary>
    public int FirstSlot { get; }

    /// <summary>Number of its slots: more than one for a category.</summary>
    public int NumberOfSlots { get; }

    /// <summary>The sum of the contributions of its slots.</summary>
    public float Contribution { get; }

    private static string NameOf(BatchNormNetworkEncoder encoder, int firstSlot, int numberOfSlots)
    {
        string? name = encoder.NameOf(firstSlot);
        if (numberOfSlots == 1)
            return name ?? FormattableString.Invariant($"slot {firstSlot}");
        for (int slot = firstSlot + 1; slot < firstSlot + numberOfSlots && name is not null; slot++)
        {
            string? other = encoder.NameOf(slot);
            name = other is null ? null : name[..name.AsSpan().CommonPrefixLength(other)];
        }

        int end = name?.LastIndexOf(Separator) ?? -1;
        return end > 0 ? name![..end] : FormattableString.Invariant($"slots {firstSlot} to {firstSlot + numberOfSlots - 1}");
    }
}
