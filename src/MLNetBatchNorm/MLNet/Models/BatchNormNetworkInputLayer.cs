using System.Collections.Immutable;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm;

/// <summary>The first layer of a network: it reads the slots of the feature column.</summary>
/// <remarks>
/// A unit is <c>z[j] = sum over parts p of all slots of this[j, p] x[p] + b[j]</c>, x[p] being what the encoder makes of the slot's value,
/// see <see cref="BatchNormNetworkSlotPartKind"/>. How the weights lie in memory or in a file is not shown: parts that are 0 or 1 nearly
/// everywhere are looked up, not multiplied.
/// </remarks>
public sealed class BatchNormNetworkInputLayer : BatchNormNetworkLayer
{
    private readonly LinearParameters _linear;

    internal BatchNormNetworkInputLayer(
        NetworkParameters parameters, IEnumerable<Node> nodes, LinearParameters linear, BatchNormNetworkEncoder encoder)
        : base(parameters, nodes, linear)
    {
        _linear = linear;
        Encoder = encoder;
    }

    /// <summary>What makes the parts of the slots; that of the model, or of the network's trial.</summary>
    public BatchNormNetworkEncoder Encoder { get; }

    /// <summary>The weight of one part of a slot in one unit.</summary>
    /// <param name="output">The unit, from 0.</param>
    /// <param name="part">The part, such as <c>Encoder.Slots[3].Value</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such unit.</exception>
    /// <exception cref="ArgumentException">The encoder has no such part.</exception>
    public float this[int output, BatchNormNetworkSlotPart part]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)output, (uint)Outputs, nameof(output));
            return _linear.WeightOfColumn(output, Encoder.ColumnOf(part));
        }
    }

    /// <summary>The weights of one part of a slot, one for each unit.</summary>
    /// <param name="part">The part, such as <c>Encoder.Slots[3].Value</c>.</param>
    /// <returns><see cref="BatchNormNetworkLayer.Outputs"/> numbers, a new copy.</returns>
    /// <exception cref="ArgumentException">The encoder has no such part.</exception>
    public ImmutableArray<float> GetWeights(BatchNormNetworkSlotPart part)
    {
        int column = Encoder.ColumnOf(part);
        var weights = ImmutableArray.CreateBuilder<float>(Outputs);
        for (int output = 0; output < Outputs; output++)
            weights.Add(_linear.WeightOfColumn(output, column));
        return weights.MoveToImmutable();
    }
}
