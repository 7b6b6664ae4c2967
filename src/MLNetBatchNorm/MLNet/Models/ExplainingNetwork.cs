using System.Collections.Concurrent;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm;

/// <summary>
/// What all kinds of model parameters share beside <see cref="ScoringNetwork"/>: the contributions of slots to scores.
/// </summary>
/// <remarks>Immutable, and safe for any number of threads; what a row writes is in a scratch that a thread takes and gives back.</remarks>
internal sealed class ExplainingNetwork
{
    private readonly IExceptionContext _context;
    // Of each part of the model; contributions are linear in it, as scores are in front of a link of classes or behind one of logarithms.
    private readonly ShapleyContributions[] _contributions;
    private readonly IReadOnlyList<float> _shares;
    private readonly int _slots;
    private readonly ConcurrentBag<ContributionScratch[]> _spares = [];

    /// <param name="context">Throws.</param>
    /// <param name="scoring">The network.</param>
    /// <param name="outputsAreClasses">Whether outputs are logits of classes.</param>
    public ExplainingNetwork(IExceptionContext context, ScoringNetwork scoring, bool outputsAreClasses)
    {
        if (scoring.Folded.HasMaps)
        {
            throw context.ExceptNotSupp(
                "The network has convolutions; what slots contribute to a score is known for networks of tables only. "
                + "PermutationFeatureImportance works for both.");
        }

        _context = context;
        _slots = scoring.Inputs;
        _shares = scoring.Folded.Shares;
        _contributions = [.. scoring.Trained.Ensembles.Zip(scoring.Folded.Parts, (own, folded) => new ShapleyContributions(
            folded, own.Encoder, scoring.Trained.SlotRanges, scoring.Link, isCentred: outputsAreClasses))];
        BaseScores = _contributions.Length == 1
            ? _contributions[0].BaseScores
            : [.. Enumerable.Range(0, Outputs).Select(
                output => (float)_contributions.Select((part, i) => (double)_shares[i] * part.BaseScores[output]).Sum())];
    }

    /// <summary>What contributions are added to.</summary>
    public IReadOnlyList<float> BaseScores { get; }

    private int Outputs => _contributions[0].Outputs;

    private ContributionScratch[] CreateScratches() => [.. _contributions.Select(part => part.CreateScratch())];

    /// <summary>Contributions of a block of rows, [rows, outputs, slots].</summary>
    public void Explain(ReadOnlySpan<float> features, int rows, Span<float> contributions)
    {
        CheckBlock(features.Length, rows, contributions.Length);
        if (!_spares.TryTake(out ContributionScratch[]? scratches))
            scratches = CreateScratches();
        for (int row = 0; row < rows; row++)
        {
            Span<float> values = contributions.Slice(row * Outputs * _slots, Outputs * _slots);
            values.Clear();
            for (int part = 0; part < scratches.Length; part++)
            {
                _contributions[part].Explain(features.Slice(row * _slots, _slots), scratches[part]);
                Add(part, scratches[part], values);
            }
        }

        _spares.Add(scratches);
    }

    private void Add(int part, ContributionScratch scratch, Span<float> values)
    {
        double share = _shares[part];
        for (int i = 0; i < scratch.Count; i++)
        {
            for (int output = 0; output < Outputs; output++)
                values[output * _slots + scratch.Slot(i)] += (float)(share * scratch.Values(i)[output]);
        }
    }

    /// <summary>As <see cref="Explain(ReadOnlySpan{float}, int, Span{float})"/>, by several threads at once.</summary>
    public void Explain(ReadOnlyMemory<float> features, int rows, Memory<float> contributions, int numberOfThreads)
    {
        // A row costs as much as a block of scores.
        const int partRows = 8;
        _context.CheckParam(
            numberOfThreads >= 1, nameof(numberOfThreads), $"The number of threads is {numberOfThreads}; it must be at least 1.");
        CheckBlock(features.Length, rows, contributions.Length);
        int parts = (int)(((uint)rows + partRows - 1) / partRows), length = Outputs * _slots;
        if (numberOfThreads == 1 || parts <= 1)
        {
            Explain(features.Span, rows, contributions.Span);
            return;
        }

        Parallel.For(0, parts, new ParallelOptions { MaxDegreeOfParallelism = numberOfThreads }, part =>
        {
            int first = part * partRows, count = Math.Min(partRows, rows - first);
            Explain(
                features.Span.Slice(first * _slots, count * _slots), count, contributions.Span.Slice(first * length, count * length));
        });
    }

    /// <summary>What ML.NET's transformer of contributions asks for.</summary>
    /// <param name="top">Positive contributions to keep, the largest ones.</param>
    /// <param name="bottom">Negative contributions to keep, the largest ones.</param>
    /// <param name="normalize">Whether those that are kept are divided by the largest magnitude among them.</param>
    public ValueMapper<TSrc, VBuffer<float>> CreateMapper<TSrc, TDst>(int top, int bottom, bool normalize)
    {
        _context.Check(
            typeof(TSrc) == typeof(VBuffer<float>) && typeof(TDst) == typeof(VBuffer<float>),
            "The mapper of contributions goes from a vector of Single to a vector of Single.");
        _context.CheckParam(top >= 0, nameof(top), "The number of positive contributions must not be negative.");
        _context.CheckParam(bottom >= 0, nameof(bottom), "The number of negative contributions must not be negative.");
        ValueMapper<VBuffer<float>, VBuffer<float>> map = new RowExplainer(this, top, bottom, normalize).Map;
        return (ValueMapper<TSrc, VBuffer<float>>)(Delegate)map;
    }

    private void CheckBlock(int features, int rows, int contributions)
    {
        _context.CheckParam(rows >= 0, nameof(rows), "The number of rows must not be negative.");
        if (features != (long)rows * _slots)
        {
            throw _context.ExceptParam(
                nameof(features), $"The features hold {features} values; {rows} rows of {_slots} features are {(long)rows * _slots}.");
        }

        if (contributions < (long)rows * Outputs * _slots)
        {
            throw _context.ExceptParam(
                nameof(contributions),
                $"The contributions have room for {contributions} values; {rows} rows of {Outputs} scores and {_slots} features need "
                + $"{(long)rows * Outputs * _slots}.");
        }
    }

    /// <summary>Explains one row at a time without allocating. Not thread-safe: one for each mapper.</summary>
    private sealed class RowExplainer(ExplainingNetwork network, int top, int bottom, bool normalize)
    {
        private readonly ContributionScratch[] _scratches = network.CreateScratches();
        private float[]? _dense;
        private int _count;
        private float[] _values = [];
        private int[] _slots = [];

        public void Map(in VBuffer<float> features, ref VBuffer<float> contributions)
        {
            if (features.Length != network._slots)
                throw network._context.Except($"The row has {features.Length} features; the model was trained on {network._slots}.");
            _count = 0;
            for (int part = 0; part < _scratches.Length; part++)
            {
                Explain(network._contributions[part], features, _scratches[part]);
                Take(network._shares[part], _scratches[part]);
            }

            int kept = Select();
            VBufferEditor<float> editor = VBufferEditor.Create(ref contributions, network._slots, kept);
            _values.AsSpan(0, kept).CopyTo(editor.Values);
            if (kept < network._slots)
                _slots.AsSpan(0, kept).CopyTo(editor.Indices);
            contributions = editor.Commit();
        }

        private void Explain(ShapleyContributions shapley, in VBuffer<float> features, ContributionScratch scratch)
        {
            if (features.IsDense)
            {
                shapley.Explain(features.GetValues(), scratch);
            }
            else if (shapley.IsWide)
            {
                shapley.ExplainSparse(features.GetIndices(), features.GetValues(), scratch);
            }
            else
            {
                _dense ??= new float[network._slots];
                features.CopyTo(_dense);
                shapley.Explain(_dense, scratch);
            }
        }

        /// <summary>Adds a part's contributions to those of the parts before it, slot by slot.</summary>
        private void Take(double share, ContributionScratch scratch)
        {
            int known = _count;
            if (_values.Length < known + scratch.Count)
            {
                Array.Resize(ref _values, Math.Max(known + scratch.Count, 2 * _values.Length));
                Array.Resize(ref _slots, _values.Length);
            }

            for (int i = 0; i < scratch.Count; i++)
            {
                float value = (float)(share * scratch.Values(i)[0]);
                // Mostly the same slots in the same order.
                int at = i < known && _slots[i] == scratch.Slot(i) ? i : _slots.AsSpan(0, known).IndexOf(scratch.Slot(i));
                if (at >= 0)
                    _values[at] += value;
                else
                    (_values[_count], _slots[_count++]) = (value, scratch.Slot(i));
            }
        }

        /// <summary>Leaves the contributions that are asked for, in the order of their slots, and says how many they are.</summary>
        private int Select()
        {
            Span<float> values = _values.AsSpan(0, _count);
            Span<int> slots = _slots.AsSpan(0, _count);
            values.Sort(slots);
            int negative = 0, positive = values.Length;
            while (negative < values.Length && values[negative] < 0)
                negative++;
            while (positive > 0 && values[positive - 1] > 0)
                positive--;
            // The lowest stand in front, the highest behind; between them is room.
            int lows = Math.Min(negative, bottom), highs = Math.Min(values.Length - positive, top);
            values[^highs..].CopyTo(values[lows..]);
            slots[^highs..].CopyTo(slots[lows..]);
            values = values[..(lows + highs)];
            if (normalize && values.Length > 0)
            {
                float ratio = 1 / Math.Max(Math.Abs(values[0]), Math.Abs(values[^1]));
                foreach (ref float value in values)
                    value *= ratio;
            }

            slots[..values.Length].Sort(values);
            return values.Length;
        }
    }
}
