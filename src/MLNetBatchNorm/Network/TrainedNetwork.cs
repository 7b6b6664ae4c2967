namespace MLNetBatchNorm.Network;

/// <summary>All there is to a trained model, in the form in which it is saved: how inputs are encoded, what was learned, and how training went.</summary>
internal sealed class TrainedNetwork
{
    /// <summary>Joins the parts; the encoder's columns must be the network's inputs.</summary>
    public TrainedNetwork(InputEncoder encoder, NetworkParameters parameters, TrainingHistory history)
    {
        if (encoder.EncodedInputs != parameters.Definition.Inputs)
            throw new ArgumentException($"The encoder makes {encoder.EncodedInputs} columns, the network reads {parameters.Definition.Inputs}.", nameof(encoder));
        Encoder = encoder;
        Parameters = parameters;
        History = history;
    }

    /// <summary>From raw slots to the network's inputs.</summary>
    public InputEncoder Encoder { get; }

    /// <summary>Unfolded weights, gamma, beta and frozen statistics.</summary>
    public NetworkParameters Parameters { get; }

    /// <summary>The course of the training.</summary>
    public TrainingHistory History { get; }
}
