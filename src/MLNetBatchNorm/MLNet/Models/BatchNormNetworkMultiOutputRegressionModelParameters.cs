using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Model;
using Microsoft.ML.Runtime;
using MLNetBatchNorm;
using MLNetBatchNorm.Training;

[assembly: LoadableClass(
    typeof(BatchNormNetworkMultiOutputRegressionModelParameters), null, typeof(SignatureLoadModel),
    "Batch-normalized network for several numbers", BatchNormNetworkMultiOutputRegressionModelParameters.LoaderSignature)]

namespace MLNetBatchNorm;

/// <summary>
/// Model parameters of <see cref="BatchNormNetworkMultiOutputRegressionTrainer"/>: a batch-normalized feed-forward network with an output
/// for each target, the prediction in the target's own units.
/// </summary>
/// <remarks>
/// Losses of its training history are means over the targets of losses in standard deviations of each (where there is a single target, in
/// its own units, squared); the validation metric is the mean over the targets of R squared. <c>Score</c> gives the predictions, [rows,
/// <see cref="BatchNormNetworkMultiOutputModelParametersBase.NumberOfTargets"/>], each in the target's own units.
/// <inheritdoc cref="BatchNormNetworkMultiOutputModelParametersBase" path="/remarks"/>
/// </remarks>
public sealed class BatchNormNetworkMultiOutputRegressionModelParameters : BatchNormNetworkMultiOutputModelParametersBase
{
    internal const string LoaderSignature = "MLNetBatchNormMultiOut";

    private static readonly VersionInfo s_version = VersionOf("MBNNMOUT", LoaderSignature);

    internal BatchNormNetworkMultiOutputRegressionModelParameters(IHostEnvironment env, TrainedNetwork network)
        : base(env, LoaderSignature, network)
    {
        Host.Check(network.Scales?.Count == NumberOfTargets, "Every target has a scale.");
    }

    private BatchNormNetworkMultiOutputRegressionModelParameters(IHostEnvironment env, ModelLoadContext ctx)
        : base(env, LoaderSignature, ctx)
    {
        Host.CheckDecode(
            Scoring.Trained.Scales?.Count == NumberOfTargets, "A network for several numbers needs mean and deviation of each target.");
    }

    /// <summary>
    /// Mean of each target over the training rows that have it, each counting with its weight. A prediction is <c>mean + deviation z</c>, z
    /// being the mean of the networks' outputs.
    /// </summary>
    public IReadOnlyList<double> TargetMeans => [.. Scoring.Trained.Scales!.Select(scale => scale.Mean)];

    /// <summary>Standard deviation of each target, the unit of the networks' outputs; see <see cref="TargetMeans"/>.</summary>
    public IReadOnlyList<double> TargetDeviations => [.. Scoring.Trained.Scales!.Select(scale => scale.Deviation)];

    /// <inheritdoc/>
    protected override PredictionKind PredictionKind => PredictionKind.MultiOutputRegression;

    private protected override VersionInfo Version => s_version;

    private protected override string ScoreColumnKind => AnnotationUtils.Const.ScoreColumnKind.MultiOutputRegression;

    private protected override IReadOnlyList<TargetsColumn> OutputColumns() =>
    [
        TargetsColumn.Of<float>(
            DefaultColumnNames.Score, NumberDataViewType.Single, NumberOfTargets, AnnotationsOf(AnnotationUtils.Const.ScoreValueKind.Score),
            (scores, values) => scores[..values.Length].CopyTo(values)),
    ];

    // ML.NET finds this method by its name and signature; it must be more visible than the constructor that takes a ModelLoadContext.
    internal static BatchNormNetworkMultiOutputRegressionModelParameters Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        Contracts.CheckValue(env, nameof(env));
        env.CheckValue(ctx, nameof(ctx));
        return ModelLoading.Guard(env, ctx, s_version, () => new BatchNormNetworkMultiOutputRegressionModelParameters(env, ctx));
    }
}
