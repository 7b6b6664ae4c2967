namespace MLNetBatchNorm.Network;

/// <summary>Rows of which only the columns that are not zero are kept: a mini-batch in compressed sparse row form.</summary>
/// <remarks>Grows to the largest batch it has seen and then allocates no more.</remarks>
internal sealed class SparseBatch(int columns)
{
    private int[]? _lastSeen;
    private int[] _starts = new int[1];
    private int[] _indices = [];
    private float[] _values = [];
    private int[] _touched = [];
    private int _stamp;
    private int _touchedCount;

    /// <summary>Number of columns of a row written out.</summary>
    public int Columns => columns;

    /// <summary>Number of rows.</summary>
    public int Rows { get; private set; }

    /// <summary>Columns that any row has, each once, in the order in which the rows have them first; see <see cref="FindTouched"/>.</summary>
    public ReadOnlySpan<int> Touched => _touched.AsSpan(0, _touchedCount);

    /// <summary>Column numbers of a row, rising.</summary>
    public ReadOnlySpan<int> Indices(int row) => _indices.AsSpan(_starts[row], _starts[row + 1] - _starts[row]);

    /// <summary>Values of a row, one for each column number.</summary>
    public ReadOnlySpan<float> Values(int row) => _values.AsSpan(_starts[row], _starts[row + 1] - _starts[row]);

    /// <summary>Empties the batch.</summary>
    public void Clear()
    {
        Rows = 0;
        _touchedCount = 0;
    }

    /// <summary>Adds an empty row with room for <paramref name="capacity"/> entries, to be filled by <see cref="Add"/>.</summary>
    public void BeginRow(int capacity)
    {
        int start = _starts[Rows];
        Rows++;
        Grow(ref _starts, Rows + 1);
        _starts[Rows] = start;
        Grow(ref _indices, start + capacity);
        Grow(ref _values, start + capacity);
    }

    /// <summary>Adds an entry to the last row; column numbers must rise.</summary>
    public void Add(int column, float value)
    {
        int at = _starts[Rows]++;
        _indices[at] = column;
        _values[at] = value;
    }

    /// <summary>Collects the columns the batch touches: the only weights a step changes.</summary>
    public void FindTouched()
    {
        _lastSeen ??= new int[columns];
        _stamp++;
        _touchedCount = 0;
        foreach (int column in _indices.AsSpan(0, _starts[Rows]))
        {
            if (_lastSeen[column] == _stamp)
                continue;
            _lastSeen[column] = _stamp;
            Grow(ref _touched, _touchedCount + 1);
            _touched[_touchedCount++] = column;
        }
    }

    private static void Grow<T>(ref T[] array, int needed)
    {
        if (array.Length < needed)
            Array.Resize(ref array, Math.Max(needed, 2 * array.Length));
    }
}
