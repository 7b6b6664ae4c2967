using System.Numerics.Tensors;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Network;

/// <summary>What each slot of a row contributes to its score: Shapley values over a single base (<see cref="ShapleyPlan"/>).</summary>
/// <remarks>
/// <para>
/// A slot that does not play is as if its value were unknown: the first layer reads the mean of the slot's columns over the training rows,
/// without the effect of being missing. (In models of versions 1 and 2, what they read of a missing value; 0 where values pass untouched.)
/// The base is the score with no slot playing (baseline Shapley: Sundararajan and Najmi 2020, arXiv:1908.08474). In wide rows, where
/// nearly all slots of a row are 0, a slot whose 0 is encoded as 0 has 0 for its base, so that only what a row has contributes.
/// </para>
/// <para>
/// The first map is linear: a player adds the same vector to it whoever else plays. These vectors are computed once a row; a coalition is
/// then a sum of them, and only the layers behind are run for it, in blocks.
/// </para>
/// <para>Immutable; what a row writes is in its <see cref="ContributionScratch"/>.</para>
/// </remarks>
internal sealed class ShapleyContributions
{
    private readonly FoldedNetwork _network;
    private readonly InputEncoder _encoder;
    private readonly OutputLink _link;
    private readonly bool _isCentred;

    // A kept row in which nobody plays, and the player of each of its slots.
    private readonly float[] _nobody;
    private readonly int[] _playersOfKept;

    // Columns that say that a slot is missing, and the slots.
    private readonly int[] _missingColumns;
    private readonly int[] _missingSlots;

    // Of wide rows: the player of each column, and the columns that are not 0 in the base, rising.
    private readonly int[] _playersOfColumns = [];
    private readonly int[] _baseColumns = [];
    private readonly float[] _baseValues = [];

    // What the first maps put out for the base; of wide rows also for nothing at all.
    private readonly float[] _base;
    private readonly float[] _biases = [];
    private readonly double[] _baseOutputs;

    /// <param name="network">The network.</param>
    /// <param name="encoder">Its encoder.</param>
    /// <param name="ranges">Slots that are one player; null: none.</param>
    /// <param name="link">What makes scores of outputs.</param>
    /// <param name="isCentred">
    /// Whether outputs count less their mean over the outputs: logits of classes, of which what they have in common says nothing.
    /// </param>
    public ShapleyContributions(FoldedNetwork network, InputEncoder encoder, SlotRanges? ranges, OutputLink link, bool isCentred)
    {
        _network = network;
        _encoder = encoder;
        _link = link;
        _isCentred = isCentred;
        Players = new ContributionPlayers(encoder.RawInputs, ranges);
        _nobody = new float[encoder.Slots];
        _nobody.AsSpan().Fill(encoder.IsIdentity ? 0 : float.NaN);
        _nobody.AsSpan(encoder.Ranges?.Numbers ?? encoder.Slots).Fill(CategoryRanges.Silent);
        _playersOfKept = [.. Enumerable.Range(0, encoder.Slots).Select(slot => Players.PlayerOf(RawSlotOf(slot)))];
        EncodedColumn[] columns = [.. encoder.Describe()];
        _missingColumns = [.. Enumerable.Range(0, columns.Length).Where(column => columns[column].Kind == EncodedColumnKind.Missing)];
        _missingSlots = [.. _missingColumns.Select(column => columns[column].Slot)];
        Units = PanelLayout.PanelCount(network.FirstUnits) * PanelLayout.Width;
        IsWide = RowForm.AreWide(encoder.Slots) && network is { TakesSparse: true, FirstTakesEntries: true };
        _base = new float[Width];
        ContributionScratch scratch = CreateScratch();
        if (IsWide)
        {
            _playersOfColumns = [.. columns.Select(column => Players.PlayerOf(column.Slot))];
            (_baseColumns, _baseValues) = SparseBase(columns);
            _biases = new float[Width];
            SetFirst([], [], _biases);
            SetFirst(_baseColumns, _baseValues, _base);
        }
        else
        {
            NodeInput input = EncodeSilently(_nobody, 1, scratch, player: -1);
            for (int member = 0; member < network.Members.Count; member++)
            {
                network.ApplyFirst(member, input, 1, scratch.Block.First);
                Take(scratch.Block.First, 0, _base.AsSpan(member * Units, Units));
            }
        }

        PanelMatrix outputs = network.ForwardFrom(scratch.Block, 1, new BaseRow(this), _link);
        float[] scores = new float[Outputs];
        (_link.Slope is null ? _link : OutputLink.Identity).Apply(outputs, 1, scores);
        _baseOutputs = [.. scores.Select(score => (double)score)];
        _link.Apply(outputs, 1, scores);
        BaseScores = scores;
        if (isCentred)
        {
            double mean = _baseOutputs.Average();
            BaseScores = [.. _baseOutputs.Select(output => (float)(output - mean))];
        }

        void SetFirst(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, float[] first)
        {
            SparseBatch batch = scratch.Differences.Rows;
            batch.Clear();
            batch.BeginRow();
            batch.AddEntries(indices, values);
            for (int member = 0; member < network.Members.Count; member++)
            {
                network.ApplyFirst(member, scratch.Differences, 1, scratch.Block.First);
                Take(scratch.Block.First, 0, first.AsSpan(member * Units, Units));
            }
        }
    }

    /// <summary>Who contributes.</summary>
    public ContributionPlayers Players { get; }

    /// <summary>Number of outputs.</summary>
    public int Outputs => _network.Outputs;

    /// <summary>What contributions are added to: the score of the base, for each output.</summary>
    public IReadOnlyList<float> BaseScores { get; }

    /// <summary>Whether only what a row has that is not 0 is looked at.</summary>
    public bool IsWide { get; }

    /// <summary>Units of one network's first layer, in whole panels.</summary>
    internal int Units { get; }

    /// <summary>The same of all networks together.</summary>
    internal int Width => _network.Members.Count * Units;

    /// <summary>What the first layers put out for the base.</summary>
    internal ReadOnlySpan<float> Base => _base;

    /// <summary>Memory of one thread.</summary>
    public ContributionScratch CreateScratch() => new(this, _network, _encoder);

    /// <summary>Explains one row written out; what comes of it is in the scratch.</summary>
    public void Explain(ReadOnlySpan<float> raw, ContributionScratch scratch)
    {
        if (IsWide)
        {
            scratch.TakeEntries(raw);
            ExplainSparse(scratch.EntryIndices, scratch.EntryValues, scratch);
            return;
        }
        scratch.Begin();
        _network.Score(raw, 1, scratch.Outputs, scratch.Row, _link.Unscaled);
        FindPlayers(raw, scratch);
        Solve(scratch);
        for (int i = 0; i < scratch.Count; i++)
        {
            (int first, int count) = Players.SlotsOf(scratch.Player(i));
            int slot = first;
            while (count > 1 && slot < first + count && !IsSet(slot, raw[slot]))
                slot++;
            scratch.SetSlot(i, slot < first + count ? slot : first);
        }
    }

    /// <summary>Explains one sparse row of a wide table; the same values as of the row written out.</summary>
    public void ExplainSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ContributionScratch scratch)
    {
        scratch.Begin();
        _network.ScoreSparse(indices, values, scratch.Outputs, scratch.Row, _link.Unscaled);
        FindPlayers(indices, values, scratch);
        Solve(scratch);
        for (int i = 0; i < scratch.Count; i++)
        {
            (int first, int count) = Players.SlotsOf(scratch.Player(i));
            int slot = first, at = indices.BinarySearch(first);
            if (at < 0)
                at = ~at;
            for (; count > 1 && at < indices.Length && indices[at] < first + count; at++)
            {
                if (IsSet(indices[at], values[at]))
                {
                    slot = indices[at];
                    break;
                }
            }
            scratch.SetSlot(i, slot);
        }
    }

    /// <summary>The vectors that players add to the first layers: each alone with the base, less the base.</summary>
    private void FindPlayers(ReadOnlySpan<float> raw, ContributionScratch scratch)
    {
        // A category that plays is what the row keeps of it, also where that is that it is missing.
        ReadOnlySpan<float> own = raw;
        if (_encoder.Ranges is { } ranges)
        {
            ranges.Keep(raw, scratch.Kept);
            own = scratch.Kept;
        }
        for (int player = 0; player < Players.Count; player += scratch.Block.Rows)
        {
            int rows = Math.Min(scratch.Block.Rows, Players.Count - player);
            Span<float> known = scratch.KeptRows(rows);
            for (int r = 0; r < rows; r++)
                _nobody.CopyTo(known[(r * own.Length)..]);
            for (int slot = 0; slot < own.Length; slot++)
            {
                int r = _playersOfKept[slot] - player;
                if (r >= 0 && r < rows)
                    known[r * own.Length + slot] = own[slot];
            }
            AddPlayers(EncodeSilently(known, rows, scratch, player), player, rows, _base, scratch);
        }
    }

    /// <summary>The same for a sparse row: the columns in which it differs from the base, player by player.</summary>
    private void FindPlayers(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ContributionScratch scratch)
    {
        SparseBatch encoded = scratch.Encoded;
        encoded.Clear();
        _network.EncodeSparse(indices, values, scratch.Row, encoded);
        scratch.BeginDifferences();
        ReadOnlySpan<int> columns = encoded.Indices(0);
        ReadOnlySpan<float> entries = encoded.Values(0);
        for (int i = 0, b = 0; i < columns.Length || b < _baseColumns.Length;)
        {
            int column = i == columns.Length ? _baseColumns[b]
                : b == _baseColumns.Length ? columns[i]
                : Math.Min(columns[i], _baseColumns[b]);
            float difference = 0;
            if (i < columns.Length && columns[i] == column)
                difference = entries[i++];
            if (b < _baseColumns.Length && _baseColumns[b] == column)
                difference -= _baseValues[b++];
            if (difference != 0)
                scratch.AddDifference(_playersOfColumns[column], column, difference);
        }
        scratch.SortDifferences();
        for (int first = 0; first < scratch.DifferingPlayers; first += scratch.Block.Rows)
        {
            int rows = Math.Min(scratch.Block.Rows, scratch.DifferingPlayers - first);
            scratch.FillDifferences(first, rows);
            AddPlayers(scratch.Differences, first, rows, _biases, scratch);
        }
    }

    private void AddPlayers(NodeInput input, int first, int rows, ReadOnlySpan<float> less, ContributionScratch scratch)
    {
        scratch.Reserve(rows);
        for (int member = 0; member < _network.Members.Count; member++)
        {
            PanelMatrix output = scratch.Block.First;
            _network.ApplyFirst(member, input, rows, output);
            for (int r = 0; r < rows; r++)
            {
                Span<float> vector = scratch.Vector(scratch.Count + r).Slice(member * Units, Units);
                Take(output, r, vector);
                TensorPrimitives.Subtract(vector, less.Slice(member * Units, Units), vector);
            }
        }
        scratch.Keep(first, rows);
    }

    /// <summary>Scores all coalitions and makes values of them.</summary>
    private void Solve(ContributionScratch scratch)
    {
        int outputs = Outputs;
        double? slope = _link.Slope;
        ShapleyPlan plan = scratch.Plan;
        plan.Prepare(scratch.Count);
        int coalitions = scratch.Count < 2 ? 0 : plan.Steps.Length;
        Span<double> scores = scratch.Scores(coalitions);
        OutputLink link = slope is null ? _link : OutputLink.Identity;
        for (int done = 0; done < coalitions; done += scratch.Block.Rows)
        {
            int rows = Math.Min(scratch.Block.Rows, coalitions - done);
            scratch.FirstStep = done;
            PanelMatrix result = _network.ForwardFrom(scratch.Block, rows, scratch, _link);
            Span<float> linked = scratch.Linked(rows);
            link.Apply(result, rows, linked);
            for (int i = 0; i < rows * outputs; i++)
                scores[done * outputs + i] = linked[i];
        }

        Span<double> everybody = scratch.Everybody;
        if (slope is null)
        {
            // The row's own outputs, through the link.
            PanelMatrix one = scratch.OneRow;
            scratch.Outputs.CopyTo(one.Span);
            link.Apply(one, 1, scratch.Outputs);
        }
        for (int o = 0; o < outputs; o++)
            everybody[o] = scratch.Outputs[o];
        Span<double> values = scratch.ReserveValues();
        plan.Solve(_baseOutputs, scores, everybody, values);
        if (slope is not (null or 1))
            TensorPrimitives.Multiply(values, slope.Value, values);
        for (int i = 0; _isCentred && i < values.Length; i += outputs)
        {
            Span<double> player = values.Slice(i, outputs);
            TensorPrimitives.Subtract(
                player, TensorPrimitives.Sum<double>(player) / outputs, player);
        }
    }

    /// <summary>Encodes kept rows of which only one player's slots are known: in row r that of the r-th from the given one on.</summary>
    private NodeInput EncodeSilently(ReadOnlySpan<float> kept, int rows, ContributionScratch scratch, int player)
    {
        NodeInput input = _network.EncodeBlock(kept, rows, scratch.Block);
        if (_missingColumns.Length == 0)
            return input;
        // Not known is not the same as missing.
        if (input is SparseRowsInput entries)
        {
            Silence(entries.Rows, rows, player);
            return input;
        }
        PanelMatrix columns = input is TableInput table ? table.Columns! : ((PanelInput)input).Values;
        for (int r = 0; r < rows; r++)
        {
            for (int i = 0; i < _missingColumns.Length; i++)
            {
                if (player < 0 || Players.PlayerOf(_missingSlots[i]) != player + r)
                    columns.Span[PanelLayout.Index(r, _missingColumns[i], columns.RowCapacity)] = 0;
            }
        }
        return input;
    }

    /// <summary>The same of entries.</summary>
    private void Silence(SparseBatch entries, int rows, int player)
    {
        for (int r = 0; r < rows; r++)
        {
            for (int i = 0; i < _missingColumns.Length; i++)
            {
                int at = entries.Indices(r).BinarySearch(_missingColumns[i]);
                if (at >= 0 && (player < 0 || Players.PlayerOf(_missingSlots[i]) != player + r))
                    entries.ValuesToChange(r)[at] = 0;
            }
        }
    }

    /// <summary>What is not 0 in the base of wide rows: slots whose 0 is not encoded as 0 have their mean.</summary>
    private (int[] Columns, float[] Values) SparseBase(EncodedColumn[] columns)
    {
        var batch = new SparseBatch(_encoder.EncodedInputs);
        _encoder.EncodeSparse([], [], batch);
        List<int> filled = [.. batch.Indices(0).ToArray().Select(column => columns[column].Slot).Distinct().Order()];
        if (_encoder.Ranges is { } ranges)
        {
            // Numbers as rows keep them; categories say nothing.
            filled = [.. filled.Select(ranges.Find).Where(found => found.Range < 0).Select(found => found.Slot)];
            filled.AddRange(Enumerable.Range(ranges.Numbers, ranges.Count));
        }
        batch.Clear();
        _encoder.EncodeSparse(filled.ToArray(), filled.Select(slot => _nobody[slot]).ToArray(), batch);
        List<int> kept = [];
        List<float> values = [];
        for (int i = 0; i < batch.Indices(0).Length; i++)
        {
            int column = batch.Indices(0)[i];
            if (columns[column].Kind == EncodedColumnKind.Missing || batch.Values(0)[i] == 0)
                continue;
            kept.Add(column);
            values.Add(batch.Values(0)[i]);
        }
        return ([.. kept], [.. values]);
    }

    /// <summary>The raw slot that a slot of a kept row is; of a category its first.</summary>
    private int RawSlotOf(int slot) =>
        _encoder.Ranges is not { } ranges ? slot : slot < ranges.Numbers ? ranges.RawSlotOf(slot) : ranges[slot - ranges.Numbers].First;

    /// <summary>Whether a slot of a category is the one that a row has.</summary>
    private bool IsSet(int slot, float value) => !float.IsNaN(value) && value != _encoder.OffOf(slot);

    private static void Take(PanelMatrix matrix, int row, Span<float> vector)
    {
        for (int panel = 0; panel < matrix.Panels; panel++)
            matrix.Rows(panel, row, 1).CopyTo(vector[(panel * PanelLayout.Width)..]);
    }

    /// <summary>The base as the row of a block.</summary>
    private sealed class BaseRow(ShapleyContributions contributions) : IFirstLayerRows
    {
        public void Fill(int member, int rows, PanelMatrix output)
        {
            ReadOnlySpan<float> vector = contributions.Base.Slice(member * contributions.Units, contributions.Units);
            for (int panel = 0; panel < output.Panels; panel++)
                vector.Slice(panel * PanelLayout.Width, PanelLayout.Width).CopyTo(output.Rows(panel, 0, 1));
        }
    }
}
