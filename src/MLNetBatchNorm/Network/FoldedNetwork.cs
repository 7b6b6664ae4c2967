using System.Numerics.Tensors;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Network;

/// <summary>A network, or an ensemble of them, for prediction: batch normalization folded away, only linear maps and activations are left.</summary>
/// <remarks>
/// <para>Immutable once made and shared by all threads; everything a call writes is in its <see cref="ScoringScratch"/>.</para>
/// <para>An output is one chain of fused multiply-adds over its inputs, whatever the number of rows scored together, so a row's score is the
/// same to the last bit alone or in a block, on any thread.</para>
/// </remarks>
internal sealed class FoldedNetwork
{
    /// <summary>Rows scored together: a whole number of the matrix kernel's 12-row tiles; their activations stay in the second-level cache.</summary>
    public const int BlockRows = 96;

    private readonly InputEncoder _encoder;
    private readonly ActivationFunction _activation;
    private readonly LinearParameters[][] _members;
    private readonly FrozenNormalization?[] _firstNormalizations;

    private FoldedNetwork(InputEncoder encoder, IReadOnlyList<NetworkParameters> members, bool sharesFirstLayer)
    {
        NetworkDefinition definition = members[0].Definition;
        _encoder = encoder;
        _activation = definition.Activation;
        SharesFirstLayer = sharesFirstLayer;
        _members = new LinearParameters[members.Count][];
        _firstNormalizations = new FrozenNormalization?[members.Count];
        for (int member = 0; member < _members.Length; member++)
        {
            _members[member] =
            [
                .. Enumerable.Range(0, definition.LinearCount).Select(l => l == 0 && sharesFirstLayer
                    ? members[member].Linear[0].ToScore()
                    : new LinearParameters(definition.InputsOf(l), definition.OutputsOf(l), bias: true, compact: KeepsCompact(definition, l, members.Count))),
            ];
            if (sharesFirstLayer && definition.Placement == BatchNormalizationPlacement.BeforeActivation && definition.HiddenUnits.Length > 0)
                _firstNormalizations[member] = new FrozenNormalization(members[member].BatchNormalization[0]!, definition.Epsilon);
            Refold(members[member], member);
        }
    }

    /// <summary>
    /// Whether a map has a kernel for it without padding, and so many inputs that the padding matters: more than <see cref="PaddedInputs"/> in all networks together.
    /// Below, panels are a little faster.
    /// </summary>
    public static bool KeepsCompact(NetworkDefinition definition, int layer, int members) =>
        definition.OutputsOf(layer) == 1 && (long)definition.InputsOf(layer) * members > PaddedInputs;

    /// <summary>Inputs of maps of a single output that are padded in any case: 4 MB of memory.</summary>
    private const int PaddedInputs = 1 << 16;

    /// <summary>
    /// Whether the first linear map is that of the network itself, neither copied nor folded, and the normalization behind it is an operation of
    /// its own: for sparse inputs, whose first layer is nearly all of the network and of which a row reads next to nothing.
    /// </summary>
    public bool SharesFirstLayer { get; }

    /// <summary>Number of raw feature values in a row.</summary>
    public int RawInputs => _encoder.RawInputs;

    /// <summary>Number of outputs of a row.</summary>
    public int Outputs => _members[0][^1].Outputs;

    /// <summary>The linear maps of each network, in order; an activation stands between each two.</summary>
    public IReadOnlyList<IReadOnlyList<LinearParameters>> Members => _members;

    /// <summary>Whether every weight is finite, so that finite features cannot give NaN by way of an infinite weight.</summary>
    public bool IsFinite => _members.All(member => member.All(layer => layer.IsFinite)) && !_firstNormalizations.Any(n => n is { IsFinite: false });

    /// <summary>Folds a trained network for scoring; where its input can be sparse and is wide, all but the first layer.</summary>
    public static FoldedNetwork Create(TrainedNetwork network)
    {
        // A normalization in front of the first layer can only be folded into it.
        bool shares = network.Parameters.Definition.Placement != BatchNormalizationPlacement.LayerInput
            && network.Encoder.KeepsZero && SparseInputs.AreWide(network.Encoder.RawInputs);
        return new FoldedNetwork(network.Encoder, [.. network.Members.Select(m => m.Parameters)], shares);
    }

    /// <summary>Folds a trained network whole, so that linear maps and activations are all there is to it.</summary>
    public static FoldedNetwork CreateWhole(TrainedNetwork network) => new(network.Encoder, [.. network.Members.Select(m => m.Parameters)], sharesFirstLayer: false);

    /// <summary>Folds one network behind the given encoder.</summary>
    /// <param name="encoder">From raw slots to the network's inputs.</param>
    /// <param name="parameters">The network.</param>
    /// <param name="sharesFirstLayer">See <see cref="SharesFirstLayer"/>; then the network given to <see cref="Refold"/> must always be this one.</param>
    public static FoldedNetwork Create(InputEncoder encoder, NetworkParameters parameters, bool sharesFirstLayer = false) => new(encoder, [parameters], sharesFirstLayer);

    /// <summary>Takes over the present state of a network of the same shape. Only for an instance nobody else uses.</summary>
    public void Refold(NetworkParameters parameters, int member = 0)
    {
        LinearParameters[] layers = _members[member];
        NetworkDefinition definition = parameters.Definition;
        if (SharesFirstLayer && layers[0].Lanes == parameters.Linear[0].Lanes && layers[0].Weights != parameters.Linear[0].Weights)
            throw new ArgumentException("A network that shares its first layer cannot take over another one.", nameof(parameters));
        _firstNormalizations[member]?.Refresh();
        for (int layer = SharesFirstLayer ? 1 : 0; layer < layers.Length; layer++)
        {
            BatchNormalizationParameters? before = definition.Placement switch
            {
                BatchNormalizationPlacement.LayerInput => parameters.BatchNormalization[layer],
                BatchNormalizationPlacement.AfterActivation when layer > 0 => parameters.BatchNormalization[layer - 1],
                _ => null,
            };
            BatchNormalizationParameters? behind =
                definition.Placement == BatchNormalizationPlacement.BeforeActivation ? parameters.BatchNormalization[layer] : null;
            Folding.Fold(parameters.Linear[layer], before, behind, definition.Epsilon, layers[layer]);
        }
    }

    /// <summary>Memory for calls of up to <paramref name="maximumRows"/> rows at once; one for each thread. Longer calls work in blocks.</summary>
    public ScoringScratch CreateScratch(int maximumRows = BlockRows)
    {
        // Rows of very many columns are scored in smaller blocks: the encoded block should stay well below a processor's last cache.
        const int maximumBlock = 1 << 22;
        int rows = Math.Clamp(maximumRows, 1, Math.Clamp(maximumBlock / _encoder.EncodedInputs, 1, BlockRows));
        return new ScoringScratch(rows, _encoder.EncodedInputs, _members[0], isEnsemble: _members.Length > 1);
    }

    /// <summary>Scores rows of raw features, [rows, <see cref="RawInputs"/>] row-major, into <paramref name="outputs"/>, [rows, <see cref="Outputs"/>] row-major.</summary>
    /// <param name="raw">The features.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="outputs">Room for logits or predictions.</param>
    /// <param name="scratch">Memory of the calling thread.</param>
    /// <param name="link">What makes scores of the outputs; null: they are the scores.</param>
    public void Score(ReadOnlySpan<float> raw, int rows, Span<float> outputs, ScoringScratch scratch, OutputLink? link = null)
    {
        int inputs = RawInputs;
        if (raw.Length != (long)rows * inputs)
            throw new ArgumentException($"{rows} rows of {inputs} features are {(long)rows * inputs} values, not {raw.Length}.", nameof(raw));
        if (outputs.Length < (long)rows * Outputs)
            throw new ArgumentException($"{rows} rows of {Outputs} outputs need room for {(long)rows * Outputs} values, not {outputs.Length}.", nameof(outputs));
        for (int first = 0; first < rows; first += scratch.Rows)
        {
            int count = Math.Min(scratch.Rows, rows - first);
            Encode(raw.Slice(first * inputs, count * inputs), count, scratch);
            PanelMatrix result = Forward(scratch, count);
            (link ?? OutputLink.Identity).Apply(result, count, outputs.Slice(first * Outputs, count * Outputs));
        }
    }

    /// <summary>Scores one sparse row; the same bits as the row written out.</summary>
    /// <param name="indices">Column numbers, rising.</param>
    /// <param name="values">Values of these columns; all others are 0.</param>
    /// <param name="outputs">Room for <see cref="Outputs"/> values.</param>
    /// <param name="scratch">Memory of the calling thread.</param>
    public void ScoreSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, Span<float> outputs, ScoringScratch scratch)
    {
        SparseBatch batch = scratch.SparseInput;
        batch.Clear();
        _encoder.EncodeSparse(indices, values, batch);
        PanelMatrix result = ForwardSparse(scratch);
        OutputLink.Identity.Apply(result, 1, outputs);
    }

    /// <summary>Whether sparse rows can be scored without writing them out.</summary>
    public bool TakesSparse => _encoder.KeepsZero;

    /// <summary>As <see cref="Forward(ScoringScratch, int)"/>, for the rows of the scratch's sparse input.</summary>
    public PanelMatrix ForwardSparse(ScoringScratch scratch) => Forward(scratch, scratch.SparseInput.Rows, scratch.SparseInput);

    /// <summary>Runs the layers over the first <paramref name="rows"/> rows of the scratch's encoded input and returns where the outputs are.</summary>
    public PanelMatrix Forward(ScoringScratch scratch, int rows) => Forward(scratch, rows, null);

    private PanelMatrix Forward(ScoringScratch scratch, int rows, SparseBatch? sparse)
    {
        if (scratch.Mean is not { } mean)
            return Forward(0, scratch, rows, sparse);
        Span<float> sum = mean.Span;
        for (int member = 0; member < _members.Length; member++)
        {
            ReadOnlySpan<float> outputs = Forward(member, scratch, rows, sparse).Span;
            if (member == 0)
                outputs.CopyTo(sum);
            else
                TensorPrimitives.Add(sum, outputs, sum);
        }
        TensorPrimitives.Multiply(sum, 1f / _members.Length, sum);
        return mean;
    }

    private PanelMatrix Forward(int member, ScoringScratch scratch, int rows, SparseBatch? sparse)
    {
        LinearParameters[] layers = _members[member];
        PanelMatrix? current = sparse is null ? scratch.Input : null;
        for (int layer = 0; layer < layers.Length; layer++)
        {
            LinearParameters linear = layers[layer];
            PanelMatrix next = scratch.Outputs[layer];
            if (current is null)
            {
                MultiplySparse(sparse!, linear, next);
            }
            else if (linear.Lanes == 1)
            {
                OneOutputMultiply.Multiply(current.Span, current.RowCapacity, linear.Inputs, linear.Weights.Span, linear.Bias!.Span[0], next.Span, rows);
            }
            else if (current.RowCapacity == 1)
            {
                MatrixMultiply.MultiplyRow(current.Span, linear.Inputs, linear.Weights.Span, linear.Bias!.Span, next.Span, next.Panels);
            }
            else
            {
                MatrixMultiply.Multiply(
                    current.Span, current.RowCapacity, linear.Inputs, linear.Weights.Span, linear.Bias!.Span, next.Span, next.RowCapacity, 0, rows, 0, next.Panels);
            }
            if (layer == 0 && _firstNormalizations[member] is { } normalization)
                normalization.Apply(_activation, next, rows);
            else if (layer < layers.Length - 1)
                Activate(next, rows);
            current = next;
        }
        return current!;
    }

    private void Activate(PanelMatrix values, int rows)
    {
        if (rows == values.RowCapacity)
        {
            ActivationKernels.Forward(_activation, values.Span, values.Span);
            return;
        }
        for (int p = 0; p < values.Panels; p++)
            ActivationKernels.Forward(_activation, values.Rows(p, 0, rows), values.Rows(p, 0, rows));
    }

    private static void MultiplySparse(SparseBatch rows, LinearParameters linear, PanelMatrix output)
    {
        for (int row = 0; row < rows.Rows; row++)
        {
            if (linear.Lanes == 1)
            {
                Span<float> lanes = output.Rows(0, row, 1);
                lanes.Clear();
                lanes[0] = OneOutputMultiply.Multiply(rows.Indices(row), rows.Values(row), linear.Weights.Span, linear.Bias!.Span[0]);
                continue;
            }
            SparseMultiply.Multiply(
                rows.Indices(row), rows.Values(row), linear.Weights.Span, linear.Inputs, linear.Bias!.Span, output.Span, output.RowCapacity, row, 0, output.Panels);
        }
    }

    private void Encode(ReadOnlySpan<float> raw, int rows, ScoringScratch scratch)
    {
        Span<float> input = scratch.Input.Span;
        if (scratch.Rows == 1)                         // panels of one row are a plain vector
        {
            _encoder.Encode(raw, input);
            return;
        }
        _encoder.EncodeBlock(raw, rows, scratch.Line.Span, input, scratch.Rows);
    }
}

/// <summary>What one thread writes while it scores.</summary>
internal sealed class ScoringScratch
{
    private readonly int _encodedInputs;

    // Made when first needed: rows that come sparse never need the memory of dense ones, nor the other way round.
    private PanelMatrix? _input;
    private SparseBatch? _sparseInput;
    private AlignedBuffer? _line;

    internal ScoringScratch(int rows, int encodedInputs, LinearParameters[] layers, bool isEnsemble)
    {
        Rows = rows;
        _encodedInputs = encodedInputs;
        int widest = layers.Max(l => PanelLayout.PanelCount(l.Outputs));
        long length = (long)widest * rows * PanelLayout.Width;
        AlignedBuffer[] storage = [new(length), new(length)];
        Outputs = [.. layers.Select((l, i) => new PanelMatrix(rows, l.Outputs, storage[i & 1]))];
        Mean = isEnsemble ? new PanelMatrix(rows, layers[^1].Outputs) : null;
    }

    /// <summary>Rows of a block.</summary>
    public int Rows { get; }

    /// <summary>The encoded block.</summary>
    public PanelMatrix Input => _input ??= new PanelMatrix(Rows, _encodedInputs);

    /// <summary>The encoded block where rows are sparse.</summary>
    public SparseBatch SparseInput => _sparseInput ??= new SparseBatch(_encodedInputs);

    /// <summary>One encoded row.</summary>
    internal AlignedBuffer Line => _line ??= new AlignedBuffer(PanelLayout.PanelCount(_encodedInputs) * PanelLayout.Width);

    /// <summary>Each layer's outputs; two memories serve all layers in turn.</summary>
    internal PanelMatrix[] Outputs { get; }

    /// <summary>Mean output of an ensemble's networks; null for a single network.</summary>
    internal PanelMatrix? Mean { get; }
}
