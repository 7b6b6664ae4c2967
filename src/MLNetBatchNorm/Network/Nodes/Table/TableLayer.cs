using MLNetBatchNorm.Data;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// A first linear map that multiplies columns, adds the weights of entries and, for pieces, adds up rows of a table, running
/// sums of their weights, instead of multiplying.
/// </summary>
/// <remarks>
/// The parameters are those of a <see cref="DenseLayer"/> with all as columns, in the same memory, and so are its results and
/// gradients up to rounding: the table passes through registers and is never stored. A worker writes and updates only its own panels.
/// </remarks>
internal sealed class TableLayer(string name, LinearParameters parameters, TableInput input, PanelMatrix output, MatrixProducts products)
    : LinearLayer(name, parameters, output)
{
    private const int Width = PanelLayout.Width;

    /// <summary>
    /// Panels of which the table's rows are read together; their gradients are in the second-level cache when the optimizer comes.
    /// </summary>
    private const int PanelsAtOnce = 4;

    private readonly TableProjection[] _projections = [.. input.Projections.Select((each, i) => new TableProjection(
        i == 0 ? $"{name}.projection" : $"{name}.projection{i + 1}", parameters, parameters.Projections[i], each, output.RowCapacity))];

    // Inputs that no projection makes.
    private readonly int _directInputs = parameters.DirectInputs;

    public override IReadOnlyList<ParameterBlock> Parameters => [.. base.Parameters, .. _projections.Select(each => each.Weights)];

    public override bool NeedsPreparation => _projections.Length > 0;

    public override void SetDropout(ulong? key)
    {
        foreach (TableProjection projection in _projections)
            projection.DropoutKey = key;
    }

    public override void Prepare(int rows)
    {
        foreach (TableProjection projection in _projections)
            projection.Prepare(rows);
    }

    private protected override void Multiply(int firstRow, int endRow, int firstPanel, int endPanel)
    {
        if (input.Order is not null && (firstRow != 0 || endRow != input.Order.BatchRows))
            throw new InvalidOperationException("The rows of a table are sorted for the whole mini-batch; it cannot be split by rows.");
        if (firstPanel == endPanel)
            return;
        Span<float> output = Output.Span;
        ReadOnlySpan<float> weights = Linear.Weights.Span;
        if (input.Columns is { } columns)
        {
            products.Multiply(
                columns.Span, columns.RowCapacity, columns.Columns, weights, BiasValues, output, Output.RowCapacity,
                firstRow, endRow, firstPanel, endPanel, Linear.Inputs);
        }
        for (int row = firstRow; input.Entries is { } entries && row < endRow; row++)
        {
            ReadOnlySpan<int> indices = entries.Indices(row);
            ReadOnlySpan<float> values = entries.Values(row);
            if (input.Columns is not null)
                SparseMultiply.Add(indices, values, weights, Linear.Inputs, output, Output.RowCapacity, row, firstPanel, endPanel);
            else
            {
                SparseMultiply.Multiply(
                    indices, values, weights, Linear.Inputs, BiasValues, output, Output.RowCapacity, row, firstPanel, endPanel);
            }
        }
        bool isFirst = input.Columns is null && input.Entries is null;
        foreach (ProjectedInput projection in input.Projections)
        {
            if (isFirst)
                Begin(firstRow, endRow, firstPanel, endPanel);
            isFirst = false;
            for (int row = firstRow; row < endRow; row++)
                projection.AddTo(row, weights, Linear.Inputs, Output, firstPanel, endPanel);
        }
        if (input.Table is not { } table)
            return;
        // Without anything in front of the table its sums begin at the bias.
        if (isFirst && BiasValues.IsEmpty)
            Begin(firstRow, endRow, firstPanel, endPanel);
        TableSums.ForwardFromWeights(
            input.Order!, weights, Linear.Inputs, isFirst ? BiasValues : default, output, Output.RowCapacity, firstPanel, endPanel);
        for (int slot = 0; slot < table.Slots; slot++)
        {
            MissingPieces.Add(
                table.Layout.Slot(slot), table.MissingValues(slot), input.MissingIn(slot), weights, Linear.Inputs, output,
                Output.RowCapacity, firstPanel, endPanel);
        }
    }

    private protected override void WeightGradient(PanelMatrix gradient, int rows, Worker worker, IGradientConsumer consumer)
    {
        (int firstPanel, int endPanel) = worker.Share(Output.Panels);
        Span<float> weights = Weights.Gradient.Span;
        for (int panel = firstPanel; panel < endPanel; panel += PanelsAtOnce)
        {
            int end = Math.Min(panel + PanelsAtOnce, endPanel);
            if (input.Columns is { } columns)
            {
                products.WeightGradient(
                    columns.Span, columns.RowCapacity, columns.Columns, gradient.Span, gradient.RowCapacity, rows,
                    weights, panel, end, Linear.Inputs);
            }
            if (input.Entries is { } entries)
                AddEntries(entries, gradient, rows, weights, panel, end);
            if (input.Table is { } table)
            {
                TableSums.WeightGradient(input.Order!, gradient.Span, gradient.RowCapacity, weights, Linear.Inputs, panel, end);
                for (int slot = 0; slot < table.Slots; slot++)
                {
                    MissingPieces.AddWeightGradient(
                        table.Layout.Slot(slot), table.MissingValues(slot), input.MissingIn(slot), gradient.Span,
                        gradient.RowCapacity, weights, Linear.Inputs, panel, end);
                }
            }
            foreach (TableProjection projection in _projections)
                projection.AddUnits(gradient, rows, weights, panel, end);
            Consume(consumer, panel, end);
        }
        if (worker.Index != 0)
            return;
        foreach (TableProjection projection in _projections)
            projection.Gradient(gradient, rows, products, consumer);
    }

    /// <summary>Writes what sums begin at where nothing has been multiplied.</summary>
    private void Begin(int firstRow, int endRow, int firstPanel, int endPanel)
    {
        for (int panel = firstPanel; panel < endPanel; panel++)
        {
            Span<float> rows = Output.Rows(panel, firstRow, endRow - firstRow);
            if (BiasValues.IsEmpty)
            {
                rows.Clear();
                continue;
            }
            ReadOnlySpan<float> bias = BiasValues.Slice(panel * Width, Width);
            for (int at = 0; at < rows.Length; at += Width)
                bias.CopyTo(rows[at..]);
        }
    }

    /// <summary>Gradient of the weights that the batch's entries touch, and of no others.</summary>
    private void AddEntries(SparseBatch entries, PanelMatrix gradient, int rows, Span<float> weights, int firstPanel, int endPanel)
    {
        for (int panel = firstPanel; panel < endPanel; panel++)
        {
            foreach ((int first, int end) in entries.Touched)
                weights.Slice((panel * Linear.Inputs + first) * Width, (end - first) * Width).Clear();
        }
        for (int row = 0; row < rows; row++)
        {
            SparseMultiply.AddWeightGradient(
                entries.Indices(row), entries.Values(row), gradient.Span, gradient.RowCapacity, row, weights, Linear.Inputs,
                firstPanel, endPanel);
        }
    }

    /// <summary>Hands on what has a gradient: columns and pieces, and of entries those that occur.</summary>
    private void Consume(IGradientConsumer consumer, int firstPanel, int endPanel)
    {
        int panelLength = Linear.Inputs * Width;
        if (input.Entries is not { } entries)
        {
            consumer.Consume(Weights, firstPanel * panelLength, (endPanel - firstPanel) * panelLength);
            return;
        }
        // The units of projections are behind the pieces.
        int firstPiece = input.Table?.Columns.EncodedInputs ?? _directInputs;
        for (int panel = firstPanel; panel < endPanel; panel++)
        {
            if (input.Columns is { } columns)
                consumer.Consume(Weights, panel * panelLength, columns.Columns * Width);
            foreach ((int first, int end) in entries.Touched)
                consumer.Consume(Weights, (panel * Linear.Inputs + first) * Width, (end - first) * Width);
            if (firstPiece < Linear.Inputs)
                consumer.Consume(Weights, (panel * Linear.Inputs + firstPiece) * Width, (Linear.Inputs - firstPiece) * Width);
        }
    }
}
