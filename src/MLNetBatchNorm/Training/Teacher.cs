using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>
/// The networks of an ensemble, for one that learns what they say together and takes their place (Hinton, Vinyals and Dean 2015,
/// arXiv:1503.02531).
/// </summary>
/// <remarks>
/// What they say of a row is their mean, with what the objective makes of it: probabilities, or scaled labels. It has no noise of labels,
/// so that nothing is to be gained by holding the learning network back, with dropout, a small first layer, or an early end. All networks
/// speak of every row, also those that have learned from it.
/// </remarks>
/// <param name="encoder">From raw slots to the networks' inputs.</param>
/// <param name="networks">The networks, all of one shape; they are not changed any more.</param>
internal sealed class Teacher(InputEncoder encoder, IReadOnlyList<NetworkParameters> networks)
{
    /// <summary>From raw slots to the networks' inputs.</summary>
    public InputEncoder Encoder => encoder;

    /// <summary>Number of the networks.</summary>
    public int Count => networks.Count;

    /// <summary>Their shape.</summary>
    public NetworkDefinition Definition => networks[0].Definition;

    /// <summary>Folds the networks for rows of a kind.</summary>
    public FoldedNetwork Fold(Data.RowShape rows) => FoldedNetwork.CreateFor(rows, encoder, networks);

    /// <summary>The same rows behind the networks' own encoder.</summary>
    public EncodedRows Encoded(EncodedRows rows) => rows.EncodedBy(encoder);
}
