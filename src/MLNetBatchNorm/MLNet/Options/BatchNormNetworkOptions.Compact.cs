namespace MLNetBatchNorm;

public abstract partial class BatchNormNetworkOptions
{
    /// <summary>
    /// Whether the model is one network, which has learned what the networks of the ensemble say together, instead of the ensemble itself:
    /// mostly a third to an eighth of its size and of its time to score, for a small part of its accuracy and up to twice the time of
    /// <c>Fit</c>.
    /// </summary>
    /// <value>
    /// Default false: the model has all <see cref="NumberOfEnsembleMembers"/> networks. Where there is only one, as for data so large that
    /// no more would be trained in time, it has no effect, and the log says so.
    /// </value>
    /// <remarks>
    /// <para>
    /// Once the networks are trained, another one is, on all training rows, for twice as many epochs (of small tables,
    /// which are trained for more than the usual ones, for no fewer than the others); instead of labels it learns the mean
    /// of their outputs: probabilities of classes, predictions of numbers (Hinton, Vinyals and Dean 2015, arXiv:1503.02531). It has no
    /// dropout in hidden layers (convolutions keep what <see cref="ConvolutionLayer.DropoutRate"/> says), and their layers; where these are
    /// chosen, and rows are no pictures, 256 and 128 units for two classes and numbers also from 10,000 rows on, unless that is more than a
    /// third of all networks together. The network of its last epoch is kept, because validation rows would choose by their labels: its
    /// history has no validation losses. Its training losses are those of the loss with what the networks say in place of labels; of
    /// classes that is their cross-entropy, which stays above 0 by as much as the networks are in doubt. docs/defaults.md says how much of
    /// the gain it keeps.
    /// </para>
    /// <para>
    /// What comes out is a model like any other of one network, which training can go on from with a single network. It is trained once,
    /// whatever <see cref="NumberOfRestarts"/>, and in this process, whatever <see cref="TrainingRunner"/>. Not together with
    /// <see cref="NumberOfTrials"/> above 1, nor with prediction intervals, which are measured by networks that have not seen a row.
    /// </para>
    /// </remarks>
    public bool CompactModel { get; set; }
}
