namespace MLNetBatchNorm.Stress;

/// <summary>A reader that must bear any bytes.</summary>
internal abstract class FuzzTarget
{
    /// <summary>Name for reports.</summary>
    public abstract string Name { get; }

    /// <summary>Inputs that are read without complaint; all others are made from them.</summary>
    public abstract IReadOnlyList<byte[]> Seeds { get; }

    /// <summary>Makes a mutated input one that reaches the reader behind the checksums.</summary>
    public virtual byte[] Mend(byte[] input) => input;

    /// <summary>Reads. Throws what the reader throws.</summary>
    public abstract void Read(byte[] input);

    /// <summary>Whether the reader may throw this.</summary>
    public abstract bool IsDocumented(Exception exception);

    /// <summary>Bytes the reader may allocate in all for an input of this length.</summary>
    public abstract long AllowedBytes(int length);
}

/// <summary>What one input came to.</summary>
/// <param name="Signature">
/// Ending and message without its numbers and quotations: inputs of a new signature took a new way through the reader.
/// </param>
/// <param name="Fault">What is wrong, or null.</param>
/// <param name="Allocated">Bytes allocated by the reading thread.</param>
internal readonly record struct FuzzResult(string Signature, string? Fault, long Allocated)
{
    /// <summary>Reads one input and judges.</summary>
    public static FuzzResult Of(FuzzTarget target, byte[] input)
    {
        string signature = "read";
        string? fault = null;
        long before = GC.GetAllocatedBytesForCurrentThread();
        long allocated;
        try
        {
            target.Read(input);
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }
        catch (Exception e)
        {
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Exception innermost = e;
            while (innermost.InnerException is not null)
                innermost = innermost.InnerException;
            signature = $"{innermost.GetType().Name} {WithoutNumbers(innermost.Message)}";
            if (!target.IsDocumented(innermost))
                fault = $"undocumented {e}";
        }

        if (fault is null && allocated > target.AllowedBytes(input.Length))
        {
            fault = $"{allocated} bytes were allocated for an input of {input.Length}; "
                + $"{target.AllowedBytes(input.Length)} are allowed ({signature})";
        }
        return new FuzzResult(signature, fault, allocated);
    }

    /// <summary>Nor what is quoted: a damaged name of a section is no way of its own through the reader.</summary>
    private static string WithoutNumbers(string message) => string.Join(
        ' ',
        message.Split(' ', 40).Where(word => !word.Any(char.IsDigit) && !word.Contains('\'')
            && !word.Contains("NaN", StringComparison.Ordinal) && !word.Contains("Infinity", StringComparison.Ordinal)));
}
