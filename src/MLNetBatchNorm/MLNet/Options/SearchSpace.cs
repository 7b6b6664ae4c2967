namespace MLNetBatchNorm;

/// <summary>
/// What trials draw for the options that are left open: see <see cref="BatchNormNetworkOptions.NumberOfTrials"/>. Each property gives the
/// values of the option it is called after, each as likely as the others.
/// </summary>
/// <remarks>
/// <para>
/// A property that is null stands for values around what the option comes to by the size of the data. Half of the trials that draw
/// keep that for an option, so that a trial differs from the defaults in some options and not in all. Of a property with values every
/// trial but the first takes one of them.
/// </para>
/// <para>
/// Where no space is given, the first three trials do not draw, from 3,000 rows on: they train up to three times as long (no longer than
/// 108 epochs, unless more are usual), with a patience of two fifths of that, with finer pieces and less dropout or one more layer, which
/// gained on most tables that are learned to the last epoch. The first two are not given up early, as long as there is
/// room for another one.
/// </para>
/// <para>What an option has been set to stays as it is in all trials, whatever is said here.</para>
/// </remarks>
public sealed class SearchSpace
{
    /// <summary>Number of hidden layers, each of the same <see cref="NumberOfUnits"/>.</summary>
    /// <value>Default null: as many, one more. Values in [1, 64]. Of no effect where HiddenUnits is set.</value>
    [OptionRange(
        1, BatchNormNetworkOptions.MaximumNumberOfHiddenLayers, "One to four layers are usual; set null for numbers around the default.")]
    public int[]? NumberOfHiddenLayers { get; set; }

    /// <summary>Units of each hidden layer.</summary>
    /// <value>
    /// Default null: half of the units of the widest layer, as many, twice as many. Values in [1, 65536]. Of no effect where HiddenUnits is
    /// set.
    /// </value>
    [OptionRange(
        1, BatchNormNetworkOptions.MaximumNumberOfUnits, "64 to 512 units are usual; set null for numbers around the default.")]
    public int[]? NumberOfUnits { get; set; }

    /// <summary>Values of <see cref="BatchNormNetworkOptions.Activation"/>.</summary>
    /// <value>Default null: ReLU, SiLU, Mish.</value>
    public ActivationFunction[]? Activation { get; set; }

    /// <summary>Values of <see cref="BatchNormNetworkOptions.Placement"/>.</summary>
    /// <value>
    /// Default null: BeforeActivation, AfterActivation. With LayerInput sparse rows and categories are written out, for all trials.
    /// </value>
    public BatchNormalizationPlacement[]? Placement { get; set; }

    /// <summary>Values of <see cref="BatchNormNetworkOptions.DropoutRate"/>.</summary>
    /// <value>Default null: 0, 0.05, 0.1, 0.2. Values in [0, 1).</value>
    [OptionRange(0, 1, "It is the share of hidden units dropped, not kept.", ExcludesMaximum = true)]
    public double[]? DropoutRate { get; set; }

    /// <summary>Values of <see cref="BatchNormNetworkOptions.BatchSize"/>.</summary>
    /// <value>Default null: half of the rows, as many, twice as many, at least 32. Values in [2, 1048576].</value>
    [OptionRange(2, BatchNormNetworkOptions.MaximumBatchSize, "Powers of two from 32 to 1024 are usual.")]
    public int[]? BatchSize { get; set; }

    /// <summary>Values of <see cref="BatchNormNetworkOptions.MaximumNumberOfEpochs"/>, each a full cycle of the learning rate.</summary>
    /// <value>Default null: half of the epochs, as many, twice, three times as many, up to 108. Values in [1, 1000000].</value>
    [OptionRange(1, 1_000_000, "Give numbers of passes over the training rows.")]
    public int[]? MaximumNumberOfEpochs { get; set; }

    /// <summary>Values of <see cref="BatchNormNetworkOptions.LearningRate"/>.</summary>
    /// <value>
    /// Default null: between a quarter and twice of what the option comes to for the trial's batch, evenly in the logarithm. Values in (0,
    /// 100].
    /// </value>
    [OptionRange(0, 100, "Values from 0.0003 to 0.01 are usual.", ExcludesMinimum = true)]
    public double[]? LearningRate { get; set; }

    /// <summary>
    /// Values of <see cref="AdamWOptimizer.WeightDecay"/>; of no effect where <see cref="BatchNormNetworkOptions.Optimizer"/> is set.
    /// </summary>
    /// <value>Default null: 0.001, 0.01, 0.03, 0.1. Values in [0, 100].</value>
    [OptionRange(0, 100, "Values from 0.001 to 0.3 are usual.")]
    public double[]? WeightDecay { get; set; }

    /// <summary>Values of <see cref="BatchNormNetworkOptions.NumberOfInputPieces"/>.</summary>
    /// <value>
    /// Default null: half of the pieces, as many, twice, four times as many, but no more than 2,048 of all slots together beyond the
    /// default; where there are none by default, none. Values in [0, 256].
    /// </value>
    [OptionRange(0, 256, "8 to 48 are usual; 0 is none.")]
    public int[]? NumberOfInputPieces { get; set; }

    /// <summary>
    /// Values of <see cref="BatchNormNetworkMulticlassTrainer.Options.LabelSmoothing"/>; of no effect with other trainers.
    /// </summary>
    /// <value>Default null: 0, 0.03. Values in [0, 1). Trials are compared without smoothing, or by what the option is set to.</value>
    [OptionRange(0, 1, "It is the share of probability spread over all classes.", ExcludesMaximum = true)]
    public double[]? LabelSmoothing { get; set; }

    internal SearchSpace Copy() => new()
    {
        NumberOfHiddenLayers = (int[]?)NumberOfHiddenLayers?.Clone(),
        NumberOfUnits = (int[]?)NumberOfUnits?.Clone(),
        Activation = (ActivationFunction[]?)Activation?.Clone(),
        Placement = (BatchNormalizationPlacement[]?)Placement?.Clone(),
        DropoutRate = (double[]?)DropoutRate?.Clone(),
        BatchSize = (int[]?)BatchSize?.Clone(),
        MaximumNumberOfEpochs = (int[]?)MaximumNumberOfEpochs?.Clone(),
        LearningRate = (double[]?)LearningRate?.Clone(),
        WeightDecay = (double[]?)WeightDecay?.Clone(),
        NumberOfInputPieces = (int[]?)NumberOfInputPieces?.Clone(),
        LabelSmoothing = (double[]?)LabelSmoothing?.Clone(),
    };
}
