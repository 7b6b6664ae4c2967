namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>What a network computes, by the formulas that the documentation of its public view gives, from what the view shows.</summary>
internal static class ShownNetwork
{
    /// <summary>All weights of a layer, unit by unit.</summary>
    public static float[] WeightsOf(BatchNormNetworkLayer layer) => layer switch
    {
        BatchNormNetworkInputLayer input =>
            [.. Enumerable.Range(0, input.Outputs).SelectMany(unit => input.Encoder.Parts.Select(part => input[unit, part]))],
        BatchNormNetworkDenseLayer dense => [.. dense.Weights.Values],
        _ => throw new ArgumentException("Unknown kind of layer.", nameof(layer)),
    };

    /// <summary>The weights of the first layer of the first network.</summary>
    public static float[] FirstWeightsOf(BatchNormNetwork network) => WeightsOf(network.Members[0].Layers[0]);

    /// <summary>The parts of a row.</summary>
    public static double[] Encode(BatchNormNetworkEncoder encoder, float[] features) =>
        [.. encoder.Parts.Select(part => Encode(encoder.Slots[part.Slot], part, features[part.Slot]))];

    /// <summary>The outputs of one network for a row.</summary>
    /// <param name="member">The network.</param>
    /// <param name="input">What the first layer reads.</param>
    /// <param name="normalize">Whether batch normalizations are computed, or left out.</param>
    /// <param name="firstWeights">The weights of the first layer, for those who ask often; null: they are read.</param>
    public static double[] Forward(
        BatchNormNetworkMember member, double[] input, bool normalize = true, float[]? firstWeights = null)
    {
        double[] x = input;
        foreach (BatchNormNetworkLayer layer in member.Layers)
        {
            float[] weights = layer is BatchNormNetworkInputLayer && firstWeights is not null ? firstWeights : WeightsOf(layer);
            BatchNormNetworkNormalization? normalization = normalize ? layer.BatchNormalization : null;
            if (normalization?.Placement == BatchNormalizationPlacement.LayerInput)
                x = Normalize(normalization, x);
            double[] z = new double[layer.Outputs];
            for (int output = 0; output < z.Length; output++)
            {
                z[output] = layer.Bias is { } bias ? bias[output] : 0;
                for (int i = 0; i < layer.Inputs; i++)
                    z[output] += weights[output * layer.Inputs + i] * x[i];
            }

            if (normalization?.Placement == BatchNormalizationPlacement.BeforeActivation)
                z = Normalize(normalization, z);
            if (layer.Activation == ActivationFunction.ReLU)
                z = [.. z.Select(value => Math.Max(0, value))];
            if (normalization?.Placement == BatchNormalizationPlacement.AfterActivation)
                z = Normalize(normalization, z);
            x = z;
        }

        return x;
    }

    private static double Encode(BatchNormNetworkSlot slot, BatchNormNetworkSlotPart part, float value)
    {
        if (float.IsNaN(value))
            return part.ValueWhereMissing;
        double t = ((double)value - slot.Center) * slot.Scale;
        return part.Kind switch
        {
            BatchNormNetworkSlotPartKind.Value => slot.IsClipped ? t / Math.Sqrt(1 + t / 3 * (t / 3)) : t,
            BatchNormNetworkSlotPartKind.Missing => 0,
            BatchNormNetworkSlotPartKind.Piece => Math.Clamp(
                ((double)value - part.From!.Value) / ((double)part.To!.Value - part.From.Value), 0, 1),
            _ => throw new ArgumentException("Unknown kind of part.", nameof(part)),
        };
    }

    private static double[] Normalize(BatchNormNetworkNormalization n, double[] x) =>
        [.. x.Select((value, j) => (n.Gamma[j] * (value - n.RunningMean[j]) / Math.Sqrt(n.RunningVariance[j] + n.Epsilon)) + n.Beta[j])];
}
