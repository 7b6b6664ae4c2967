using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Model;
using Microsoft.ML.Model.OnnxConverter;
using Microsoft.ML.Runtime;
using MLNetBatchNorm;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Training;

[assembly: LoadableClass(
    typeof(BatchNormNetworkMultiLabelModelParameters), null, typeof(SignatureLoadModel),
    "Batch-normalized network for several labels", BatchNormNetworkMultiLabelModelParameters.LoaderSignature)]

namespace MLNetBatchNorm;

/// <summary>
/// Model parameters of <see cref="BatchNormNetworkMultiLabelTrainer"/>: a batch-normalized feed-forward network with an output for each
/// label, the logit of its being true.
/// </summary>
/// <remarks>
/// Losses of its training history are mean binary cross-entropies in nats; the validation metric is the mean over the labels of the area
/// under the ROC curve. <c>Score</c> gives the logits, [rows,
/// <see cref="BatchNormNetworkMultiOutputModelParametersBase.NumberOfTargets"/>]; the probability of true is <c>1 / (1 + exp(-logit))</c>.
/// <inheritdoc cref="BatchNormNetworkMultiOutputModelParametersBase" path="/remarks"/>
/// </remarks>
public sealed class BatchNormNetworkMultiLabelModelParameters : BatchNormNetworkMultiOutputModelParametersBase
{
    internal const string LoaderSignature = "MLNetBatchNormMultiLabel";

    private static readonly VersionInfo s_version = VersionOf("MBNNMLAB", LoaderSignature);

    internal BatchNormNetworkMultiLabelModelParameters(IHostEnvironment env, TrainedNetwork network)
        : base(env, LoaderSignature, network)
    {
    }

    private BatchNormNetworkMultiLabelModelParameters(IHostEnvironment env, ModelLoadContext ctx)
        : base(env, LoaderSignature, ctx)
    {
    }

    /// <inheritdoc/>
    protected override PredictionKind PredictionKind => PredictionKind.BinaryClassification;

    private protected override VersionInfo Version => s_version;

    private protected override string ScoreColumnKind => AnnotationUtils.Const.ScoreColumnKind.BinaryClassification;

    private protected override IReadOnlyList<TargetsColumn> OutputColumns() =>
    [
        TargetsColumn.Of<float>(
            DefaultColumnNames.Score, NumberDataViewType.Single, NumberOfTargets, AnnotationsOf(AnnotationUtils.Const.ScoreValueKind.Score),
            (scores, values) => scores[..values.Length].CopyTo(values)),
        TargetsColumn.Of<float>(
            DefaultColumnNames.Probability, NumberDataViewType.Single, NumberOfTargets,
            AnnotationsOf(AnnotationUtils.Const.ScoreValueKind.Probability, isNormalized: true), Losses.Sigmoid),
        TargetsColumn.Of<bool>(
            DefaultColumnNames.PredictedLabel, BooleanDataViewType.Instance, NumberOfTargets,
            AnnotationsOf(AnnotationUtils.Const.ScoreValueKind.PredictedLabel),
            (scores, values) =>
            {
                for (int label = 0; label < values.Length; label++)
                    values[label] = scores[label] > 0;
            }),
    ];

    private protected override void SaveOnnx(OnnxContext ctx, string[] outputNames, string featureColumn) =>
        OnnxContextGraph.SaveLabels(ctx, Scoring.Trained, outputNames, featureColumn);

    // ML.NET finds this method by its name and signature; it must be more visible than the constructor that takes a ModelLoadContext.
    internal static BatchNormNetworkMultiLabelModelParameters Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        Contracts.CheckValue(env, nameof(env));
        env.CheckValue(ctx, nameof(ctx));
        return ModelLoading.Guard(env, ctx, s_version, () => new BatchNormNetworkMultiLabelModelParameters(env, ctx));
    }
}
