using System.Numerics.Tensors;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>What one thread writes while it explains rows, and what came of the last one. Grows to the largest row it has seen.</summary>
internal sealed class ContributionScratch : IFirstLayerRows
{
    private const int Lanes = PanelLayout.Width;

    private readonly ShapleyContributions _contributions;
    private readonly int _slotsOfRow;
    private readonly float[] _running;
    private readonly float[] _linked;
    private readonly double[] _everybody;
    private PanelMatrix? _oneRow;

    private float[] _keptRows = [];
    private float[] _vectors = [];
    private int[] _players = [];
    private int[] _slots = [];
    private double[] _scores = [];
    private double[] _values = [];

    // Of wide rows: entries of a row that came written out; differing columns with their players' numbers, as found and in order;
    // the number of each player that differs, else -1, and whose numbers these are.
    private int[] _entryIndices = [];
    private float[] _entryValues = [];
    private int _entries;
    private (int Number, int Column, float Value)[] _found = [];
    private (int Column, float Value)[] _sorted = [];
    private int[] _starts = [];
    private int _differences;
    private readonly int[] _numbers = [];
    private int[] _differing = [];

    internal ContributionScratch(ShapleyContributions contributions, FoldedNetwork network, InputEncoder encoder)
    {
        _contributions = contributions;
        _slotsOfRow = encoder.Slots;
        Kept = new float[encoder.Ranges is null ? 0 : encoder.Slots];
        Block = network.CreateScratch();
        Row = network.CreateScratch(1);
        Outputs = new float[PanelLayout.PanelCount(network.Outputs) * Lanes];
        _running = new float[contributions.Width];
        _linked = new float[Block.Rows * network.Outputs];
        _everybody = new double[network.Outputs];
        Differences = new SparseRowsInput(new SparseBatch(encoder.EncodedInputs));
        Encoded = new SparseBatch(encoder.EncodedInputs);
        if (contributions.IsWide)
        {
            _numbers = new int[contributions.Players.Count];
            _numbers.AsSpan().Fill(-1);
        }
    }

    /// <summary>Memory for blocks of coalitions.</summary>
    public ScoringScratch Block { get; }

    /// <summary>Memory for the row itself.</summary>
    public ScoringScratch Row { get; }

    /// <summary>Outputs of the row, in whole panels.</summary>
    public float[] Outputs { get; }

    /// <summary>The outputs as a matrix of one row, which a link can read.</summary>
    public PanelMatrix OneRow => _oneRow ??= new PanelMatrix(1, _contributions.Outputs);

    /// <summary>Which coalitions are scored.</summary>
    public ShapleyPlan Plan { get; } = new();

    /// <summary>Number of players that differ from the base in the last row; all others contribute nothing.</summary>
    public int Count { get; private set; }

    /// <summary>Number of the step that the next block begins with.</summary>
    public int FirstStep { get; set; }

    /// <summary>Room for scores of the whole row.</summary>
    public Span<double> Everybody => _everybody;

    /// <summary>A sparse row, encoded.</summary>
    public SparseBatch Encoded { get; }

    /// <summary>Differing columns of the players of a block.</summary>
    public SparseRowsInput Differences { get; }

    /// <summary>The slot at which a player's contribution stands.</summary>
    public int Slot(int index) => _slots[index];

    /// <summary>A player's contributions, one for each output.</summary>
    public ReadOnlySpan<double> Values(int index) => _values.AsSpan(index * _contributions.Outputs, _contributions.Outputs);

    /// <summary>Which of all players one that differs is.</summary>
    public int Player(int index) => _players[index];

    public void SetSlot(int index, int slot) => _slots[index] = slot;

    /// <summary>Begins a row.</summary>
    public void Begin() => Count = 0;

    /// <summary>The row with a number for each category; empty where there are none.</summary>
    public float[] Kept { get; }

    /// <summary>Room for rows as they are kept.</summary>
    public Span<float> KeptRows(int rows)
    {
        Grow(ref _keptRows, rows * _slotsOfRow);
        return _keptRows.AsSpan(0, rows * _slotsOfRow);
    }

    /// <summary>Room for scores of coalitions.</summary>
    public Span<double> Scores(int coalitions)
    {
        Grow(ref _scores, coalitions * _contributions.Outputs);
        return _scores.AsSpan(0, coalitions * _contributions.Outputs);
    }

    /// <summary>Room for scores of a block.</summary>
    public Span<float> Linked(int rows) => _linked.AsSpan(0, rows * _contributions.Outputs);

    /// <summary>Room for the values of all players that differ.</summary>
    public Span<double> ReserveValues()
    {
        Grow(ref _values, Count * _contributions.Outputs);
        return _values.AsSpan(0, Count * _contributions.Outputs);
    }

    /// <summary>Room for so many more vectors.</summary>
    public void Reserve(int rows)
    {
        int width = _contributions.Width;
        if (_vectors.Length < (Count + rows) * width)
            Array.Resize(ref _vectors, Math.Max((Count + rows) * width, 2 * _vectors.Length));
        if (_players.Length < Count + rows)
        {
            Array.Resize(ref _players, Math.Max(Count + rows, 2 * _players.Length));
            Array.Resize(ref _slots, _players.Length);
        }
    }

    /// <summary>What a player adds to the first layers of all networks.</summary>
    public Span<float> Vector(int index) => _vectors.AsSpan(index * _contributions.Width, _contributions.Width);

    /// <summary>Keeps those of the last vectors that are not 0.</summary>
    /// <param name="first">Whose the first vector is: a player, or in wide rows the number of one that differs.</param>
    /// <param name="rows">Number of vectors.</param>
    public void Keep(int first, int rows)
    {
        for (int r = 0, from = Count; r < rows; r++, from++)
        {
            Span<float> vector = Vector(from);
            if (!vector.ContainsAnyExcept(0f))
                continue;
            if (from != Count)
                vector.CopyTo(Vector(Count));
            _players[Count++] = _contributions.IsWide ? _differing[first + r] : first + r;
        }
    }

    /// <summary>The next rows of the plan: sums of the players' vectors.</summary>
    public void Fill(int member, int rows, PanelMatrix output)
    {
        int units = _contributions.Units, at = member * units;
        ReadOnlySpan<float> none = _contributions.Base.Slice(at, units);
        Span<float> running = _running.AsSpan(at, units);
        ReadOnlySpan<ContributionStep> steps = Plan.Steps.Slice(FirstStep, rows);
        for (int r = 0; r < rows; r++)
        {
            ReadOnlySpan<float> vector = Vector(steps[r].Player).Slice(at, units);
            if (steps[r].Removes)
                TensorPrimitives.Subtract(running, vector, running);
            else
                TensorPrimitives.Add(steps[r].FromBase ? none : running, vector, running);
            for (int panel = 0; panel < output.Panels; panel++)
                running.Slice(panel * Lanes, Lanes).CopyTo(output.Rows(panel, r, 1));
        }
    }

    /// <summary>The entries of a wide row that came written out.</summary>
    public void TakeEntries(ReadOnlySpan<float> raw)
    {
        _entries = 0;
        for (int slot = 0; slot < raw.Length; slot++)
        {
            if (raw[slot] == 0)
                continue;
            if (_entries == _entryIndices.Length)
            {
                Array.Resize(ref _entryIndices, Math.Max(Lanes, 2 * _entries));
                Array.Resize(ref _entryValues, _entryIndices.Length);
            }
            _entryIndices[_entries] = slot;
            _entryValues[_entries++] = raw[slot];
        }
    }

    /// <inheritdoc cref="TakeEntries"/>
    public ReadOnlySpan<int> EntryIndices => _entryIndices.AsSpan(0, _entries);

    /// <inheritdoc cref="TakeEntries"/>
    public ReadOnlySpan<float> EntryValues => _entryValues.AsSpan(0, _entries);

    /// <summary>Number of players that have a differing column.</summary>
    public int DifferingPlayers { get; private set; }

    /// <summary>Forgets the columns of the row before.</summary>
    public void BeginDifferences()
    {
        _differences = 0;
        DifferingPlayers = 0;
    }

    /// <summary>Adds a column in which the row differs from the base.</summary>
    public void AddDifference(int player, int column, float value)
    {
        if (_numbers[player] < 0)
        {
            if (DifferingPlayers == _differing.Length)
                Array.Resize(ref _differing, Math.Max(Lanes, 2 * DifferingPlayers));
            _differing[DifferingPlayers] = player;
            _numbers[player] = DifferingPlayers++;
        }
        if (_differences == _found.Length)
            Array.Resize(ref _found, Math.Max(Lanes, 2 * _differences));
        _found[_differences++] = (_numbers[player], column, value);
    }

    /// <summary>Brings the columns of each player together, in their order.</summary>
    public void SortDifferences()
    {
        Grow(ref _starts, DifferingPlayers + 1);
        Grow(ref _sorted, _differences);
        Span<int> starts = _starts.AsSpan(0, DifferingPlayers + 1);
        starts.Clear();
        for (int i = 0; i < _differences; i++)
            starts[_found[i].Number]++;
        int end = 0;
        foreach (ref int start in starts)
        {
            end += start;
            start = end;
        }
        // From behind, so that a start is where it belongs once all of its own are placed.
        for (int i = _differences - 1; i >= 0; i--)
            _sorted[--starts[_found[i].Number]] = (_found[i].Column, _found[i].Value);
        foreach (int player in _differing.AsSpan(0, DifferingPlayers))
            _numbers[player] = -1;
    }

    /// <summary>Makes rows of the columns of so many players.</summary>
    public void FillDifferences(int first, int rows)
    {
        SparseBatch batch = Differences.Rows;
        batch.Clear();
        for (int number = first; number < first + rows; number++)
        {
            batch.BeginRow();
            foreach ((int column, float value) in _sorted.AsSpan(_starts[number].._starts[number + 1]))
                batch.Add(column, value);
        }
    }

    private static void Grow<T>(ref T[] array, int needed)
    {
        if (array.Length < needed)
            array = new T[Math.Max(needed, 2 * array.Length)];
    }
}
