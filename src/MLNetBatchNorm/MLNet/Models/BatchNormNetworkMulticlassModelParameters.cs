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
    typeof(BatchNormNetworkMulticlassModelParameters), null, typeof(SignatureLoadModel),
    "Batch-normalized network for multiclass classification", BatchNormNetworkMulticlassModelParameters.LoaderSignature)]

namespace MLNetBatchNorm;

/// <summary>
/// Model parameters of <see cref="BatchNormNetworkMulticlassTrainer"/>: a batch-normalized feed-forward network with one output for each
/// class, which softmax turns into probabilities.
/// </summary>
/// <remarks>
/// Losses of its training history are mean cross-entropies in nats; the validation metric is the accuracy. <c>Score</c> gives the
/// probabilities, [rows, <see cref="NumberOfClasses"/>]; those of a row add up to 1.
/// <inheritdoc cref="BatchNormNetworkModelParametersBase{TScore}" path="/remarks"/>
/// </remarks>
public sealed class BatchNormNetworkMulticlassModelParameters : BatchNormNetworkModelParametersBase<VBuffer<float>>
{
    internal const string LoaderSignature = "MLNetBatchNormMulticlass";

    private static readonly VersionInfo s_version = VersionOf("MBNNMULT", LoaderSignature);

    internal BatchNormNetworkMulticlassModelParameters(IHostEnvironment env, TrainedNetwork network)
        : base(env, LoaderSignature, network)
    {
        ScoreType = new VectorDataViewType(NumberDataViewType.Single, NumberOfClasses);
    }

    private BatchNormNetworkMulticlassModelParameters(IHostEnvironment env, ModelLoadContext ctx)
        : base(env, LoaderSignature, ctx)
    {
        ScoreType = new VectorDataViewType(NumberDataViewType.Single, NumberOfClasses);
    }

    /// <summary>Number of classes: slots of the score column.</summary>
    public int NumberOfClasses => Scoring.Outputs;

    /// <summary>
    /// What each slot of one row contributes to each class, [class, slot]; see
    /// <see cref="BatchNormNetworkModelParametersBase{TScore}.GetFeatureContributions(ReadOnlySpan{float}, int, Span{float})"/>, which
    /// gives the same for a block of rows.
    /// </summary>
    /// <param name="features">The row, <see cref="BatchNormNetworkModelParametersBase{TScore}.NumberOfFeatures"/> values.</param>
    /// <returns>
    /// Contributions, in the unit of logits. With <c>FeatureContributionBase</c> those of a class add up to its logit less the mean logit
    /// of all classes; softmax over the classes' sums gives <c>Score</c>. Those of a slot add up to 0 over the classes.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="features"/> is not one row.</exception>
    public float[,] GetFeatureContributions(ReadOnlySpan<float> features)
    {
        var contributions = new float[NumberOfClasses, NumberOfFeatures];
        GetFeatureContributions(
            features, 1, System.Runtime.InteropServices.MemoryMarshal.CreateSpan(ref contributions[0, 0], contributions.Length));
        return contributions;
    }

    private protected override bool OutputsAreClasses => true;

    /// <inheritdoc/>
    protected override PredictionKind PredictionKind => PredictionKind.MulticlassClassification;

    private protected override DataViewType ScoreType { get; }

    private protected override VersionInfo Version => s_version;

    private protected override ValueMapper<VBuffer<float>, VBuffer<float>> CreateMapper(ScoringNetwork.RowScorer scorer)
    {
        int classes = NumberOfClasses;
        return (in VBuffer<float> features, ref VBuffer<float> score) =>
        {
            VBufferEditor<float> editor = VBufferEditor.Create(ref score, classes);
            scorer.ScoreProbabilities(features, editor.Values);
            score = editor.Commit();
        };
    }

    private protected override void ScoreBlock(ReadOnlySpan<float> features, int rows, Span<float> scores)
        => Scoring.ScoreProbabilities(features, rows, scores);

    private protected override void ScoreBlock(ReadOnlyMemory<float> features, int rows, Memory<float> scores, int numberOfThreads)
        => Scoring.ScoreProbabilities(features, rows, scores, numberOfThreads);

    private protected override void ScoreByMember(int member, ReadOnlySpan<float> features, int rows, Span<float> scores)
        => Scoring.ScoreProbabilitiesByMember(member, features, rows, scores);

    private protected override void SaveOnnx(OnnxContext ctx, string[] outputNames, string featureColumn)
        => OnnxContextGraph.SaveClasses(ctx, Scoring.Trained, outputNames, featureColumn);

    // ML.NET finds this method by its name and signature; it must be more visible than the constructor that takes a ModelLoadContext.
    internal static BatchNormNetworkMulticlassModelParameters Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        Contracts.CheckValue(env, nameof(env));
        env.CheckValue(ctx, nameof(ctx));
        return ModelLoading.Guard(env, ctx, s_version, () => new BatchNormNetworkMulticlassModelParameters(env, ctx));
    }
}
