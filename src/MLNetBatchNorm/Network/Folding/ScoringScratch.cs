using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>What one thread writes while it scores.</summary>
internal sealed class ScoringScratch
{
    private readonly int _encodedInputs;
    private readonly PieceTable? _table;

    // Made when first needed: rows that come sparse never need the memory of dense ones, nor the other way round.
    private NodeInput? _dense;
    private NodeInput? _sparse;
    private AlignedBuffer? _line;

    internal ScoringScratch(int rows, int encodedInputs, PieceTable? table, IReadOnlyList<FoldedOperation> operations, bool isEnsemble)
    {
        Rows = rows;
        _encodedInputs = encodedInputs;
        _table = table;
        int[] columns = [.. operations.OfType<FoldedLinear>().Select(linear => linear.Node.Outputs)];
        int widest = columns.Max(PanelLayout.PanelCount);
        long length = (long)widest * rows * PanelLayout.Width;
        AlignedBuffer[] storage = [new(length), new(length)];
        Outputs = [.. columns.Select((outputs, i) => new PanelInput(new PanelMatrix(rows, outputs, storage[i & 1])))];
        Mean = isEnsemble ? new PanelMatrix(rows, columns[^1]) : null;
    }

    /// <summary>Rows of a block.</summary>
    public int Rows { get; }

    /// <summary>The encoded block for rows of a kind.</summary>
    public NodeInput InputFor(RowShape rows) => rows.IsSparse ? Sparse : Dense;

    /// <summary>The encoded block of rows written out: panels of all columns, or of those beside a table.</summary>
    internal NodeInput Dense =>
        _dense ??= _table is null ? new PanelInput(new PanelMatrix(Rows, _encodedInputs)) : new TableInput(_table, sparse: false, Rows);

    /// <summary>The encoded block where rows are sparse.</summary>
    internal NodeInput Sparse =>
        _sparse ??= _table is null ? new SparseRowsInput(new SparseBatch(_encodedInputs)) : new TableInput(_table, sparse: true, Rows);

    /// <summary>One encoded row.</summary>
    internal AlignedBuffer Line =>
        _line ??= new AlignedBuffer(PanelLayout.PanelCount(_table?.Columns.EncodedInputs ?? _encodedInputs) * PanelLayout.Width);

    /// <summary>Each layer's outputs; two memories serve all layers in turn.</summary>
    internal PanelInput[] Outputs { get; }

    /// <summary>Outputs of the first linear map.</summary>
    internal PanelMatrix First => Outputs[0].Values;

    /// <summary>Mean output of an ensemble's networks; null for a single network.</summary>
    internal PanelMatrix? Mean { get; }
}
