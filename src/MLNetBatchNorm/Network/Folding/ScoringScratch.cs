using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>What one thread writes while it scores.</summary>
internal sealed class ScoringScratch
{
    private readonly InputEncoder _encoder;
    private readonly EncodedForm? _form;
    private readonly bool _takesEntries;
    private readonly Plan _plan;

    // Made when first needed: rows that come sparse never need the memory of dense ones, nor the other way round.
    private NodeInput? _dense;
    private NodeInput? _sparse;
    private AlignedBuffer? _line;
    private PanelInput? _front;

    internal ScoringScratch(
        Plan plan, int rows, InputEncoder encoder, EncodedForm? form, bool takesEntries, IReadOnlyList<FoldedOperation> operations,
        bool isEnsemble)
    {
        _plan = plan;
        Rows = rows;
        _encoder = encoder;
        _form = form;
        _takesEntries = takesEntries;
        Kept = new float[encoder.Ranges is null ? 0 : rows * encoder.Slots];
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

    /// <summary>The encoded block of rows written out: panels of all columns, the form that they have, entries, or pictures.</summary>
    internal NodeInput Dense =>
        _dense ??= _form is not null ? new TableInput(_form, sparse: false, Rows)
            : _takesEntries ? new SparseRowsInput(new SparseBatch(_encoder.EncodedInputs))
            : _plan.CreateInput(Rows);

    /// <summary>The encoded block where rows are sparse.</summary>
    internal NodeInput Sparse =>
        _sparse ??= _form is null
            ? new SparseRowsInput(new SparseBatch(_encoder.EncodedInputs))
            : new TableInput(_form, sparse: true, Rows);

    /// <summary>One encoded row.</summary>
    internal AlignedBuffer Line => _line ??= new AlignedBuffer(
        Math.Max(1, PanelLayout.PanelCount((_form is null ? _encoder : _form.Columns)?.EncodedInputs ?? 0)) * PanelLayout.Width);

    /// <summary>The rows of a block with a number for each category; empty where there are none.</summary>
    internal float[] Kept { get; }

    /// <summary>One sparse row with a number for each category.</summary>
    internal int[] KeptIndices { get; private set; } = [];

    /// <inheritdoc cref="KeptIndices"/>
    internal float[] KeptValues { get; private set; } = [];

    /// <summary>Keeps a sparse raw row, and returns the number of its entries.</summary>
    internal int KeepSparse(CategoryRanges ranges, ReadOnlySpan<int> indices, ReadOnlySpan<float> values)
    {
        int room = indices.Length + ranges.Count;
        if (KeptIndices.Length < room)
            (KeptIndices, KeptValues) = (new int[2 * room], new float[2 * room]);
        ranges.KeepSparse(indices, values, KeptIndices, KeptValues, out int count);
        return count;
    }

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
