using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>What one thread writes while it scores.</summary>
internal sealed class ScoringScratch
{
    private readonly int _encodedInputs;
    private readonly PieceTable? _table;
    private readonly Plan _plan;

    // Made when first needed: rows that come sparse never need the memory of dense ones, nor the other way round.
    private NodeInput? _dense;
    private NodeInput? _sparse;
    private AlignedBuffer? _line;
    private PanelInput? _front;

    internal ScoringScratch(
        Plan plan, int rows, int encodedInputs, PieceTable? table, IReadOnlyList<FoldedOperation> operations, bool isEnsemble)
    {
        _plan = plan;
        Rows = rows;
        _encodedInputs = encodedInputs;
        _table = table;
        FoldedMap[] maps = [.. operations.OfType<FoldedMap>()];
        long length = maps.Max(map => PanelLayout.Length(map.Node.OutputPositions, map.Node.Outputs)) * rows;
        AlignedBuffer[] storage = [new(length), new(length)];
        Outputs = [.. maps.Select((map, i) => map.CreateOutput(
            new PanelMatrix(rows * map.Node.OutputPositions, map.Node.Outputs, storage[i & 1]) { Positions = map.Node.OutputPositions }))];
        Mean = isEnsemble ? new PanelMatrix(rows, maps[^1].Node.Outputs) : null;
    }

    /// <summary>Rows of a block.</summary>
    public int Rows { get; }

    /// <summary>The encoded block for rows of a kind.</summary>
    public NodeInput InputFor(RowShape rows) => rows.IsSparse ? Sparse : Dense;

    /// <summary>The encoded block of rows written out: panels of all columns, or of those beside a table, or pictures.</summary>
    internal NodeInput Dense =>
        _dense ??= _table is null ? _plan.CreateInput(Rows) : new TableInput(_table, sparse: false, Rows);

    /// <summary>The encoded block where rows are sparse.</summary>
    internal NodeInput Sparse =>
        _sparse ??= _table is null ? new SparseRowsInput(new SparseBatch(_encodedInputs)) : new TableInput(_table, sparse: true, Rows);

    /// <summary>One encoded row.</summary>
    internal AlignedBuffer Line =>
        _line ??= new AlignedBuffer(PanelLayout.PanelCount(_table?.Columns.EncodedInputs ?? _encodedInputs) * PanelLayout.Width);

    /// <summary>The outputs of each operation that has its own; two memories serve all layers in turn.</summary>
    internal MapOutput[] Outputs { get; }

    /// <summary>Room for what is made of an input in front of the first layer.</summary>
    internal PanelInput FrontOf(PanelInput input) => _front ??= new PanelInput(
        new PanelMatrix(input.Values.RowCapacity, input.Values.Columns) { Positions = input.Values.Positions });

    /// <summary>Outputs of the first linear map.</summary>
    internal PanelMatrix First => Outputs[0].Values;

    /// <summary>Mean output of an ensemble's networks; null for a single network.</summary>
    internal PanelMatrix? Mean { get; }
}
