namespace MLNetBatchNorm.Encoding;

/// <summary>One straight piece of a slot's values: 0 up to its start, 1 from its end on, rising evenly between.</summary>
/// <param name="Source">Raw slot.</param>
/// <param name="Start">Where it rises from 0.</param>
/// <param name="Scale">1 / (end - start); positive and finite.</param>
/// <param name="Missing">What it is where the value is missing.</param>
internal readonly record struct InputPiece(int Source, float Start, float Scale, float Missing = 0)
{
    /// <summary>The piece's value for a row.</summary>
    public float Encode(ReadOnlySpan<float> raw) => Encode(raw[Source]);

    /// <summary>The piece's value for a value of its slot.</summary>
    public float Encode(float value)
    {
        float position = (value - Start) * Scale;
        return position > 0 ? (position < 1 ? position : 1) : position <= 0 ? 0 : Missing;      // neither: a NaN
    }
}
