using System.Runtime.ExceptionServices;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>
/// Learns <see cref="PredictionIntervals"/> from the errors of trained networks on rows that they have neither learned from nor been chosen
/// by: how far off predictions are, and of which rows farther.
/// </summary>
/// <remarks>
/// <para>Every row kept back was set aside by some of the networks, as in CV+ (Barber et al. 2021, arXiv:1905.02928); its error is that of
/// their mean. The whole ensemble is a little better than these few: networks that set the same row aside differ by what averaging takes
/// away, and errors are made smaller by that.</para>
/// <para>Small networks learn the size of errors from features and prediction (Lei et al. 2018, section 5.2), each from three of four parts
/// of the rows, and errors are divided by the size that the network of the fourth part says: no row is measured by what has learned from
/// it. The factors are quantiles of what remains, one for each side, with one more row than there are, as in split conformal prediction,
/// and measured in stretches of the prediction, so that they hold for small predictions as for large ones (Vovk et al. 2005, section 4.5:
/// conformal prediction within categories).</para>
/// </remarks>
internal sealed class IntervalLearning
{
    /// <summary>More rows would not move a quantile or the size of errors by anything that matters.</summary>
    public const int LargestNumberOfRows = 50_000;

    /// <summary>Fewer rows say nothing of where errors are larger.</summary>
    public const int FewestRowsForSpread = 200;

    /// <summary>Factors are measured in stretches of the prediction: at most so many.</summary>
    private const int MostStretches = 10;

    /// <summary>
    /// On each side 15 of so many errors are outside of a level of 0.9. With half as many, tenths of the prediction were covered less
    /// evenly, of grades and skewed labels most; with twice as many, widths did not follow the prediction (docs/intervals.md).
    /// </summary>
    private const int FewestRowsOfStretch = 300;

    /// <summary>Fewer rows that several networks set aside say too little of how far networks differ.</summary>
    private const int FewestRepeatedRows = 15;

    /// <summary>
    /// What is taken away of errors that come in lumps: between all, with which a bound comes to lie just within a label, and nothing, with
    /// which too many are covered. Of grades of wine, on validation rows: 87.5%, 90.5%, 94%.
    /// </summary>
    private const double PartForLumps = 0.5;

    /// <summary>Labels whose usual distance is more than this part of the mean error are apart.</summary>
    private const double LargestGap = 0.2;

    /// <summary>Of the table that rows of a file are copied into, network by network.</summary>
    private const int ChunkBytesOfCopies = 1 << 20;

    /// <summary>Networks for the spread; each leaves out one part of as many.</summary>
    private const int Folds = 4;

    private const int Epochs = 16;

    /// <summary>Near the gamma distribution's: what matters of a spread is by how much of itself it is wrong, small or large.</summary>
    private const double PowerOfSpread = 1.9;

    private const double DropoutRate = 0.1;

    /// <summary>A quarter of the usual network's: how far off it is says less than what it says.</summary>
    private static readonly int[] HiddenUnits = [64, 32];

    /// <summary>An error of so many spreads counts no more than that in what averaging takes away.</summary>
    private const double LargestError = 5;

    /// <summary>How far widths may follow the spread.</summary>
    private static readonly double[] Powers = [0, 0.25, 0.5, 0.75, 1];

    private readonly List<Entry> _entries = [];
    private readonly Dictionary<int, int> _entryOfRow = [];
    private readonly FitRows _rows;
    private readonly IReadOnlyList<double> _levels;
    private readonly HeldOutRows _held;
    private readonly int _members;
    private readonly bool _sparesJudges;

    private IntervalLearning(FitRows rows, HeldOutRows held, IReadOnlyList<double> levels, int members, bool sparesJudges)
    {
        _rows = rows;
        _held = held;
        _levels = levels;
        _members = members;
        _sparesJudges = sparesJudges;
    }

    /// <summary>A row kept back, and what the networks that set it aside say of it.</summary>
    private sealed class Entry(TrainingTable table, int row, ulong hash)
    {
        public TrainingTable Table => table;

        public int Row => row;

        /// <summary>Random bits, the same for all rows of a group.</summary>
        public ulong Hash => hash;

        public float Target => table.Targets[row];

        public double Weight => table.IsWeighted ? table.Weights[row] : 1;

        public int Networks { get; set; }

        public double Sum { get; set; }

        public double Squares { get; set; }

        public double Mean => Sum / Networks;

        public double Error => Target - Mean;

        /// <summary>Variance of the networks' predictions; of two or more.</summary>
        public double Variance => Math.Max(0, (Squares - Sum * Sum / Networks) / (Networks - 1));
    }

    /// <summary>Learns the intervals of a model.</summary>
    /// <param name="networks">
    /// Networks that set the same rows aside, with what each counts for; mostly a single one. Their weighted mean is one prediction.
    /// </param>
    /// <param name="levels">The levels.</param>
    /// <param name="encoding">How the features and, in a last slot, the prediction are encoded.</param>
    /// <param name="sparesJudges">Whether rows that have judged trials are left out.</param>
    /// <param name="threads">Threads that may be used; without influence on the result.</param>
    /// <param name="cancellation">Asked before every block and step.</param>
    /// <exception cref="TooFewHeldOutRowsException">A level needs more rows.</exception>
    public static PredictionIntervals Learn(
        IReadOnlyList<IReadOnlyList<HeldOutNetwork>> networks, IReadOnlyList<double> levels,
        EncodingRule encoding, bool sparesJudges, int threads, CancellationToken cancellation)
    {
        NetworkTraining training = networks[0][0].Training;
        var learning = new IntervalLearning(training.Rows, training.Rows.HeldOut(training.Split), levels, networks.Count, sparesJudges);
        foreach (IReadOnlyList<HeldOutNetwork> same in networks)
            learning.Predict(same, cancellation);
        return learning.Learn(training, encoding, threads, cancellation);
    }

    /// <summary>How many rows a level needs: so many that on each side one error may lie outside.</summary>
    public static long RowsNeeded(double level) => (long)Math.Ceiling(2 / (1 - level) - 1e-9) - 1;

    private void Predict(IReadOnlyList<HeldOutNetwork> networks, CancellationToken cancellation)
    {
        using NetworkRows rows = _rows.Of(networks[0].Training, cancellation);
        if (rows.KeptBack is not { Count: > 0 } keptBack)
            return;
        int[] entries = EntriesOf((TableRows)keptBack.Source);
        double[] means = new double[keptBack.Count];
        foreach (HeldOutNetwork network in networks)
            Predict(network, keptBack.EncodedBy(network.Training.Encoder), means, cancellation);
        for (int i = 0; i < means.Length; i++)
        {
            if (entries[i] < 0)
                continue;
            Entry entry = _entries[entries[i]];
            entry.Networks++;
            entry.Sum += means[i];
            entry.Squares += means[i] * means[i];
        }
    }

    private static void Predict(HeldOutNetwork network, EncodedRows keptBack, double[] sums, CancellationToken cancellation)
    {
        OutputLink link = network.Training.Settings.Objective.LinkOf(null);
        FoldedNetwork folded = FoldedNetwork.Create(keptBack.Encoder, network.Parameters, sharesFirstLayer: keptBack.Shape.IsSparse);
        ScoringScratch scratch = folded.CreateScratch();
        float[] means = new float[scratch.Rows];
        for (int first = 0; first < keptBack.Count; first += scratch.Rows)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(scratch.Rows, keptBack.Count - first);
            link.Apply(folded.Forward(scratch, keptBack, first, count, link), count, means);
            for (int i = 0; i < count; i++)
                sums[first + i] += network.Share * means[i];
        }
    }

    /// <summary>The entry of each row, new ones where a row was not seen; -1 where there are enough.</summary>
    private int[] EntriesOf(TableRows keptBack)
    {
        // Rows of a file are other copies in each network, and are not looked for again; validation rows that were given are the same.
        int most = _rows.CopiesHeldOut ? LargestNumberOfRows / _members : LargestNumberOfRows;
        double share = _rows.CopiesHeldOut ? (double)most / keptBack.Count : (double)most / Math.Max(1, _rows.MostHeldOut / 2);
        // Of half as many rows, twice the share.
        share *= _sparesJudges ? 2 : 1;
        ReadOnlySpan<int> numbers = keptBack.Numbers;
        int[] entries = new int[keptBack.Count];
        // The table of rows of a file is this network's own, up to a quarter of the budget, and would be kept for the few that are taken.
        TrainingTable? copies = _rows.CopiesHeldOut ? keptBack.Shape.CreateTable(ChunkBytesOfCopies) : null;
        for (int i = 0; i < entries.Length; i++)
        {
            if (!_rows.CopiesHeldOut && _entryOfRow.TryGetValue(numbers[i], out entries[i]))
                continue;
            ulong hash = _held.HashOf(numbers[i]);
            entries[i] = -1;
            if (_sparesJudges && _held.Judges(numbers[i]))
                continue;
            if ((RandomStream.Mix(hash) >> 11) * (1.0 / (1UL << 53)) >= share)
                continue;
            entries[i] = _entries.Count;
            copies?.AddFrom(keptBack.Table, keptBack.Rows[i]);
            if (copies is null)
                _entryOfRow[numbers[i]] = _entries.Count;
            _entries.Add(copies is null
                ? new Entry(keptBack.Table, keptBack.Rows[i], hash)
                : new Entry(copies, copies.Rows - 1, hash));
        }

        return entries;
    }

    private PredictionIntervals Learn(
        NetworkTraining training, EncodingRule encoding, int threads, CancellationToken cancellation)
    {
        foreach (double level in _levels)
        {
            if (RowsNeeded(level) > _entries.Count)
                throw new TooFewHeldOutRowsException(level, _entries.Count, RowsNeeded(level));
        }

        double[] spreads = new double[_entries.Count];
        Array.Fill(spreads, 1);
        TrainedNetwork? spread = _entries.Count < FewestRowsForSpread ? null : LearnSpread(training, encoding, threads, spreads,
            cancellation);
        (double[] knots, int[][] stretches) = Stretches();
        double[] errors = Shrink(spreads, stretches, AreLabelsApart() ? PartForLumps : 1);
        double power = 0;
        IntervalLevel[]? best = null;
        double lowest = double.PositiveInfinity;
        foreach (double candidate in spread is null ? [0] : Powers)
        {
            double[] widths = [.. spreads.Select(s => Math.Pow(s, candidate))];
            IntervalLevel[] levels = [.. _levels.Select(level => Measure(level, stretches, errors, widths))];
            double score = levels.Sum(level => IntervalScore(level, stretches, errors, widths));
            if (score < lowest)
                (power, best, lowest) = (candidate, levels, score);
        }

        return new PredictionIntervals(knots, best!, power, power == 0 ? null : spread) { Rows = _entries.Count };
    }

    /// <summary>
    /// Trains the networks of the spread; what the one that has not seen a row says of it goes to <paramref name="spreads"/>.
    /// </summary>
    private TrainedNetwork? LearnSpread(
        NetworkTraining training, EncodingRule encoding, int threads, double[] spreads, CancellationToken cancellation)
    {
        MemoryRows store = CollectErrors();
        (double mean, double variance) = store.Targets[0];
        var loss = new TweedieLoss { Power = PowerOfSpread };
        TargetScale scale = loss.ScaleOf(mean, variance)!;
        // Nearly all of the errors that matter to nobody: every row was predicted exactly.
        if (!(scale.Deviation > 0))
            return null;
        store.StandardizeTargets([(0, scale.Deviation)]);
        InputEncoder encoder = encoding.Learn(store);
        int[][] parts = [.. Enumerable.Range(0, Folds).Select(
            fold => Enumerable.Range(0, _entries.Count).Where(i => FoldOf(i) == fold).ToArray())];
        if (parts.Any(part => part.Length == 0 || part.Length > _entries.Count - 2))
            return null;
        var members = new NetworkMember[Folds];
        NetworkDefinition definition = new NetworkDefinition
        {
            Inputs = encoder.EncodedInputs, Outputs = 1, DropoutRate = DropoutRate,
            HiddenUnits = [.. HiddenUnits],
        }.Reading(encoder);
        int batch = (int)Math.Clamp(1L << (int)Math.Round(Math.Log2(Math.Max(1, _entries.Count / 100.0))), 32, 256);
        TrainingSettings settings = training.Settings with
        {
            Objective = loss, ClassWeights = null, BatchSize = batch, MaximumEpochs = Epochs, Rungs = 1,
            LearningRate = Math.Min(0.01, 0.006 * Math.Sqrt(batch / 128.0)), Optimizer = new AdamWOptimizer(),
            Schedule = new OneCycleSchedule(), EarlyStoppingPatience = 0,
        };
        var faults = new ExceptionDispatchInfo?[Folds];
        Parallel.For(0, Folds, new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, threads) }, fold =>
        {
            try
            {
                members[fold] = TrainFold(fold, parts, store, encoder, definition, settings, spreads, scale, cancellation);
            }
            catch (Exception e)
            {
                faults[fold] = ExceptionDispatchInfo.Capture(e);
            }
        });
        ExceptionDispatchInfo? fault = Array.Find(faults, one => one is not null);
        if (fault?.SourceException is TrainingDivergedException)
        {
            Array.Fill(spreads, 1);
            return null;
        }
        fault?.Throw();
        return new TrainedNetwork(encoder, members) { Objective = loss, Scale = scale };
    }

    private NetworkMember TrainFold(
        int fold, int[][] parts, MemoryRows store, InputEncoder encoder, NetworkDefinition definition, TrainingSettings settings,
        double[] spreads, TargetScale scale, CancellationToken cancellation)
    {
        ulong seed = RandomStream.Mix(settings.Seed ^ RandomStream.Mix(RandomPurpose.Spread + (ulong)fold));
        NetworkParameters parameters = Initialization.Create(definition, seed);
        int[] others = [.. parts.Where((_, part) => part != fold).SelectMany(rows => rows).Order()];
        TrainingHistory history = TrainingLoop.Train(
            parameters, new EncodedRows(new TableRows(store.Table, others), encoder), null, settings with { Seed = seed }, null,
                cancellation);
        var rows = new EncodedRows(new TableRows(store.Table, parts[fold]), encoder);
        FoldedNetwork folded = FoldedNetwork.Create(encoder, parameters, sharesFirstLayer: rows.Shape.IsSparse);
        ScoringScratch scratch = folded.CreateScratch();
        float[] sizes = new float[scratch.Rows];
        var link = new LogLink(scale);
        double floor = PredictionIntervals.LeastSpread * scale.Deviation;
        for (int first = 0; first < rows.Count; first += scratch.Rows)
        {
            int count = Math.Min(scratch.Rows, rows.Count - first);
            link.Apply(folded.Forward(scratch, rows, first, count, link), count, sizes);
            for (int i = 0; i < count; i++)
                spreads[parts[fold][first + i]] = Math.Max(floor, sizes[i]);
        }

        return new NetworkMember(parameters, history);
    }

    private int FoldOf(int entry) => (int)(_entries[entry].Hash >> 60) % Folds;

    /// <summary>The rows kept back with their prediction in a last slot, and the size of its error as target.</summary>
    private MemoryRows CollectErrors()
    {
        RowShape shape = _entries[0].Table.Shape;
        int slots = shape.RawInputs;
        var store = new MemoryRows((shape with { Inputs = slots + 1, TargetColumns = 1, Ranges = null }).CreateTable());
        foreach (Entry entry in _entries)
        {
            float[] target = [(float)Math.Abs(entry.Error)];
            (int[] indices, float[] values) = RawEntries(entry, shape.Ranges);
            if (shape.IsSparse)
            {
                store.AddSparse([.. indices, slots], [.. values, (float)entry.Mean], target, (float)entry.Weight);
                continue;
            }
            float[] dense = new float[slots + 1];
            for (int i = 0; i < indices.Length; i++)
                dense[indices[i]] = values[i];
            dense[slots] = (float)entry.Mean;
            store.Add(dense, target, (float)entry.Weight);
        }

        store.Complete();
        return store;
    }

    /// <summary>The slots of a row that are not 0, as the feature column has them: categories in slots of their own.</summary>
    private static (int[] Indices, float[] Values) RawEntries(Entry entry, CategoryRanges? ranges)
    {
        int[] indices;
        float[] values;
        if (entry.Table.Sparse is { } sparse)
        {
            (indices, values) = (sparse.Indices(entry.Row).ToArray(), sparse.Values(entry.Row).ToArray());
        }
        else
        {
            float[] kept = entry.Table.Features(entry.Row).ToArray();
            indices = [.. Enumerable.Range(0, kept.Length).Where(i => kept[i] != 0)];
            values = [.. indices.Select(i => kept[i])];
        }

        if (ranges is null)
            return (indices, values);
        int[] rawIndices = new int[ranges.RawEntries(indices.Length)];
        float[] rawValues = new float[rawIndices.Length];
        int count = ranges.RestoreSparse(indices, values, rawIndices, rawValues);
        return (rawIndices[..count], rawValues[..count]);
    }

    /// <summary>
    /// The errors as those of all networks together: of the variance of one network's prediction, which rows show that several set aside, a
    /// mean over k leaves 1/k. Each stretch has a variance of its own: where noise is small, networks differ by more of an error.
    /// </summary>
    /// <param name="spreads">The size of error that is expected of each row.</param>
    /// <param name="stretches">The rows in stretches.</param>
    /// <param name="part">How much of it, in logarithms, is done.</param>
    private double[] Shrink(double[] spreads, int[][] stretches, double part)
    {
        double[] errors = [.. _entries.Select(entry => entry.Error)];
        foreach (int[] stretch in stretches)
        {
            int[] repeated = [.. stretch.Where(i => _entries[i].Networks >= 2 && _entries[i].Networks < _members)];
            if (repeated.Length < FewestRepeatedRows)
                continue;
            double variance = Mean(repeated, i => _entries[i].Variance / (spreads[i] * spreads[i]));
            double rest = Mean(stretch, i =>
            {
                double error = Math.Min(LargestError, Math.Abs(_entries[i].Error / spreads[i]));
                return error * error - variance / _entries[i].Networks;
            });
            // What no averaging takes away is most of an error, whatever a few rows say.
            rest = Math.Max(rest, variance);
            double ofAll = rest + variance / _members;
            foreach (int i in stretch)
                errors[i] *= rest > 0 ? Math.Pow(ofAll / (rest + variance / _entries[i].Networks), part / 2) : 1;
        }

        return errors;
    }

    private double Mean(int[] rows, Func<int, double> of) =>
        rows.Sum(i => _entries[i].Weight * of(i)) / rows.Sum(i => _entries[i].Weight);

    /// <summary>
    /// Whether labels lie so far apart, as grades and small counts do, that errors come in lumps: made smaller, they would move a bound
    /// to just within a label.
    /// </summary>
    private bool AreLabelsApart()
    {
        float[] labels = [.. _entries.Select(entry => entry.Target).Distinct().Order()];
        double[] gaps = [.. labels.Skip(1).Zip(labels, (high, low) => (double)high - low).Order()];
        return labels.Length < _entries.Count / 2 && gaps.Length > 0
            && gaps[gaps.Length / 2] > LargestGap * _entries.Average(entry => Math.Abs(entry.Error));
    }

    /// <summary>
    /// The rows in order of their predictions, parted into stretches of as many rows each, in which factors are measured.
    /// </summary>
    private (double[] Knots, int[][] Stretches) Stretches()
    {
        int[] order = [.. Enumerable.Range(0, _entries.Count).OrderBy(i => _entries[i].Mean)];
        long least = Math.Max(FewestRowsOfStretch, 2 * _levels.Max(RowsNeeded));
        int count = (int)Math.Clamp(order.Length / least, 1, MostStretches);
        var knots = new List<double>();
        var stretches = new List<int[]>();
        for (int k = 0; k < count; k++)
        {
            int[] stretch = order[(int)((long)k * order.Length / count)..(int)((k + 1L) * order.Length / count)];
            double knot = _entries[stretch[stretch.Length / 2]].Mean;
            // Many rows of the same prediction are one stretch.
            if (knots.Count > 0 && !(knot > knots[^1]))
                stretches[^1] = [.. stretches[^1], .. stretch];
            else
                (knots, stretches) = ([.. knots, knot], [.. stretches, stretch]);
        }

        return ([.. knots], [.. stretches]);
    }

    private IntervalLevel Measure(double level, int[][] stretches, double[] errors, double[] widths)
    {
        double tail = (1 - level) / 2;
        double[] scores = [.. errors.Zip(widths, (error, width) => error / width)], negated = [.. scores.Select(score => -score)];
        return new IntervalLevel(
            level, [.. stretches.Select(stretch => Math.Min(0, -Quantile(stretch, negated, 1 - tail)))],
            [.. stretches.Select(stretch => Math.Max(0, Quantile(stretch, scores, 1 - tail)))]);
    }

    /// <summary>
    /// The lowest score that has this part of all weights at or below it, a row of mean weight counted beside them for the one to come.
    /// </summary>
    private double Quantile(int[] rows, double[] scores, double part)
    {
        int[] order = [.. rows.OrderBy(i => scores[i])];
        double total = rows.Sum(i => _entries[i].Weight), wanted = part * total * (1 + 1.0 / rows.Length) * (1 - 1e-12), sum = 0;
        foreach (int i in order)
        {
            sum += _entries[i].Weight;
            if (sum >= wanted)
                return scores[i];
        }

        return scores[order[^1]];
    }

    /// <summary>Width, and what labels outside cost: proper for the two quantiles (Gneiting and Raftery 2007, section 6.2).</summary>
    private double IntervalScore(IntervalLevel level, int[][] stretches, double[] errors, double[] widths)
    {
        double sum = 0;
        foreach ((int i, int stretch) in stretches.SelectMany((rows, stretch) => rows.Select(row => (row, stretch))))
        {
            double low = level.Lower[stretch] * widths[i], high = level.Upper[stretch] * widths[i];
            double outside = Math.Max(0, low - errors[i]) + Math.Max(0, errors[i] - high);
            sum += _entries[i].Weight * (high - low + 2 / (1 - level.Level) * outside);
        }

        return sum;
    }
}
