using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A network ready to be trained: layers over the parameters, and the activations of one mini-batch.</summary>
/// <remarks>
/// <para>All methods that take a <see cref="Worker"/> are called by all members of a team together. A worker computes whole panels of 16
/// columns: it multiplies, normalizes, activates and drops out its own columns of a layer for all rows of the batch without waiting, since
/// batch normalization never mixes columns. The members meet once per layer, because the next linear map reads all columns. So no sum is
/// ever split among workers, and the number of workers cannot change a bit of the result.</para>
/// <para>Backward, the same columns are the worker's own: it finishes their gradients, hands them to the optimizer, and passes on.</para>
/// </remarks>
internal sealed class FeedForwardNetwork
{
    private readonly Stage[] _stages;
    private readonly List<DropoutLayer> _dropouts = [];
    private readonly List<BatchNormLayer> _normalizations = [];

    /// <summary>Builds the layers for rows written out, or for sparse ones.</summary>
    /// <param name="parameters">As below.</param>
    /// <param name="rowCapacity">As below.</param>
    /// <param name="sparseInput">
    /// Whether rows come as <see cref="SparseRowsInput"/>; not with a normalization of the input itself, which would fill every column.
    /// </param>
    /// <param name="products">As below.</param>
    public FeedForwardNetwork(NetworkParameters parameters, int rowCapacity, bool sparseInput = false, MatrixProducts? products = null)
        : this(parameters, rowCapacity, InputOf(parameters.Definition, rowCapacity, sparseInput), products)
    {
    }

    /// <summary>Builds the layers for encoded rows, in the form that suits them.</summary>
    /// <param name="parameters">As below.</param>
    /// <param name="rowCapacity">As below.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="products">As below.</param>
    public FeedForwardNetwork(NetworkParameters parameters, int rowCapacity, EncodedRows rows, MatrixProducts? products = null)
        : this(
            parameters,
            rowCapacity,
            parameters.Definition.Plan.TableOf(rows.Encoder) is { } table
                ? new TableInput(table, rows.Shape.IsSparse, rowCapacity)
                : InputOf(parameters.Definition, rowCapacity, rows.Shape.IsSparse),
            products)
    {
    }

    /// <summary>
    /// Builds the layers over <paramref name="parameters"/>, which training changes in place, for mini-batches
    /// of up to <paramref name="rowCapacity"/> rows.
    /// </summary>
    /// <param name="parameters">What is trained.</param>
    /// <param name="rowCapacity">Rows of the largest mini-batch.</param>
    /// <param name="input">Where the first node finds the mini-batch.</param>
    /// <param name="products">What multiplies the matrices; null: <see cref="MatrixProducts.Managed"/>.</param>
    public FeedForwardNetwork(NetworkParameters parameters, int rowCapacity, NodeInput input, MatrixProducts? products = null)
    {
        Input = input;
        IReadOnlyList<PlanStage> planned = parameters.Definition.Plan.Stages();
        _stages = new Stage[planned.Count];
        for (int i = 0; i < _stages.Length; i++)
        {
            bool isLast = i == _stages.Length - 1;
            if (planned[i].Split != (isLast ? NodeScope.Rows : NodeScope.Columns) || (isLast && planned[i].Nodes.Count > 1))
                throw new NotSupportedException("Only the last linear map can be shared by rows.");
            _stages[i] = Build(
                planned[i].Nodes, parameters, rowCapacity, i == 0 ? input : new PanelInput(_stages[i - 1].Output),
                products ?? MatrixProducts.Managed);
        }

        OutputGradient = new PanelMatrix(rowCapacity, Output.Columns);
        // A layer's gradient is dead when the one before it is done: two buffers serve all layers in turn.
        long gradientLength = (long)_stages.Max(stage => stage.Output.Panels) * rowCapacity * PanelLayout.Width;
        AlignedBuffer[] storage = [new(gradientLength), new(gradientLength)];
        for (int i = 1; i < _stages.Length; i++)
            _stages[i].InputGradient = new PanelMatrix(rowCapacity, _stages[i - 1].Output.Columns, storage[i & 1]);
        Parameters = [.. _stages.SelectMany(s => s.Parameters)];
        RefreshTransposed(Worker.Alone);
    }

    /// <summary>What the first node reads: the mini-batch, filled by the caller before <see cref="Forward"/>.</summary>
    public NodeInput Input { get; }

    /// <summary>Logits or predictions of the mini-batch.</summary>
    public PanelMatrix Output => _stages[^1].Output;

    /// <summary>
    /// Gradient of the loss with respect to <see cref="Output"/>, filled by the caller before <see cref="Backward"/>; padding columns zero.
    /// </summary>
    public PanelMatrix OutputGradient { get; }

    /// <summary>Memory of the activations of one mini-batch and of their gradients.</summary>
    public long ActivationBytes =>
        sizeof(float) * Storages().Distinct().Sum(storage => (long)storage.Length);

    /// <summary>All trained arrays.</summary>
    public IReadOnlyList<ParameterBlock> Parameters { get; }

    /// <summary>The batch normalizations in the order in which the data meet them.</summary>
    public IReadOnlyList<BatchNormLayer> Normalizations => _normalizations;

    /// <summary>What computes the nodes, in order: for tests and inspection.</summary>
    public IEnumerable<object> Operations =>
        _stages.SelectMany(s => s.Linear is null ? s.Operations : s.Operations.Prepend<object>(s.Linear));

    /// <summary>Tells the layers that the parameters have been replaced from outside; nobody may be at work.</summary>
    public void Reload()
    {
        RefreshTransposed(Worker.Alone);
        foreach (BatchNormLayer layer in _normalizations)
            layer.Reload();
    }

    /// <summary>Chooses the dropout masks of the next step; null turns dropout off.</summary>
    public void SetDropout(ulong? stepKey)
    {
        for (int i = 0; i < _dropouts.Count; i++)
            _dropouts[i].Key = stepKey is { } key ? RandomStream.Mix(key + (ulong)i) : null;
    }

    /// <summary>
    /// Computes <see cref="Output"/>; every worker computes its own rows of it (<see cref="OutputRows"/>) and may use those without
    /// waiting. The caller has put a barrier between filling <see cref="Input"/> and this call.
    /// </summary>
    public void Forward(int rows, Worker worker, WorkerTeam team)
    {
        if (Input.NeedsFinish)
        {
            if (worker.Index == 0)
                Input.Finish(rows);
            team.Barrier();
        }
        for (int i = 0; i < _stages.Length - 1; i++)
        {
            Stage stage = _stages[i];
            (int first, int end) = worker.Share(stage.Output.Panels);
            stage.Linear?.Forward(rows, first, end);
            foreach (ColumnOperation operation in stage.Operations)
                operation.Forward(rows, first, end);
            team.Barrier();
        }

        (int firstRow, int endRow) = OutputRows(rows, worker);
        _stages[^1].Linear!.ForwardRows(firstRow, endRow);
    }

    /// <summary>The rows of <see cref="Output"/> that a worker computes.</summary>
    public static (int First, int End) OutputRows(int rows, Worker worker) => worker.Share(rows);

    /// <summary>
    /// Computes all gradients from <see cref="OutputGradient"/> and hands every worker's own part to <paramref name="consumer"/> as soon as
    /// it is done. The consumer may change the parameters; the pass itself no longer reads them.
    /// </summary>
    public void Backward(int rows, Worker worker, WorkerTeam team, IGradientConsumer consumer)
    {
        PanelMatrix gradient = OutputGradient;
        for (int i = _stages.Length - 1; i >= 0 && _stages[i].Linear is { } linear; i--)
        {
            team.Barrier();                            // all columns of this layer's gradient are there
            linear.ParameterGradient(gradient, rows, worker, consumer);
            if (i == 0)
                break;
            PanelMatrix inputGradient = _stages[i].InputGradient!;
            (int first, int end) = worker.Share(inputGradient.Panels);
            linear.InputGradient(gradient, inputGradient, rows, first, end);
            ColumnOperation[] below = _stages[i - 1].Operations;
            for (int o = below.Length - 1; o >= 0; o--)
            {
                below[o].Backward(inputGradient, rows, first, end);
                IReadOnlyList<ParameterBlock> blocks = below[o].Parameters;
                for (int b = 0; b < blocks.Count; b++)
                    consumer.Consume(blocks[b], first * PanelLayout.Width, (end - first) * PanelLayout.Width);
            }
            gradient = inputGradient;
        }

        team.Barrier();                                // nobody reads the transposed weights any more
        RefreshTransposed(worker);
    }

    private static NodeInput InputOf(NetworkDefinition definition, int rowCapacity, bool sparseInput)
    {
        if (!sparseInput)
            return new PanelInput(new PanelMatrix(rowCapacity, definition.Inputs));
        if (!definition.Plan.StartsWithLinear)
        {
            throw new ArgumentException(
                "Batch normalization of the network's input makes every column of a sparse row non-zero.", nameof(sparseInput));
        }
        return new SparseRowsInput(new SparseBatch(definition.Inputs));
    }

    private Stage Build(IReadOnlyList<Node> nodes, NetworkParameters parameters, int rowCapacity, NodeInput input, MatrixProducts products)
    {
        LinearLayer? linear = null;
        var operations = new List<ColumnOperation>();
        PanelMatrix? current = (input as PanelInput)?.Values;
        foreach (Node node in nodes)
        {
            if (node is LinearNode map)
            {
                linear = map.CreateLayer(input, parameters[map], rowCapacity, passesGradient: map.Index > 0, products);
                current = linear.Output;
                continue;
            }
            ColumnOperation operation = ((ColumnNode)node).CreateOperation(parameters[node], current!);
            operations.Add(operation);
            current = operation.Output;
        }
        _normalizations.AddRange(operations.OfType<BatchNormLayer>());
        _dropouts.AddRange(operations.OfType<DropoutLayer>());
        return new Stage(linear, [.. operations]);
    }

    private IEnumerable<AlignedBuffer> Storages()
    {
        IEnumerable<PanelMatrix?> matrices = [(Input as PanelInput)?.Values, (Input as TableInput)?.Columns, OutputGradient];
        foreach (Stage stage in _stages)
            matrices = matrices.Append(stage.Linear?.Output).Append(stage.InputGradient).Concat(stage.Operations.Select(o => o.Output));
        return matrices.OfType<PanelMatrix>().Select(m => m.Storage);
    }

    private void RefreshTransposed(Worker worker)
    {
        foreach (Stage stage in _stages)
            stage.Linear?.RefreshTransposed(worker);
    }

    /// <summary>A linear map and the column operations behind it; the map is missing where the network's own input is normalized.</summary>
    private sealed class Stage(LinearLayer? linear, ColumnOperation[] operations)
    {
        public LinearLayer? Linear => linear;

        public ColumnOperation[] Operations => operations;

        public PanelMatrix Output { get; } = operations.Length > 0 ? operations[^1].Output : linear!.Output;

        public IEnumerable<ParameterBlock> Parameters => (linear?.Parameters ?? []).Concat(operations.SelectMany(o => o.Parameters));

        /// <summary>Gradient of the loss with respect to what the map reads, which is the output of the stage below.</summary>
        public PanelMatrix? InputGradient { get; set; }
    }
}
