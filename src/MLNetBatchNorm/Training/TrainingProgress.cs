using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>What an <see cref="IProgress{T}"/> is told after every epoch; see <see cref="BatchNormNetworkOptions.Progress"/>.</summary>
public sealed class TrainingProgress
{
    internal TrainingProgress(
        EpochRecord epoch, string metricName, int maximumNumberOfEpochs, int bestEpoch, TrainingNumber training, double fractionDone,
        long trainedRows, TimeSpan elapsed)
    {
        Epoch = epoch.Epoch;
        MaximumNumberOfEpochs = maximumNumberOfEpochs;
        LearningRate = epoch.LearningRate;
        TrainingLoss = epoch.TrainingLoss;
        ValidationLoss = epoch.ValidationLoss;
        ValidationMetric = epoch.ValidationMetric;
        TargetValidationMetrics = epoch.TargetValidationMetrics;
        ValidationMetricName = metricName;
        BestEpoch = bestEpoch;
        ElapsedSeconds = elapsed.TotalSeconds;
        RowsPerSecond = elapsed > TimeSpan.Zero ? trainedRows / elapsed.TotalSeconds : 0;
        Member = training.Member + 1;
        NumberOfMembers = training.Members;
        Restart = training.Restart;
        NumberOfRestarts = training.Restarts;
        Trial = training.Trial + 1;
        NumberOfTrials = training.Trials;
        IsCompacting = training.IsCompact;
        FractionDone = fractionDone;
        EstimatedRemainingSeconds = elapsed.TotalSeconds / fractionDone * (1 - fractionDone);
    }

    /// <summary>Number of epochs this network has finished.</summary>
    public int Epoch { get; }

    /// <summary>Number of epochs planned; early stopping may end training before.</summary>
    public int MaximumNumberOfEpochs { get; }

    /// <summary>
    /// Which network of the ensemble this epoch was of, counted from 1. Several are trained side
    /// by side, so that their reports come in turns.
    /// </summary>
    public int Member { get; }

    /// <summary>
    /// Number of networks that are trained, of each trial; see <see cref="BatchNormNetworkOptions.NumberOfEnsembleMembers"/>.
    /// </summary>
    public int NumberOfMembers { get; }

    /// <summary>
    /// Whether this epoch was of the one network that the networks of the ensemble teach, once they are trained:
    /// <see cref="BatchNormNetworkOptions.CompactModel"/>. <see cref="Member"/> is 1 then.
    /// </summary>
    public bool IsCompacting { get; }

    /// <summary>Which restart of the network this epoch was of; 0: its first training.</summary>
    public int Restart { get; }

    /// <summary>Number of times that each network is trained again; see <see cref="BatchNormNetworkOptions.NumberOfRestarts"/>.</summary>
    public int NumberOfRestarts { get; }

    /// <summary>Which trial this epoch was of, counted from 1; 1 where nothing is tried.</summary>
    public int Trial { get; }

    /// <summary>Number of configurations that are tried; see <see cref="BatchNormNetworkOptions.NumberOfTrials"/>.</summary>
    public int NumberOfTrials { get; }

    /// <summary>The trial that has been best so far on the rows that judge, counted from 1; null as long as none was judged.</summary>
    public int? BestTrial { get; internal init; }

    /// <summary>The loss of <see cref="BestTrial"/>, as <see cref="BatchNormNetworkTrial.Score"/>.</summary>
    public double? BestTrialScore { get; internal init; }

    /// <summary>Learning rate of the epoch's last step.</summary>
    public double LearningRate { get; }

    /// <summary>
    /// Weighted mean loss over the epoch's training rows, each measured before its own step: cross-entropy in nats, or for regression in
    /// the label's own units squared.
    /// </summary>
    public double TrainingLoss { get; }

    /// <summary>Weighted mean loss over the validation rows after the epoch, in the same unit; null without validation rows.</summary>
    public double? ValidationLoss { get; }

    /// <summary>
    /// How good this network is on the validation rows after the epoch, in the measure that <see cref="ValidationMetricName"/>
    /// names; see <see cref="EpochRecord.ValidationMetric"/>. NaN where it is not defined, as when the validation rows are of
    /// one class only; null without validation rows.
    /// </summary>
    public double? ValidationMetric { get; }

    /// <summary>The same of each of several targets, in the order of the label's slots; empty where there is one.</summary>
    public IReadOnlyList<double> TargetValidationMetrics { get; }

    /// <summary>
    /// What <see cref="ValidationMetric"/> is: <c>AUC</c>, the area under the ROC curve, for binary classification;
    /// <c>accuracy</c>, the part of the rows whose class is recognized, for multiclass classification; <c>R2</c>, R squared, for
    /// regression, or <c>D2</c>, the part of the deviance that is explained, where another loss than the squared one measures it;
    /// of several targets the mean over them, <c>mean AUC</c> or <c>mean R2</c>. The more, the better: 1 is the most.
    /// </summary>
    public string ValidationMetricName { get; }

    /// <summary>The best epoch so far: the one whose network would be returned now.</summary>
    public int BestEpoch { get; }

    /// <summary>
    /// Share of all epochs of all networks and restarts that are done, in (0, 1]; a training that stopped early counts as done. Of trials
    /// it is an estimate.
    /// </summary>
    public double FractionDone { get; }

    /// <summary>Seconds since training began, after the rows were read.</summary>
    public double ElapsedSeconds { get; }

    /// <summary>
    /// Training rows learned from in a second, a row counting once in each epoch: the mean since
    /// training began, validation included in the time.
    /// </summary>
    public double RowsPerSecond { get; }

    /// <summary>
    /// Seconds that the epochs still planned will take if they take as long as those done; fewer if training stops early.
    /// </summary>
    public double EstimatedRemainingSeconds { get; }
}
