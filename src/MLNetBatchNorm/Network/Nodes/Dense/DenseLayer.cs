using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A linear map whose input is a matrix in panels, with the gradient of that input.</summary>
/// <remarks>
/// A layer with a single panel of outputs (the output layer of a classifier with up to 16 classes) has too few to split: its rows are split
/// in the forward pass and its inputs, again in whole panels, in the gradient. Neither changes a bit of any result.
/// </remarks>
internal sealed class DenseLayer : LinearLayer
{
    private const int Width = PanelLayout.Width;

    private readonly MatrixProducts _products;
    private readonly AlignedBuffer? _transposed;

    /// <summary>
    /// A layer from <paramref name="input"/> to <paramref name="output"/>; one that passes no gradient down keeps no transposed weights.
    /// </summary>
    public DenseLayer(
        string name, LinearParameters parameters, PanelMatrix input, PanelMatrix output, bool passesGradient, MatrixProducts products)
        : base(name, parameters, output)
    {
        _products = products;
        Input = input;
        _transposed = passesGradient ? new AlignedBuffer(PanelLayout.Length(parameters.Outputs, parameters.Inputs)) : null;
    }

    /// <summary>x.</summary>
    public PanelMatrix Input { get; }

    public override void InputGradient(PanelMatrix gradient, PanelMatrix inputGradient, int rows, int firstPanel, int endPanel) =>
        _products.Multiply(
            gradient.Span, gradient.RowCapacity, Linear.Outputs, _transposed!.Span, default, inputGradient.Span, inputGradient.RowCapacity,
            0, rows, firstPanel, endPanel);

    public override void RefreshTransposed(Worker worker)
    {
        if (_transposed is null)
            return;
        if (Output.Panels == 1)
        {
            (int firstInput, int inputs) = InputShare(worker);
            if (inputs > 0)
            {
                MatrixMultiply.TransposeWeights(
                    Linear.Weights.Span.Slice(firstInput * Width, inputs * Width), inputs, Linear.Outputs,
                    _transposed.Span[(firstInput * Linear.Outputs)..], 0, 1);
            }
            return;
        }
        (int firstPanel, int endPanel) = worker.Share(Output.Panels);
        if (firstPanel < endPanel)
            MatrixMultiply.TransposeWeights(Linear.Weights.Span, Linear.Inputs, Linear.Outputs, _transposed.Span, firstPanel, endPanel);
    }

    private protected override void Multiply(int firstRow, int endRow, int firstPanel, int endPanel)
    {
        if (firstRow < endRow && firstPanel < endPanel)
        {
            _products.Multiply(
                Input.Span, Input.RowCapacity, Linear.Inputs, Linear.Weights.Span, BiasValues, Output.Span, Output.RowCapacity, firstRow,
                endRow, firstPanel, endPanel);
        }
    }

    private protected override void WeightGradient(PanelMatrix gradient, int rows, Worker worker, IGradientConsumer consumer)
    {
        if (Output.Panels == 1)
        {
            (int firstInput, int inputs) = InputShare(worker);
            if (inputs > 0)
            {
                _products.WeightGradient(
                    Input.Span[(firstInput * Input.RowCapacity)..], Input.RowCapacity, inputs, gradient.Span, gradient.RowCapacity, rows,
                    Weights.Gradient.Span.Slice(firstInput * Width, inputs * Width), 0, 1);
                consumer.Consume(Weights, firstInput * Width, inputs * Width);
            }
            return;
        }

        int panelLength = Linear.Inputs * Width;
        (int firstPanel, int endPanel) = worker.Share(Output.Panels);
        for (int panel = firstPanel; panel < endPanel; panel += _products.GradientPanelsAtOnce)
        {
            int end = Math.Min(panel + _products.GradientPanelsAtOnce, endPanel);
            _products.WeightGradient(
                Input.Span, Input.RowCapacity, Linear.Inputs, gradient.Span, gradient.RowCapacity, rows, Weights.Gradient.Span, panel, end);
            consumer.Consume(Weights, panel * panelLength, (end - panel) * panelLength);
        }
    }

    /// <summary>The worker's own inputs where these are split: whole panels, so that the first one is a multiple of 16.</summary>
    private (int First, int Count) InputShare(Worker worker)
    {
        (int firstPanel, int endPanel) = worker.Share(Input.Panels);
        return (firstPanel * Width, Math.Min(endPanel * Width, Linear.Inputs) - firstPanel * Width);
    }
}
