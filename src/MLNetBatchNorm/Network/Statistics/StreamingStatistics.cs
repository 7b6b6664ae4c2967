using System.Numerics;

namespace MLNetBatchNorm.Network;

/// <summary>
/// Mean and variance of every slot of a stream of rows, by any of <see cref="BatchNormalizationStatistics"/>, in one pass.
/// </summary>
/// <remarks>
/// <para>
/// NaN is a missing value: it counts in no slot. A slot's batch is made of the values it has in <c>batchSize</c> rows. A slot with fewer
/// than two of them has no variance yet, so its batch goes on through the next rows; and one value left over at the end joins the batch
/// before it. Hence no batch has a single value, unless the slot has only one in all the rows: then it counts as constant, variance 0.
/// </para>
/// <para>
/// Welford's update in double precision: it does not cancel where the mean is large against the deviation. Values that a sparse row
/// leaves out are zeros; they are not visited one by one but counted, and merged as a group of mean 0 and no deviation when a batch
/// closes. A sparse row costs its stored values and a batch costs the slots once.
/// </para>
/// <para>Glossary: count, mean, m2 = number, mean and sum of squared deviations of the values of the open batch.</para>
/// </remarks>
internal sealed class StreamingStatistics
{
    private readonly BatchNormalizationStatistics _statistics;
    private readonly int _batchSize;
    private readonly double _momentum;

    // The open batch.
    private readonly double[] _count;
    private readonly double[] _mean;
    private readonly double[] _m2;
    private int _rows;

    // What sparse rows left out of it: zeros of a slot = sparse rows - values stored for the slot, missing ones included.
    private readonly int[] _storedValues;
    private int _sparseRows;

    // The batch before it, complete, but open to a single value left over at the end.
    private readonly double[] _pendingCount;
    private readonly double[] _pendingMean;
    private readonly double[] _pendingM2;

    // What the closed batches came to.
    private readonly double[] _totalMean;
    private readonly double[] _totalVariance;
    private readonly double[] _batches;

    /// <param name="slots">Number of slots of a row.</param>
    /// <param name="statistics">Which statistics.</param>
    /// <param name="batchSize">Rows of a mini-batch, at least 2. Without effect on the result for pooled statistics.</param>
    /// <param name="momentum">Weight of the newest batch in a running average, in (0, 1].</param>
    public StreamingStatistics(int slots, BatchNormalizationStatistics statistics, int batchSize, double momentum)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(slots, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 2);

        _statistics = statistics;
        _momentum = momentum;
        // Pooled moments have no batches: this one only bounds the counters of what sparse rows leave out.
        _batchSize = statistics == BatchNormalizationStatistics.PopulationPooled ? 1 << 20 : batchSize;

        _count = new double[slots];
        _mean = new double[slots];
        _m2 = new double[slots];
        _storedValues = new int[slots];
        _pendingCount = new double[slots];
        _pendingMean = new double[slots];
        _pendingM2 = new double[slots];
        _totalMean = new double[slots];
        _totalVariance = new double[slots];
        _batches = new double[slots];
        if (statistics == BatchNormalizationStatistics.RunningAverage)
            Array.Fill(_totalVariance, 1);
    }

    /// <summary>
    /// Takes a row with a value for every slot. Returns -1, or the first slot whose value is infinite; then nothing may follow.
    /// </summary>
    public int Add<T>(ReadOnlySpan<T> values) where T : IFloatingPointIeee754<T>
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, _count.Length);
        for (int slot = 0; slot < values.Length; slot++)
        {
            if (!TryAdd(slot, double.CreateTruncating(values[slot])))
                return slot;
        }

        CloseRow();
        return -1;
    }

    /// <summary>
    /// Takes a row that is zero but for the slots given, each at most once.
    /// Returns -1, or the first slot whose value is infinite; then nothing may follow.
    /// </summary>
    public int AddSparse<T>(ReadOnlySpan<int> slots, ReadOnlySpan<T> values) where T : IFloatingPointIeee754<T>
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, slots.Length);
        for (int i = 0; i < slots.Length; i++)
        {
            if (!TryAdd(slots[i], double.CreateTruncating(values[i])))
                return slots[i];
            _storedValues[slots[i]]++;
        }

        _sparseRows++;
        CloseRow();
        return -1;
    }

    /// <summary>
    /// Writes the statistics; to be called once. A slot without any value gets mean 0 and variance 1. Returns the number of such slots.
    /// </summary>
    public int Finish(Span<double> mean, Span<double> variance)
    {
        CloseBatch();
        int emptySlots = 0;
        for (int slot = 0; slot < _count.Length; slot++)
        {
            // What is still open: the pooled moments, or a value that is alone in its batch.
            Merge(ref _pendingCount[slot], ref _pendingMean[slot], ref _pendingM2[slot], _count[slot], _mean[slot], _m2[slot]);
            if (_pendingCount[slot] == 0)
            {
                emptySlots++;
                mean[slot] = 0;
                variance[slot] = 1;
                continue;
            }

            CommitPending(slot);
            mean[slot] = _totalMean[slot];
            variance[slot] = _totalVariance[slot];
        }

        return emptySlots;
    }

    private bool TryAdd(int slot, double value)
    {
        if (!double.IsFinite(value))
            return double.IsNaN(value);

        double count = _count[slot] + 1;
        double delta = value - _mean[slot];
        double mean = _mean[slot] + delta / count;
        _m2[slot] += delta * (value - mean);
        _mean[slot] = mean;
        _count[slot] = count;
        return true;
    }

    private void CloseRow()
    {
        if (++_rows == _batchSize)
            CloseBatch();
    }

    private void CloseBatch()
    {
        for (int slot = 0; slot < _count.Length; slot++)
        {
            Merge(ref _count[slot], ref _mean[slot], ref _m2[slot], _sparseRows - _storedValues[slot], 0, 0);
            _storedValues[slot] = 0;
            if (_statistics == BatchNormalizationStatistics.PopulationPooled || _count[slot] < 2)
                continue;

            if (_pendingCount[slot] > 0)
                CommitPending(slot);
            (_pendingCount[slot], _pendingMean[slot], _pendingM2[slot]) = (_count[slot], _mean[slot], _m2[slot]);
            (_count[slot], _mean[slot], _m2[slot]) = (0, 0, 0);
        }

        _rows = 0;
        _sparseRows = 0;
    }

    private void CommitPending(int slot)
    {
        double count = _pendingCount[slot];
        double mean = _pendingMean[slot];
        double variance = count > 1 ? _pendingM2[slot] / (count - 1) : 0;
        double share = _statistics switch
        {
            BatchNormalizationStatistics.RunningAverage => _momentum,
            BatchNormalizationStatistics.PopulationPooled => 1,
            BatchNormalizationStatistics.Cumulative or BatchNormalizationStatistics.Population => 1 / ++_batches[slot],
            _ => throw new InvalidOperationException($"Unknown statistics {_statistics}."),
        };
        _totalMean[slot] = (1 - share) * _totalMean[slot] + share * mean;
        _totalVariance[slot] = (1 - share) * _totalVariance[slot] + share * variance;
    }

    /// <summary>Adds a group of values to another, each given by its number, mean and sum of squared deviations.</summary>
    private static void Merge(ref double count, ref double mean, ref double m2, double otherCount, double otherMean, double otherM2)
    {
        if (otherCount == 0)
            return;
        double total = count + otherCount;
        double delta = otherMean - mean;
        double share = otherCount / total;
        mean += delta * share;
        m2 += otherM2 + delta * delta * count * share;
        count = total;
    }
}
