using MLNetBatchNorm.Data;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Encoding;

/// <summary>Columns that cut a numeric slot into pieces: the piece from a to b is <c>(x - a) / (b - a)</c> held between 0 and 1.</summary>
/// <remarks>
/// A linear map behind them is any continuous function that is straight between the slot's quantiles (Gorishniy et al. 2022, arXiv:2203.05556, section 3.2).
/// </remarks>
internal sealed class Pieces : EncodingPart
{
    private readonly InputPiece[] _pieces;

    /// <param name="pieces">At least one, in any order.</param>
    public Pieces(ReadOnlySpan<InputPiece> pieces) => _pieces = pieces.ToArray();

    /// <summary>One piece for each column.</summary>
    public ReadOnlySpan<InputPiece> All => _pieces;

    public override int Columns => _pieces.Length;

    public override bool KeepsZero => false;

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

    public override void EncodeSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, SparseBatch batch, int firstColumn) =>
        throw new InvalidOperationException("Pieces do not keep zeros.");

    public override string AddTo(OnnxGraph graph, OnnxSlots slots)
    {
        string sources = graph.Integers("input.piece_slots", [.. _pieces.Select(p => (long)p.Source)]);
        var axis = new OnnxAttribute("axis", 1L);
        string value = graph.Node("Gather", "input.piece_values", [slots.Known, sources], axis);
        string start = graph.Floats("input.piece_starts", [.. _pieces.Select(p => p.Start)], _pieces.Length);
        string scale = graph.Floats("input.piece_scales", [.. _pieces.Select(p => p.Scale)], _pieces.Length);
        string position = graph.Node("Mul", "input.piece_positions", [graph.Node("Sub", "input.piece_distances", [value, start]), scale]);
        string held = graph.Bounds("input.pieces_held", position, 0, 1);
        string absent = graph.Node("Gather", "input.pieces_missing", [slots.IsMissing, sources], axis);
        return graph.Node("Where", "input.pieces", [absent, graph.Floats("input.piece_missing", [0], 1), held]);
    }

    public override IEnumerable<EncodedColumn> Describe() =>
        _pieces.Select(p => new EncodedColumn(p.Source, EncodedColumnKind.Piece, p.Start, (float)(p.Start + 1 / (double)p.Scale)));

    /// <summary>Bytes of a piece.</summary>
    private const int PieceBytes = sizeof(int) + 2 * sizeof(float);

    /// <summary>Writes int32 number of pieces, and for each: int32 slot, float32 start, float32 scale.</summary>
    public static void Write(BinaryWriter writer, ReadOnlySpan<InputPiece> pieces)
    {
        writer.Write(pieces.Length);
        foreach (InputPiece piece in pieces)
        {
            writer.Write(piece.Source);
            writer.WriteSingles([piece.Start, piece.Scale]);
        }
    }

    /// <summary>Reads what <see cref="Write"/> wrote; null for no pieces.</summary>
    public static Pieces? Read(BinaryReader reader, int slots)
    {
        var pieces = new InputPiece[reader.ReadCount("pieces", 0, InputEncoder.MaximumColumns, PieceBytes)];
        Span<float> line = stackalloc float[2];
        for (int i = 0; i < pieces.Length; i++)
        {
            int source = reader.ReadInt32();
            if (source < 0 || source >= slots)
                throw new NetworkFormatException(CheckedBytes.Text($"Piece {i} belongs to feature slot {source} of {slots}."));
            reader.ReadSingles(line, "start or scale of a piece");
            if (!(line[1] > 0))
                throw new NetworkFormatException(CheckedBytes.Text($"The scale of piece {i} is {line[1]}; it must be positive."));
            pieces[i] = new InputPiece(source, line[0], line[1]);
        }
        return pieces.Length == 0 ? null : new Pieces(pieces);
    }

    /// <summary>Cuts numeric slots that are not constant.</summary>
    /// <param name="atMost">Pieces of a slot at most; 0: none. A slot with fewer distinct values has one piece between each two of them.</param>
    internal sealed class Learner(int atMost) : PartLearner
    {
        private readonly List<InputPiece> _pieces = [];

        public override void Take(in SlotSample slot)
        {
            if (atMost == 0 || slot.Kind != SlotKind.Numeric || slot.IsConstant)
                return;
            List<float> edges = Edges(slot.Sorted);
            if (edges.Count < 3)                       // a single piece is the scaled slot over again
                return;
            for (int i = 0; i + 1 < edges.Count; i++)
            {
                float inverse = (float)(1 / ((double)edges[i + 1] - edges[i]));
                if (float.IsFinite(inverse) && inverse > 0)
                    _pieces.Add(new InputPiece(slot.Slot, edges[i], inverse));
            }
        }

        public override EncodingPart? Create() => _pieces.Count == 0 ? null : new Pieces([.. _pieces]);

        /// <summary>
        /// Where pieces begin and end, in rising order: at every distinct value where these are few, else so that each piece holds about as many rows as
        /// the others, but a value that fills a piece by itself (the zero of most amounts of money) is the only one to begin its own; quantiles would put
        /// all edges on it and none where the other rows differ. Boosted trees bin in the same way (Ke et al. 2017, LightGBM).
        /// </summary>
        private List<float> Edges(ReadOnlySpan<float> sorted)
        {
            List<(float Value, int Count)> distinct = Distinct(sorted);
            if (distinct.Count <= atMost + 1)
                return [.. distinct.Select(d => d.Value)];
            int fills = (sorted.Length + atMost - 1) / atMost;
            int rowsLeft = sorted.Length, piecesLeft = atMost;
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
                bool isFull = edges.Count < atMost && (held >= wanted || (distinct[i].Count >= fills && held >= wanted / 2));
                if (isFull)
                    edges.Add(distinct[i].Value);
                held = (isFull ? 0 : held) + distinct[i].Count;
            }
            if (distinct[^1].Value > edges[^1])
                edges.Add(distinct[^1].Value);
            return edges;
        }

        private static List<(float Value, int Count)> Distinct(ReadOnlySpan<float> sorted)
        {
            var distinct = new List<(float Value, int Count)>();
            for (int i = 0, first = 0; i < sorted.Length; i++)
            {
                if (i + 1 < sorted.Length && sorted[i + 1] == sorted[i])
                    continue;
                distinct.Add((sorted[i], i + 1 - first));
                first = i + 1;
            }
            return distinct;
        }
    }
}
