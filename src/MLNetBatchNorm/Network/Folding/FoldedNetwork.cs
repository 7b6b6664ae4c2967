using System.Numerics;
using System.Numerics.Tensors;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Network;

/// <summary>
/// A network, or an ensemble of them, for prediction: batch normalization folded away, only linear maps and activations are left.
/// </summary>
/// <remarks>
/// <para>Immutable once made and shared by all threads; everything a call writes is in its <see cref="ScoringScratch"/>.</para>
/// <para>An output is one chain of fused multiply-adds over its inputs, whatever the number of rows scored together, so a row's score is
/// the same to the last bit alone or in a block, on any thread.</para>
/// </remarks>
internal sealed class FoldedNetwork
{
    /// <summary>
    /// Rows scored together: a whole number of the matrix kernel's 12-row tiles; their activations stay in the second-level cache.
    /// </summary>
    public const int BlockRows = 96;

    private readonly InputEncoder _encoder;
    private readonly FoldedOperation[][] _members;
    private readonly Layer[][] _layers;

    // What comes in front of the first layer and changes its input in place: a normalization that a convolution cannot take up.
    private readonly FrozenOperation[][] _fronts;
    private readonly Plan _plan;
    private readonly float _part;

    // How the first map reads a row where it is neither all columns nor all entries; and whether it is entries where it is no such form.
    private readonly EncodedForm? _form;
    private readonly bool _takesEntries;

    private FoldedNetwork(InputEncoder encoder, IReadOnlyList<NetworkParameters> members, bool sharesFirstLayer, bool takesForm)
    {
        _encoder = encoder;
        // A projection is as large as the table that it saves, and never copied.
        sharesFirstLayer |= takesForm && encoder.Projected.Count > 0;
        SharesFirstLayer = sharesFirstLayer;
        Plan plan = _plan = members[0].Definition.Plan;
        _form = takesForm && (MayBeTable(plan, members.Count) || encoder.Projected.Count > 0) ? plan.FormOf(encoder) : null;
        _takesEntries = takesForm && _form is null && plan.TakesEntries(encoder, sparse: false);
        _members = [.. members.Select(member => Folding.Fold(member, sharesFirstLayer, map => KeepsCompact(map, members.Count), _form))];
        _layers = [.. _members.Select(Layers)];
        _fronts = [.. _members.Select(member => member.TakeWhile(o => o is FrozenOperation).Cast<FrozenOperation>().ToArray())];
        Outputs = members[0].Definition.Outputs;
        _part = members.Any(HasLargeOutputs) ? 1 / (float)BitOperations.RoundUpToPowerOf2((uint)members.Count) : 1;
    }

    /// <summary>
    /// Whether a map has a kernel for it without padding, and so many inputs that the padding matters: more than <see cref="PaddedInputs"/>
    /// in all networks together. Below, panels are a little faster.
    /// </summary>
    public static bool KeepsCompact(LinearNode map, int members) => map.Outputs == 1 && (long)map.Inputs * members > PaddedInputs;

    /// <summary>
    /// Whether the first map may have pieces as a table, which can be half as large again as its weights: not where the padding of few
    /// outputs makes these many times as large as they are in a file.
    /// </summary>
    public static bool MayBeTable(Plan plan, int members) =>
        plan.Nodes[0] is LinearNode map && (map.Outputs >= PanelLayout.Width || (long)map.Inputs * members <= PaddedInputs);

    /// <summary>Inputs of maps of a single output that are padded in any case: 4 MB of memory.</summary>
    private const int PaddedInputs = 1 << 16;

    /// <summary>
    /// Whether the first linear map is that of the network itself, neither copied nor folded, and the normalization behind it is an
    /// operation of its own: for sparse inputs, whose first layer is nearly all of the network and of which a row reads next to nothing.
    /// </summary>
    public bool SharesFirstLayer { get; }

    /// <summary>Whether rows have many slots or many categories, so that a copy of the first layer would be most of the memory.</summary>
    public static bool HasWideInput(InputEncoder encoder) =>
        RowForm.AreWide(encoder.Slots) || RowForm.AreWide(encoder.OfCategories.Columns) || encoder.Projected.Count > 0;

    /// <summary>Number of raw feature values in a row.</summary>
    public int RawInputs => _encoder.RawInputs;

    /// <summary>Number of outputs of a row.</summary>
    public int Outputs { get; }

    /// <summary>What each network consists of, in order.</summary>
    public IReadOnlyList<IReadOnlyList<FoldedOperation>> Members => _members;

    /// <summary>Whether every weight is finite, so that finite features cannot give NaN by way of an infinite weight.</summary>
    public bool IsFinite => _members.All(member => member.All(operation => operation.IsFinite));

    /// <summary>Folds the networks of a model for scoring; where their input can be sparse and is wide, all but the first layer.</summary>
    /// <param name="encoder">From raw slots to the networks' inputs.</param>
    /// <param name="networks">The networks, all of one shape.</param>
    public static FoldedNetwork Create(InputEncoder encoder, IReadOnlyList<NetworkParameters> networks)
    {
        // What stands in front of the first layer can only be folded into it.
        bool shares = networks[0].Definition.Plan.StartsWithLinear && HasWideInput(encoder);
        return new FoldedNetwork(encoder, networks, shares, takesForm: true);
    }

    /// <summary>Folds the networks of a model whole, so that linear maps of all columns and activations are all there is to them.</summary>
    public static FoldedNetwork CreateWhole(InputEncoder encoder, IReadOnlyList<NetworkParameters> networks) =>
        new(encoder, networks, sharesFirstLayer: false, takesForm: false);

    /// <summary>Folds the networks of a model for rows of a kind, to be read from where they are kept.</summary>
    public static FoldedNetwork CreateFor(RowShape rows, InputEncoder encoder, IReadOnlyList<NetworkParameters> networks) =>
        new(encoder, networks, rows.IsSparse, takesForm: true);

    /// <summary>Folds one network behind the given encoder.</summary>
    /// <param name="encoder">From raw slots to the network's inputs.</param>
    /// <param name="parameters">The network.</param>
    /// <param name="sharesFirstLayer">
    /// See <see cref="SharesFirstLayer"/>; then the network given to <see cref="Refold"/> must always be this one.
    /// </param>
    public static FoldedNetwork Create(InputEncoder encoder, NetworkParameters parameters, bool sharesFirstLayer = false) =>
        new(encoder, [parameters], sharesFirstLayer, takesForm: true);

    /// <summary>Takes over the present state of a network of the same shape. Only for an instance nobody else uses.</summary>
    public void Refold(NetworkParameters parameters, int member = 0)
    {
        foreach (FoldedOperation operation in _members[member])
            operation.Refold(parameters);
    }

    /// <summary>
    /// Memory for calls of up to <paramref name="maximumRows"/> rows at once; one for each thread. Longer calls work in blocks.
    /// </summary>
    public ScoringScratch CreateScratch(int maximumRows = BlockRows) => new(
        _plan, RowsOfScratch(maximumRows), _encoder, _form, _takesEntries, _members[0], isEnsemble: _members.Length > 1);

    /// <summary>Rows of a block of <see cref="CreateScratch"/>.</summary>
    public int RowsOfScratch(int maximumRows)
    {
        // Rows of very many columns are scored in smaller blocks: the encoded block should stay well below a processor's last cache.
        const int maximumBlock = 1 << 22;
        // A map of pictures should even stay in the second level.
        const int maximumMap = 1 << 17;
        int largest = (int)Math.Min(
            maximumMap, _members[0].Max(operation => (long)operation.Node.OutputPositions * operation.Node.Outputs));
        int fitting = _plan.HasMaps ? Math.Max(1, maximumMap / largest) : BlockRows;
        int columns = _takesEntries || _form is { Columns: null } ? _encoder.Slots : (_form?.Columns ?? _encoder).EncodedInputs;
        return Math.Clamp(maximumRows, 1, Math.Clamp(maximumBlock / columns, 1, Math.Min(fitting, BlockRows)));
    }

    /// <summary>
    /// Scores rows of raw features, [rows, <see cref="RawInputs"/>] row-major, into
    /// <paramref name="outputs"/>, [rows, <see cref="Outputs"/>] row-major.
    /// </summary>
    /// <param name="raw">The features.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="outputs">Room for logits or predictions.</param>
    /// <param name="scratch">Memory of the calling thread.</param>
    /// <param name="link">What makes scores of the outputs; null: they are the scores.</param>
    /// <param name="member">The network that scores; null: the mean of all.</param>
    public void Score(
        ReadOnlySpan<float> raw, int rows, Span<float> outputs, ScoringScratch scratch, OutputLink? link = null, int? member = null)
    {
        int inputs = RawInputs;
        if (raw.Length != (long)rows * inputs)
        {
            throw new ArgumentException(
                $"{rows} rows of {inputs} features are {(long)rows * inputs} values, not {raw.Length}.", nameof(raw));
        }
        if (outputs.Length < (long)rows * Outputs)
        {
            throw new ArgumentException(
                $"{rows} rows of {Outputs} outputs need room for {(long)rows * Outputs} values, not {outputs.Length}.", nameof(outputs));
        }
        for (int first = 0; first < rows; first += scratch.Rows)
        {
            int count = Math.Min(scratch.Rows, rows - first);
            PanelMatrix result = Forward(raw.Slice(first * inputs, count * inputs), count, scratch, link, member);
            (link ?? OutputLink.Identity).Apply(result, count, outputs.Slice(first * Outputs, count * Outputs));
        }
    }

    /// <summary>The outputs of up to a block of raw rows, with what the link has done before their mean.</summary>
    public PanelMatrix Forward(ReadOnlySpan<float> raw, int rows, ScoringScratch scratch, OutputLink? link, int? member)
    {
        Encode(raw, rows, scratch);
        return member is { } one ? Forward(one, scratch, rows, scratch.Dense, link) : Forward(scratch, rows, scratch.Dense, link);
    }

    /// <summary>Scores one sparse row; the same bits as the row written out.</summary>
    /// <param name="indices">Column numbers, rising.</param>
    /// <param name="values">Values of these columns; all others are 0.</param>
    /// <param name="outputs">Room for <see cref="Outputs"/> values.</param>
    /// <param name="scratch">Memory of the calling thread.</param>
    /// <param name="link">What makes scores of the outputs; null: they are the scores.</param>
    public void ScoreSparse(
        ReadOnlySpan<int> indices, ReadOnlySpan<float> values, Span<float> outputs, ScoringScratch scratch, OutputLink? link = null) =>
        (link ?? OutputLink.Identity).Apply(ForwardSparse(indices, values, scratch, link), 1, outputs);

    /// <summary>The outputs of one sparse row, with what the link has done before their mean.</summary>
    public PanelMatrix ForwardSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ScoringScratch scratch, OutputLink? link)
    {
        if (_encoder.Ranges is { } ranges)
        {
            if (!KeepsSparse)
            {
                Span<float> kept = scratch.Kept.AsSpan(0, ranges.Slots);
                ranges.KeepDense(indices, values, kept);
                EncodeKept(kept, 1, scratch);
                return Forward(scratch, 1, scratch.Dense, link);
            }
            int count = scratch.KeepSparse(ranges, indices, values);
            indices = scratch.KeptIndices.AsSpan(0, count);
            values = scratch.KeptValues.AsSpan(0, count);
        }
        NodeInput input = scratch.Sparse;
        if (input is TableInput table)
        {
            table.EncodeSparse(indices, values);
        }
        else
        {
            SparseBatch batch = ((SparseRowsInput)input).Rows;
            batch.Clear();
            _encoder.EncodeSparse(indices, values, batch);
        }
        return Forward(scratch, 1, input, link);
    }

    /// <summary>Whether sparse rows can be scored without writing them out.</summary>
    public bool TakesSparse => _encoder.Ranges is not null || KeepsSparse;

    // Whether a sparse row is scored as its entries.
    private bool KeepsSparse => !_plan.HasMaps && (RowForm.AreWide(_encoder.Slots) || (_form?.Front ?? _encoder).KeepsZero);

    /// <summary>Runs the nodes over rows [first, first + count) and returns where the mean of the networks' outputs is.</summary>
    /// <param name="scratch">Memory of the calling thread.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="first">The first of them.</param>
    /// <param name="count">Number of rows, up to a block.</param>
    /// <param name="link">Says what is done to the outputs before they are averaged; null: nothing.</param>
    public PanelMatrix Forward(ScoringScratch scratch, EncodedRows rows, int first, int count, OutputLink? link = null)
    {
        NodeInput input = scratch.InputFor(rows.Shape);
        input.Prepare(rows, first, count);
        input.Fill(rows, first, 0, count);
        return Forward(scratch, count, input, link);
    }

    /// <summary>Runs the nodes over the first rows of an encoded input and returns where the mean of the networks' outputs is.</summary>
    /// <param name="scratch">Memory of the calling thread.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="input">The rows.</param>
    /// <param name="link">Says what is done to the outputs before they are averaged; null: nothing.</param>
    public PanelMatrix Forward(ScoringScratch scratch, int rows, NodeInput input, OutputLink? link = null)
    {
        if (scratch.Mean is not { } mean)
            return Forward(0, scratch, rows, input, link);
        Span<float> sum = mean.Span;
        for (int member = 0; member < _members.Length; member++)
        {
            ReadOnlySpan<float> outputs = Forward(member, scratch, rows, input, link).Span;
            if (member == 0)
                TensorPrimitives.Multiply(outputs, _part, sum);
            else if (_part < 1)
                TensorPrimitives.MultiplyAdd(outputs, _part, sum, sum);
            else
                TensorPrimitives.Add(sum, outputs, sum);
        }
        TensorPrimitives.Multiply(sum, 1f / _members.Length / _part, sum);
        return mean;
    }

    /// <summary>
    /// Whether the sum over networks could overflow where their mean does not: in models of versions 1 and 2 whose labels are near the
    /// largest
    /// float. Then it is made of parts of the outputs, a power of two each, so that no bit is another.
    /// </summary>
    private static bool HasLargeOutputs(NetworkParameters network)
    {
        LinearParameters last = network.Linear[^1];
        return TensorPrimitives.MaxMagnitude(last.Weights.Span) is > LargeWeight or < -LargeWeight
            || TensorPrimitives.MaxMagnitude(last.Bias!.Span) is > LargeWeight or < -LargeWeight;
    }

    /// <summary>Far above the weights of any other network, far below what overflows.</summary>
    private const float LargeWeight = 1e25f;

    /// <summary>
    /// Whether the first maps read sparse rows of all encoded columns, pieces among them, through <see cref="ApplyFirst"/>.
    /// </summary>
    public bool FirstTakesEntries => _form is null || SharesFirstLayer;

    /// <summary>Whether the networks have convolutions in front.</summary>
    public bool HasMaps => _plan.HasMaps;

    /// <summary>Units of the first layer of each network.</summary>
    public int FirstUnits => _layers[0][0].Map.Node.Outputs;

    /// <summary>Encodes up to a block of rows as they are kept, for <see cref="ApplyFirst"/>.</summary>
    public NodeInput EncodeBlock(ReadOnlySpan<float> kept, int rows, ScoringScratch scratch)
    {
        EncodeKept(kept, rows, scratch);
        return scratch.Dense;
    }

    /// <summary>Encodes a sparse raw row as all its entries.</summary>
    public void EncodeSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ScoringScratch scratch, SparseBatch batch)
    {
        if (_encoder.Ranges is { } ranges)
        {
            int count = scratch.KeepSparse(ranges, indices, values);
            indices = scratch.KeptIndices.AsSpan(0, count);
            values = scratch.KeptValues.AsSpan(0, count);
        }
        _encoder.EncodeSparse(indices, values, batch);
    }

    /// <summary>What the first linear map of a network, with all that is folded into it, makes of encoded rows.</summary>
    public void ApplyFirst(int member, NodeInput input, int rows, PanelMatrix output) =>
        ((FoldedLinear)_layers[member][0].Map).Apply(input, rows, output);

    /// <summary>Runs what is behind the first linear maps and returns where the outputs are: the mean of all networks.</summary>
    /// <param name="scratch">Memory of the calling thread.</param>
    /// <param name="rows">Number of rows, up to a block.</param>
    /// <param name="first">What the first maps put out.</param>
    /// <param name="link">Says what is done to the outputs before they are averaged.</param>
    public PanelMatrix ForwardFrom(ScoringScratch scratch, int rows, IFirstLayerRows first, OutputLink link)
    {
        for (int member = 0; member < _members.Length; member++)
        {
            first.Fill(member, rows, scratch.First);
            PanelMatrix outputs = ForwardBehind(member, scratch, rows);
            link.BeforeMean(outputs);
            if (scratch.Mean is not { } mean)
                return outputs;
            if (member == 0)
                TensorPrimitives.Multiply(outputs.Span, _part, mean.Span);
            else
                TensorPrimitives.MultiplyAdd(outputs.Span, _part, mean.Span, mean.Span);
        }
        TensorPrimitives.Multiply(scratch.Mean!.Span, 1f / _members.Length / _part, scratch.Mean.Span);
        return scratch.Mean;
    }

    /// <summary>Runs a network from what its first map has put out.</summary>
    private PanelMatrix ForwardBehind(int member, ScoringScratch scratch, int rows)
    {
        Layer[] layers = _layers[member];
        MapOutput[] outputs = scratch.Outputs;
        for (int layer = 0; layer < layers.Length; layer++)
        {
            PanelMatrix values = outputs[layer].Values;
            if (layer > 0)
                layers[layer].Map.Apply(outputs[layer - 1].AsInput, rows, outputs[layer]);
            foreach (FrozenOperation operation in layers[layer].Behind)
                operation.Apply(values, rows * values.Positions);
        }
        return outputs[layers.Length - 1].Values;
    }

    private PanelMatrix Forward(int member, ScoringScratch scratch, int rows, NodeInput input, OutputLink? link)
    {
        Layer[] layers = _layers[member];
        MapOutput[] outputs = scratch.Outputs;
        if (_fronts[member].Length > 0)
            input = Front(member, scratch, (PanelInput)input, rows);
        for (int layer = 0; layer < layers.Length; layer++)
        {
            MapOutput output = outputs[layer];
            PanelMatrix values = output.Values;
            layers[layer].Map.Apply(input, rows, output);
            foreach (FrozenOperation operation in layers[layer].Behind)
                operation.Apply(values, rows * values.Positions);
            input = output.AsInput;
        }
        PanelMatrix last = outputs[layers.Length - 1].Values;
        link?.BeforeMean(last);
        return last;
    }

    /// <summary>What the first layer of a member reads; the input itself stays as it is, because other members read it too.</summary>
    private PanelInput Front(int member, ScoringScratch scratch, PanelInput input, int rows)
    {
        PanelInput front = scratch.FrontOf(input);
        input.Values.Span.CopyTo(front.Values.Span);
        foreach (FrozenOperation operation in _fronts[member])
            operation.Apply(front.Values, rows * front.Values.Positions);
        return front;
    }

    /// <summary>Operations in the form in which a row goes through them fastest: nothing has to be asked what it is.</summary>
    private static Layer[] Layers(FoldedOperation[] operations)
    {
        int[] starts = [.. Enumerable.Range(0, operations.Length).Where(i => operations[i] is FoldedMap), operations.Length];
        return [.. starts.SkipLast(1).Select(
            (start, l) => new Layer((FoldedMap)operations[start], [.. operations[(start + 1)..starts[l + 1]].Cast<FrozenOperation>()]))];
    }

    /// <summary>An operation that writes a matrix of its own, and what is done to that in place.</summary>
    private sealed record Layer(FoldedMap Map, FrozenOperation[] Behind);

    private void Encode(ReadOnlySpan<float> raw, int rows, ScoringScratch scratch)
    {
        if (_encoder.Ranges is { } ranges)
        {
            for (int row = 0; row < rows; row++)
            {
                Span<float> kept = scratch.Kept.AsSpan(row * ranges.Slots, ranges.Slots);
                ranges.Keep(raw.Slice(row * RawInputs, RawInputs), kept);
            }
            raw = scratch.Kept.AsSpan(0, rows * ranges.Slots);
        }
        EncodeKept(raw, rows, scratch);
    }

    private void EncodeKept(ReadOnlySpan<float> kept, int rows, ScoringScratch scratch)
    {
        if (scratch.Dense is TableInput table)
        {
            table.Encode(kept, rows, scratch.Line.Span);
            return;
        }
        if (scratch.Dense is SparseRowsInput entries)
        {
            entries.Rows.Clear();
            for (int row = 0; row < rows; row++)
                _encoder.EncodeFilled(kept.Slice(row * _encoder.Slots, _encoder.Slots), entries.Rows);
            return;
        }
        if (scratch.Dense is PictureInput pictures)
        {
            pictures.Encode(_encoder, kept, rows);
            return;
        }
        if (scratch.Dense is MapInput map)
        {
            map.Encode(_encoder, kept, rows);
            return;
        }
        Span<float> input = ((PanelInput)scratch.Dense).Values.Span;
        if (scratch.Rows == 1)                         // panels of one row are a plain vector
        {
            _encoder.EncodeKept(kept, input);
            return;
        }
        _encoder.EncodeBlock(kept, rows, scratch.Line.Span, input, scratch.Rows);
    }
}
