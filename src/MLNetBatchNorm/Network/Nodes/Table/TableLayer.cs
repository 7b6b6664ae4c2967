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

    private PanelMatrix Columns => input.Columns;

    private protected override void Multiply(int firstRow, int endRow, int firstPanel, int endPanel)
    {
        if (firstRow != 0 || endRow != input.Order.BatchRows)
            throw new InvalidOperationException("The rows of a table are sorted for the whole mini-batch; it cannot be split by rows.");
        if (firstPanel == endPanel)
            return;
        products.Multiply(
            Columns.Span, Columns.RowCapacity, Columns.Columns, Linear.Weights.Span, BiasValues, Output.Span, Output.RowCapacity, firstRow,
            endRow, firstPanel, endPanel, Linear.Inputs);
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
        int panelLength = Linear.Inputs * Width;
        (int firstPanel, int endPanel) = worker.Share(Output.Panels);
        Span<float> weights = Weights.Gradient.Span;
        for (int panel = firstPanel; panel < endPanel; panel += PanelsAtOnce)
        {
            int end = Math.Min(panel + PanelsAtOnce, endPanel);
            products.WeightGradient(
                Columns.Span, Columns.RowCapacity, Columns.Columns, gradient.Span, gradient.RowCapacity, rows,
                weights, panel, end, Linear.Inputs);
            TableSums.WeightGradient(input.Order, gradient.Span, gradient.RowCapacity, weights, Linear.Inputs, panel, end);
            for (int slot = 0; slot < input.Table.Slots; slot++)
            {
                MissingPieces.AddWeightGradient(
                    input.Table.Layout.Slot(slot), input.Table.MissingValues(slot), input.MissingIn(slot), gradient.Span,
                    gradient.RowCapacity, weights, Linear.Inputs, panel, end);
            }
            consumer.Consume(Weights, panel * panelLength, (end - panel) * panelLength);
        }
    }
}
