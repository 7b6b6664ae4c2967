using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>The entries of a mini-batch that one projection reads, and the units that it makes of them.</summary>
internal sealed class ProjectedInput
{
    // Which inputs of the first linear map the units are.
    private readonly int[] _inputs;

    /// <param name="encoder">What encodes the entries, its columns counted from 0.</param>
    /// <param name="firstInput">The input of the first linear map that the first unit is.</param>
    /// <param name="rowCapacity">Rows of the largest mini-batch.</param>
    public ProjectedInput(InputEncoder encoder, int firstInput, int rowCapacity)
    {
        Encoder = encoder;
        Entries = new SparseBatch(encoder.EncodedInputs);
        Units = new PanelMatrix(rowCapacity, encoder.Parts[0].Units);
        _inputs = [.. Enumerable.Range(firstInput, Units.Columns)];
    }

    /// <summary>What encodes the entries.</summary>
    public InputEncoder Encoder { get; }

    /// <summary>The entries.</summary>
    public SparseBatch Entries { get; }

    /// <summary>What they are projected to.</summary>
    public PanelMatrix Units { get; }

    /// <summary>The first input of the linear map that is a unit.</summary>
    public int FirstInput => _inputs[0];

    /// <summary>Projects the first rows of the mini-batch.</summary>
    /// <param name="weights">Of the projection, in whole panels.</param>
    /// <param name="rows">Number of rows.</param>
    public void Project(LinearParameters weights, int rows)
    {
        for (int row = 0; row < rows; row++)
        {
            SparseMultiply.Multiply(
                Entries.Indices(row), Entries.Values(row), weights.Weights.Span, weights.Inputs, default, Units.Span, Units.RowCapacity,
                row, 0, Units.Panels);
        }
    }

    /// <summary>Adds to output panels of a linear map what the units of a row are in it.</summary>
    /// <param name="row">The row.</param>
    /// <param name="weights">Of the linear map, in whole panels.</param>
    /// <param name="inputs">Its inputs.</param>
    /// <param name="output">Its outputs.</param>
    /// <param name="firstPanel">First panel.</param>
    /// <param name="endPanel">Behind the last panel.</param>
    public void AddTo(int row, ReadOnlySpan<float> weights, int inputs, PanelMatrix output, int firstPanel, int endPanel)
    {
        for (int panel = 0; panel < Units.Panels; panel++)
        {
            ReadOnlySpan<int> units = UnitsOf(panel);
            SparseMultiply.Add(
                units, Units.Rows(panel, row, 1)[..units.Length], weights, inputs, output.Span, output.RowCapacity, row, firstPanel,
                endPanel);
        }
    }

    /// <summary>Adds to the gradient of the weights of a linear map what the units of a row are in it.</summary>
    public void AddWeightGradient(int row, PanelMatrix gradient, Span<float> weights, int inputs, int firstPanel, int endPanel)
    {
        for (int panel = 0; panel < Units.Panels; panel++)
        {
            ReadOnlySpan<int> units = UnitsOf(panel);
            SparseMultiply.AddWeightGradient(
                units, Units.Rows(panel, row, 1)[..units.Length], gradient.Span, gradient.RowCapacity, row, weights, inputs, firstPanel,
                endPanel);
        }
    }

    private ReadOnlySpan<int> UnitsOf(int panel)
    {
        int first = panel * PanelLayout.Width;
        return _inputs.AsSpan(first, Math.Min(PanelLayout.Width, _inputs.Length - first));
    }
}
