using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// A first linear map in prediction that reads columns, entries and rows of a table; what is affine behind it is folded into the weights
/// of the other columns, the bias and the table, or, where these weights are the network's own, stays an operation.
/// </summary>
internal sealed class FoldedTable : FoldedLinear
{
    private readonly PieceTable? _pieces;
    private readonly Node? _behind;
    private readonly bool _shares;
    private readonly LinearParameters _columns;
    private readonly AlignedBuffer? _table;
    private readonly LinearParameters[] _projections;
    private readonly int _directInputs;

    /// <summary>A map with weights of its own.</summary>
    /// <param name="node">The map.</param>
    /// <param name="behind">The affine node behind it that becomes a part of it, or null.</param>
    /// <param name="network">What it has learned.</param>
    /// <param name="form">What its input consists of.</param>
    public FoldedTable(DenseNode node, Node? behind, NetworkParameters network, EncodedForm form)
        : this(node, behind, network, form, new LinearParameters(form.Front.EncodedInputs, node.Outputs, bias: true), shares: false)
    {
    }

    /// <summary>A map that computes with the weights of the network itself; of the pieces alone there are running sums.</summary>
    /// <param name="node">The map.</param>
    /// <param name="network">What it has learned; it must be this network that <see cref="Refold"/> is given.</param>
    /// <param name="form">What its input consists of.</param>
    public FoldedTable(DenseNode node, NetworkParameters network, EncodedForm form)
        : this(node, null, network, form, ((LinearParameters)network[node]!).ToScore(), shares: true)
    {
    }

    private FoldedTable(
        DenseNode node, Node? behind, NetworkParameters network, EncodedForm form, LinearParameters columns, bool shares)
        : base(node, parameters: null)
    {
        _pieces = form.Table;
        _behind = behind;
        _shares = shares;
        _columns = columns;
        _projections =
            [.. columns.Projections.Select(each => each.Lanes == PanelLayout.Width ? each : each.ToScore())];
        _directInputs = columns.DirectInputs;
        _table = _pieces is null ? null : new AlignedBuffer(PanelLayout.Length(_pieces.Rows, node.Outputs));
        Refold(network);
    }

    public override bool IsFinite => _columns.IsFinite && _table is not { IsFinite: false };

    public override void Refold(NetworkParameters network)
    {
        var linear = (LinearParameters)network[Node]!;
        (double[] Scale, double[] Shift)? output = _behind?.Affine(network[_behind]);
        if (!_shares)
            Folding.Fold(linear, input: null, output, _columns);
        else if (_columns.Lanes == linear.Lanes && _columns.Weights != linear.Weights)
            throw new ArgumentException("A network that shares its first layer cannot take over another one.", nameof(network));
        if (_pieces is not null)
            FillTable(_pieces, linear, output?.Scale, _table!.Span);
    }

    private static void FillTable(PieceTable pieces, LinearParameters linear, double[]? scales, Span<float> table)
    {
        if (linear.Lanes == PanelLayout.Width)
            FillPanels(pieces, linear, scales, table);
        else
            FillCompact(pieces, linear, scales, table);
    }

    private static void FillPanels(PieceTable pieces, LinearParameters linear, double[]? scales, Span<float> table)
    {
        const int width = PanelLayout.Width;
        TableLayout layout = pieces.Layout;
        Span<double> ofLanes = stackalloc double[width];
        for (int panel = 0; panel < PanelLayout.PanelCount(linear.Outputs); panel++)
        {
            Folding.ScalesOf(scales, linear.Outputs, panel, ofLanes);
            ReadOnlySpan<float> weights = linear.Weights.Span.Slice(panel * linear.Inputs * width, linear.Inputs * width);
            Span<float> rows = table.Slice(panel * pieces.Rows * width, pieces.Rows * width);
            for (int s = 0; s < layout.Slots; s++)
            {
                // Double, rounded once, as in Folding.Fold; the first row is 0.
                TableSlot slot = layout.Slot(s);
                ReadOnlySpan<float> own = weights.Slice(slot.FirstWeight * width, slot.Pieces * width);
                if (slot.Pieces > 0)
                    ScaledLines.RunningSums(own, ofLanes, rows[(layout.BorderRow(s, 1) * width)..]);
                if (pieces.HasMissingRows)
                    ScaledLines.WeightedSum(own, ofLanes, pieces.MissingValues(s), rows[((layout.Rows + s) * width)..]);
            }
        }
    }

    private static void FillCompact(PieceTable pieces, LinearParameters linear, double[]? scales, Span<float> table)
    {
        TableLayout layout = pieces.Layout;
        for (int o = 0; o < linear.Outputs; o++)
        {
            double scale = scales?[o] ?? 1;
            ReadOnlySpan<float> weights = linear.Weights.Span[linear.WeightIndex(o, 0)..];
            Span<float> rows = table[PanelLayout.WeightIndex(0, o, pieces.Rows)..];
            for (int s = 0; s < layout.Slots; s++)
            {
                double sum = 0, missing = 0;
                ReadOnlySpan<float> missingValues = pieces.MissingValues(s);
                TableSlot slot = layout.Slot(s);
                int weight = slot.FirstWeight * linear.Lanes, row = layout.BorderRow(s, 1) * PanelLayout.Width;
                for (int piece = 0; piece < slot.Pieces; piece++, weight += linear.Lanes, row += PanelLayout.Width)
                {
                    sum += weights[weight] * scale;
                    missing += weights[weight] * scale * missingValues[piece];
                    rows[row] = (float)sum;
                }
                if (pieces.HasMissingRows)
                    rows[(layout.Rows + s) * PanelLayout.Width] = (float)missing;
            }
        }
    }

    public override void Apply(NodeInput input, int rows, PanelMatrix output)
    {
        // The network's own weights have the pieces too.
        if (_shares && input is SparseRowsInput whole)
        {
            Multiply(whole.Rows, rows, output);
            return;
        }
        if (input is not TableInput table)
            throw new ArgumentException($"A table does not read {input.GetType().Name}.", nameof(input));
        ReadOnlySpan<float> weights = _columns.Weights.Span, bias = _columns.Bias!.Span;
        if (table.Columns is { RowCapacity: 1 } one)
            MatrixMultiply.MultiplyRow(one.Span, one.Columns, weights, bias, output.Span, output.Panels, _columns.Inputs);
        else if (table.Columns is { } columns)
        {
            MatrixMultiply.Multiply(
                columns.Span, columns.RowCapacity, columns.Columns, weights, bias, output.Span,
                output.RowCapacity, 0, rows, 0, output.Panels, _columns.Inputs);
        }
        for (int row = 0; table.Entries is { } entries && row < rows; row++)
        {
            ReadOnlySpan<int> indices = entries.Indices(row);
            ReadOnlySpan<float> values = entries.Values(row);
            if (table.Columns is not null)
                SparseMultiply.Add(indices, values, weights, _columns.Inputs, output.Span, output.RowCapacity, row, 0, output.Panels);
            else
            {
                SparseMultiply.Multiply(
                    indices, values, weights, _columns.Inputs, bias, output.Span, output.RowCapacity, row, 0, output.Panels);
            }
        }
        bool isAlone = table.Columns is null && table.Entries is null;
        for (int i = 0; i < _projections.Length; i++, isAlone = false)
        {
            if (isAlone)
                Begin(rows, output);
            table.Projections[i].Project(_projections[i], rows);
            for (int row = 0; row < rows; row++)
                table.Projections[i].AddTo(row, weights, _columns.Inputs, output, 0, output.Panels);
        }
        if (_pieces is null)
            return;
        TableSums.Forward(
            table.Batch(rows), _table!.Span, _pieces.Rows, isAlone ? bias : default, output.Span, output.RowCapacity, 0, rows, 0,
            output.Panels);
    }

    private void Begin(int rows, PanelMatrix output)
    {
        for (int panel = 0; panel < output.Panels; panel++)
        {
            for (int row = 0; row < rows; row++)
                _columns.Bias!.Span.Slice(panel * PanelLayout.Width, PanelLayout.Width).CopyTo(output.Rows(panel, row, 1));
        }
    }

    /// <summary>Rows of all columns as entries, those that are projected behind all others.</summary>
    private void Multiply(SparseBatch entries, int rows, PanelMatrix output)
    {
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<int> indices = entries.Indices(row);
            ReadOnlySpan<float> values = entries.Values(row);
            int direct = indices.Length;
            if (_projections.Length > 0)
                direct = Below(indices, _directInputs);
            SparseMultiply.Multiply(
                indices[..direct], values[..direct], _columns.Weights.Span, _columns.Inputs, _columns.Bias!.Span, output.Span,
                output.RowCapacity, row, 0, output.Panels);
            int firstColumn = _directInputs, firstUnit = _directInputs;
            foreach (LinearParameters projection in _projections)
            {
                indices = indices[direct..];
                values = values[direct..];
                direct = Below(indices, firstColumn + projection.Inputs);
                AddProjected(indices[..direct], values[..direct], firstColumn, projection, firstUnit, row, output);
                firstColumn += projection.Inputs;
                firstUnit += projection.Outputs;
            }
        }
    }

    private static int Below(ReadOnlySpan<int> rising, int end)
    {
        int at = rising.BinarySearch(end);
        return at < 0 ? ~at : at;
    }

    private void AddProjected(
        ReadOnlySpan<int> indices, ReadOnlySpan<float> values, int firstColumn, LinearParameters projection, int firstUnit, int row,
        PanelMatrix output)
    {
        const int part = 64;
        Span<int> own = stackalloc int[part];
        // Padding units of the last panel are 0 and have no input.
        int panels = PanelLayout.PanelCount(projection.Outputs);
        Span<float> units = stackalloc float[panels * PanelLayout.Width];
        units.Clear();
        for (int first = 0; first < indices.Length; first += part)
        {
            int count = Math.Min(part, indices.Length - first);
            for (int i = 0; i < count; i++)
                own[i] = indices[first + i] - firstColumn;
            SparseMultiply.Add(
                own[..count], values.Slice(first, count), projection.Weights.Span, projection.Inputs, units, 1, 0, 0, panels);
        }
        for (int first = 0; first < projection.Outputs; first += part)
        {
            int count = Math.Min(part, projection.Outputs - first);
            for (int i = 0; i < count; i++)
                own[i] = firstUnit + first + i;
            SparseMultiply.Add(
                own[..count], units.Slice(first, count), _columns.Weights.Span, _columns.Inputs, output.Span, output.RowCapacity, row, 0,
                output.Panels);
        }
    }
}
