using MLNetBatchNorm.Data;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A first linear map whose input rows are sparse: costs are those of the entries a batch has, not of all columns.</summary>
/// <remarks>
/// Only weights of columns that occur in the batch have a gradient, and only they, with their part of the optimizer's
/// state, are touched by a step. What an optimizer does to a weight without a gradient (decay, momentum) waits until
/// its column occurs, as in PyTorch's SparseAdam.
/// </remarks>
internal sealed class SparseLayer(string name, LinearParameters parameters, SparseBatch input, PanelMatrix output) : LinearLayer(
    name, parameters, output)
{
    private const int Width = PanelLayout.Width;

    /// <summary>x.</summary>
    public SparseBatch Input { get; } = input;

    private protected override void Multiply(int firstRow, int endRow, int firstPanel, int endPanel)
    {
        for (int row = firstRow; row < endRow; row++)
        {
            SparseMultiply.Multiply(
                Input.Indices(row), Input.Values(row), Linear.Weights.Span, Linear.Inputs, BiasValues, Output.Span,
                Output.RowCapacity, row, firstPanel, endPanel);
        }
    }

    private protected override void WeightGradient(PanelMatrix gradient, int rows, Worker worker, IGradientConsumer consumer)
    {
        (int firstPanel, int endPanel) = worker.Share(Output.Panels);
        Span<float> weights = Weights.Gradient.Span;
        for (int panel = firstPanel; panel < endPanel; panel++)
        {
            foreach ((int first, int end) in Input.Touched)
                weights.Slice((panel * Linear.Inputs + first) * Width, (end - first) * Width).Clear();
        }
        for (int row = 0; row < rows; row++)
        {
            SparseMultiply.AddWeightGradient(
                Input.Indices(row), Input.Values(row), gradient.Span, gradient.RowCapacity, row, weights,
                Linear.Inputs, firstPanel, endPanel);
        }
        for (int panel = firstPanel; panel < endPanel; panel++)
        {
            foreach ((int first, int end) in Input.Touched)
                consumer.Consume(Weights, (panel * Linear.Inputs + first) * Width, (end - first) * Width);
        }
    }
}
