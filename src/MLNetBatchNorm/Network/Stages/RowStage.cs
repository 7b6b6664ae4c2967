using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// A linear map, whose outputs workers share by rows, and operations behind it that treat every row by itself; one of the two may be
/// missing. The last linear map of a network is such a stage: the loss reads whole rows.
/// </summary>
internal sealed class RowStage(LinearLayer? linear, RowOperation[] operations) : Stage
{
    // The gradient of what each operation reads; null where nothing learns that it would reach.
    private readonly PanelMatrix?[] _gradients = new PanelMatrix?[operations.Length];
    private PanelMatrix? _inputGradient;
    private Stage? _below;

    public override PanelMatrix Output => operations.Length > 0 ? operations[^1].Output : linear!.Output;

    public override IEnumerable<ParameterBlock> Parameters =>
        (linear?.Parameters ?? []).Concat(operations.SelectMany(operation => operation.Parameters));

    public override IEnumerable<object> Operations => linear is null ? operations : operations.Prepend<object>(linear);

    public override IEnumerable<PanelMatrix> Matrices =>
        operations.Select(operation => operation.Output).Concat(linear is null ? [] : [linear.Output]);

    public override long ScratchBytes => operations.Sum(operation => operation.ScratchBytes);

    public override void AssignGradients(Stage? below, Func<PanelMatrix, PanelMatrix> gradientOf)
    {
        for (int o = operations.Length - 1; o >= 0; o--)
        {
            PanelMatrix? input = o > 0 ? operations[o - 1].Output : linear?.Output ?? below?.Output;
            // What is between two operations is read and written by rows of different sizes at the same time: memory of its own.
            _gradients[o] = input is null ? null
                : o > 0 ? new PanelMatrix(input.RowCapacity, input.Columns) { Positions = input.Positions }
                : gradientOf(input);
        }
        _below = below;
        if (linear is not null && below is not null)
            _inputGradient = gradientOf(below.Output);
    }

    public override void Forward(int rows, Worker worker)
    {
        (int first, int end) = Share(rows, worker);
        linear?.ForwardRows(first, end);
        foreach (RowOperation operation in operations)
            operation.Forward(first, end, worker);
    }

    public override PanelMatrix? Backward(PanelMatrix gradient, int rows, Worker worker, WorkerTeam team, IGradientConsumer consumer)
    {
        team.Barrier();                                // all columns of the gradient are there
        if (operations.Length > 0)
        {
            PanelMatrix? current = gradient;
            for (int o = operations.Length - 1; o >= 0; o--)
            {
                operations[o].Backward(current!, _gradients[o], rows, worker);
                current = _gradients[o];
            }
            team.Barrier();                            // all rows of all gradients are there
            for (int o = operations.Length - 1; o >= 0; o--)
                operations[o].FinishGradients(rows, worker, consumer);
            if (linear is null)
                return current;
            gradient = current!;
        }
        linear!.ParameterGradient(gradient, rows, worker, consumer);
        if (_inputGradient is null)
            return null;
        (int firstInput, int endInput) = _below!.OutputPanels(worker);
        linear.InputGradient(gradient, _inputGradient, rows, firstInput, endInput);
        return _inputGradient;
    }

    /// <remarks>Any share will do: <see cref="Backward"/> begins with all workers waiting for each other.</remarks>
    public override (int First, int End) OutputPanels(Worker worker) => worker.Share(Output.Panels);

    public override void Refresh(Worker worker)
    {
        linear?.RefreshTransposed(worker);
        foreach (RowOperation operation in operations)
            operation.Refresh(worker);
    }

    /// <summary>The rows that a worker computes: as the loss shares them where it reads them, in whole chunks else.</summary>
    private (int First, int End) Share(int rows, Worker worker) =>
        operations.Length == 0 ? worker.Share(rows) : RowChunks.Share(rows, worker);
}
