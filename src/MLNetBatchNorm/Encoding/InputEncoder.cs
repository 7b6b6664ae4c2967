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
    /// <param name="rawInputs">Number of raw slots.</param>
    /// <param name="parts">The parts; those whose columns are entries behind those whose columns are written out, pieces last.</param>
    /// <param name="ranges">Where categories are in a raw row; null: there are none.</param>
    public InputEncoder(int rawInputs, IReadOnlyList<EncodingPart> parts, CategoryRanges? ranges = null)
    {
        RawInputs = rawInputs;
        Ranges = ranges;
        _parts = [.. parts];
        Projected = [.. _parts.Where(part => part.Units > 0)];
        DirectParts = _parts.Length - Projected.Count;
        if (_parts.Take(DirectParts).Any(part => part.Units > 0))
            throw new ArgumentException("Parts that are projected must be last.", nameof(parts));
        int firstTable = Array.FindIndex(_parts, part => part is Pieces);
        if (firstTable >= 0 && firstTable < DirectParts - 1)
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
        HasEntries = _parts.Any(part => part.IsEntries);
        _table = new Lazy<PieceTable?>(() => PieceTable.Create(this));
    }

    /// <summary>Number of raw slots.</summary>
    public int RawInputs { get; }

    /// <summary>
    /// Where categories are in a raw row; rows are encoded in the form in which they are kept, with a number for each. Null: there are
    /// none.
    /// </summary>
    public CategoryRanges? Ranges { get; }

    /// <summary>Number of slots of a row as it is kept.</summary>
    public int Slots => Ranges?.Slots ?? RawInputs;

    /// <summary>Whether some columns are entries, of which a row has few.</summary>
    public bool HasEntries { get; }

    /// <summary>The last parts: those whose columns a network reads through projections, one for each.</summary>
    public IReadOnlyList<EncodingPart> Projected { get; }

    /// <summary>Number of parts in front of these.</summary>
    public int DirectParts { get; }

    /// <summary>Columns of categories that enter as they are, and the ranges that they are of: so many entries a row mostly has.</summary>
    public (int Columns, int Ranges) OfCategories
    {
        get
        {
            Categories[] parts = [.. _parts.OfType<Categories>().Where(part => part.Units == 0)];
            return (parts.Sum(part => part.Columns), parts.Sum(part => part.Ranges));
        }
    }

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
    public IEnumerable<EncodedColumn> Describe() => _parts.SelectMany(part => Ranges is null || part is Categories
        ? part.Describe()
        : part.Describe().Select(column => column with { Slot = Ranges.RawSlotOf(column.Slot) }));

    /// <summary>What a slot of a category is where it is not set.</summary>
    public float OffOf(int rawSlot)
    {
        (int range, int slot) = Ranges?.Find(rawSlot) ?? (-1, rawSlot);
        return range < 0 ? ScalingOf(slot).Center : Ranges![range].OffOf(rawSlot - Ranges[range].First);
    }

    /// <summary>What is subtracted from a slot of a kept row and what it is multiplied with; 0 where it has no column.</summary>
    public (float Center, float Scale, bool IsClipped) ScalingOf(int slot)
    {
        if (IsIdentity)
            return (0, 1, false);
        if (Part<ScaleAndClip>() is { } scaling && scaling.ColumnOf(slot) is >= 0 and int column)
            return (scaling.Center[column], scaling.Scale[column], scaling.IsClipped(column));
        return (0, Part<SparseSlots>()?.ScaleOf(slot) ?? 0, false);
    }

    /// <summary>The encoder of the first parts alone.</summary>
    public InputEncoder Head(int parts) => new(RawInputs, _parts[..parts], Ranges);

    /// <summary>Encodes one raw row; the result is the same bits wherever and in whatever company the row is encoded.</summary>
    /// <param name="raw"><see cref="RawInputs"/> values.</param>
    /// <param name="encoded">Room for <see cref="EncodedInputs"/> values, or more, which are left alone.</param>
    public void Encode(ReadOnlySpan<float> raw, Span<float> encoded)
    {
        if (raw.Length != RawInputs)
            throw new ArgumentException($"The row has {raw.Length} values, the encoder {RawInputs} slots.", nameof(raw));
        if (Ranges is null)
        {
            EncodeKept(raw, encoded);
            return;
        }
        float[] kept = new float[Slots];
        Ranges.Keep(raw, kept);
        EncodeKept(kept, encoded);
    }

    /// <summary>The same of a row in the form in which it is kept.</summary>
    public void EncodeKept(ReadOnlySpan<float> kept, Span<float> encoded)
    {
        for (int i = 0; i < _parts.Length; i++)
            _parts[i].Encode(kept, encoded[_firsts[i]..]);
    }

    /// <summary>Encodes kept rows, [rows, <see cref="Slots"/>] row-major, into panels; the same bits as <see cref="Encode"/>.</summary>
    /// <param name="kept">The rows.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="line">Room for one encoded row in whole lines of 16.</param>
    /// <param name="panels">A matrix of <see cref="EncodedInputs"/> columns.</param>
    /// <param name="rowCapacity">The matrix's stride between panels, in rows.</param>
    public void EncodeBlock(ReadOnlySpan<float> kept, int rows, Span<float> line, Span<float> panels, int rowCapacity)
    {
        if (IsIdentity)
        {
            PanelLayout.Pack(kept, rows, RawInputs, panels, rowCapacity);
            return;
        }
        for (int r = 0; r < rows; r++)
        {
            EncodeKept(kept.Slice(r * Slots, Slots), line);
            for (int p = 0; p < line.Length / Width; p++)
                line.Slice(p * Width, Width).CopyTo(panels[((p * rowCapacity + r) * Width)..]);
        }
    }

    /// <summary>
    /// Encodes one kept row into row <paramref name="row"/> of a mini-batch in panels; the same bits as <see cref="Encode"/>.
    /// </summary>
    /// <param name="paddedRaw">The row, padded with zeros to whole lines of 16.</param>
    /// <param name="panels">A matrix of <see cref="EncodedInputs"/> columns.</param>
    /// <param name="rowCapacity">The matrix's stride between panels, in rows.</param>
    /// <param name="row">Row to write.</param>
    public void EncodeToPanels(ReadOnlySpan<float> paddedRaw, Span<float> panels, int rowCapacity, int row)
    {
        for (int i = 0; i < _parts.Length; i++)
            _parts[i].EncodeToPanels(paddedRaw, panels, rowCapacity, row, _firsts[i]);
    }

    /// <summary>
    /// Encodes one sparse kept row as the next row of <paramref name="batch"/>; the values have the bits of <see cref="Encode"/>.
    /// </summary>
    /// <param name="indices">Slots that are not 0, rising.</param>
    /// <param name="values">Their values.</param>
    /// <param name="batch">Where to.</param>
    /// <param name="firstPart">The first part that is encoded.</param>
    public void EncodeSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, SparseBatch batch, int firstPart = 0)
    {
        batch.BeginRow();
        for (int i = firstPart; i < _parts.Length; i++)
            _parts[i].EncodeSparse(indices, values, batch, _firsts[i]);
    }

    /// <summary>The same of a kept row that is written out.</summary>
    public void EncodeFilled(ReadOnlySpan<float> kept, SparseBatch batch, int firstPart = 0)
    {
        batch.BeginRow();
        ReadOnlySpan<int> indices = default;
        ReadOnlySpan<float> values = default;
        bool isFilled = false;                         // looking for what is not 0 is dear: only for who needs it, and once
        for (int i = firstPart; i < _parts.Length; i++)
        {
            if (_parts[i].TryEncodeFilled(kept, batch, _firsts[i]))
                continue;
            if (!isFilled)
                batch.Fill(kept, out indices, out values);
            isFilled = true;
            _parts[i].EncodeSparse(indices, values, batch, _firsts[i]);
        }
    }

    /// <summary>Adds what the encoder does to an ONNX graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="features">Name of the raw features, [rows, slots].</param>
    /// <returns>Name of the encoded columns, [rows, columns].</returns>
    public string AddTo(OnnxGraph graph, string features)
    {
        if (IsIdentity)
            return features;
        int numbers = Ranges?.Numbers ?? RawInputs;
        OnnxSlots slots = default;
        if (numbers > 0)
        {
            string raw = features;
            if (Ranges is not null)
            {
                long[] rawSlots = [.. Enumerable.Range(0, numbers).Select(slot => (long)Ranges.RawSlotOf(slot))];
                string places = graph.Integers("input.number_slots", rawSlots);
                raw = graph.Node("Gather", "input.numbers", [features, places], new OnnxAttribute("axis", 1L));
            }
            float[] center = [.. Enumerable.Range(0, numbers).Select(slot => ScalingOf(slot).Center)];
            string centers = graph.Floats("input.center", center, center.Length);
            string missing = graph.Node("IsNaN", "input.missing", [raw]);
            // The centre in place of a missing value, so that it comes out as zero.
            string known = graph.Node("Where", "input.known", [missing, centers, raw]);
            slots = new OnnxSlots(features, raw, missing, known, centers);
        }
        slots = slots with { Features = features };
        string[] columns = [.. _parts.Select(part => part.AddTo(graph, slots))];
        return columns.Length == 1
            ? columns[0]
            : graph.Node("Concat", "input.encoded", columns, new OnnxAttribute("axis", 1L));
    }
}
