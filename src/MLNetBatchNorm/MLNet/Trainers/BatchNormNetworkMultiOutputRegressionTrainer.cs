using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>
/// The <see cref="IEstimator{TTransformer}"/> to predict several numbers at once with one batch-normalized feed-forward network.
/// </summary>
/// <remarks>
/// <format type="text/markdown"><![CDATA[
/// To create this trainer, use [BatchNormNetworkMultiOutput](xref:Microsoft.ML.BatchNormNetworkMultiOutputCatalog.BatchNormNetworkMultiOutput(Microsoft.ML.RegressionCatalog.RegressionTrainers,System.String,System.String,System.String,System.Int32[],System.Nullable{System.Double},System.Nullable{System.Int32},System.Nullable{System.Int32}))
/// or [BatchNormNetworkMultiOutput(Options)](xref:Microsoft.ML.BatchNormNetworkMultiOutputCatalog.BatchNormNetworkMultiOutput(Microsoft.ML.RegressionCatalog.RegressionTrainers,MLNetBatchNorm.BatchNormNetworkMultiOutputRegressionTrainer.Options)).
///
/// ### Input and Output Columns
/// The input label column must be a known-sized vector of [Single](xref:System.Single), a slot for each target, where NaN stands for a
/// missing one. The input features column must be a known-sized vector of [Single](xref:System.Single), where NaN stands for a missing
/// value. The optional weight column must be [Single](xref:System.Single).
///
/// | Output Column Name | Column Type | Description |
/// | -- | -- | -- |
/// | `Score` | vector of [Single](xref:System.Single) | The prediction of each target in its own units; slot names are the label's. |
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
/// ### Evaluation
/// ML.NET's `Evaluate`, `CrossValidate` and `PermutationFeatureImportance` take a single number and refuse a vector. Use
/// `mlContext.Regression.EvaluateMultiOutput`, `CrossValidateMultiOutput` and `PermutationFeatureImportanceMultiOutput` of
/// [BatchNormNetworkMultiOutputCatalog](xref:Microsoft.ML.BatchNormNetworkMultiOutputCatalog).
///
/// ### Training Algorithm Details
/// As with one number; the targets share all hidden layers. Each is standardized with its own mean and deviation, so that all count alike
/// whatever their units are, unless `TargetWeights` says otherwise. The mean loss of all values that are there is minimized: a missing
/// target does not count. Rows without any target, and rows whose weight is 0 or negative, are skipped.
/// ]]>
/// </format>
/// </remarks>
/// <seealso cref="BatchNormNetworkMultiOutputCatalog.BatchNormNetworkMultiOutput(
///     RegressionCatalog.RegressionTrainers, string, string, string, int[], double?, int?, int?)"/>
/// <seealso cref="BatchNormNetworkMultiOutputCatalog.BatchNormNetworkMultiOutput(RegressionCatalog.RegressionTrainers, Options)"/>
/// <seealso cref="Options"/>
public sealed class BatchNormNetworkMultiOutputRegressionTrainer : BatchNormNetworkTrainerBase<
    BatchNormNetworkMultiOutputRegressionTrainer.Options,
    RegressionPredictionTransformer<BatchNormNetworkMultiOutputRegressionModelParameters>,
    BatchNormNetworkMultiOutputRegressionModelParameters, BatchNormNetworkMultiOutputRegressionModelParameters>
{
    internal const string LoadNameValue = "BatchNormNetworkMultiOutputRegression";

    internal BatchNormNetworkMultiOutputRegressionTrainer(IHostEnvironment env, Options options)
        : base(
            env, LoadNameValue, OptionValidation.CheckedCopy(env, options),
            label => new SchemaShape.Column(label, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, isKey: false))
    {
    }

    /// <summary>Options of <see cref="BatchNormNetworkMultiOutputRegressionTrainer"/>, as given to
    /// <see cref="BatchNormNetworkMultiOutputCatalog.BatchNormNetworkMultiOutput(RegressionCatalog.RegressionTrainers, Options)"/>.
    /// </summary>
    public sealed class Options : BatchNormNetworkMultiOutputOptions
    {
        /// <summary>All options at their defaults.</summary>
        public Options()
        {
        }

        /// <summary>What training minimizes, of each target.</summary>
        /// <value>
        /// Default <see cref="SquaredLoss"/>: it estimates the mean, which R squared and RMS measure. <see cref="HuberLoss"/> where some
        /// labels are far off for reasons the features do not know.
        /// </value>
        public RegressionLoss Loss { get; set; } = new SquaredLoss();

        internal override void Check(IExceptionContext context) => OptionValidation.CheckLossOfTargets(context, Loss);
    }

    /// <inheritdoc/>
    protected override PredictionKind PredictionKind => PredictionKind.MultiOutputRegression;

    /// <inheritdoc/>
    protected override void CheckLabelCompatible(SchemaShape.Column labelCol) =>
        TargetLabels.Check(Host, labelCol, NumberDataViewType.Single);

    /// <inheritdoc/>
    private protected override SchemaShape.Column[] OutputColumns(SchemaShape inputSchema) =>
    [
        new(
            DefaultColumnNames.Score, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, false,
            TargetLabels.Annotations(inputSchema, LabelColumn.Name)),
    ];

    /// <inheritdoc/>
    private protected override NetworkTask CreateTask(RoleMappedData trainingSet) =>
        new(NetworkOptions.Loss, Classes: 1) { TargetWeights = TargetLabels.Weights(Host, trainingSet, NetworkOptions) };

    /// <inheritdoc/>
    private protected override BatchNormNetworkMultiOutputRegressionModelParameters CreateModel(TrainedNetwork network) =>
        new(Host, network);

    /// <inheritdoc/>
    protected override RegressionPredictionTransformer<BatchNormNetworkMultiOutputRegressionModelParameters> MakeTransformer(
        BatchNormNetworkMultiOutputRegressionModelParameters model, DataViewSchema trainSchema) =>
        new(Host, model, trainSchema, FeatureColumn.Name);
}
