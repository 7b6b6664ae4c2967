namespace MLNetBatchNorm.Network;

/// <summary>The size of a picture, or of the map that a layer makes of it.</summary>
/// <param name="Height">Rows of pixels.</param>
/// <param name="Width">Columns of pixels.</param>
/// <param name="Channels">Numbers of a pixel.</param>
internal readonly record struct MapShape(int Height, int Width, int Channels)
{
    /// <summary>Number of pixels.</summary>
    public int Pixels => Height * Width;

    /// <summary>Number of all values.</summary>
    public long Values => (long)Height * Width * Channels;

    /// <summary>As people write it: <c>28 x 28 x 1</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{Height} x {Width} x {Channels}");
}
