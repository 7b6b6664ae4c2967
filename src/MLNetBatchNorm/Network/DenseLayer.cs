using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A linear map <c>z = x W^T + b</c> over a mini-batch, with its gradients.</summary>
/// <remarks>
/// The work is split by panels of outputs, so that a worker writes, and later updates, only its own weights. A layer with a single panel
/// (the output layer of a classifier with up to 16 classes) has too few of those: its rows are split in the forward pass and its inputs,
/// again in whole panels, in the gradient. Neither changes a bit of any result.
/// </remarks>
internal sealed class DenseLayer
{
    private const int Width = PanelLayout.Width;

    private readonly LinearParameters _parameters;
    private readonly ParameterBlock _weights;
    private readonly ParameterBlock? _bias;
    private readonly AlignedBuffer? _transposed;

    /// <summary>A layer from <paramref name="input"/> to <paramref name="output"/>; one that passes no gradient down keeps no transposed weights.</summary>
    public DenseLayer(string name, LinearParameters parameters, PanelMatrix input, PanelMatrix output, bool passesGradient)
    {
        _parameters = parameters;
        Input = input;
        Output = output;
        _weights = new ParameterBlock($"{name}.weight", parameters.Weights, isWeight: true);
        _bias = parameters.Bias is null ? null : new ParameterBlock($"{name}.bias", parameters.Bias, isWeight: false);
        _transposed = passesGradient ? new AlignedBuffer(PanelLayout.Length(parameters.Outputs, parameters.Inputs)) : null;
    }

    /// <summary>x.</summary>
    public PanelMatrix Input { get; }

    /// <summary>z.</summary>
    public PanelMatrix Output { get; }

    /// <summary>Weight, and bias if there is one.</summary>
    public IReadOnlyList<ParameterBlock> Parameters => _bias is null ? [_weights] : [_weights, _bias];

    /// <summary>Computes all rows of the output panels [firstPanel, endPanel).</summary>
    public void Forward(int rows, int firstPanel, int endPanel) => Multiply(0, rows, firstPanel, endPanel);

    /// <summary>Computes all panels of the output rows [firstRow, endRow).</summary>
    public void ForwardRows(int firstRow, int endRow) => Multiply(firstRow, endRow, 0, Output.Panels);

    /// <summary>Gradient of the worker's own weights and biases from the gradient of <see cref="Output"/>, handed on as it is done.</summary>
    public void ParameterGradient(PanelMatrix gradient, int rows, Worker worker, IGradientConsumer consumer)
    {
        (int firstPanel, int endPanel) = worker.Share(Output.Panels);
        if (Output.Panels == 1)
        {
            (int firstInputPanel, int endInputPanel) = worker.Share(Input.Panels);
            int firstInput = firstInputPanel * Width;
            int inputs = Math.Min(endInputPanel * Width, _parameters.Inputs) - firstInput;
            if (inputs > 0)
            {
                MatrixMultiply.WeightGradient(
                    Input.Span[(firstInputPanel * Input.RowCapacity * Width)..], Input.RowCapacity, inputs, gradient.Span, gradient.RowCapacity, rows,
                    _weights.Gradient.Span.Slice(firstInput * Width, inputs * Width), 0, 1);
                consumer.Consume(_weights, firstInput * Width, inputs * Width);
            }
        }
        else
        {
            int panelLength = _parameters.Inputs * Width;
            for (int panel = firstPanel; panel < endPanel; panel += PanelsAtOnce)
            {
                int end = Math.Min(panel + PanelsAtOnce, endPanel);
                MatrixMultiply.WeightGradient(
                    Input.Span, Input.RowCapacity, _parameters.Inputs, gradient.Span, gradient.RowCapacity, rows, _weights.Gradient.Span, panel, end);
                consumer.Consume(_weights, panel * panelLength, (end - panel) * panelLength);
            }
        }

        if (_bias is null || firstPanel == endPanel)
            return;
        for (int panel = firstPanel; panel < endPanel; panel++)
            ColumnStatistics.ColumnSums(gradient.Rows(panel, 0, rows), rows, _bias.Gradient.Span.Slice(panel * Width, Width));
        consumer.Consume(_bias, firstPanel * Width, (endPanel - firstPanel) * Width);
    }

    /// <summary>Gradient with respect to the input panels [firstPanel, endPanel), with the weights of the last <see cref="RefreshTransposed"/>.</summary>
    public void InputGradient(PanelMatrix gradient, PanelMatrix inputGradient, int rows, int firstPanel, int endPanel) =>
        MatrixMultiply.Multiply(
            gradient.Span, gradient.RowCapacity, _parameters.Outputs, _transposed!.Span, default, inputGradient.Span, inputGradient.RowCapacity, 0, rows, firstPanel, endPanel);

    /// <summary>Brings the worker's own part of the transposed weights up to date.</summary>
    public void RefreshTransposed(Worker worker)
    {
        if (_transposed is null)
            return;
        if (Output.Panels == 1)
        {
            (int firstInputPanel, int endInputPanel) = worker.Share(Input.Panels);
            int firstInput = firstInputPanel * Width;
            int inputs = Math.Min(endInputPanel * Width, _parameters.Inputs) - firstInput;
            if (inputs > 0)
            {
                MatrixMultiply.TransposeWeights(
                    _parameters.Weights.Span.Slice(firstInput * Width, inputs * Width), inputs, _parameters.Outputs,
                    _transposed.Span[(firstInputPanel * _parameters.Outputs * Width)..], 0, 1);
            }
            return;
        }
        (int firstPanel, int endPanel) = worker.Share(Output.Panels);
        if (firstPanel < endPanel)
            MatrixMultiply.TransposeWeights(_parameters.Weights.Span, _parameters.Inputs, _parameters.Outputs, _transposed.Span, firstPanel, endPanel);
    }

    // Two panels of 512 inputs are 64 KiB of gradient: small enough to be in the second-level cache still when the optimizer reads them.
    private const int PanelsAtOnce = 2;

    private void Multiply(int firstRow, int endRow, int firstPanel, int endPanel)
    {
        if (firstRow < endRow && firstPanel < endPanel)
        {
            MatrixMultiply.Multiply(
                Input.Span, Input.RowCapacity, _parameters.Inputs, _parameters.Weights.Span, _parameters.Bias is null ? default : _parameters.Bias.Span,
                Output.Span, Output.RowCapacity, firstRow, endRow, firstPanel, endPanel);
        }
    }
}
