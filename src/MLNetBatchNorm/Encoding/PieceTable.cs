using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Encoding;

/// <summary>Pieces as rows of a table: for a row an index and a fraction for each slot instead of a column for each piece.</summary>
/// <remarks>
/// Pieces that follow one another in one slot are full up to the one that holds the value and empty behind it. What a linear map
/// makes of them is the sum of the weights of the full ones and a part of one more: a place between two running sums of weights
/// (<see cref="TableLayout"/>). A piece that follows none begins a slot of its own, so that all lists of pieces can be taken;
/// whether it is worth it says <see cref="Create"/>.
/// <para>What pieces are where a value is missing lies on no such line. It is one more row of a slot, behind all others: a table for
/// prediction has these rows, training takes what names one out of the batch (<see cref="MissingValues"/>).</para>
/// </remarks>
internal sealed class PieceTable
{
    // Where one piece ends and the next begins are the same number, rounded twice.
    private const double Touching = 1 - 1e-6;

    /// <summary>
    /// Pieces of a slot, on the average, from which on a table is no slower than columns
    /// whatever is done with it: where both were measured.
    /// </summary>
    private const int FewestPieces = 4;

    private readonly PieceEncoder _encoder;

    // The raw slot of each slot; and the encoder of rows that hold nothing but these, in this order.
    private readonly int[] _sources;
    private readonly PieceEncoder _ofSources;

    // Of all pieces.
    private readonly float[] _missing;

    private PieceTable(InputEncoder columns, PieceSlot[] slots, TableLayout layout, float[] missing)
    {
        Columns = columns;
        _encoder = new PieceEncoder(slots);
        _sources = [.. slots.Select(slot => slot.Source)];
        _ofSources = new PieceEncoder([.. slots.Select((slot, s) => slot with { Source = s })]);
        Layout = layout;
        _missing = missing;
        HasMissingRows = missing.AsSpan().ContainsAnyExcept(0f);
    }

    /// <summary>What encodes the columns in front of the pieces, which stay columns.</summary>
    public InputEncoder Columns { get; }

    /// <summary>The table that a linear map's weights become; their rows are the map's inputs.</summary>
    public TableLayout Layout { get; }

    /// <summary>Number of slots; all have fractions.</summary>
    public int Slots => Layout.Slots;

    /// <summary>Whether slots have rows for missing values: where pieces are not empty then.</summary>
    public bool HasMissingRows { get; }

    /// <summary>
    /// Rows of a table for prediction: those of the layout and, if there are any, those for missing values, slot by slot.
    /// </summary>
    public int Rows => Layout.Rows + (HasMissingRows ? Slots : 0);

    /// <summary>What each piece of a slot is where the value is missing.</summary>
    public ReadOnlySpan<float> MissingValues(int slot) =>
        _missing.AsSpan(Layout.Slot(slot).FirstWeight - Columns.EncodedInputs, Layout.Slot(slot).Pieces);

    /// <summary>
    /// The pieces of an encoder as a table; null where there are none, or few in a slot, for which columns are no more work.
    /// </summary>
    public static PieceTable? Create(InputEncoder encoder)
    {
        int before = encoder.DirectParts - 1;
        if (before < 0 || encoder.Parts[before] is not Pieces last)
            return null;
        InputEncoder columns = encoder.Head(before);
        int firstColumn = columns.EncodedInputs;
        ReadOnlySpan<InputPiece> pieces = last.All;
        var slots = new List<TableSlot>();
        for (int first = 0, end; first < pieces.Length; first = end)
        {
            for (end = first + 1; end < pieces.Length && Follows(pieces[end - 1], pieces[end]);)
                end++;
            slots.Add(new TableSlot(firstColumn + first, end - first, PlainRows: 0));
        }
        if (pieces.Length < FewestPieces * slots.Count)
            return null;

        var layout = new TableLayout([.. slots]);
        float[] missing = new float[pieces.Length];
        for (int i = 0; i < missing.Length; i++)
            missing[i] = pieces[i].Missing;
        bool hasMissingRows = missing.AsSpan().ContainsAnyExcept(0f);
        var encoded = new PieceSlot[slots.Count];
        for (int slot = 0; slot < encoded.Length; slot++)
        {
            InputPiece[] own = pieces.Slice(slots[slot].FirstWeight - firstColumn, slots[slot].Pieces).ToArray();
            int row = layout.BorderRow(slot, 0);
            encoded[slot] = new PieceSlot(
                own[0].Source, row, hasMissingRows ? layout.Rows + slot : row, [.. own.Select(piece => piece.Start)],
                [.. own.Select(piece => piece.Scale)]);
        }
        return new PieceTable(columns, encoded, layout, missing);
    }

    /// <summary>Encodes one row of raw slots: rows of a table for prediction, and fractions.</summary>
    public void Encode(ReadOnlySpan<float> raw, Span<int> indices, Span<float> fractions) => _encoder.Encode(raw, indices, fractions);

    /// <summary>The same of a sparse row; the same bits.</summary>
    public void EncodeSparse(ReadOnlySpan<int> rawIndices, ReadOnlySpan<float> rawValues, Span<int> indices, Span<float> fractions)
    {
        // The values lie where their fractions will: each is read before its fraction is written.
        Span<float> values = fractions[.._sources.Length];
        int at = 0, last = -1;
        for (int slot = 0; slot < _sources.Length; slot++)
        {
            // Sources mostly rise, as indices do.
            if (_sources[slot] < last)
                at = 0;
            last = _sources[slot];
            int found = rawIndices[at..].BinarySearch(last);
            at += found < 0 ? ~found : found;
            values[slot] = found < 0 ? 0 : rawValues[at];
        }
        _ofSources.Encode(values, indices, fractions);
    }

    private static bool Follows(InputPiece piece, InputPiece next) =>
        next.Source == piece.Source && next.Start > piece.Start && ((double)next.Start - piece.Start) * piece.Scale >= Touching;
}
