using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>
/// What all batch-normalized network trainers have in common: they read, train and go on from a trained network in the same way.
/// </summary>
/// <typeparam name="TOptions">The trainer's options.</typeparam>
/// <typeparam name="TTransformer">What a call of <c>Fit</c> gives back.</typeparam>
/// <typeparam name="TModel">What the transformer predicts with.</typeparam>
/// <typeparam name="TNetwork">The network in it; the same, but for binary classification, whose model is calibrated.</typeparam>
public abstract class BatchNormNetworkTrainerBase<TOptions, TTransformer, TModel, TNetwork> : TrainerEstimatorBase<TTransformer, TModel>
    where TOptions : BatchNormNetworkOptions
    where TTransformer : ISingleFeaturePredictionTransformer<TModel>
    where TModel : class
    where TNetwork : class
{
    private readonly int _seed;

    private protected BatchNormNetworkTrainerBase(
        IHostEnvironment env, string loadName, TOptions checkedOptions, Func<string, SchemaShape.Column> makeLabel)
        : base(
            env.Register(loadName),
            TrainerUtils.MakeR4VecFeature(checkedOptions.FeatureColumnName),
            makeLabel(checkedOptions.LabelColumnName),
            TrainerUtils.MakeR4ScalarWeightColumn(checkedOptions.ExampleWeightColumnName))
    {
        NetworkOptions = checkedOptions;
        _seed = checkedOptions.Seed ?? Host.Rand.Next();
    }

    /// <inheritdoc/>
    public override TrainerInfo Info { get; } =
        new(normalization: false, calibration: false, caching: false, supportValid: true, supportIncrementalTrain: true);

    /// <summary>The trainer's own copy.</summary>
    private protected TOptions NetworkOptions { get; }

    /// <summary>
    /// Trains on <paramref name="trainData"/> and chooses the best epoch by the loss on
    /// <paramref name="validationData"/>, optionally going on from a trained network.
    /// </summary>
    /// <param name="trainData">The training rows.</param>
    /// <param name="validationData">
    /// Rows with the same columns; null: as without this argument, some training rows are set aside as the options say.
    /// </param>
    /// <param name="modelParameters">
    /// Network to go on from, such as <c>model.Model</c>, for binary classification <c>model.Model.SubModel</c>; null: start anew. What the
    /// options say of layers, activation and placement must be as in the network; its encoding of the features is kept, and so
    /// are the mean and deviation of its labels, unless most labels are a deviation and more away from what it says of their rows. The
    /// state of the optimizer starts anew.
    /// </param>
    /// <returns>The trained transformer.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A column is absent or has the wrong type, or the network has another shape.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The data cannot be learned from, or training diverged; the message says why and what to change.
    /// </exception>
    public TTransformer Fit(IDataView trainData, IDataView? validationData = null, TNetwork? modelParameters = null)
    {
        Host.CheckValue(trainData, nameof(trainData));
        return TrainTransformer(trainData, validationData, (IPredictor?)modelParameters);
    }

    /// <inheritdoc/>
    protected sealed override SchemaShape.Column[] GetOutputColumnsCore(SchemaShape inputSchema)
    {
        if (NetworkOptions.SamplingKeyColumnName is { } samplingKey)
            SamplingKeyReader.Check(Host, inputSchema, samplingKey);
        return OutputColumns(inputSchema);
    }

    /// <summary>The columns that the model adds to scored rows.</summary>
    private protected abstract SchemaShape.Column[] OutputColumns(SchemaShape inputSchema);

    /// <inheritdoc/>
    protected sealed override TModel TrainModelCore(TrainContext trainContext)
    {
        Host.CheckValue(trainContext, nameof(trainContext));
        var fit = new NetworkFit(Host, NetworkOptions, CreateTask(trainContext.TrainingSet), _seed);
        TrainedNetwork? start = WarmStart.From<TNetwork>(Host, trainContext.InitialPredictor);
        return CreateModel(fit.Run(trainContext.TrainingSet, ValidationRows(trainContext), start));
    }

    /// <summary>What kind of network is wanted. Refuses labels that it cannot learn.</summary>
    private protected abstract NetworkTask CreateTask(RoleMappedData trainingSet);

    /// <summary>The model parameters of a trained network.</summary>
    private protected abstract TModel CreateModel(TrainedNetwork network);

    /// <summary>
    /// The validation rows: those given to <c>Fit</c>, else those of the options, checked as <c>Fit</c> checks its own; else null.
    /// </summary>
    private RoleMappedData? ValidationRows(TrainContext context)
    {
        if (context.ValidationSet is not null || NetworkOptions.ValidationSet is not { } ofOptions)
            return context.ValidationSet;
        GetOutputSchema(SamplingKeyReader.WithColumn(SchemaShape.Create(ofOptions.Schema), NetworkOptions.SamplingKeyColumnName));
        return MakeRoles(ofOptions);
    }
}
