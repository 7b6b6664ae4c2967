namespace MLNetBatchNorm.Encoding;

/// <summary>One straight piece of a slot's values: 0 up to its start, 1 from its end on, rising evenly between.</summary>
/// <param name="Source">Raw slot.</param>
/// <param name="Start">Where it rises from 0.</param>
/// <param name="Scale">1 / (end - start); positive and finite.</param>
internal readonly record struct InputPiece(int Source, float Start, float Scale)
{
    /// <summary>The piece's value for a row; 0 for a missing value.</summary>
    public float Encode(ReadOnlySpan<float> raw)
    {
        float position = (raw[Source] - Start) * Scale;
        return position > 0 ? (position < 1 ? position : 1) : 0;      // a NaN is not above 0
    }
}
