using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>
/// The <see cref="IEstimator{TTransformer}"/> to predict several labels, each yes or no, with one batch-normalized feed-forward network.
/// </summary>
/// <remarks>
/// <format type="text/markdown"><![CDATA[
/// To create this trainer, use [BatchNormNetworkMultiLabel](xref:Microsoft.ML.BatchNormNetworkMultiOutputCatalog.BatchNormNetworkMultiLabel(Microsoft.ML.BinaryClassificationCatalog.BinaryClassificationTrainers,System.String,System.String,System.String,System.Int32[],System.Nullable{System.Double},System.Nullable{System.Int32},System.Nullable{System.Int32}))
/// or [BatchNormNetworkMultiLabel(Options)](xref:Microsoft.ML.BatchNormNetworkMultiOutputCatalog.BatchNormNetworkMultiLabel(Microsoft.ML.BinaryClassificationCatalog.BinaryClassificationTrainers,MLNetBatchNorm.BatchNormNetworkMultiLabelTrainer.Options)).
///
/// ### Input and Output Columns
/// The input label column must be a known-sized vector of [Boolean](xref:System.Boolean), a slot for each label, or one of
/// [Single](xref:System.Single) that holds 0, 1, and NaN where it is not known whether a label is true. The input features column must be
/// a known-sized vector of [Single](xref:System.Single), where NaN stands for a missing value. The optional weight column must be
/// [Single](xref:System.Single).
///
/// | Output Column Name | Column Type | Description |
/// | -- | -- | -- |
/// | `Score` | vector of [Single](xref:System.Single) | The logit of each label: the logarithm of the odds that it is true. |
/// | `Probability` | vector of [Single](xref:System.Single) | The probability that each label is true, `1 / (1 + exp(-Score))`. |
/// | `PredictedLabel` | vector of [Boolean](xref:System.Boolean) | Whether each score is above 0, that is the probability above one half. |
///
/// All three have the slot names of the label.
///
/// ### Trainer Characteristics
/// |  |  |
/// | -- | -- |
/// | Machine learning task | Binary classification of several labels |
/// | Is normalization required? | No |
/// | Is caching required? | No |
/// | Required NuGet in addition to Microsoft.ML | MLNetBatchNorm |
/// | Exportable to ONNX | Yes |
///
/// ### Evaluation
/// ML.NET's `Evaluate`, `CrossValidate` and `PermutationFeatureImportance` take a single label and refuse a vector. Use
/// `mlContext.BinaryClassification.EvaluateMultiLabel`, `CrossValidateMultiLabel` and `PermutationFeatureImportanceMultiLabel` of
/// [BatchNormNetworkMultiOutputCatalog](xref:Microsoft.ML.BatchNormNetworkMultiOutputCatalog).
///
/// ### Training Algorithm Details
/// As with one label; the labels share all hidden layers. The mean binary cross-entropy of all labels that are there is minimized, each
/// counting alike unless `TargetWeights` says otherwise. Rows without any label, and rows whose weight is 0 or negative, are skipped.
/// ]]>
/// </format>
/// </remarks>
/// <seealso cref="BatchNormNetworkMultiOutputCatalog.BatchNormNetworkMultiLabel(
///     BinaryClassificationCatalog.BinaryClassificationTrainers, string, string, string, int[], double?, int?, int?)"/>
/// <seealso cref="BatchNormNetworkMultiOutputCatalog.BatchNormNetworkMultiLabel(
///     BinaryClassificationCatalog.BinaryClassificationTrainers, Options)"/>
/// <seealso cref="Options"/>
public sealed class BatchNormNetworkMultiLabelTrainer : BatchNormNetworkTrainerBase<
    BatchNormNetworkMultiLabelTrainer.Options, RegressionPredictionTransformer<BatchNormNetworkMultiLabelModelParameters>,
    BatchNormNetworkMultiLabelModelParameters, BatchNormNetworkMultiLabelModelParameters>
{
    internal const string LoadNameValue = "BatchNormNetworkMultiLabel";

    internal BatchNormNetworkMultiLabelTrainer(IHostEnvironment env, Options options)
        : base(
            env, LoadNameValue, OptionValidation.CheckedCopy(env, options),
            label => new SchemaShape.Column(label, SchemaShape.Column.VectorKind.Vector, BooleanDataViewType.Instance, isKey: false))
    {
    }

    /// <summary>Options of <see cref="BatchNormNetworkMultiLabelTrainer"/>, as given to
    /// <see cref="BatchNormNetworkMultiOutputCatalog.BatchNormNetworkMultiLabel(
    ///     BinaryClassificationCatalog.BinaryClassificationTrainers, Options)"/>.
    /// </summary>
    public sealed class Options : BatchNormNetworkMultiOutputOptions
    {
        /// <summary>All options at their defaults.</summary>
        public Options()
        {
        }

        /// <summary>
        /// Whether the validation rows decide not only which epoch is best but also how sure of itself the network may be: after each epoch
        /// their loss is taken at the temperature T that makes it smallest, <c>loss(outputs / T)</c>, and the kept network's last layer is
        /// divided by its T.
        /// </summary>
        /// <value>
        /// Default true, with one T from 1 to 4 for all labels, as with a single label; see
        /// <see cref="BatchNormNetworkClassificationOptions.TemperatureScaling"/>.
        /// </value>
        public bool TemperatureScaling { get; set; } = true;
    }

    /// <inheritdoc/>
    protected override PredictionKind PredictionKind => PredictionKind.BinaryClassification;

    /// <inheritdoc/>
    protected override void CheckLabelCompatible(SchemaShape.Column labelCol) =>
        TargetLabels.Check(Host, labelCol, BooleanDataViewType.Instance, NumberDataViewType.Single);

    /// <inheritdoc/>
    private protected override SchemaShape.Column[] OutputColumns(SchemaShape inputSchema) =>
    [
        Column(inputSchema, DefaultColumnNames.Score, NumberDataViewType.Single),
        Column(inputSchema, DefaultColumnNames.Probability, NumberDataViewType.Single, isNormalized: true),
        Column(inputSchema, DefaultColumnNames.PredictedLabel, BooleanDataViewType.Instance),
    ];

    private SchemaShape.Column Column(SchemaShape inputSchema, string name, DataViewType type, bool isNormalized = false) =>
        new(
            name, SchemaShape.Column.VectorKind.Vector, type, false,
            TargetLabels.Annotations(inputSchema, LabelColumn.Name, isNormalized));

    /// <inheritdoc/>
    private protected override NetworkTask CreateTask(RoleMappedData trainingSet) =>
        new(new BinaryCrossEntropy(NetworkOptions.TemperatureScaling), Classes: 2)
        {
            TargetWeights = TargetLabels.Weights(Host, trainingSet, NetworkOptions),
        };

    /// <inheritdoc/>
    private protected override BatchNormNetworkMultiLabelModelParameters CreateModel(TrainedNetwork network) => new(Host, network);

    /// <inheritdoc/>
    protected override RegressionPredictionTransformer<BatchNormNetworkMultiLabelModelParameters> MakeTransformer(
        BatchNormNetworkMultiLabelModelParameters model, DataViewSchema trainSchema) =>
        new(Host, model, trainSchema, FeatureColumn.Name);
}
