using MLNetBatchNorm.Data;
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
    private readonly NetworkDefinition _definition;
    private readonly List<ColumnOperation> _inputOperations = [];
    private readonly List<Stage> _stages = [];
    private readonly List<DropoutLayer> _dropouts = [];
    private readonly List<BatchNormLayer> _normalizations = [];

    /// <summary>Builds the layers over <paramref name="parameters"/>, which training changes in place, for mini-batches of up to <paramref name="rowCapacity"/> rows.</summary>
    /// <param name="parameters">What is trained.</param>
    /// <param name="rowCapacity">Rows of the largest mini-batch.</param>
    /// <param name="sparseInput">Whether rows come as <see cref="SparseInput"/>; not with a normalization of the input itself, which would fill every column.</param>
    /// <param name="products">What multiplies the matrices; null: <see cref="MatrixProducts.Managed"/>.</param>
    public FeedForwardNetwork(NetworkParameters parameters, int rowCapacity, bool sparseInput = false, MatrixProducts? products = null)
    {
        _definition = parameters.Definition;
        if (sparseInput && _definition.Placement == BatchNormalizationPlacement.LayerInput)
            throw new ArgumentException("Batch normalization of the network's input makes every column of a sparse row non-zero.", nameof(sparseInput));
        SparseInput = sparseInput ? new SparseBatch(_definition.Inputs) : null;
        Input = new PanelMatrix(sparseInput ? 0 : rowCapacity, _definition.Inputs);
        PanelMatrix current = Input;
        if (_definition.Placement == BatchNormalizationPlacement.LayerInput)
            current = AddNormalization(_inputOperations, parameters, 0, null, current);

        int widest = _inputOperations.Count > 0 ? Input.Panels : 1;
        for (int layer = 0; layer < parameters.Linear.Length; layer++)
        {
            bool passesGradient = layer > 0 || _inputOperations.Count > 0;
            var linearOutput = new PanelMatrix(rowCapacity, _definition.OutputsOf(layer));
            string name = $"linear{layer + 1}";
            var stage = new Stage(layer == 0 && SparseInput is not null
                ? new SparseLayer(name, parameters.Linear[layer], SparseInput, linearOutput)
                : new DenseLayer(name, parameters.Linear[layer], current, linearOutput, passesGradient, products ?? MatrixProducts.Managed));
            _stages.Add(stage);
            current = linearOutput;
            widest = Math.Max(widest, linearOutput.Panels);
            if (layer < _definition.HiddenUnits.Length)
                current = AddHiddenOperations(stage.Operations, parameters, layer, current);
        }

        Output = current;
        OutputGradient = new PanelMatrix(rowCapacity, _definition.Outputs);
        // A layer's gradient is dead when the one before it is done: two buffers serve all layers in turn.
        long gradientLength = (long)widest * rowCapacity * PanelLayout.Width;
        AlignedBuffer[] storage = [new(gradientLength), new(gradientLength)];
        for (int layer = _inputOperations.Count > 0 ? 0 : 1; layer < _stages.Count; layer++)
            _stages[layer].InputGradient = new PanelMatrix(rowCapacity, _definition.InputsOf(layer), storage[layer & 1]);
        Parameters = [.. _inputOperations.SelectMany(o => o.Parameters), .. _stages.SelectMany(s => s.Linear.Parameters.Concat(s.Operations.SelectMany(o => o.Parameters)))];
        RefreshTransposed(Worker.Alone);
    }

    /// <summary>The mini-batch where it is sparse, filled by the caller before <see cref="Forward"/>; else null.</summary>
    public SparseBatch? SparseInput { get; }

    /// <summary>The mini-batch where it is not sparse, filled by the caller before <see cref="Forward"/>.</summary>
    public PanelMatrix Input { get; }

    /// <summary>Logits or predictions of the mini-batch.</summary>
    public PanelMatrix Output { get; }

    /// <summary>Gradient of the loss with respect to <see cref="Output"/>, filled by the caller before <see cref="Backward"/>; padding columns zero.</summary>
    public PanelMatrix OutputGradient { get; }

    /// <summary>Memory of the activations of one mini-batch and of their gradients.</summary>
    public long ActivationBytes =>
        sizeof(float) * (Storages().Distinct().Sum(storage => (long)storage.Length));

    /// <summary>All trained arrays.</summary>
    public IReadOnlyList<ParameterBlock> Parameters { get; }

    /// <summary>The batch normalizations in the order in which the data meet them.</summary>
    public IReadOnlyList<BatchNormLayer> Normalizations => _normalizations;

    /// <summary>Every operation's name and what it has written in the last forward pass, in order: for tests and inspection.</summary>
    public IEnumerable<(string Operation, object Layer)> Operations =>
        _inputOperations.Select(o => (o.GetType().Name, (object)o))
            .Concat(_stages.SelectMany(s => new (string, object)[] { (nameof(DenseLayer), s.Linear) }.Concat(s.Operations.Select(o => (o.GetType().Name, (object)o)))));

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
    /// Computes <see cref="Output"/>; every worker computes its own rows of it (<see cref="OutputRows"/>) and may use those without waiting.
    /// The caller has put a barrier between filling <see cref="Input"/> and this call.
    /// </summary>
    public void Forward(int rows, Worker worker, WorkerTeam team)
    {
        if (_inputOperations.Count > 0)
        {
            (int first, int end) = worker.Share(Input.Panels);
            foreach (ColumnOperation operation in _inputOperations)
                operation.Forward(rows, first, end);
            team.Barrier();
        }

        for (int layer = 0; layer < _stages.Count - 1; layer++)
        {
            Stage stage = _stages[layer];
            (int first, int end) = worker.Share(stage.Linear.Output.Panels);
            stage.Linear.Forward(rows, first, end);
            foreach (ColumnOperation operation in stage.Operations)
                operation.Forward(rows, first, end);
            team.Barrier();
        }

        (int firstRow, int endRow) = OutputRows(rows, worker);
        _stages[^1].Linear.ForwardRows(firstRow, endRow);
    }

    /// <summary>The rows of <see cref="Output"/> that a worker computes.</summary>
    public static (int First, int End) OutputRows(int rows, Worker worker) => worker.Share(rows);

    /// <summary>
    /// Computes all gradients from <see cref="OutputGradient"/> and hands every worker's own part to <paramref name="consumer"/> as soon as it is
    /// done. The consumer may change the parameters; the pass itself no longer reads them.
    /// </summary>
    public void Backward(int rows, Worker worker, WorkerTeam team, IGradientConsumer consumer)
    {
        PanelMatrix gradient = OutputGradient;
        for (int layer = _stages.Count - 1; layer >= 0; layer--)
        {
            LinearLayer linear = _stages[layer].Linear;
            team.Barrier();                            // all columns of this layer's gradient are there
            linear.ParameterGradient(gradient, rows, worker, consumer);
            List<ColumnOperation> below = layer > 0 ? _stages[layer - 1].Operations : _inputOperations;
            if (layer == 0 && below.Count == 0)
                break;
            PanelMatrix inputGradient = _stages[layer].InputGradient!;
            (int first, int end) = worker.Share(inputGradient.Panels);
            ((DenseLayer)linear).InputGradient(gradient, inputGradient, rows, first, end);
            for (int i = below.Count - 1; i >= 0; i--)
            {
                below[i].Backward(inputGradient, rows, first, end);
                IReadOnlyList<ParameterBlock> blocks = below[i].Parameters;
                for (int b = 0; b < blocks.Count; b++)
                    consumer.Consume(blocks[b], first * PanelLayout.Width, (end - first) * PanelLayout.Width);
            }
            gradient = inputGradient;
        }

        team.Barrier();                                // nobody reads the transposed weights any more
        RefreshTransposed(worker);
    }

    private IEnumerable<AlignedBuffer> Storages()
    {
        IEnumerable<PanelMatrix?> matrices = [Input, Output, OutputGradient];
        foreach (Stage stage in _stages)
            matrices = matrices.Append(stage.Linear.Output).Append(stage.InputGradient).Concat(stage.Operations.Select(o => o.Output));
        return matrices.Concat(_inputOperations.Select(o => o.Output)).OfType<PanelMatrix>().Select(m => m.Storage);
    }

    private void RefreshTransposed(Worker worker)
    {
        foreach (Stage stage in _stages)
            (stage.Linear as DenseLayer)?.RefreshTransposed(worker);
    }

    private PanelMatrix AddHiddenOperations(List<ColumnOperation> operations, NetworkParameters parameters, int layer, PanelMatrix current)
    {
        ActivationFunction activation = _definition.Activation;
        switch (_definition.Placement)
        {
            case BatchNormalizationPlacement.BeforeActivation:
                current = AddNormalization(operations, parameters, layer, activation, current);
                break;
            case BatchNormalizationPlacement.AfterActivation:
                current = AddActivation(operations, activation, current);
                current = AddNormalization(operations, parameters, layer, null, current);
                break;
            default:
                current = AddActivation(operations, activation, current);
                break;
        }
        if (_definition.DropoutRate > 0)
        {
            var dropout = new DropoutLayer((float)_definition.DropoutRate, current, new PanelMatrix(current.RowCapacity, current.Columns));
            operations.Add(dropout);
            _dropouts.Add(dropout);
            current = dropout.Output;
        }
        if (_definition.Placement == BatchNormalizationPlacement.LayerInput && parameters.BatchNormalization[layer + 1] is not null)
            current = AddNormalization(operations, parameters, layer + 1, null, current);
        return current;
    }

    private static PanelMatrix AddActivation(List<ColumnOperation> operations, ActivationFunction activation, PanelMatrix current)
    {
        operations.Add(new ActivationLayer(activation, current, new PanelMatrix(current.RowCapacity, current.Columns)));
        return operations[^1].Output;
    }

    private PanelMatrix AddNormalization(
        List<ColumnOperation> operations, NetworkParameters parameters, int layer, ActivationFunction? activation, PanelMatrix current)
    {
        var normalization = new BatchNormLayer(
            $"bn{layer + 1}", parameters.BatchNormalization[layer]!, _definition, activation, current, new PanelMatrix(current.RowCapacity, current.Columns));
        operations.Add(normalization);
        _normalizations.Add(normalization);
        return normalization.Output;
    }

    /// <summary>A linear map and the column operations behind it.</summary>
    private sealed class Stage(LinearLayer linear)
    {
        public LinearLayer Linear { get; } = linear;

        public List<ColumnOperation> Operations { get; } = [];

        public PanelMatrix? InputGradient { get; set; }
    }
}
