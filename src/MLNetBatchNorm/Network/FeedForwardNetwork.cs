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
    private readonly LinearLayer? _firstMap;
    private AlignedBuffer[] _gradients = [];
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
            parameters.Definition.Plan.FormOf(rows.Encoder) is { } form
                ? new TableInput(form, rows.Shape.IsSparse, rowCapacity)
                : InputOf(parameters.Definition, rowCapacity, parameters.Definition.Plan.TakesEntries(rows.Encoder, rows.Shape.IsSparse)),
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
            _stages[i] = Build(
                planned[i], parameters, rowCapacity, i == 0 ? input : new PanelInput(_stages[i - 1].Output),
                products ?? MatrixProducts.Managed);
        }

        _firstMap = _stages[0].Operations.First() as LinearLayer;
        OutputGradient = new PanelMatrix(rowCapacity, Output.Columns);
        AssignGradients();
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
        sizeof(float) * Storages().Distinct().Sum(storage => (long)storage.Length) + _stages.Sum(stage => stage.ScratchBytes);

    /// <summary>All trained arrays.</summary>
    public IReadOnlyList<ParameterBlock> Parameters { get; }

    /// <summary>The batch normalizations in the order in which the data meet them.</summary>
    public IReadOnlyList<BatchNormLayer> Normalizations => _normalizations;

    /// <summary>What computes the nodes, in order: for tests and inspection.</summary>
    public IEnumerable<object> Operations => _stages.SelectMany(stage => stage.Operations);

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
        _firstMap?.SetDropout(stepKey is { } first ? RandomStream.Mix(first + (ulong)_dropouts.Count) : null);
    }

    /// <summary>
    /// Computes <see cref="Output"/>; every worker computes its own rows of it (<see cref="OutputRows"/>) and may use those without
    /// waiting. The caller has put a barrier between filling <see cref="Input"/> and this call.
    /// </summary>
    public void Forward(int rows, Worker worker, WorkerTeam team)
    {
        if (Input.NeedsFinish || _firstMap is { NeedsPreparation: true })
        {
            if (worker.Index == 0)
            {
                if (Input.NeedsFinish)
                    Input.Finish(rows);
                _firstMap?.Prepare(rows);
            }
            team.Barrier();
        }
        for (int i = 0; i < _stages.Length; i++)
        {
            if (i > 0)
                team.Barrier();
            _stages[i].Forward(rows, worker);
        }
    }

    /// <summary>The rows of <see cref="Output"/> that a worker computes.</summary>
    public static (int First, int End) OutputRows(int rows, Worker worker) => worker.Share(rows);

    /// <summary>
    /// Computes all gradients from <see cref="OutputGradient"/> and hands every worker's own part to <paramref name="consumer"/> as soon as
    /// it is done. The consumer may change the parameters; the pass itself no longer reads them.
    /// </summary>
    public void Backward(int rows, Worker worker, WorkerTeam team, IGradientConsumer consumer)
    {
        PanelMatrix? gradient = OutputGradient;
        for (int i = _stages.Length - 1; i >= 0; i--)
            gradient = _stages[i].Backward(gradient!, rows, worker, team, consumer);

        team.Barrier();                                // nobody reads the transposed weights any more
        RefreshTransposed(worker);
    }

    private static NodeInput InputOf(NetworkDefinition definition, int rowCapacity, bool sparseInput)
    {
        if (!sparseInput)
            return definition.Plan.CreateInput(rowCapacity);
        if (!definition.Plan.StartsWithLinear)
        {
            throw new ArgumentException(
                "Batch normalization of the network's input makes every column of a sparse row non-zero.", nameof(sparseInput));
        }
        return new SparseRowsInput(new SparseBatch(definition.Inputs));
    }

    private Stage Build(PlanStage planned, NetworkParameters parameters, int rowCapacity, NodeInput input, MatrixProducts products)
    {
        LinearLayer? linear = null;
        var columns = new List<ColumnOperation>();
        var rows = new List<RowOperation>();
        NodeInput current = input;
        foreach (Node node in planned.Nodes)
        {
            bool passesGradient = node.Index > 0;
            switch (node)
            {
                case LinearNode map:
                    linear = map.CreateLayer(current, parameters[map], rowCapacity, passesGradient, products);
                    current = new PanelInput(linear.Output);
                    break;
                case RowNode row:
                    rows.Add(row.CreateOperation(current, parameters[row], rowCapacity, passesGradient));
                    current = new PanelInput(rows[^1].Output);
                    break;
                default:
                    columns.Add(((ColumnNode)node).CreateOperation(parameters[node], ((PanelInput)current).Values));
                    current = new PanelInput(columns[^1].Output);
                    break;
            }
        }
        _normalizations.AddRange(columns.OfType<BatchNormLayer>());
        _dropouts.AddRange(columns.OfType<DropoutLayer>());
        return planned.Split == NodeScope.Rows ? new RowStage(linear, [.. rows]) : new ColumnStage(linear, [.. columns]);
    }

    /// <summary>
    /// Two memories serve the gradients of all matrices in turn: one is dead when the one in front of it is done.
    /// </summary>
    private void AssignGradients()
    {
        var asked = new List<PanelMatrix>();
        Assign(matrix =>
        {
            asked.Add(matrix);
            return matrix;
        });
        long length = asked.Count == 0 ? 0 : asked.Max(matrix => (long)matrix.Panels * matrix.RowCapacity * PanelLayout.Width);
        _gradients = [new(length), new(length)];
        int turn = 0;
        Assign(matrix => new PanelMatrix(matrix.RowCapacity, matrix.Columns, _gradients[turn++ & 1]) { Positions = matrix.Positions });

        void Assign(Func<PanelMatrix, PanelMatrix> gradientOf)
        {
            for (int i = _stages.Length - 1; i >= 0; i--)
                _stages[i].AssignGradients(i > 0 ? _stages[i - 1] : null, gradientOf);
        }
    }

    private IEnumerable<AlignedBuffer> Storages()
    {
        IEnumerable<AlignedBuffer?> inputs =
            [(Input as PanelInput)?.Values.Storage, (Input as TableInput)?.Columns?.Storage, (Input as PictureInput)?.Storage];
        return inputs.OfType<AlignedBuffer>().Append(OutputGradient.Storage).Concat(_gradients)
            .Concat(_stages.SelectMany(stage => stage.Matrices).Select(matrix => matrix.Storage));
    }

    private void RefreshTransposed(Worker worker)
    {
        foreach (Stage stage in _stages)
            stage.Refresh(worker);
    }
}
