using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using BinaryModel = Microsoft.ML.Calibrators.CalibratedModelParametersBase<
    MLNetBatchNorm.BatchNormNetworkBinaryModelParameters, Microsoft.ML.Calibrators.PlattCalibrator>;

namespace MLNetBatchNorm;

/// <summary>The <see cref="IEstimator{TTransformer}"/> to predict a yes or no with a batch-normalized feed-forward network.</summary>
/// <remarks>
/// <format type="text/markdown"><![CDATA[
/// To create this trainer, use [BatchNormNetwork](xref:Microsoft.ML.BatchNormNetworkCatalog.BatchNormNetwork(Microsoft.ML.BinaryClassificationCatalog.BinaryClassificationTrainers,System.String,System.String,System.String,System.Int32[],System.Double,System.Nullable{System.Int32},System.Nullable{System.Int32}))
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
/// normalization is `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta` with frozen mean and variance: a row's score depends on that row only.
///
/// ### Training Algorithm Details
/// The mean binary cross-entropy, weighted by the weight column and by class (`ClassWeights`, `UnbalancedSets`), is minimized by mini-batch gradient descent. In training, batch normalization
/// uses the mean and the biased variance of the mini-batch ([Ioffe and Szegedy 2015](https://arxiv.org/abs/1502.03167)). Weights enter
/// the loss, not the statistics. Rows without a label, and rows whose weight is 0 or negative, are skipped; missing features are learned from.
/// ]]>
/// </format>
/// </remarks>
/// <seealso cref="BatchNormNetworkCatalog.BatchNormNetwork(BinaryClassificationCatalog.BinaryClassificationTrainers, string, string, string, int[], double?, int?, int?)"/>
/// <seealso cref="BatchNormNetworkCatalog.BatchNormNetwork(BinaryClassificationCatalog.BinaryClassificationTrainers, Options)"/>
/// <seealso cref="Options"/>
public sealed class BatchNormNetworkBinaryTrainer : TrainerEstimatorBase<BinaryPredictionTransformer<BinaryModel>, BinaryModel>
{
    internal const string LoadNameValue = "BatchNormNetworkBinary";

    private readonly Options _options;
    private readonly int _seed;

    internal BatchNormNetworkBinaryTrainer(IHostEnvironment env, Options options)
        : this(Contracts.CheckRef(env, nameof(env)).Register(LoadNameValue), OptionValidation.CheckedCopy(env, options))
    {
    }

    private BatchNormNetworkBinaryTrainer(IHost host, Options options)
        : base(
            host,
            TrainerUtils.MakeR4VecFeature(options.FeatureColumnName),
            TrainerUtils.MakeBoolScalarLabel(options.LabelColumnName),
            TrainerUtils.MakeR4ScalarWeightColumn(options.ExampleWeightColumnName))
    {
        _options = options;
        _seed = options.Seed ?? host.Rand.Next();
    }

    /// <summary>Options of <see cref="BatchNormNetworkBinaryTrainer"/>, as given to
    /// <see cref="BatchNormNetworkCatalog.BatchNormNetwork(BinaryClassificationCatalog.BinaryClassificationTrainers, Options)"/>.</summary>
    public sealed class Options : BatchNormNetworkClassificationOptions
    {
        /// <summary>All options at their defaults.</summary>
        public Options() : base(BatchNormNetworkDefaults.HiddenUnits)
        {
        }

    }

    /// <inheritdoc/>
    public override TrainerInfo Info { get; } = new(normalization: false, calibration: false, caching: false, supportValid: true, supportIncrementalTrain: true);

    /// <inheritdoc/>
    protected override PredictionKind PredictionKind => PredictionKind.BinaryClassification;

    /// <summary>Trains on <paramref name="trainData"/> and chooses the best epoch by the loss on <paramref name="validationData"/>, optionally going on from a trained network.</summary>
    /// <param name="trainData">The training rows.</param>
    /// <param name="validationData">Rows with the same columns; null: as without this argument, some training rows are set aside as the options say.</param>
    /// <param name="modelParameters">
    /// Network to go on from, such as <c>model.Model.SubModel</c>; null: start anew. Its layers, activation and placement must be those of the
    /// options; its encoding of the features is kept. The state of the optimizer starts anew.
    /// </param>
    /// <returns>The trained transformer.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is absent or has the wrong type, or the network has another shape.</exception>
    /// <exception cref="InvalidOperationException">The data cannot be learned from, or training diverged; the message says why and what to change.</exception>
    public BinaryPredictionTransformer<BinaryModel> Fit(
        IDataView trainData, IDataView? validationData, BatchNormNetworkBinaryModelParameters? modelParameters = null)
    {
        Host.CheckValue(trainData, nameof(trainData));
        return TrainTransformer(trainData, validationData, modelParameters);
    }

    /// <summary>Goes on training a network on other rows.</summary>
    /// <inheritdoc cref="Fit(IDataView, IDataView?, BatchNormNetworkBinaryModelParameters?)"/>
    public BinaryPredictionTransformer<BinaryModel> Fit(IDataView trainData, BatchNormNetworkBinaryModelParameters modelParameters)
    {
        Host.CheckValue(modelParameters, nameof(modelParameters));
        return Fit(trainData, null, modelParameters);
    }

    /// <inheritdoc/>
    protected override SchemaShape.Column[] GetOutputColumnsCore(SchemaShape inputSchema) =>
    [
        new(DefaultColumnNames.Score, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single, false, new SchemaShape(AnnotationUtils.GetTrainerOutputAnnotation())),
        new(DefaultColumnNames.Probability, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single, false, new SchemaShape(AnnotationUtils.GetTrainerOutputAnnotation(true))),
        new(DefaultColumnNames.PredictedLabel, SchemaShape.Column.VectorKind.Scalar, BooleanDataViewType.Instance, false, new SchemaShape(AnnotationUtils.GetTrainerOutputAnnotation())),
    ];

    /// <inheritdoc/>
    protected override BinaryModel TrainModelCore(TrainContext trainContext)
    {
        Host.CheckValue(trainContext, nameof(trainContext));
        trainContext.TrainingSet.CheckBinaryLabel();
        var task = new NetworkTask(new BinaryCrossEntropy(_options.TemperatureScaling), Classes: 2);
        TrainedNetwork? start = WarmStart.From<BatchNormNetworkBinaryModelParameters>(Host, trainContext.InitialPredictor);
        var fit = new NetworkFit(Host, _options, task, _seed);
        TrainedNetwork trained = fit.Run(trainContext.TrainingSet, NetworkFit.ValidationRows(trainContext, _options, GetOutputSchema, MakeRoles), start);
        var network = new BatchNormNetworkBinaryModelParameters(Host, trained);
        // The calibrator is the sigmoid and learns nothing: p = 1 / (1 + exp(slope * score + offset)).
        return new ValueMapperCalibratedModelParameters<BatchNormNetworkBinaryModelParameters, PlattCalibrator>(
            Host, network, new PlattCalibrator(Host, slope: -1, offset: 0));
    }

    /// <inheritdoc/>
    protected override BinaryPredictionTransformer<BinaryModel> MakeTransformer(BinaryModel model, DataViewSchema trainSchema) =>
        new(Host, model, trainSchema, FeatureColumn.Name);
}
