using MLNetBatchNorm.Data;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Encoding;

/// <summary>
/// Turns raw feature values into what the first layer reads: the columns of its parts, one behind the other. Learned from the training
/// rows, saved with the network, applied inside it.
/// </summary>
internal sealed class InputEncoder
{
    private const int Width = PanelLayout.Width;

    /// <summary>Most slots, and most columns.</summary>
    public const int MaximumColumns = 1 << 24;

    private readonly EncodingPart[] _parts;

    // First column of each part.
    private readonly int[] _firsts;

    private readonly Lazy<PieceTable?> _table;

    /// <summary>An encoder with the given parts.</summary>
    public InputEncoder(int rawInputs, IReadOnlyList<EncodingPart> parts)
    {
        RawInputs = rawInputs;
        _parts = [.. parts];
        int firstTable = Array.FindIndex(_parts, part => part is Pieces);
        if (firstTable >= 0 && firstTable < _parts.Length - 1)
        {
            throw new ArgumentException(
                $"Behind the pieces, which can be rows of a table, stands '{_parts[firstTable + 1].Tag}'; they must be last.",
                nameof(parts));
        }
        _firsts = new int[_parts.Length];
        for (int i = 0; i < _parts.Length; i++)
        {
            _firsts[i] = EncodedInputs;
            EncodedInputs += _parts[i].Columns;
        }
        KeepsZero = _parts.All(part => part.KeepsZero);
        _table = new Lazy<PieceTable?>(() => PieceTable.Create(rawInputs, _parts));
    }

    /// <summary>Number of raw slots.</summary>
    public int RawInputs { get; }

    /// <summary>Number of encoded columns.</summary>
    public int EncodedInputs { get; }

    /// <summary>
    /// The last part, if it is <see cref="Pieces"/>, as rows of a table; null where a first layer has to read all columns.
    /// </summary>
    public PieceTable? Table => _table.Value;

    /// <summary>The parts in the order of their columns.</summary>
    public IReadOnlyList<EncodingPart> Parts => _parts;

    /// <summary>Whether values pass untouched, NaN included.</summary>
    public bool IsIdentity => _parts is [UntouchedSlots];

    /// <summary>Whether every slot that is 0 gives only zeros, so that sparse rows stay sparse.</summary>
    public bool KeepsZero { get; }

    /// <summary>Number of columns that a row of zeros fills: what a sparse row has beside its own entries.</summary>
    public int EntriesOfZeros
    {
        get
        {
            var batch = new SparseBatch(EncodedInputs);
            EncodeSparse([], [], batch);
            return batch.Indices(0).Length;
        }
    }

    /// <summary>An encoder that changes nothing.</summary>
    public static InputEncoder Identity(int inputs) => new(inputs, [new UntouchedSlots(inputs)]);

    /// <summary>The part of a type; null where there is none.</summary>
    public T? Part<T>()
        where T : EncodingPart => _parts.OfType<T>().FirstOrDefault();

    /// <summary>What each encoded column is, in order.</summary>
    public IEnumerable<EncodedColumn> Describe() => _parts.SelectMany(part => part.Describe());

    /// <summary>Encodes one row; the result is the same bits wherever and in whatever company the row is encoded.</summary>
    /// <param name="raw"><see cref="RawInputs"/> values.</param>
    /// <param name="encoded">Room for <see cref="EncodedInputs"/> values, or more, which are left alone.</param>
    public void Encode(ReadOnlySpan<float> raw, Span<float> encoded)
    {
        if (raw.Length != RawInputs)
            throw new ArgumentException($"The row has {raw.Length} values, the encoder {RawInputs} slots.", nameof(raw));
        for (int i = 0; i < _parts.Length; i++)
            _parts[i].Encode(raw, encoded[_firsts[i]..]);
    }

    /// <summary>Encodes rows, [rows, <see cref="RawInputs"/>] row-major, into panels; the same bits as <see cref="Encode"/>.</summary>
    /// <param name="raw">The rows.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="line">Room for one encoded row in whole lines of 16.</param>
    /// <param name="panels">A matrix of <see cref="EncodedInputs"/> columns.</param>
    /// <param name="rowCapacity">The matrix's stride between panels, in rows.</param>
    public void EncodeBlock(ReadOnlySpan<float> raw, int rows, Span<float> line, Span<float> panels, int rowCapacity)
    {
        if (IsIdentity)
        {
            PanelLayout.Pack(raw, rows, RawInputs, panels, rowCapacity);
            return;
        }
        for (int r = 0; r < rows; r++)
        {
            Encode(raw.Slice(r * RawInputs, RawInputs), line);
            for (int p = 0; p < line.Length / Width; p++)
                line.Slice(p * Width, Width).CopyTo(panels[((p * rowCapacity + r) * Width)..]);
        }
    }

    /// <summary>Encodes one row into row <paramref name="row"/> of a mini-batch in panels; the same bits as <see cref="Encode"/>.</summary>
    /// <param name="paddedRaw">The raw values, padded with zeros to whole lines of 16.</param>
    /// <param name="panels">A matrix of <see cref="EncodedInputs"/> columns.</param>
    /// <param name="rowCapacity">The matrix's stride between panels, in rows.</param>
    /// <param name="row">Row to write.</param>
    public void EncodeToPanels(ReadOnlySpan<float> paddedRaw, Span<float> panels, int rowCapacity, int row)
    {
        for (int i = 0; i < _parts.Length; i++)
            _parts[i].EncodeToPanels(paddedRaw, panels, rowCapacity, row, _firsts[i]);
    }

    /// <summary>
    /// Encodes one sparse row as the next row of <paramref name="batch"/>; the values have the bits of <see cref="Encode"/>.
    /// </summary>
    public void EncodeSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, SparseBatch batch)
    {
        batch.BeginRow();
        for (int i = 0; i < _parts.Length; i++)
            _parts[i].EncodeSparse(indices, values, batch, _firsts[i]);
    }

    /// <summary>Adds what the encoder does to an ONNX graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="features">Name of the raw features, [rows, slots].</param>
    /// <returns>Name of the encoded columns, [rows, columns].</returns>
    public string AddTo(OnnxGraph graph, string features)
    {
        if (IsIdentity)
            return features;
        float[] center = Part<ScaleAndClip>() is { } scaling ? scaling.Center.ToArray() : new float[RawInputs];
        string centers = graph.Floats("input.center", center, center.Length);
        string missing = graph.Node("IsNaN", "input.missing", [features]);
        // The centre in place of a missing value, so that it comes out as zero.
        string known = graph.Node("Where", "input.known", [missing, centers, features]);
        var slots = new OnnxSlots(features, missing, known, centers);
        string[] columns = [.. _parts.Select(part => part.AddTo(graph, slots))];
        return columns.Length == 1 ? columns[0] : graph.Node("Concat", "input.encoded", columns, new OnnxAttribute("axis", 1L));
    }
}
