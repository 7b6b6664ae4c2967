using System.Runtime.ExceptionServices;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Data;

/// <summary>
/// Rows of a temporary file in shuffled order: windows of several blocks chosen at random, whose rows
/// are shuffled; read ahead on a thread of its own.
/// </summary>
/// <remarks>
/// <para>An epoch's order is a function of seed and epoch: the blocks are shuffled, every so many of them make a
/// window, and the rows of a window are shuffled. Two windows are in memory: the one that is trained on and the next. A
/// batch may begin in one and end in the next.</para>
/// <para>
/// One thread trains and calls everything but <see cref="Run"/>; what <see cref="Run"/> reads does not
/// change between two calls of <see cref="Prepare"/>.
/// </para>
/// </remarks>
internal sealed class StreamedRows : RowSource
{
    private readonly SpilledRows _rows;
    private readonly RowPart _part;
    private readonly int[] _rowsOfBlock;
    private readonly int _windowBlocks;
    private readonly Window[] _slots = [new(), new()];
    private readonly int[] _blockOrder;
    private readonly int[] _windowStarts;
    private readonly Thread _reader;
    private readonly object _lock = new();
    private byte[] _buffer = [];
    private ulong _seed;
    private int _epoch;
    private bool _shuffle;
    private int _current;

    // Under the lock: windows asked for and read so far in this pass; whether the reader is at work, is to
    // give up the pass, or to end; what went wrong.
    private int _allowed;
    private int _read;
    private bool _busy;
    private bool _abandon;
    private bool _stop;
    private Exception? _error;

    /// <param name="rows">Complete rows; not disposed with this object.</param>
    /// <param name="part">Which of them.</param>
    /// <param name="windowBytes">Memory for one of two windows. It is exceeded where a window would hold fewer rows than a batch.</param>
    /// <param name="largestBatch">Most rows of one call of <see cref="Prepare"/>.</param>
    public StreamedRows(SpilledRows rows, RowPart part, long windowBytes, int largestBatch)
    {
        _rows = rows;
        _part = part;
        _rowsOfBlock = new int[rows.Blocks];
        for (int block = 0; block < rows.Blocks; block++)
            _rowsOfBlock[block] = rows.Read(block, part, ref _buffer, null);
        Count = _rowsOfBlock.Sum();
        _windowBlocks = WindowBlocks(windowBytes, largestBatch);
        _blockOrder = [.. Enumerable.Range(0, rows.Blocks)];
        _windowStarts = new int[(rows.Blocks + _windowBlocks - 1) / _windowBlocks + 1];
        int chunkBytes = (int)Math.Clamp(windowBytes / 8, 1 << 16, TrainingTable.LargestChunkBytes);
        foreach (Window slot in _slots)
            slot.Table = rows.Shape.CreateTable(chunkBytes);
        _reader = new Thread(ReadAhead) { Name = ThreadName, IsBackground = true };
        _reader.Start();
    }

    /// <summary>Name of the thread that reads; at most 15 characters are seen by a Unix system.</summary>
    public const string ThreadName = "BatchNormReader";

    public override RowShape Shape => _rows.Shape;

    public override int Count { get; }

    public override void BeginEpoch(ulong seed, int epoch, bool shuffle)
    {
        Abandon();
        (_seed, _epoch, _shuffle) = (seed, epoch, shuffle);
        for (int block = 0; block < _blockOrder.Length; block++)
            _blockOrder[block] = block;
        if (shuffle)
            new RandomStream(seed, RandomStream.Mix(RandomPurpose.BlockOrder) + (ulong)epoch).Shuffle(_blockOrder);
        for (int window = 0; window < _windowStarts.Length - 1; window++)
        {
            _windowStarts[window + 1] = _windowStarts[window];
            foreach (int block in BlocksOf(window))
                _windowStarts[window + 1] += _rowsOfBlock[block];
        }
        Begin();
    }

    public override void Replay(ulong seed, int epochs, bool shuffle) => (_seed, _epoch, _shuffle) = (seed, epochs, shuffle);

    public override void Restart()
    {
        if (_windowStarts[^1] == 0)
            BeginEpoch(_seed, _epoch, _shuffle);
        Abandon();
        Begin();
    }

    public override void Prepare(int first, int count)
    {
        int last = first + count - 1;
        if (last < _windowStarts[_current + 1] && first >= _windowStarts[_current] && _current < Volatile.Read(ref _read))
            return;
        while (first >= _windowStarts[_current + 1])
            _current++;
        int needed = last < _windowStarts[_current + 1] ? _current : _current + 1;
        lock (_lock)
        {
            _allowed = _current + 2;
            Monitor.PulseAll(_lock);
            while (_read <= needed && _error is null)
                Monitor.Wait(_lock);
            if (_error is SpillException)
                throw new SpillException(_error.Message, _error);
            if (_error is not null)
                ExceptionDispatchInfo.Throw(_error);
        }
    }

    public override RowRun Run(int first, int count)
    {
        int window = first < _windowStarts[_current + 1] ? _current : _current + 1;
        Window slot = _slots[window & 1];
        int at = first - _windowStarts[window];
        return new RowRun(slot.Table, slot.Order.AsSpan(at, Math.Min(count, _windowStarts[window + 1] - first)));
    }

    /// <summary>Ends the reading thread.</summary>
    public override void Dispose()
    {
        lock (_lock)
        {
            _stop = true;
            _abandon = true;
            Monitor.PulseAll(_lock);
        }
        _reader.Join();
    }

    private ReadOnlySpan<int> BlocksOf(int window) =>
        _blockOrder.AsSpan(window * _windowBlocks, Math.Min(_windowBlocks, _blockOrder.Length - window * _windowBlocks));

    /// <summary>Blocks of a window: as many as fit its memory, and whichever blocks come together, enough for a batch.</summary>
    private int WindowBlocks(long windowBytes, int largestBatch)
    {
        long blockBytes = Math.Max(1, _rows.MemoryBytes / Math.Max(1, _rows.Blocks));
        int blocks = (int)Math.Clamp(windowBytes / blockBytes, 1, Math.Max(1, _rows.Blocks));
        int[] smallestFirst = [.. _rowsOfBlock.Order()];
        int enough = 0;
        for (long rows = 0; enough < smallestFirst.Length && rows < largestBatch; enough++)
            rows += smallestFirst[enough];
        return Math.Max(blocks, enough);
    }

    private void Begin()
    {
        _current = 0;
        lock (_lock)
        {
            _abandon = false;
            _read = 0;
            _allowed = 2;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Waits until the reader has let go of the pass it is in.</summary>
    private void Abandon()
    {
        lock (_lock)
        {
            _abandon = true;
            while (_busy)
                Monitor.Wait(_lock);
        }
    }

    private void ReadAhead()
    {
        while (true)
        {
            int window;
            lock (_lock)
            {
                while (!_stop && (_abandon || _error is not null || _read >= Math.Min(_allowed, _windowStarts.Length - 1)))
                    Monitor.Wait(_lock);
                if (_stop)
                    return;
                window = _read;
                _busy = true;
            }

            Exception? error = null;
            try
            {
                Fill(_slots[window & 1], window);
            }
            catch (Exception e)                        // whatever it is belongs to the thread that waits for the rows
            {
                error = e;
            }

            lock (_lock)
            {
                _busy = false;
                _error = error;
                if (error is null && !_abandon)
                    _read++;
                Monitor.PulseAll(_lock);
            }
        }
    }

    private void Fill(Window slot, int window)
    {
        slot.Table.Clear();
        foreach (int block in BlocksOf(window))
        {
            if (Volatile.Read(ref _abandon))
                return;
            _rows.Read(block, _part, ref _buffer, slot.Table);
        }
        int count = slot.Table.Rows;
        if (slot.Order.Length < count)
            slot.Order = new int[count + count / 8];   // windows differ a little in their number of rows
        for (int row = 0; row < count; row++)
            slot.Order[row] = row;
        if (_shuffle)
        {
            new RandomStream(RandomStream.Mix(_seed ^ RandomStream.Mix(RandomPurpose.WindowOrder + (ulong)_epoch)), (ulong)window)
                .Shuffle(slot.Order.AsSpan(0, count));
        }
    }

    private sealed class Window
    {
        public TrainingTable Table { get; set; } = null!;

        public int[] Order { get; set; } = [];
    }
}
