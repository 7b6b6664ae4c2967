using Microsoft.ML.Runtime;

namespace MLNetBatchNorm;

/// <summary>
/// What the two trainers that predict classes have in common beside <see cref="BatchNormNetworkOptions"/>: what each class counts for.
/// </summary>
/// <remarks>
/// <para>
/// A row's weight in the loss is that of its <see cref="BatchNormNetworkOptions.ExampleWeightColumnName"/>, 1 without one, times that of
/// its class. It counts in training, where the best epoch is chosen, and in the metric shown beside the loss; the statistics of batch
/// normalization take every row alike.
/// </para>
/// <para>
/// Weights move the probabilities: they are those of a world in which a class is as frequent as its weight makes it. With weights a and b
/// of two classes the odds that the model gives are a / b times those of the world that the rows come from. <see cref="ClassPriors"/> puts
/// them back. Where only the decision is to come sooner, use no weights and move the threshold. Weights are for rare classes that a network
/// otherwise hardly learns to tell, and for mistakes of unlike cost.
/// </para>
/// </remarks>
public abstract class BatchNormNetworkClassificationOptions : BatchNormNetworkOptions
{
    private protected BatchNormNetworkClassificationOptions()
    {
    }

    /// <summary>
    /// What a row of each class counts for in the loss: for two classes first that of false, then that of true; for several in the order of
    /// the label's keys.
    /// </summary>
    /// <value>
    /// Default null: every class counts alike, as with 1 for each. One number for each class, each in [0, 1000000], at least two of them
    /// above 0. Rows of a class with weight 0 are left out. All numbers times the same factor make no difference.
    /// </value>
    [OptionRange(0, 1_000_000, "Weights around 1 are usual; set 0 to leave a class out.")]
    public double[]? ClassWeights { get; set; }

    /// <summary>
    /// Whether classes are to count alike however many rows they have: <c>weight of class c = weight of all rows / (classes * weight of the
    /// rows of class c)</c>, so that all classes have the same total weight and a row the mean weight 1. LightGBM's name for it; "balanced"
    /// in scikit-learn (King and Zeng 2001).
    /// </summary>
    /// <value>
    /// Default false: weights move the probabilities away from the observed frequencies, so they have to be asked for. The rows are the
    /// training rows, those set aside for validation included; the classes those that have rows. A class without any has weight 1, which
    /// counts only for validation rows of your own. Not together with <see cref="ClassWeights"/>.
    /// </value>
    /// <remarks>
    /// The best epoch is then chosen by a loss that rests as much on the validation rows of the rarest class as on all others: where those
    /// are a handful, give validation rows of your own, or train all epochs with <see cref="BatchNormNetworkOptions.ValidationFraction"/>
    /// 0.
    /// </remarks>
    public bool UnbalancedSets { get; set; }

    /// <summary>
    /// How frequent each class is among the rows that the model is for: what weights, or training rows chosen by class, have moved is put
    /// back after training. In the order of <see cref="ClassWeights"/>.
    /// </summary>
    /// <value>
    /// Default null: probabilities are those of the training rows, each times its weight. One number for each class, each in (0,
    /// 1000000000]; parts or counts, as all numbers times the same factor make no difference: [0.99, 0.01] or [990, 10] where one row of
    /// a hundred is true.
    /// </value>
    /// <remarks>
    /// <para><c>log(prior of c / sum of priors) - log(weight of c's training rows / weight of all)</c> is added to the logit of each class
    /// c, weights being those of <see cref="BatchNormNetworkOptions.ExampleWeightColumnName"/> times <see cref="ClassWeights"/>; of two
    /// classes the difference to the one logit. It is exact where the rows of each class look as they did in training, and only their
    /// numbers are others (Elkan 2001, theorem 2; Saerens et al. 2002). Nothing is trained differently: of two classes the ranking by
    /// <c>Score</c> stays as it is. <c>PredictedLabel</c> follows the probabilities.</para>
    /// <para>Losses of the training history are those before. A class without training rows is left as it is, and so is a model of rows
    /// that are all of one class. Training that goes on from a model with priors takes out what was added, and adds what its own options
    /// say.</para>
    /// </remarks>
    [OptionRange(
        0, 1_000_000_000, "Give the part of each class among the rows to be scored, or how many there are.", ExcludesMinimum = true)]
    public double[]? ClassPriors { get; set; }

    /// <summary>
    /// Whether the validation rows decide not only which epoch is best but also how sure of itself the network may be: after each epoch
    /// their loss is taken at the temperature T that makes it smallest, <c>loss(outputs / T)</c>, and the kept network's last layer is
    /// divided by its T.
    /// </summary>
    /// <value>
    /// Default true, with T from 1 to 4: a network goes on to separate the classes better after it has become too sure of itself; the plain
    /// loss rises there, would end training too early, and one division mends it. The validation losses of the training history are those
    /// at T. False: the plain loss decides, and nothing is divided. Without validation rows it has no effect. Sources: Guo et al. 2017,
    /// arXiv:1706.04599, section 4.2; Berta et al. 2025, arXiv:2501.19195.
    /// </value>
    public bool TemperatureScaling { get; set; } = true;

    internal override void Check(IExceptionContext context) => ClassWeightOptions.Check(context, this);

    private protected override void OwnParts()
    {
        base.OwnParts();
        ClassWeights = (double[]?)ClassWeights?.Clone();
        ClassPriors = (double[]?)ClassPriors?.Clone();
    }
}
