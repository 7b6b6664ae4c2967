using MLNetBatchNorm.Data;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// A first linear map of which some inputs are pieces: for these it adds up rows of a table, running
/// sums of their weights, instead of multiplying.
/// </summary>
/// <remarks>
/// The parameters are those of a <see cref="DenseLayer"/> with the pieces as columns, in the same memory, and so are its results and
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

    private protected override void Multiply(int firstRow, int endRow, int firstPanel, int endPanel)
    {
        if (firstRow != 0 || endRow != input.Order.BatchRows)
            throw new InvalidOperationException("The rows of a table are sorted for the whole mini-batch; it cannot be split by rows.");
        if (firstPanel == endPanel)
            return;
        if (input.Columns is { } columns)
        {
            products.Multiply(
                columns.Span, columns.RowCapacity, columns.Columns, Linear.Weights.Span, BiasValues, Output.Span, Output.RowCapacity,
                firstRow, endRow, firstPanel, endPanel, Linear.Inputs);
        }
        for (int row = firstRow; input.Entries is { } entries && row < endRow; row++)
        {
            SparseMultiply.Multiply(
                entries.Indices(row), entries.Values(row), Linear.Weights.Span, Linear.Inputs, BiasValues, Output.Span, Output.RowCapacity,
                row, firstPanel, endPanel);
        }
        TableSums.ForwardFromWeights(
            input.Order, Linear.Weights.Span, Linear.Inputs, default, Output.Span, Output.RowCapacity, firstPanel, endPanel);
        for (int slot = 0; slot < input.Table.Slots; slot++)
        {
            MissingPieces.Add(
                input.Table.Layout.Slot(slot), input.Table.MissingValues(slot), input.MissingIn(slot), Linear.Weights.Span, Linear.Inputs,
                Output.Span, Output.RowCapacity, firstPanel, endPanel);
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
            TableSums.WeightGradient(input.Order, gradient.Span, gradient.RowCapacity, weights, Linear.Inputs, panel, end);
            for (int slot = 0; slot < input.Table.Slots; slot++)
            {
                MissingPieces.AddWeightGradient(
                    input.Table.Layout.Slot(slot), input.Table.MissingValues(slot), input.MissingIn(slot), gradient.Span,
                    gradient.RowCapacity, weights, Linear.Inputs, panel, end);
            }
            Consume(consumer, panel, end);
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

    /// <summary>
    /// Hands on what has a gradient: with columns all there is; with entries those that occur, and the pieces.
    /// </summary>
    private void Consume(IGradientConsumer consumer, int firstPanel, int endPanel)
    {
        int panelLength = Linear.Inputs * Width;
        if (input.Entries is not { } entries)
        {
            consumer.Consume(Weights, firstPanel * panelLength, (endPanel - firstPanel) * panelLength);
            return;
        }
        int firstPiece = input.Table.Columns.EncodedInputs;
        for (int panel = firstPanel; panel < endPanel; panel++)
        {
            foreach ((int first, int end) in entries.Touched)
                consumer.Consume(Weights, (panel * Linear.Inputs + first) * Width, (end - first) * Width);
            consumer.Consume(Weights, (panel * Linear.Inputs + firstPiece) * Width, (Linear.Inputs - firstPiece) * Width);
        }
    }
}
