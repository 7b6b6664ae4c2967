using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// A linear map, whose outputs workers share by panels, and operations behind it that treat every column by itself. The map is missing
/// where what is treated comes from elsewhere: the network's own input, or a stage of rows.
/// </summary>
internal sealed class ColumnStage(LinearLayer? linear, ColumnOperation[] operations) : Stage
{
    private PanelMatrix? _inputGradient;
    private Stage? _below;

    public override PanelMatrix Output => operations.Length > 0 ? operations[^1].Output : linear!.Output;

    public override IEnumerable<ParameterBlock> Parameters =>
        (linear?.Parameters ?? []).Concat(operations.SelectMany(operation => operation.Parameters));

    public override IEnumerable<object> Operations => linear is null ? operations : operations.Prepend<object>(linear);

    public override IEnumerable<PanelMatrix> Matrices =>
        operations.Select(operation => operation.Output).Concat(linear is null ? [] : [linear.Output]);

    public override void AssignGradients(Stage? below, Func<PanelMatrix, PanelMatrix> gradientOf)
    {
        for (int o = operations.Length - 1; o >= 0; o--)
        {
            if (operations[o] is IReshapingOperation reshaping)
                reshaping.InputGradient = gradientOf(operations[o].Input);
        }
        _below = below;
        if (linear is not null && below is not null)
            _inputGradient = gradientOf(below.Output);
    }

    public override void Forward(int rows, Worker worker)
    {
        (int first, int end) = FirstPanels(worker);
        linear?.Forward(rows, first, end);
        for (int o = 0; o < operations.Length; o++)
        {
            operations[o].Forward(rows * operations[o].Input.Positions, first, end);
            (first, end) = operations[o].OutputPanels(first, end);
        }
    }

    public override PanelMatrix? Backward(PanelMatrix gradient, int rows, Worker worker, WorkerTeam team, IGradientConsumer consumer)
    {
        for (int o = operations.Length - 1; o >= 0; o--)
        {
            ColumnOperation operation = operations[o];
            (int first, int end) = InputPanels(o, worker);
            // It writes where the gradient two steps before was, which others may still be reading.
            if (operation is IReshapingOperation)
                team.Barrier();
            gradient = operation.Backward(gradient, rows * operation.Input.Positions, first, end);
            IReadOnlyList<ParameterBlock> blocks = operation.Parameters;
            for (int b = 0; b < blocks.Count; b++)
                consumer.Consume(blocks[b], first * PanelLayout.Width, (end - first) * PanelLayout.Width);
        }
        if (linear is null)
            return gradient;
        team.Barrier();                                // all columns of the map's gradient are there
        linear.ParameterGradient(gradient, rows, worker, consumer);
        if (_inputGradient is null)
            return null;
        (int firstInput, int endInput) = _below!.OutputPanels(worker);
        linear.InputGradient(gradient, _inputGradient, rows, firstInput, endInput);
        return _inputGradient;
    }

    public override (int First, int End) OutputPanels(Worker worker) => InputPanels(operations.Length, worker);

    public override void Refresh(Worker worker) => linear?.RefreshTransposed(worker);

    /// <summary>The worker's own panels of what an operation reads.</summary>
    private (int First, int End) InputPanels(int operation, Worker worker)
    {
        (int first, int end) = FirstPanels(worker);
        for (int o = 0; o < operation; o++)
            (first, end) = operations[o].OutputPanels(first, end);
        return (first, end);
    }

    private (int First, int End) FirstPanels(Worker worker) => worker.Share(linear?.Output.Panels ?? operations[0].Input.Panels);
}
