using MLNetBatchNorm.Data;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Encoding;

/// <summary>Columns that cut a numeric slot into pieces: the piece from a to b is <c>(x - a) / (b - a)</c> held between 0 and 1.</summary>
/// <remarks>
/// A linear map behind them is any continuous function that is straight between the slot's quantiles
/// (Gorishniy et al. 2022, arXiv:2203.05556, section 3.2).
/// </remarks>
internal sealed class Pieces : EncodingPart
{
    /// <summary>
    /// Where most rows share a few values, what the others differ by is said by few rows: a slot gets so many times as many pieces there.
    /// On adult (capital gains: nine of ten are 0, the others amounts of which each means something else) AUC rose by .007.
    /// </summary>
    public const int FinestFactor = 4;

    /// <summary>Pieces of all slots at most if every slot had the finest ones: they decide the size of the first layer.</summary>
    public const int MostFinePieces = 2048;

    /// <summary>Fewer rows than this in a fine piece, and it is the name of these rows.</summary>
    public const int FewestRowsOfFinePiece = 16;

    private readonly InputPiece[] _pieces;

    /// <param name="pieces">At least one, in any order.</param>
    public Pieces(ReadOnlySpan<InputPiece> pieces)
    {
        _pieces = pieces.ToArray();
        KeepsZero = _pieces.All(piece => piece.Encode(0f) == 0);
    }

    /// <summary>One piece for each column.</summary>
    public ReadOnlySpan<InputPiece> All => _pieces;

    public override int Columns => _pieces.Length;

    public override bool KeepsZero { get; }

    public override void Encode(ReadOnlySpan<float> raw, Span<float> encoded)
    {
        for (int i = 0; i < _pieces.Length; i++)
            encoded[i] = _pieces[i].Encode(raw);
    }

    public override void EncodeToPanels(ReadOnlySpan<float> paddedRaw, Span<float> panels, int rowCapacity, int row, int firstColumn)
    {
        for (int i = 0; i < _pieces.Length; i++)
            panels[PanelLayout.Index(row, firstColumn + i, rowCapacity)] = _pieces[i].Encode(paddedRaw);
    }

    public override void EncodeSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, SparseBatch batch, int firstColumn)
    {
        // A slot's pieces mostly stand together.
        int source = -1;
        float value = 0;
        for (int i = 0; i < _pieces.Length; i++)
        {
            if (_pieces[i].Source != source)
            {
                source = _pieces[i].Source;
                int at = indices.BinarySearch(source);
                value = at < 0 ? 0 : values[at];
            }
            float encoded = _pieces[i].Encode(value);
            if (encoded != 0)
                batch.Add(firstColumn + i, encoded);
        }
    }

    public override string AddTo(OnnxGraph graph, OnnxSlots slots)
    {
        string sources = graph.Integers("input.piece_slots", [.. _pieces.Select(p => (long)p.Source)]);
        var axis = new OnnxAttribute("axis", 1L);
        string value = graph.Node("Gather", "input.piece_values", [slots.Known, sources], axis);
        string start = graph.Floats("input.piece_starts", [.. _pieces.Select(p => p.Start)], _pieces.Length);
        string scale = graph.Floats("input.piece_scales", [.. _pieces.Select(p => p.Scale)], _pieces.Length);
        string position = graph.Node("Mul", "input.piece_positions", [graph.Node("Sub", "input.piece_distances", [value, start]), scale]);
        string held = graph.Bounds("input.pieces_held", position, 0, 1);
        float[] missing = _pieces.All(p => p.Missing == 0) ? [0] : [.. _pieces.Select(p => p.Missing)];
        string absent = graph.Node("Gather", "input.pieces_missing", [slots.IsMissing, sources], axis);
        return graph.Node("Where", "input.pieces", [absent, graph.Floats("input.piece_missing", missing, missing.Length), held]);
    }

    public override IEnumerable<EncodedColumn> Describe() =>
        _pieces.Select(p => new EncodedColumn(p.Source, EncodedColumnKind.Piece, p.Start, (float)(p.Start + 1 / (double)p.Scale)));

    public override string Tag => SectionTag;

    /// <inheritdoc cref="Tag"/>
    public const string SectionTag = "PIEC";

    /// <summary>
    /// Writes int32 number of pieces, and for each: int32 slot, float32 start, float32 scale,
    /// float32 what it is where the value is missing.
    /// </summary>
    public override void Write(BinaryWriter writer)
    {
        writer.Write(_pieces.Length);
        foreach (InputPiece piece in _pieces)
        {
            writer.Write(piece.Source);
            writer.WriteSingles([piece.Start, piece.Scale, piece.Missing]);
        }
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static Pieces Read(BinaryReader reader, int slots) => Read(reader, slots, fewest: 1, numbers: 3)!;

    /// <summary>Reads the pieces of versions 1 and 2, which are 0 where a value is missing, and may be none.</summary>
    public static Pieces? ReadVersion2(BinaryReader reader, int slots) => Read(reader, slots, fewest: 0, numbers: 2);

    private static Pieces? Read(BinaryReader reader, int slots, int fewest, int numbers)
    {
        var pieces = new InputPiece[reader.ReadCount("pieces", fewest, InputEncoder.MaximumColumns, sizeof(int) + numbers * sizeof(float))];
        Span<float> line = stackalloc float[3];
        for (int i = 0; i < pieces.Length; i++)
        {
            int source = reader.ReadInt32();
            if (source < 0 || source >= slots)
                throw new NetworkFormatException(CheckedBytes.Text($"Piece {i} belongs to feature slot {source} of {slots}."));
            reader.ReadSingles(line[..numbers], "start, scale or missing value of a piece");
            if (!(line[1] > 0))
                throw new NetworkFormatException(CheckedBytes.Text($"The scale of piece {i} is {line[1]}; it must be positive."));
            if (line[2] is < 0 or > 1)
            {
                throw new NetworkFormatException(
                    CheckedBytes.Text($"Piece {i} is {line[2]} where a value is missing; it must be in [0, 1]."));
            }
            pieces[i] = new InputPiece(source, line[0], line[1], line[2]);
        }
        return pieces.Length == 0 ? null : new Pieces(pieces);
    }

    /// <summary>Cuts numeric slots that are not constant.</summary>
    /// <param name="atMost">
    /// Pieces of a slot at most; 0: none. A slot with fewer distinct values has one piece between each two of them.
    /// </param>
    /// <param name="slots">Number of numeric slots.</param>
    internal sealed class Learner(int atMost, int slots) : PartLearner
    {
        // Pieces at most where most rows share a few values.
        private readonly int _finest = Math.Max(atMost, Math.Min(FinestFactor * atMost, MostFinePieces / Math.Max(1, slots)));
        private readonly List<InputPiece> _pieces = [];

        public override void Take(in SlotSample slot)
        {
            if (atMost == 0 || slot.Kind != SlotKind.Numeric || slot.IsConstant)
                return;
            List<float> edges = Edges(slot.Sorted, slot.Resolution);
            if (edges.Count < 3)                       // a single piece is the scaled slot over again
                return;
            for (int i = 0; i + 1 < edges.Count; i++)
            {
                float inverse = (float)(1 / ((double)edges[i + 1] - edges[i]));
                if (!float.IsFinite(inverse) || inverse <= 0)
                    continue;
                var piece = new InputPiece(slot.Slot, edges[i], inverse);
                _pieces.Add(piece with { Missing = Mean(piece, slot.Sorted) });
            }
        }

        /// <summary>The mean of the piece over the rows: a missing value then gives what the others give on average.</summary>
        private static float Mean(InputPiece piece, ReadOnlySpan<float> sorted)
        {
            double sum = 0;
            // From the largest value down to the piece's start.
            for (int i = sorted.Length - 1; i >= 0 && sorted[i] > piece.Start; i--)
                sum += piece.Encode(sorted[i]);
            return (float)(sum / sorted.Length);
        }

        public override EncodingPart? Create() => _pieces.Count == 0 ? null : new Pieces([.. _pieces]);

        /// <summary>
        /// Where pieces begin and end, in rising order: at every distinct value where these are few, else so that each piece
        /// holds about as many rows as the others, but a value that fills a piece by itself (the zero of most amounts of money)
        /// is the only one to begin its own; quantiles would put all edges on it and none where the other rows differ. Boosted
        /// trees bin in the same way (Ke et al. 2017, LightGBM).
        /// </summary>
        private List<float> Edges(ReadOnlySpan<float> sorted, double resolution)
        {
            List<(float Value, int Count)> distinct = Distinct(sorted, resolution);
            int pieces = distinct.Count <= atMost + 1 ? atMost : MostPieces(distinct, sorted.Length);
            if (distinct.Count <= pieces + 1)
                return [.. distinct.Select(d => d.Value)];
            int fills = Filling(sorted.Length, pieces);
            int rowsLeft = sorted.Length, piecesLeft = pieces;
            foreach ((float _, int count) in distinct)
            {
                if (count < fills)
                    continue;
                rowsLeft -= count;
                piecesLeft--;
            }
            double wanted = rowsLeft / (double)Math.Max(1, piecesLeft);
            var edges = new List<float>();
            double held = double.PositiveInfinity;     // rows of the piece that is open; a full one is closed
            for (int i = 0; i < distinct.Count; i++)
            {
                bool isFull = edges.Count < pieces && (held >= wanted || (distinct[i].Count >= fills && held >= wanted / 2));
                if (isFull)
                    edges.Add(distinct[i].Value);
                held = (isFull ? 0 : held) + distinct[i].Count;
            }
            if (distinct[^1].Value > edges[^1])
                edges.Add(distinct[^1].Value);
            return edges;
        }

        /// <summary>Rows of one value that fill a piece.</summary>
        private static int Filling(int rows, int pieces) => (rows + pieces - 1) / pieces;

        /// <summary>
        /// More pieces than usual where values that fill one by themselves have more than half of the rows, as long as the other rows fill
        /// them.
        /// </summary>
        private int MostPieces(List<(float Value, int Count)> distinct, int rows)
        {
            int fills = Filling(rows, atMost), others = 0;
            foreach ((float _, int count) in distinct)
                others += count < fills ? count : 0;
            return 2L * others < rows ? Math.Clamp(others / FewestRowsOfFinePiece, atMost, _finest) : atMost;
        }

        /// <summary>Values in rising order, those that differ by no more than the resolution as one.</summary>
        private static List<(float Value, int Count)> Distinct(ReadOnlySpan<float> sorted, double resolution)
        {
            var distinct = new List<(float Value, int Count)>();
            for (int i = 0, first = 0; i < sorted.Length; i++)
            {
                if (i + 1 < sorted.Length && (double)sorted[i + 1] - sorted[first] <= resolution)
                    continue;
                distinct.Add((sorted[first], i + 1 - first));
                first = i + 1;
            }
            return distinct;
        }
    }
}
