using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>
/// The <see cref="IEstimator{TTransformer}"/> to predict one of several classes with a batch-normalized feed-forward network.
/// </summary>
/// <remarks>
/// <format type="text/markdown"><![CDATA[
/// To create this trainer, use [BatchNormNetwork](xref:Microsoft.ML.BatchNormNetworkCatalog.BatchNormNetwork(Microsoft.ML.MulticlassClassificationCatalog.MulticlassClassificationTrainers,System.String,System.String,System.String,System.Int32[],System.Nullable{System.Double},System.Nullable{System.Int32},System.Nullable{System.Int32}))
/// or [BatchNormNetwork(Options)](xref:Microsoft.ML.BatchNormNetworkCatalog.BatchNormNetwork(Microsoft.ML.MulticlassClassificationCatalog.MulticlassClassificationTrainers,MLNetBatchNorm.BatchNormNetworkMulticlassTrainer.Options)).
///
/// ### Input and Output Columns
/// The input label column must be a [key](xref:Microsoft.ML.Data.KeyDataViewType) of [UInt32](xref:System.UInt32), as
/// `MapValueToKey` makes it; a missing key stands for a missing label. The input features column must be a known-sized vector of
/// [Single](xref:System.Single), where NaN stands for a missing value. The optional weight column must be [Single](xref:System.Single).
///
/// | Output Column Name | Column Type | Description |
/// | -- | -- | -- |
/// | `Score` | vector of [Single](xref:System.Single) | The probability of each class, in the order of the label's keys; they add up to 1. |
/// | `PredictedLabel` | [key](xref:Microsoft.ML.Data.KeyDataViewType) | The key of the most probable class, with the label's key values. |
///
/// ### Trainer Characteristics
/// |  |  |
/// | -- | -- |
/// | Machine learning task | Multiclass classification |
/// | Is normalization required? | No |
/// | Is caching required? | No |
/// | Required NuGet in addition to Microsoft.ML | MLNetBatchNorm |
/// | Exportable to ONNX | Yes |
///
/// ### Scoring Function
/// Hidden layers of a linear map, batch normalization and an activation, then a linear map to one number for each class, which softmax
/// turns into probabilities. In prediction a batch normalization is `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta` with frozen
/// mean and variance: a row's score depends on that row only.
///
/// ### Training Algorithm Details
/// The mean cross-entropy, weighted by the weight column and by class (`ClassWeights`, `UnbalancedSets`), is minimized by mini-batch
/// gradient descent. In training, batch normalization uses the mean and the biased variance of the mini-batch ([Ioffe and Szegedy
/// 2015](https://arxiv.org/abs/1502.03167)). Weights enter the loss, not the statistics. Rows without a label, and rows whose weight is 0
/// or negative, are skipped; missing features are learned from.
/// ]]>
/// </format>
/// </remarks>
/// <seealso cref="BatchNormNetworkCatalog.BatchNormNetwork(
///     MulticlassClassificationCatalog.MulticlassClassificationTrainers, string, string, string, int[], double?, int?, int?)"/>
/// <seealso cref="BatchNormNetworkCatalog.BatchNormNetwork(MulticlassClassificationCatalog.MulticlassClassificationTrainers, Options)"/>
/// <seealso cref="Options"/>
public sealed class BatchNormNetworkMulticlassTrainer : BatchNormNetworkTrainerBase<
    BatchNormNetworkMulticlassTrainer.Options, MulticlassPredictionTransformer<BatchNormNetworkMulticlassModelParameters>,
    BatchNormNetworkMulticlassModelParameters,
    BatchNormNetworkMulticlassModelParameters>
{
    internal const string LoadNameValue = "BatchNormNetworkMulticlass";

    internal BatchNormNetworkMulticlassTrainer(IHostEnvironment env, Options options)
        : base(env, LoadNameValue, OptionValidation.CheckedCopy(env, options), TrainerUtils.MakeU4ScalarColumn)
    {
    }

    /// <summary>Options of <see cref="BatchNormNetworkMulticlassTrainer"/>, as given to
    /// <see cref="BatchNormNetworkCatalog.BatchNormNetwork(MulticlassClassificationCatalog.MulticlassClassificationTrainers, Options)"/>.
    /// </summary>
    public sealed class Options : BatchNormNetworkClassificationOptions
    {
        /// <summary>All options at their defaults.</summary>
        public Options()
        {
        }

        /// <summary>
        /// Part of the target that is spread evenly over all classes: with s and K classes the true one gets
        /// <c>1 - s + s / K</c>, each other <c>s / K</c>.
        /// </summary>
        /// <value>
        /// Default null: 0, because above it probabilities no longer match frequencies, which has to be asked for. Range [0, 1). Above 0
        /// the network is less sure of itself. Source: Szegedy et al. 2016, arXiv:1512.00567.
        /// </value>
        [OptionRange(0, 1, "It is the share of probability spread over all classes; set 0 for none.", ExcludesMaximum = true)]
        public double? LabelSmoothing { get; set; }
    }

    /// <inheritdoc/>
    protected override PredictionKind PredictionKind => PredictionKind.MulticlassClassification;

    /// <inheritdoc/>
    private protected override SchemaShape.Column[] OutputColumns(SchemaShape inputSchema)
    {
        bool found = inputSchema.TryFindColumn(LabelColumn.Name, out SchemaShape.Column label);
        Host.Check(found, "The base class has checked that the label column is there.");
        IEnumerable<SchemaShape.Column> keyValues =
            label.Annotations.Where(annotation => annotation.Name == AnnotationUtils.Kinds.KeyValues);
        return
        [
            new(DefaultColumnNames.Score, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single, false,
                new SchemaShape(AnnotationUtils.AnnotationsForMulticlassScoreColumn(label))),
            new(DefaultColumnNames.PredictedLabel, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.UInt32, true,
                new SchemaShape(keyValues.Concat(AnnotationUtils.GetTrainerOutputAnnotation()))),
        ];
    }

    /// <inheritdoc/>
    private protected override NetworkTask CreateTask(RoleMappedData trainingSet) =>
        new(
            new SoftmaxCrossEntropy(
                NetworkOptions.LabelSmoothing ?? AutomaticOptions.UsualLabelSmoothing, NetworkOptions.TemperatureScaling),
            CountClasses(trainingSet));

    /// <inheritdoc/>
    private protected override BatchNormNetworkMulticlassModelParameters CreateModel(TrainedNetwork network) => new(Host, network);

    private int CountClasses(RoleMappedData data)
    {
        DataViewSchema.Column label = data.Schema.Label!.Value;
        ulong count = label.Type.GetKeyCount();
        if (count is >= 2 and <= MaximumNumberOfClasses)
            return (int)count;
        throw Host.Except(
            $"Label column '{label.Name}' has type {label.Type}, a key of {count} values. "
            + $"A key of 2 to {MaximumNumberOfClasses} values is needed, as MapValueToKey makes it.");
    }

    // Every class is an output with its own weights; beyond this the last layer outgrows one array even for few units.
    private const int MaximumNumberOfClasses = NetworkDefinition.MaximumUnits;

    /// <inheritdoc/>
    protected override MulticlassPredictionTransformer<BatchNormNetworkMulticlassModelParameters> MakeTransformer(
        BatchNormNetworkMulticlassModelParameters model, DataViewSchema trainSchema) =>
        new(Host, model, trainSchema, FeatureColumn.Name, LabelColumn.Name);
}
