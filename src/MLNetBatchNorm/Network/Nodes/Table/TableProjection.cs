using MLNetBatchNorm.Data;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A projection in front of a first linear map in training: its weights, and their gradient by way of that of its units.</summary>
internal sealed class TableProjection
{
    private const int Width = PanelLayout.Width;

    private readonly LinearParameters _map;
    private readonly LinearParameters _projection;
    private readonly ProjectedInput _input;
    private readonly float _dropout;

    // The weights of its units in the map as they were before the step, turned around, and the gradient of the units.
    private readonly AlignedBuffer _weightsOfUnits;
    private readonly AlignedBuffer _transposed;
    private readonly PanelMatrix _unitGradient;

    // The gradient of the columns that the mini-batch touches, one behind the other in each panel, as large as for the largest one yet: all
    // columns are very many. And the place of each of them among those that are touched, those of a row's own.
    private readonly int[] _places;
    private AlignedBuffer _gradient = new(0);
    private int[] _placesOfRow = [];

    /// <param name="name">Of its weights.</param>
    /// <param name="map">The first linear map.</param>
    /// <param name="projection">The projection.</param>
    /// <param name="input">What it reads, and where its units are.</param>
    /// <param name="rowCapacity">Rows of the largest mini-batch.</param>
    public TableProjection(string name, LinearParameters map, LinearParameters projection, ProjectedInput input, int rowCapacity)
    {
        _map = map;
        _projection = projection;
        _input = input;
        _dropout = projection.EntryDropout;
        Weights = new ParameterBlock(name, projection.Weights, isWeight: true, keepsGradient: false);
        _places = new int[projection.Inputs];
        _weightsOfUnits = new AlignedBuffer((long)PanelLayout.PanelCount(map.Outputs) * Width * projection.Outputs);
        _transposed = new AlignedBuffer(PanelLayout.Length(map.Outputs, projection.Outputs));
        _unitGradient = new PanelMatrix(rowCapacity, projection.Outputs);
    }

    /// <summary>The weights, without room for a gradient.</summary>
    public ParameterBlock Weights { get; }

    /// <summary>Chooses which entries are left out; null: none.</summary>
    public ulong? DropoutKey { get; set; }

    /// <summary>Computes the units of a mini-batch, and keeps what their gradient needs.</summary>
    public void Prepare(int rows)
    {
        if (DropoutKey is { } key && _dropout > 0)
        {
            _input.Entries.Drop(key, _dropout);
            _input.Entries.FindTouched();
        }
        _input.Project(_projection, rows);
        int length = _projection.Outputs * Width, panels = PanelLayout.PanelCount(_map.Outputs);
        for (int panel = 0; panel < panels; panel++)
        {
            _map.Weights.Span.Slice((panel * _map.Inputs + _input.FirstInput) * Width, length)
                .CopyTo(_weightsOfUnits.Span[(panel * length)..]);
        }
        MatrixMultiply.TransposeWeights(_weightsOfUnits.Span, _projection.Outputs, _map.Outputs, _transposed.Span, 0, panels);
    }

    /// <summary>Gradient of the weights of its units in panels of the map.</summary>
    public void AddUnits(PanelMatrix gradient, int rows, Span<float> weights, int firstPanel, int endPanel)
    {
        for (int panel = firstPanel; panel < endPanel; panel++)
            weights.Slice((panel * _map.Inputs + _input.FirstInput) * Width, _projection.Outputs * Width).Clear();
        for (int row = 0; row < rows; row++)
            _input.AddWeightGradient(row, gradient, weights, _map.Inputs, firstPanel, endPanel);
    }

    /// <summary>Gradient of the projection, of the columns that occur, by way of that of its units.</summary>
    public void Gradient(PanelMatrix gradient, int rows, MatrixProducts products, IGradientConsumer consumer)
    {
        PanelMatrix units = _unitGradient;
        SparseBatch entries = _input.Entries;
        int columns = _projection.Inputs;
        products.Multiply(
            gradient.Span, gradient.RowCapacity, _map.Outputs, _transposed.Span, default, units.Span, units.RowCapacity, 0, rows, 0,
            units.Panels);
        int touched = TakePlaces(entries);
        Span<float> weights = _gradient.Span[..(units.Panels * touched * Width)];
        weights.Clear();
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<int> indices = entries.Indices(row);
            Span<int> places = _placesOfRow.AsSpan(0, indices.Length);
            for (int i = 0; i < places.Length; i++)
                places[i] = _places[indices[i]];
            SparseMultiply.AddWeightGradient(
                places, entries.Values(row), units.Span, units.RowCapacity, row, weights, touched, 0, units.Panels);
        }
        for (int panel = 0, at = 0; panel < units.Panels; panel++)
        {
            foreach ((int first, int end) in entries.Touched)
            {
                int length = (end - first) * Width;
                consumer.Consume(Weights, (panel * columns + first) * Width, weights.Slice(at, length));
                at += length;
            }
        }
    }

    /// <summary>Numbers the columns that a mini-batch touches, and makes room for them and for the longest of its rows.</summary>
    private int TakePlaces(SparseBatch entries)
    {
        int touched = 0, longest = 0;
        foreach ((int first, int end) in entries.Touched)
        {
            for (int column = first; column < end; column++)
                _places[column] = touched++;
        }
        for (int row = 0; row < entries.Rows; row++)
            longest = Math.Max(longest, entries.Indices(row).Length);
        long needed = (long)touched * _unitGradient.Panels * Width;
        if (needed > _gradient.Length)
            _gradient = new AlignedBuffer(Math.Min(Weights.Value.Length, Math.Max(needed, 2L * _gradient.Length)));
        if (longest > _placesOfRow.Length)
            _placesOfRow = new int[Math.Max(longest, 2 * _placesOfRow.Length)];
        return touched;
    }
}
