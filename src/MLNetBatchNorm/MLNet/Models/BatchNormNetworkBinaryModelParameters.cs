using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Model;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Training;
using MLNetBatchNorm;
using MLNetBatchNorm.Network;

[assembly: LoadableClass(
    typeof(BatchNormNetworkBinaryModelParameters), null, typeof(SignatureLoadModel),
    "Batch-normalized network for binary classification", BatchNormNetworkBinaryModelParameters.LoaderSignature)]

namespace MLNetBatchNorm;

/// <summary>
/// Model parameters of <see cref="BatchNormNetworkBinaryTrainer"/>: a batch-normalized feed-forward network with
/// one output, the logit of the label being true.
/// </summary>
/// <remarks>
/// Losses of its training history are mean binary cross-entropies in nats; the validation metric is the area under the ROC curve.
/// <c>Score</c> gives the logit of each row; the probability of true is <c>1 / (1 + exp(-logit))</c>.
/// <inheritdoc cref="BatchNormNetworkModelParametersBase{TScore}" path="/remarks"/>
/// </remarks>
public sealed class BatchNormNetworkBinaryModelParameters
    : BatchNormNetworkModelParametersBase<float>, ICalculateFeatureContribution, IFeatureContributionMapper
{
    internal const string LoaderSignature = "MLNetBatchNormBinary";

    private static readonly VersionInfo s_version = VersionOf("MBNNBINA", LoaderSignature);

    internal BatchNormNetworkBinaryModelParameters(IHostEnvironment env, TrainedNetwork network)
        : base(env, LoaderSignature, network)
    {
        Host.Check(Scoring.Outputs == 1, "A network for binary classification has one output.");
    }

    private BatchNormNetworkBinaryModelParameters(IHostEnvironment env, ModelLoadContext ctx)
        : base(env, LoaderSignature, ctx)
    {
        Host.CheckDecode(Scoring.Outputs == 1, "A network for binary classification has one output.");
    }

    /// <inheritdoc/>
    protected override PredictionKind PredictionKind => PredictionKind.BinaryClassification;

    FeatureContributionCalculator ICalculateFeatureContribution.FeatureContributionCalculator => new(this);

    private protected override DataViewType ScoreType => NumberDataViewType.Single;

    private protected override VersionInfo Version => s_version;

    private protected override ValueMapper<VBuffer<float>, float> CreateMapper(ScoringNetwork.RowScorer scorer) =>
        (in VBuffer<float> features, ref float score) => score = scorer.Score(features);

    ValueMapper<TSrc, VBuffer<float>> IFeatureContributionMapper.GetFeatureContributionMapper<TSrc, TDst>(
        int top, int bottom, bool normalize) => Explaining.CreateMapper<TSrc, TDst>(top, bottom, normalize);

    // ML.NET finds this method by its name and signature; it must be more visible than the constructor that takes a ModelLoadContext.
    internal static BatchNormNetworkBinaryModelParameters Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        Contracts.CheckValue(env, nameof(env));
        env.CheckValue(ctx, nameof(ctx));
        return ModelLoading.Guard(env, ctx, s_version, () => new BatchNormNetworkBinaryModelParameters(env, ctx));
    }
}
