using System.Collections.Immutable;

namespace MLNetBatchNorm;

/// <summary>Every default of the trainers, once, each with its reason or source.</summary>
internal static class BatchNormNetworkDefaults
{
    /// <summary>
    /// Two layers: a table of up to some hundred columns rarely gains from a third, and the second lets features interact.
    /// Widths halve, as in the tabular networks of Gorishniy et al. 2021 (arXiv:2106.11959), whose tuned widths lie between 64 and 512.
    /// </summary>
    public static readonly ImmutableArray<int> HiddenUnits = [256, 128];

    /// <summary>
    /// Several classes are mostly told apart by rules that a deeper network follows further: a third layer gained on every such table tried, small or large, and
    /// nothing on others (docs/defaults.md). RealMLP's widths (Holzmueller et al. 2024, arXiv:2407.04491).
    /// </summary>
    public static readonly ImmutableArray<int> HiddenUnitsOfClasses = [256, 256, 256];

    /// <summary>The activation batch normalization was introduced with and the cheapest to compute.</summary>
    public const ActivationFunction Activation = ActivationFunction.ReLU;

    /// <summary>The order of Ioffe and Szegedy 2015, section 3.2.</summary>
    public const BatchNormalizationPlacement Placement = BatchNormalizationPlacement.BeforeActivation;

    /// <summary>No normalization in front of the output layer: the published form of each placement.</summary>
    public const bool NormalizeOutputLayerInput = false;

    /// <summary>Costs nothing after training, and what Keras and PyTorch do; see the option for when another is better.</summary>
    public const BatchNormalizationStatistics Statistics = BatchNormalizationStatistics.RunningAverage;

    /// <summary>PyTorch's value; Keras has 1e-3. Far below the variance 1 of an initialized layer, far above the rounding error of a variance.</summary>
    public const double Epsilon = 1e-5;

    /// <summary>PyTorch's value: after 44 batches the initial statistics carry 1% of the weight. Keras has the complement 0.99, which forgets ten times slower.</summary>
    public const double RunningStatisticsMomentum = 0.1;

    /// <summary>The normalized value has variance 1 at the start: Ioffe and Szegedy 2015.</summary>
    public const double InitialGamma = 1;

    /// <summary>Light: the noise of mini-batch statistics regularizes already (Ioffe and Szegedy 2015, section 3.4).</summary>
    public const double DropoutRate = 0.1;

    /// <summary>Rows in the order they came would give every batch the same company in each epoch, and sorted tables one class per batch.</summary>
    public const bool Shuffle = true;

    /// <summary>Two fifths of the longest cycle that is chosen, and more of the others: the validation loss often rests while the rate is high and falls again while it is lowered.</summary>
    public const int EarlyStoppingPatience = 20;

    /// <summary>Raw columns of any scale are the normal case in a table.</summary>
    public const bool ScaleInputs = true;

    /// <summary>The same time is better spent on networks of an ensemble: see docs/defaults.md.</summary>
    public const int NumberOfRestarts = 0;

    /// <summary>16 million rows of 30 features; a fixed number, so that the model does not depend on the machine.</summary>
    public const int MemoryBudgetInMegabytes = 2048;

    /// <summary>No native dependency, reproducible, and not slower than the native libraries it was measured against.</summary>
    public const MatrixMultiplication MatrixMultiplication = MLNetBatchNorm.MatrixMultiplication.Managed;

    /// <summary>A minute is what a restart may cost; writing takes a small part of it even for large networks.</summary>
    public const double CheckpointIntervalInSeconds = 60;

    /// <summary>As they are: weights move the probabilities away from the observed frequencies, so they have to be asked for.</summary>
    public const bool UnbalancedSets = false;

    /// <summary>On: without it networks of tables that can be learned exactly end too early (docs/defaults.md).</summary>
    public const bool TemperatureScaling = true;

    /// <summary>None: smoothing changes the probabilities away from the observed frequencies, so it has to be asked for.</summary>
    public const double LabelSmoothing = 0;

    /// <summary>The squared error estimates the mean, which R squared and RMS measure.</summary>
    public static RegressionLoss CreateLoss() => new SquaredLoss();

    /// <summary>A new instance each time, so that trainers share nothing: decoupled weight decay (Loshchilov and Hutter 2019).</summary>
    public static Optimizer CreateOptimizer() => new AdamWOptimizer();

    /// <summary>One cycle (Smith and Topin 2019): a short warm-up for the untrained statistics, then annealing to almost zero.</summary>
    public static LearningRateSchedule CreateLearningRateSchedule() => new OneCycleSchedule();
}
