namespace MLNetBatchNorm.Kernels;

/// <summary>Pictures as they lie in memory: rows of numbers one behind the other, or maps in panels.</summary>
/// <remarks>
/// A map is [pictures x pixels, channels] in panels of 16 channels (<see cref="PanelLayout"/>): pixel p of picture n is row
/// <c>n * pixels + p</c>.
/// </remarks>
internal readonly ref struct PictureSource
{
    private PictureSource(ReadOnlySpan<float> values, int stride, PixelOrder? order)
    {
        Values = values;
        Stride = stride;
        Order = order;
    }

    /// <summary>The numbers.</summary>
    public ReadOnlySpan<float> Values { get; }

    /// <summary>Numbers from one picture to the next; of a map, rows from one panel to the next.</summary>
    public int Stride { get; }

    /// <summary>The order of a row's numbers; null: a map.</summary>
    public PixelOrder? Order { get; }

    /// <summary>Rows of numbers, one picture each.</summary>
    public static PictureSource Rows(ReadOnlySpan<float> values, int stride, PixelOrder order) => new(values, stride, order);

    /// <summary>A map in panels.</summary>
    public static PictureSource Map(PanelMatrix map) => new(map.Span, map.RowCapacity, null);
}
