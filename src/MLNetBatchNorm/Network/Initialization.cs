using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Initial weights.</summary>
internal static class Initialization
{
    /// <summary>
    /// Fresh parameters. Hidden weights are uniform in ±sqrt(3 g² / inputs) with g² the activation's <see cref="IActivation.SquaredGain"/>,
    /// biases zero; the output layer is uniform in ±1/sqrt(inputs), so that first predictions are small.
    /// </summary>
    /// <remarks>Uniform, not normal: it needs no logarithm or cosine, whose last bit differs between systems.</remarks>
    public static NetworkParameters Create(NetworkDefinition definition, ulong seed)
    {
        var parameters = new NetworkParameters(definition);
        for (int layer = 0; layer < parameters.Linear.Length; layer++)
        {
            LinearParameters linear = parameters.Linear[layer];
            bool output = layer == parameters.Linear.Length - 1;
            double squaredGain = output ? 1.0 / 3 : Activations.SquaredGain(definition.Activation);
            double bound = Math.Sqrt(3 * squaredGain / linear.Inputs);
            var random = new RandomStream(seed, RandomPurpose.InitialWeights + (ulong)layer);
            for (int o = 0; o < linear.Outputs; o++)
            {
                for (int i = 0; i < linear.Inputs; i++)
                    linear.Weight(o, i) = (float)((2 * random.NextDouble() - 1) * bound);
            }
        }
        return parameters;
    }
}
