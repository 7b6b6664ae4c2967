namespace MLNetBatchNorm.Formats;

/// <summary>The bytes are not a network this version can read: the message says which value was found and what it may be.</summary>
internal sealed class NetworkFormatException : FormatException
{
    /// <summary>With a sentence that names the value, what was found and what is allowed.</summary>
    public NetworkFormatException(string message)
        : base(message)
    {
    }

    /// <summary>With the failure it follows from.</summary>
    public NetworkFormatException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
