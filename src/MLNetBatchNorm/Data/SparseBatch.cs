using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Data;

/// <summary>Rows of which only the columns that are not zero are kept: a mini-batch in compressed sparse row form.</summary>
/// <remarks>Grows to the largest batch it has seen and then allocates no more.</remarks>
internal sealed class SparseBatch(int columns)
{
    private int[] _starts = new int[1];
    private int[] _indices = [];
    private float[] _values = [];
    private ulong[]? _seen;
    private (int First, int End)[] _touched = [];
    private int _touchedCount;
    private int[] _filled = [];
    private float[] _fillings = [];

    /// <summary>Number of columns of a row written out.</summary>
    public int Columns => columns;

    /// <summary>Number of rows.</summary>
    public int Rows { get; private set; }

    /// <summary>Columns that any row has, as runs [First, End) of neighbours, rising; see <see cref="FindTouched"/>.</summary>
    public ReadOnlySpan<(int First, int End)> Touched => _touched.AsSpan(0, _touchedCount);

    /// <summary>Column numbers of a row, rising.</summary>
    public ReadOnlySpan<int> Indices(int row) => _indices.AsSpan(_starts[row], _starts[row + 1] - _starts[row]);

    /// <summary>Values of a row, one for each column number.</summary>
    public ReadOnlySpan<float> Values(int row) => _values.AsSpan(_starts[row], _starts[row + 1] - _starts[row]);

    /// <summary>Values of a row that may be changed in place.</summary>
    public Span<float> ValuesToChange(int row) => _values.AsSpan(_starts[row], _starts[row + 1] - _starts[row]);

    /// <summary>The entries of a row that is written out; valid until the next call.</summary>
    public void Fill(ReadOnlySpan<float> row, out ReadOnlySpan<int> indices, out ReadOnlySpan<float> values)
    {
        Grow(ref _filled, row.Length);
        Grow(ref _fillings, row.Length);
        int count = 0;
        for (int i = 0; i < row.Length; i++)
        {
            if (row[i] == 0)
                continue;
            (_filled[count], _fillings[count]) = (i, row[i]);
            count++;
        }
        indices = _filled.AsSpan(0, count);
        values = _fillings.AsSpan(0, count);
    }

    /// <summary>Empties the batch.</summary>
    public void Clear()
    {
        Rows = 0;
        _touchedCount = 0;
    }

    /// <summary>Adds an empty row, to be filled by <see cref="Add"/> and <see cref="AddEntries"/>.</summary>
    public void BeginRow()
    {
        int start = _starts[Rows];
        Rows++;
        Grow(ref _starts, Rows + 1);
        _starts[Rows] = start;
    }

    /// <summary>Adds an entry to the last row; column numbers must rise.</summary>
    public void Add(int column, float value)
    {
        int at = _starts[Rows]++;
        Grow(ref _indices, at + 1);
        Grow(ref _values, at + 1);
        _indices[at] = column;
        _values[at] = value;
    }

    /// <summary>Adds entries to the last row, whose values may then be changed in place until the next are added.</summary>
    public Span<float> AddEntries(ReadOnlySpan<int> indices, ReadOnlySpan<float> values)
    {
        int at = _starts[Rows];
        _starts[Rows] = at + indices.Length;
        Grow(ref _indices, at + indices.Length);
        Grow(ref _values, at + indices.Length);
        indices.CopyTo(_indices.AsSpan(at));
        values.CopyTo(_values.AsSpan(at));
        return _values.AsSpan(at, indices.Length);
    }

    /// <summary>Entries of a row of which none is left out, and entries from which on the rate is a full one.</summary>
    private const float FewEntries = 12;

    /// <inheritdoc cref="FewEntries"/>
    private const float ManyEntries = 36;

    /// <summary>
    /// Leaves each entry out with a probability and divides the others by one minus it, as a hash of key and place has it: where a row has
    /// <see cref="ManyEntries"/> with the rate, where it has fewer with less of it.
    /// </summary>
    /// <remarks>
    /// What stands for it is that many entries of a text say the same several times over. Of few each says something of its own, and what
    /// is left out is missed: where three of some twelve words add up to a number, R2 fell from .90 to .68 at a rate of 0.4.
    /// </remarks>
    public void Drop(ulong key, float rate)
    {
        int kept = 0;
        for (int row = 0, at = 0; row < Rows; row++)
        {
            int end = _starts[row + 1];
            float rateOfRow = rate * Math.Clamp((end - at - FewEntries) / (ManyEntries - FewEntries), 0, 1), factor = 1 / (1 - rateOfRow);
            ulong least = (ulong)(rateOfRow * (double)(1UL << 32));
            for (; at < end; at++)
            {
                if (RandomStream.Mix(key + (ulong)at) >> 32 < least)
                    continue;
                _indices[kept] = _indices[at];
                _values[kept++] = _values[at] * factor;
            }
            _starts[row + 1] = kept;
        }
    }

    /// <summary>Collects the columns the batch touches: the only weights a step changes.</summary>
    /// <remarks>
    /// A bit for each column, read in order: neighbours are handled together, and memory is walked through from one end to the other.
    /// </remarks>
    public void FindTouched()
    {
        _seen ??= new ulong[columns / 64 + 1];
        _touchedCount = 0;
        foreach (int column in _indices.AsSpan(0, _starts[Rows]))
            _seen[column >> 6] |= 1UL << column;
        int open = -1;                                 // first column of the run that is not yet closed
        for (int word = 0; word < _seen.Length; word++)
        {
            ulong bits = _seen[word];
            _seen[word] = 0;
            if (bits == (open < 0 ? 0 : ulong.MaxValue))
                continue;
            for (int bit = 0; bit < 64;)
            {
                // The next bit that begins a run, or ends the open one.
                ulong rest = (open < 0 ? bits : ~bits) >> bit;
                if (rest == 0)
                    break;
                bit += System.Numerics.BitOperations.TrailingZeroCount(rest);
                if (open < 0)
                    open = word * 64 + bit;
                else
                    Close(ref open, word * 64 + bit);
            }
        }
        if (open >= 0)
            Close(ref open, columns);
    }

    private void Close(ref int open, int end)
    {
        Grow(ref _touched, _touchedCount + 1);
        _touched[_touchedCount++] = (open, end);
        open = -1;
    }

    private static void Grow<T>(ref T[] array, int needed)
    {
        if (array.Length < needed)
            Array.Resize(ref array, Math.Max(needed, 2 * array.Length));
    }
}
