using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Model;
using Microsoft.ML.Model.OnnxConverter;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Training;
using MLNetBatchNorm;
using MLNetBatchNorm.Network;

[assembly: LoadableClass(
    typeof(BatchNormNetworkRegressionModelParameters), null, typeof(SignatureLoadModel),
    "Batch-normalized network for regression", BatchNormNetworkRegressionModelParameters.LoaderSignature)]

namespace MLNetBatchNorm;

/// <summary>
/// Model parameters of <see cref="BatchNormNetworkRegressionTrainer"/>: a batch-normalized feed-forward network with one
/// output, the prediction in the label's own units.
/// </summary>
/// <remarks>
/// Losses of its training history are in the label's own units, squared, or as the loss has it; the validation metric is R squared, or the
/// part of the loss's deviance that is explained. <c>Score</c> gives the
/// prediction for each row, in the label's own units.
/// <inheritdoc cref="BatchNormNetworkModelParametersBase{TScore}" path="/remarks"/>
/// </remarks>
public sealed class BatchNormNetworkRegressionModelParameters
    : BatchNormNetworkModelParametersBase<float>, ICalculateFeatureContribution, IFeatureContributionMapper, ISchemaBindableMapper,
      IBindableCanSaveOnnx
{
    internal const string LoaderSignature = "MLNetBatchNormRegression";

    private static readonly VersionInfo s_version = VersionOf("MBNNREGR", LoaderSignature);

    internal BatchNormNetworkRegressionModelParameters(IHostEnvironment env, TrainedNetwork network)
        : base(env, LoaderSignature, network)
    {
        Host.Check(Scoring.Outputs == 1, "A network for regression has one output.");
    }

    private BatchNormNetworkRegressionModelParameters(IHostEnvironment env, ModelLoadContext ctx)
        : base(env, LoaderSignature, ctx)
    {
        Host.CheckDecode(Scoring.Outputs == 1, "A network for regression has one output.");
    }

    /// <summary>
    /// Mean of the training labels, each counting with its weight. A prediction is <c>LabelMean + LabelDeviation z</c>, z being the mean
    /// of the networks' outputs. Going on from a model keeps both numbers, unless most new labels are a deviation and more away from what
    /// the model says of their rows. With a <see cref="LogLinkLoss"/> this is 0, and a prediction <c>LabelDeviation</c> times the mean of
    /// the outputs' exponentials.
    /// </summary>
    /// <value>0 in models that format version 1 or 2 was saved in: their networks give predictions themselves.</value>
    public double LabelMean => Scoring.Trained.Scale?.Mean ?? 0;

    /// <summary>
    /// Standard deviation of the training labels, the unit of the networks' outputs, see <see cref="LabelMean"/>; their mean with a
    /// <see cref="LogLinkLoss"/>. 0 where the labels were all equal (all 0).
    /// </summary>
    /// <value>1 in models that format version 1 or 2 was saved in.</value>
    public double LabelDeviation => Scoring.Trained.Scale?.Deviation ?? 1;

    /// <summary>
    /// The levels of the prediction intervals that the model gives, in the order of the slots of the columns <c>ScoreLowerBound</c> and
    /// <c>ScoreUpperBound</c>; none where none were asked for (<see cref="BatchNormNetworkRegressionTrainer.Options.IntervalLevels"/>).
    /// </summary>
    public IReadOnlyList<double> IntervalLevels => [.. Scoring.Trained.Intervals?.Levels.Select(level => level.Level) ?? []];

    /// <summary>Scores a block of rows with the bounds of their labels; the same bits as in the columns of scored rows.</summary>
    /// <param name="features">The rows one after the other; NaN where a value is missing.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="scores">Room for the predictions.</param>
    /// <param name="lowerBounds">Room for the lower bounds, [rows, levels].</param>
    /// <param name="upperBounds">Room for the upper bounds, [rows, levels].</param>
    /// <exception cref="ArgumentOutOfRangeException">A span is of another length than the rows need.</exception>
    /// <exception cref="InvalidOperationException">The model has no intervals.</exception>
    public void ScoreIntervals(
        ReadOnlySpan<float> features, int rows, Span<float> scores, Span<float> lowerBounds, Span<float> upperBounds)
    {
        Host.Check(Scoring.Intervals is not null, "The model has no prediction intervals; it was trained without IntervalLevels.");
        Scoring.ScoreIntervals(features, rows, scores, lowerBounds, upperBounds);
    }

    /// <summary>The columns of a scored row: without intervals those of ML.NET's own wrapper.</summary>
    ISchemaBoundMapper ISchemaBindableMapper.Bind(IHostEnvironment env, RoleMappedSchema schema)
    {
        ISchemaBindableMapper plain = new SchemaBindablePredictorWrapper(this);
        ISchemaBoundMapper bound = plain.Bind(env, schema);         // checks the type of the feature column
        return Scoring.Intervals is null ? bound : new IntervalRowMapper(this, Scoring, schema);
    }

    bool IBindableCanSaveOnnx.SaveAsOnnx(OnnxContext ctx, RoleMappedSchema schema, string[] outputNames)
    {
        Host.CheckValue(ctx, nameof(ctx));
        Host.CheckValue(schema, nameof(schema));
        Host.CheckValue(outputNames, nameof(outputNames));
        string features = schema.Feature!.Value.Name;
        if (!ctx.ContainsColumn(features))
            return false;
        OnnxContextGraph.SaveIntervals(ctx, Scoring.Trained, outputNames, ctx.GetVariableName(features));
        return true;
    }

    /// <inheritdoc/>
    protected override PredictionKind PredictionKind => PredictionKind.Regression;

    FeatureContributionCalculator ICalculateFeatureContribution.FeatureContributionCalculator => new(this);

    private protected override DataViewType ScoreType => NumberDataViewType.Single;

    private protected override VersionInfo Version => s_version;

    private protected override ValueMapper<VBuffer<float>, float> CreateMapper(ScoringNetwork.RowScorer scorer) =>
        (in VBuffer<float> features, ref float score) => score = scorer.Score(features);

    ValueMapper<TSrc, VBuffer<float>> IFeatureContributionMapper.GetFeatureContributionMapper<TSrc, TDst>(
        int top, int bottom, bool normalize) => Explaining.CreateMapper<TSrc, TDst>(top, bottom, normalize);

    // ML.NET finds this method by its name and signature; it must be more visible than the constructor that takes a ModelLoadContext.
    internal static BatchNormNetworkRegressionModelParameters Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        Contracts.CheckValue(env, nameof(env));
        env.CheckValue(ctx, nameof(ctx));
        return ModelLoading.Guard(env, ctx, s_version, () => new BatchNormNetworkRegressionModelParameters(env, ctx));
    }
}
