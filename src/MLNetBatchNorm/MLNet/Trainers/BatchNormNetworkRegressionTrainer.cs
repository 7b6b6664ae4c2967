using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>The <see cref="IEstimator{TTransformer}"/> to predict a number with a batch-normalized feed-forward network.</summary>
/// <remarks>
/// <format type="text/markdown"><![CDATA[
/// To create this trainer, use [BatchNormNetwork](xref:Microsoft.ML.BatchNormNetworkCatalog.BatchNormNetwork(Microsoft.ML.RegressionCatalog.RegressionTrainers,System.String,System.String,System.String,System.Int32[],System.Nullable{System.Double},System.Nullable{System.Int32},System.Nullable{System.Int32}))
/// or [BatchNormNetwork(Options)](xref:Microsoft.ML.BatchNormNetworkCatalog.BatchNormNetwork(Microsoft.ML.RegressionCatalog.RegressionTrainers,MLNetBatchNorm.BatchNormNetworkRegressionTrainer.Options)).
///
/// ### Input and Output Columns
/// The input label column must be [Single](xref:System.Single), where NaN stands for a missing value. The input features
/// column must be a known-sized vector of [Single](xref:System.Single), where NaN stands for a missing value. The optional
/// weight column must be [Single](xref:System.Single).
///
/// | Output Column Name | Column Type | Description |
/// | -- | -- | -- |
/// | `Score` | [Single](xref:System.Single) | The prediction, in the label's own units. |
/// | `ScoreLowerBound`, `ScoreUpperBound` | [Single](xref:System.Single), or a vector of them | With `IntervalLevels`: bounds of the label. |
///
/// ### Trainer Characteristics
/// |  |  |
/// | -- | -- |
/// | Machine learning task | Regression |
/// | Is normalization required? | No |
/// | Is caching required? | No |
/// | Required NuGet in addition to Microsoft.ML | MLNetBatchNorm |
/// | Exportable to ONNX | Yes |
///
/// ### Scoring Function
/// Hidden layers of a linear map, batch normalization and an activation, then a linear map to the prediction. In prediction a batch
/// normalization is `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta` with frozen mean and
/// variance: a row's score depends on that row only.
///
/// ### Training Algorithm Details
/// The mean of the loss (squared error, or Huber's, Poisson's, Tweedie's, a quantile's), weighted by the weight column, is minimized by
/// mini-batch gradient descent. In training, batch normalization uses the mean and the biased variance of the mini-batch ([Ioffe and
/// Szegedy 2015](https://arxiv.org/abs/1502.03167)). Weights enter the loss, not the statistics. Rows without a label, and rows whose
/// weight is 0 or negative, are skipped; missing features are learned from. The label is standardized for training, and the last linear
/// map of the trained network takes that back: labels of any scale work.
/// ]]>
/// </format>
/// </remarks>
/// <seealso cref="BatchNormNetworkCatalog.BatchNormNetwork(
///     RegressionCatalog.RegressionTrainers, string, string, string, int[], double?, int?, int?)"/>
/// <seealso cref="BatchNormNetworkCatalog.BatchNormNetwork(RegressionCatalog.RegressionTrainers, Options)"/>
/// <seealso cref="Options"/>
public sealed class BatchNormNetworkRegressionTrainer : BatchNormNetworkTrainerBase<
    BatchNormNetworkRegressionTrainer.Options, RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters>,
    BatchNormNetworkRegressionModelParameters,
    BatchNormNetworkRegressionModelParameters>
{
    internal const string LoadNameValue = "BatchNormNetworkRegression";

    internal BatchNormNetworkRegressionTrainer(IHostEnvironment env, Options options)
        : base(env, LoadNameValue, OptionValidation.CheckedCopy(env, options), TrainerUtils.MakeR4ScalarColumn)
    {
    }

    /// <summary>Options of <see cref="BatchNormNetworkRegressionTrainer"/>, as given to
    /// <see cref="BatchNormNetworkCatalog.BatchNormNetwork(RegressionCatalog.RegressionTrainers, Options)"/>.</summary>
    public sealed class Options : BatchNormNetworkOptions
    {
        /// <summary>All options at their defaults.</summary>
        public Options()
        {
        }

        /// <summary>What training minimizes.</summary>
        /// <value>
        /// Default <see cref="SquaredLoss"/>: it estimates the mean, which R squared and RMS measure. <see cref="HuberLoss"/> where some
        /// labels are far off for reasons the features do not know, <see cref="PoissonLoss"/> for counts, <see cref="TweedieLoss"/> for
        /// amounts that are often 0, <see cref="QuantileLoss"/> for a bound that a part of the labels stays below.
        /// </value>
        public RegressionLoss Loss { get; set; } = new SquaredLoss();

        /// <summary>
        /// Levels of prediction intervals: the part of new labels that is to lie between the columns <c>ScoreLowerBound</c> and
        /// <c>ScoreUpperBound</c>, which the model gives beside <c>Score</c>. Of one level they are numbers, of several vectors, in the
        /// order given here, whose slot names say the level.
        /// </summary>
        /// <value>
        /// Default none: no columns, and the model is what it was. Each in (0, 1), none twice; 0.8 and 0.95 are usual. Half of the rows
        /// that each network sets aside, or of the validation set, then measure errors instead of choosing the epoch; a level needs
        /// <c>2 / (1 - level) - 1</c> of them: 39 for 0.95. What is guaranteed, and when, stands in docs/intervals.md.
        /// </value>
        [OptionRange(
            0, 1, "It is the part of labels that are to lie between the bounds, such as 0.9.", ExcludesMinimum = true,
            ExcludesMaximum = true)]
        public double[] IntervalLevels { get; set; } = [];

        internal override void Check(IExceptionContext context)
        {
            OptionValidation.CheckLoss(context, Loss);
            OptionValidation.CheckLevels(context, IntervalLevels);
            if (CompactModel && IntervalLevels.Length > 0)
            {
                throw context.ExceptUserArg(
                    nameof(CompactModel),
                    "CompactModel is true, and IntervalLevels is not empty: errors are measured on rows that a network has not seen, and "
                    + "those that teach the one network have seen all. Set CompactModel to false, or leave IntervalLevels empty.");
            }
        }

        private protected override void OwnParts()
        {
            base.OwnParts();
            IntervalLevels = (double[]?)IntervalLevels?.Clone() ?? [];
        }
    }

    /// <inheritdoc/>
    protected override PredictionKind PredictionKind => PredictionKind.Regression;

    /// <inheritdoc/>
    private protected override SchemaShape.Column[] OutputColumns(SchemaShape inputSchema) =>
    [
        new(
            DefaultColumnNames.Score, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single, false,
            new SchemaShape(AnnotationUtils.GetTrainerOutputAnnotation())),
        .. NetworkOptions.IntervalLevels.Length == 0 ? [] : IntervalRowMapper.Promise(NetworkOptions.IntervalLevels.Length),
    ];

    /// <inheritdoc/>
    private protected override NetworkTask CreateTask(RoleMappedData trainingSet)
    {
        trainingSet.CheckRegressionLabel();
        return new NetworkTask(NetworkOptions.Loss, Classes: 1) { IntervalLevels = NetworkOptions.IntervalLevels };
    }

    /// <inheritdoc/>
    private protected override BatchNormNetworkRegressionModelParameters CreateModel(TrainedNetwork network) => new(Host, network);

    /// <inheritdoc/>
    protected override RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters> MakeTransformer(
        BatchNormNetworkRegressionModelParameters model, DataViewSchema trainSchema) =>
        new(Host, model, trainSchema, FeatureColumn.Name);
}
