using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A linear map <c>z = x W^T + b</c> over a mini-batch, with the gradients of its parameters.</summary>
/// <remarks>The work is split by panels of outputs, so that a worker writes, and later updates, only its own weights.</remarks>
internal abstract class LinearLayer
{
    private protected LinearLayer(string name, LinearParameters parameters, PanelMatrix output)
    {
        Linear = parameters;
        Output = output;
        Weights = new ParameterBlock($"{name}.weight", parameters.Weights, isWeight: true);
        Bias = parameters.Bias is null ? null : new ParameterBlock($"{name}.bias", parameters.Bias, isWeight: false);
    }

    /// <summary>z.</summary>
    public PanelMatrix Output { get; }

    /// <summary>Weight, and bias if there is one.</summary>
    public virtual IReadOnlyList<ParameterBlock> Parameters => Bias is null ? [Weights] : [Weights, Bias];

    private protected LinearParameters Linear { get; }

    private protected ParameterBlock Weights { get; }

    private protected ParameterBlock? Bias { get; }

    /// <summary>The bias as the kernels take it: empty where there is none.</summary>
    private protected ReadOnlySpan<float> BiasValues => Linear.Bias is null ? default : Linear.Bias.Span;

    /// <summary>Whether something has to be done with a whole mini-batch before workers share the map.</summary>
    public virtual bool NeedsPreparation => false;

    /// <summary>Does it; one worker for all.</summary>
    public virtual void Prepare(int rows)
    {
    }

    /// <summary>Chooses which entries of projections the next step leaves out; null: none.</summary>
    public virtual void SetDropout(ulong? key)
    {
    }

    /// <summary>Computes all rows of the output panels [firstPanel, endPanel).</summary>
    public void Forward(int rows, int firstPanel, int endPanel) => Multiply(0, rows, firstPanel, endPanel);

    /// <summary>Computes all panels of the output rows [firstRow, endRow).</summary>
    public void ForwardRows(int firstRow, int endRow) => Multiply(firstRow, endRow, 0, Output.Panels);

    /// <summary>
    /// Gradient of the worker's own weights and biases from the gradient of <see cref="Output"/>, handed on as it is done.
    /// </summary>
    public void ParameterGradient(PanelMatrix gradient, int rows, Worker worker, IGradientConsumer consumer)
    {
        WeightGradient(gradient, rows, worker, consumer);
        (int firstPanel, int endPanel) = worker.Share(Output.Panels);
        if (Bias is null || firstPanel == endPanel)
            return;
        for (int panel = firstPanel; panel < endPanel; panel++)
        {
            ColumnStatistics.ColumnSums(
                gradient.Rows(panel, 0, rows), rows, Bias.Gradient.Span.Slice(panel * PanelLayout.Width, PanelLayout.Width));
        }
        consumer.Consume(Bias, firstPanel * PanelLayout.Width, (endPanel - firstPanel) * PanelLayout.Width);
    }

    /// <summary>
    /// Gradient with respect to the input panels [firstPanel, endPanel), with the weights of the last <see cref="RefreshTransposed"/>.
    /// </summary>
    public virtual void InputGradient(PanelMatrix gradient, PanelMatrix inputGradient, int rows, int firstPanel, int endPanel) =>
        throw new InvalidOperationException($"{GetType().Name} is a first layer and passes no gradient on.");

    /// <summary>Brings the worker's own part of the weights that <see cref="InputGradient"/> reads up to date.</summary>
    public virtual void RefreshTransposed(Worker worker)
    {
    }

    /// <summary>Computes rows [firstRow, endRow) of panels [firstPanel, endPanel) of the output; either may be empty.</summary>
    private protected abstract void Multiply(int firstRow, int endRow, int firstPanel, int endPanel);

    /// <summary>The part of <see cref="ParameterGradient"/> that concerns the weights.</summary>
    private protected abstract void WeightGradient(PanelMatrix gradient, int rows, Worker worker, IGradientConsumer consumer);
}
