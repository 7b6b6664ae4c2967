using System.Collections.Immutable;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm;

/// <summary>The weights of one layer: a matrix [outputs, inputs].</summary>
public sealed class BatchNormNetworkWeights
{
    private readonly LinearParameters _linear;
    private ImmutableArray<float> _values;

    internal BatchNormNetworkWeights(LinearParameters linear) => _linear = linear;

    /// <summary>Number of outputs of the layer: rows of the matrix.</summary>
    public int Outputs => _linear.Outputs;

    /// <summary>Number of inputs of the layer, the units of the layer before: columns of the matrix.</summary>
    public int Inputs => _linear.Inputs;

    /// <summary>The weight of one input in one output.</summary>
    /// <param name="output">Row, from 0.</param>
    /// <param name="input">Column, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such output or input.</exception>
    public float this[int output, int input]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)output, (uint)Outputs, nameof(output));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)input, (uint)Inputs, nameof(input));
            return _linear.Weight(output, input);
        }
    }

    /// <summary>All weights row by row: <c>Values[output * Inputs + input]</c>. Made at the first call and kept.</summary>
    public ImmutableArray<float> Values
    {
        get
        {
            if (_values.IsDefault)
                ImmutableInterlocked.InterlockedInitialize(ref _values, Unpack());
            return _values;
        }
    }

    private ImmutableArray<float> Unpack()
    {
        var values = ImmutableArray.CreateBuilder<float>(checked(Outputs * Inputs));
        for (int output = 0; output < Outputs; output++)
        {
            for (int input = 0; input < Inputs; input++)
                values.Add(_linear.Weight(output, input));
        }

        return values.MoveToImmutable();
    }
}
