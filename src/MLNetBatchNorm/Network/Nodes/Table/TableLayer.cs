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

    // Where there is a projection: its weights with their gradient, which inputs of the map are its units, the weights of these as they
    // were before the step, turned around, and the gradient of the units.
    private readonly ParameterBlock? _narrow =
        parameters.Narrow is null ? null : new ParameterBlock($"{name}.projection", parameters.Narrow.Weights, isWeight: true);
    private readonly int[] _units =
        [.. Enumerable.Range(parameters.Inputs - (parameters.Narrow?.Outputs ?? 0), parameters.Narrow?.Outputs ?? 0)];
    private readonly AlignedBuffer _weightsOfUnits = new((long)output.Panels * Width * (parameters.Narrow?.Outputs ?? 0));
    private readonly AlignedBuffer _transposed =
        new(parameters.Narrow is null ? 0 : PanelLayout.Length(parameters.Outputs, parameters.Narrow.Outputs));
    private readonly PanelMatrix? _unitGradient =
        parameters.Narrow is null ? null : new PanelMatrix(output.RowCapacity, parameters.Narrow.Outputs);

    public override IReadOnlyList<ParameterBlock> Parameters => _narrow is null ? base.Parameters : [.. base.Parameters, _narrow];

    public override bool NeedsPreparation => _narrow is not null;

    public override void Prepare(int rows)
    {
        if (Linear.Narrow is not { } narrow)
            return;
        input.Project(narrow, rows);
        int length = narrow.Outputs * Width;
        for (int panel = 0; panel < Output.Panels; panel++)
        {
            Linear.Weights.Span.Slice((panel * Linear.Inputs + _units[0]) * Width, length)
                .CopyTo(_weightsOfUnits.Span[(panel * length)..]);
        }
        MatrixMultiply.TransposeWeights(
            _weightsOfUnits.Span, narrow.Outputs, Linear.Outputs, _transposed.Span, 0, Output.Panels);
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
        for (int row = firstRow; _narrow is not null && row < endRow; row++)
        {
            ReadOnlySpan<float> units = input.NarrowUnits!.Rows(0, row, 1)[.._units.Length];
            if (input.Columns is not null || input.Entries is not null)
                SparseMultiply.Add(_units, units, weights, Linear.Inputs, output, Output.RowCapacity, row, firstPanel, endPanel);
            else
            {
                SparseMultiply.Multiply(
                    _units, units, weights, Linear.Inputs, BiasValues, output, Output.RowCapacity, row, firstPanel, endPanel);
            }
        }
        if (input.Table is not { } table)
            return;
        // Without anything in front of the table its sums begin at the bias.
        bool isAlone = input.Columns is null && input.Entries is null && _narrow is null;
        if (isAlone && BiasValues.IsEmpty)
        {
            for (int panel = firstPanel; panel < endPanel; panel++)
                Output.Rows(panel, firstRow, endRow - firstRow).Clear();
        }
        TableSums.ForwardFromWeights(
            input.Order!, weights, Linear.Inputs, isAlone ? BiasValues : default, output, Output.RowCapacity, firstPanel, endPanel);
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
            if (_narrow is not null)
                AddUnits(gradient, rows, weights, panel, end);
            Consume(consumer, panel, end);
        }
        if (_narrow is not null && worker.Index == 0)
            NarrowGradient(gradient, rows, consumer);
    }

    /// <summary>Gradient of the weights of the projection's units.</summary>
    private void AddUnits(PanelMatrix gradient, int rows, Span<float> weights, int firstPanel, int endPanel)
    {
        for (int panel = firstPanel; panel < endPanel; panel++)
            weights.Slice((panel * Linear.Inputs + _units[0]) * Width, _units.Length * Width).Clear();
        for (int row = 0; row < rows; row++)
        {
            SparseMultiply.AddWeightGradient(
                _units, input.NarrowUnits!.Rows(0, row, 1)[.._units.Length], gradient.Span, gradient.RowCapacity, row, weights,
                Linear.Inputs, firstPanel, endPanel);
        }
    }

    /// <summary>Gradient of the projection, of the columns that occur, by way of that of its units.</summary>
    private void NarrowGradient(PanelMatrix gradient, int rows, IGradientConsumer consumer)
    {
        PanelMatrix units = _unitGradient!;
        SparseBatch entries = input.NarrowEntries!;
        int columns = Linear.Narrow!.Inputs;
        products.Multiply(
            gradient.Span, gradient.RowCapacity, Linear.Outputs, _transposed.Span, default, units.Span, units.RowCapacity, 0, rows, 0,
            units.Panels);
        foreach ((int first, int end) in entries.Touched)
            _narrow!.Gradient.Span.Slice(first * Width, (end - first) * Width).Clear();
        for (int row = 0; row < rows; row++)
        {
            SparseMultiply.AddWeightGradient(
                entries.Indices(row), entries.Values(row), units.Span, units.RowCapacity, row, _narrow!.Gradient.Span, columns, 0,
                units.Panels);
        }
        foreach ((int first, int end) in entries.Touched)
            consumer.Consume(_narrow!, first * Width, (end - first) * Width);
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
        // The units of a projection are behind the pieces.
        int firstPiece = input.Table?.Columns.EncodedInputs ?? Linear.Inputs - _units.Length;
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
