using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;
using BinaryModel = Microsoft.ML.Calibrators.CalibratedModelParametersBase<
    MLNetBatchNorm.BatchNormNetworkBinaryModelParameters, Microsoft.ML.Calibrators.PlattCalibrator>;

namespace MLNetBatchNorm;

/// <summary>The <see cref="IEstimator{TTransformer}"/> to predict a yes or no with a batch-normalized feed-forward network.</summary>
/// <remarks>
/// <format type="text/markdown"><![CDATA[
/// To create this trainer, use [BatchNormNetwork](xref:Microsoft.ML.BatchNormNetworkCatalog.BatchNormNetwork(Microsoft.ML.BinaryClassificationCatalog.BinaryClassificationTrainers,System.String,System.String,System.String,System.Int32[],System.Nullable{System.Double},System.Nullable{System.Int32},System.Nullable{System.Int32}))
/// or [BatchNormNetwork(Options)](xref:Microsoft.ML.BatchNormNetworkCatalog.BatchNormNetwork(Microsoft.ML.BinaryClassificationCatalog.BinaryClassificationTrainers,MLNetBatchNorm.BatchNormNetworkBinaryTrainer.Options)).
///
/// ### Input and Output Columns
/// The input label column must be [Boolean](xref:System.Boolean). The input features column must be a known-sized vector of
/// [Single](xref:System.Single), where NaN stands for a missing value. The optional weight column must be [Single](xref:System.Single).
///
/// | Output Column Name | Column Type | Description |
/// | -- | -- | -- |
/// | `Score` | [Single](xref:System.Single) | The logit: the logarithm of the odds that the label is true. |
/// | `Probability` | [Single](xref:System.Single) | The probability that the label is true, `1 / (1 + exp(-Score))`. |
/// | `PredictedLabel` | [Boolean](xref:System.Boolean) | Whether the score is above 0, that is the probability above one half. |
///
/// ### Trainer Characteristics
/// |  |  |
/// | -- | -- |
/// | Machine learning task | Binary classification |
/// | Is normalization required? | No |
/// | Is caching required? | No |
/// | Required NuGet in addition to Microsoft.ML | MLNetBatchNorm |
/// | Exportable to ONNX | Yes |
///
/// ### Scoring Function
/// Hidden layers of a linear map, batch normalization and an activation, then a linear map to the logit. In prediction a batch
/// normalization is `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta` with frozen mean and
/// variance: a row's score depends on that row only.
///
/// ### Training Algorithm Details
/// The mean binary cross-entropy, weighted by the weight column and by class (`ClassWeights`, `UnbalancedSets`), is minimized by
/// mini-batch gradient descent. In training, batch normalization uses the mean and the biased variance of the mini-batch ([Ioffe
/// and Szegedy 2015](https://arxiv.org/abs/1502.03167)). Weights enter the loss, not the statistics. Rows without a label, and
/// rows whose weight is 0 or negative, are skipped; missing features are learned from. Where all rows have the same label the log
/// warns, and the model says that label of every row.
/// ]]>
/// </format>
/// </remarks>
/// <seealso cref="BatchNormNetworkCatalog.BatchNormNetwork(
///     BinaryClassificationCatalog.BinaryClassificationTrainers, string, string, string, int[], double?, int?, int?)"/>
/// <seealso cref="BatchNormNetworkCatalog.BatchNormNetwork(BinaryClassificationCatalog.BinaryClassificationTrainers, Options)"/>
/// <seealso cref="Options"/>
public sealed class BatchNormNetworkBinaryTrainer : BatchNormNetworkTrainerBase<
    BatchNormNetworkBinaryTrainer.Options, BinaryPredictionTransformer<BinaryModel>, BinaryModel,
    BatchNormNetworkBinaryModelParameters>
{
    internal const string LoadNameValue = "BatchNormNetworkBinary";

    private int _oneVersusAllIsSaid;

    internal BatchNormNetworkBinaryTrainer(IHostEnvironment env, Options options)
        : base(env, LoadNameValue, OptionValidation.CheckedCopy(env, options), TrainerUtils.MakeBoolScalarLabel)
    {
    }

    /// <summary>Options of <see cref="BatchNormNetworkBinaryTrainer"/>, as given to
    /// <see cref="BatchNormNetworkCatalog.BatchNormNetwork(BinaryClassificationCatalog.BinaryClassificationTrainers, Options)"/>.</summary>
    public sealed class Options : BatchNormNetworkClassificationOptions
    {
        /// <summary>All options at their defaults.</summary>
        public Options()
        {
        }

    }

    /// <inheritdoc/>
    protected override PredictionKind PredictionKind => PredictionKind.BinaryClassification;

    /// <inheritdoc/>
    private protected override SchemaShape.Column[] OutputColumns(SchemaShape inputSchema) =>
    [
        new(
            DefaultColumnNames.Score, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single, false,
            new SchemaShape(AnnotationUtils.GetTrainerOutputAnnotation())),
        new(
            DefaultColumnNames.Probability, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single, false,
            new SchemaShape(AnnotationUtils.GetTrainerOutputAnnotation(true))),
        new(
            DefaultColumnNames.PredictedLabel, SchemaShape.Column.VectorKind.Scalar, BooleanDataViewType.Instance, false,
            new SchemaShape(AnnotationUtils.GetTrainerOutputAnnotation())),
    ];

    /// <inheritdoc/>
    private protected override NetworkTask CreateTask(RoleMappedData trainingSet)
    {
        trainingSet.CheckBinaryLabel();
        // Said by the first of its fits only.
        if (OneVersusAllNotice.Text(trainingSet.Schema) is { } text && Interlocked.Exchange(ref _oneVersusAllIsSaid, 1) == 0)
        {
            using IChannel channel = Host.Start("Training");
            channel.Warning(MessageSensitivity.Schema, "{0}", text);
        }

        return new NetworkTask(new BinaryCrossEntropy(NetworkOptions.TemperatureScaling), Classes: 2);
    }

    /// <inheritdoc/>
    private protected override BinaryModel CreateModel(TrainedNetwork network) =>
        // The calibrator is the sigmoid and learns nothing: p = 1 / (1 + exp(slope * score + offset)).
        new ValueMapperCalibratedModelParameters<BatchNormNetworkBinaryModelParameters, PlattCalibrator>(
            Host, new BatchNormNetworkBinaryModelParameters(Host, network), new PlattCalibrator(Host, slope: -1, offset: 0));

    /// <inheritdoc/>
    protected override BinaryPredictionTransformer<BinaryModel> MakeTransformer(BinaryModel model, DataViewSchema trainSchema) =>
        new(Host, model, trainSchema, FeatureColumn.Name);
}
