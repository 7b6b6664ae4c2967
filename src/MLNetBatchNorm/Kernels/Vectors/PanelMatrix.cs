namespace MLNetBatchNorm.Kernels;

/// <summary>
/// A matrix of activations or of their gradients, [rows, columns], in panels of 16 columns (see <see cref="PanelLayout"/>).
/// </summary>
internal sealed class PanelMatrix
{
    /// <summary>Room for <paramref name="rowCapacity"/> rows of <paramref name="columns"/> columns, all zero.</summary>
    public PanelMatrix(int rowCapacity, int columns)
        : this(rowCapacity, columns, new AlignedBuffer((long)PanelLayout.PanelCount(columns) * rowCapacity * PanelLayout.Width))
    {
    }

    /// <summary>A matrix in given memory, which it may share with others of its size or smaller.</summary>
    public PanelMatrix(int rowCapacity, int columns, AlignedBuffer storage)
    {
        RowCapacity = rowCapacity;
        Columns = columns;
        Panels = PanelLayout.PanelCount(columns);
        Storage = storage;
    }

    /// <summary>Stride between panels, in rows.</summary>
    public int RowCapacity { get; }

    /// <summary>
    /// Rows of the matrix that one row of a mini-batch takes: the pixels of a picture in a map, whose columns are channels; else 1.
    /// </summary>
    public int Positions { get; init; } = 1;

    /// <summary>Columns without padding.</summary>
    public int Columns { get; }

    /// <summary>Number of panels.</summary>
    public int Panels { get; }

    /// <summary>The memory; may be larger than this matrix needs when it is shared.</summary>
    public AlignedBuffer Storage { get; }

    /// <summary>All panels.</summary>
    public Span<float> Span => Storage.Span[..(Panels * RowCapacity * PanelLayout.Width)];

    /// <summary>Rows [firstRow, firstRow + rows) of one panel, contiguous.</summary>
    public Span<float> Rows(int panel, int firstRow, int rows) =>
        Storage.Span.Slice((panel * RowCapacity + firstRow) * PanelLayout.Width, rows * PanelLayout.Width);
}
