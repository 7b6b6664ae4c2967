using System.Runtime.CompilerServices;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A linear map in prediction, with what is affine in front of it and behind it folded into weights and bias.</summary>
internal sealed class FoldedDense : FoldedLinear
{
    private readonly LinearParameters _linear;
    private readonly Node? _before;
    private readonly Node? _behind;
    private readonly bool _shares;

    /// <summary>A map that writes itself and its neighbours into <paramref name="folded"/>.</summary>
    public FoldedDense(DenseNode node, Node? before, Node? behind, NetworkParameters network, LinearParameters folded)
        : base(node, folded)
    {
        _linear = folded;
        _before = before;
        _behind = behind;
        Refold(network);
    }

    /// <summary>A map that computes with the weights of the network itself.</summary>
    public FoldedDense(DenseNode node, LinearParameters shared)
        : base(node, shared)
    {
        _linear = shared;
        _shares = true;
    }

    public override void Refold(NetworkParameters network)
    {
        var linear = (LinearParameters)network[Node]!;
        if (!_shares)
            Folding.Fold(linear, _before?.Affine(network[_before]), _behind?.Affine(network[_behind]), _linear);
        else if (_linear.Lanes == linear.Lanes && _linear.Weights != linear.Weights)
            throw new ArgumentException("A network that shares its first layer cannot take over another one.", nameof(network));
    }

    public override void Apply(NodeInput input, int rows, PanelMatrix output)
    {
        if (input is PanelInput panels)
            Multiply(panels.Values, rows, output);
        else if (input is SparseRowsInput sparse)
            Multiply(sparse.Rows, output);
        else
            throw new ArgumentException($"A linear map does not read {input.GetType().Name}.", nameof(input));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Multiply(PanelMatrix input, int rows, PanelMatrix output)
    {
        LinearParameters linear = _linear;
        if (linear.Projections.Length > 0)
            input = Project(input, rows, linear);
        if (linear.Lanes == 1)
        {
            OneOutputMultiply.Multiply(
                input.Span, input.RowCapacity, linear.Inputs, linear.Weights.Span, linear.Bias!.Span[0], output.Span, rows);
        }
        else if (input.RowCapacity == 1)
        {
            MatrixMultiply.MultiplyRow(input.Span, linear.Inputs, linear.Weights.Span, linear.Bias!.Span, output.Span, output.Panels);
        }
        else
        {
            MatrixMultiply.Multiply(
                input.Span, input.RowCapacity, linear.Inputs, linear.Weights.Span, linear.Bias!.Span, output.Span,
                output.RowCapacity, 0, rows, 0, output.Panels);
        }
    }

    /// <summary>Columns with the last ones projected, for a network that reads all columns; nobody is in a hurry there.</summary>
    private static PanelMatrix Project(PanelMatrix input, int rows, LinearParameters linear)
    {
        var projected = new PanelMatrix(input.RowCapacity, linear.Inputs);
        int direct = linear.DirectInputs;
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < direct; column++)
            {
                projected.Span[PanelLayout.Index(row, column, projected.RowCapacity)] =
                    input.Span[PanelLayout.Index(row, column, input.RowCapacity)];
            }
            int unit = direct, first = direct;
            foreach (LinearParameters projection in linear.Projections)
            {
                for (int u = 0; u < projection.Outputs; u++, unit++)
                {
                    float sum = 0;
                    for (int i = 0; i < projection.Inputs; i++)
                    {
                        sum = MathF.FusedMultiplyAdd(
                            input.Span[PanelLayout.Index(row, first + i, input.RowCapacity)], projection.Weight(u, i), sum);
                    }
                    projected.Span[PanelLayout.Index(row, unit, projected.RowCapacity)] = sum;
                }
                first += projection.Inputs;
            }
        }
        return projected;
    }

    private void Multiply(SparseBatch rows, PanelMatrix output)
    {
        LinearParameters linear = _linear;
        for (int row = 0; row < rows.Rows; row++)
        {
            if (linear.Lanes == 1)
            {
                Span<float> lanes = output.Rows(0, row, 1);
                lanes.Clear();
                lanes[0] = OneOutputMultiply.Multiply(rows.Indices(row), rows.Values(row), linear.Weights.Span, linear.Bias!.Span[0]);
                continue;
            }
            SparseMultiply.Multiply(
                rows.Indices(row), rows.Values(row), linear.Weights.Span, linear.Inputs, linear.Bias!.Span, output.Span,
                output.RowCapacity, row, 0, output.Panels);
        }
    }
}
