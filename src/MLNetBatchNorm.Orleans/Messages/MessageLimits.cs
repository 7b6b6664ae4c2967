namespace MLNetBatchNorm.Clustering;

/// <summary>Sizes of messages.</summary>
internal static class MessageLimits
{
    /// <summary>Bytes of a piece at most: small enough that no call is long, large enough that there are few.</summary>
    public const int PieceBytes = 1 << 20;

    /// <summary>Bytes of a whole message at most, for Orleans to refuse before it reads: some pieces.</summary>
    public const int MessageBytes = 8 << 20;

    /// <summary>Bytes of the header of rows at most, which is sent in one message: some hundred, and 8 for each slot of a category whose
    /// values are not 0 and 1.</summary>
    public const int HeaderBytes = 6 << 20;

    /// <summary>Trainings of a fit at most, as in the bytes of one.</summary>
    public const int Trainings = 1 << 20;

    /// <summary>The part of some bytes that is sent next.</summary>
    public static byte[] Piece(byte[] bytes, int offset) => bytes.AsSpan(offset, Math.Min(PieceBytes, bytes.Length - offset)).ToArray();
}
