using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Model;
using Microsoft.ML.Model.OnnxConverter;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Persistence;

[assembly: LoadableClass(
    typeof(BatchNormNetworkRegressionModelParameters), null, typeof(SignatureLoadModel),
    "Batch-normalized network for regression", BatchNormNetworkRegressionModelParameters.LoaderSignature)]

namespace MLNetBatchNorm;

/// <summary>Model parameters of <see cref="BatchNormNetworkRegressionTrainer"/>: a batch-normalized feed-forward network with one output, the prediction in the label's own units.</summary>
/// <remarks>
/// Immutable and safe for any number of threads. Prediction uses the frozen running mean and variance of each batch normalization and
/// nothing of the other rows it is asked about: a row's score is the same to the last bit from a prediction engine, from <c>Transform</c>,
/// and from <c>Score</c> in a block of any size on any number of threads.
/// </remarks>
public sealed class BatchNormNetworkRegressionModelParameters : ModelParametersBase<float>, IValueMapper, ISingleCanSaveOnnx, INetworkModel
{
    internal const string LoaderSignature = "MLNetBatchNormRegression";

    private readonly ScoringNetwork _network;

    internal BatchNormNetworkRegressionModelParameters(IHostEnvironment env, TrainedNetwork network)
        : base(env, LoaderSignature)
    {
        _network = new ScoringNetwork(Host, network);
        Host.Check(_network.Outputs == 1, "A network for regression has one output.");
    }

    private BatchNormNetworkRegressionModelParameters(IHostEnvironment env, ModelLoadContext ctx)
        : base(env, LoaderSignature, ctx)
    {
        _network = ScoringNetwork.Load(Host, ctx.Reader);
        Host.CheckDecode(_network.Outputs == 1, "A network for regression has one output.");
    }

    /// <summary>The networks of the model, as many as <see cref="BatchNormNetworkOptions.NumberOfEnsembleMembers"/> says; the model's output is the mean of theirs.</summary>
    public IReadOnlyList<BatchNormNetworkMember> Members => _network.Members;

    /// <summary>The layers of the (first) network, hidden layers first, with their weights and batch normalizations as learned.</summary>
    public IReadOnlyList<BatchNormNetworkLayer> Layers => _network.Layers;

    /// <summary>The course of the (first) network's training, epoch by epoch. Losses are in the label's own units, squared; the validation metric is R squared.</summary>
    public TrainingHistory TrainingHistory => _network.Trained.History;

    /// <summary>Number of slots of the feature column.</summary>
    public int NumberOfFeatures => _network.Inputs;

    TrainedNetwork INetworkModel.Network => _network.Trained;

    DataViewType IValueMapper.InputType => _network.InputType;

    DataViewType IValueMapper.OutputType => NumberDataViewType.Single;

    /// <inheritdoc/>
    protected override PredictionKind PredictionKind => PredictionKind.Regression;

    /// <summary>Scores a block of rows at once, which is faster than row by row and gives the same bits.</summary>
    /// <param name="features">The rows one after the other, [rows, <see cref="NumberOfFeatures"/>]; NaN where a value is missing.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="scores">Room for one prediction for each row, in the label's own units.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="features"/> does not hold exactly the given rows, or <paramref name="scores"/> has no room for them.</exception>
    public void Score(ReadOnlySpan<float> features, int rows, Span<float> scores) => _network.Score(features, rows, scores);

    /// <summary>Scores a block of rows on several threads; the same bits as on one.</summary>
    /// <param name="features">As in <see cref="Score(ReadOnlySpan{float}, int, Span{float})"/>.</param>
    /// <param name="rows">Number of rows. Threads share them in parts of some hundred rows, so a smaller block is scored by one thread.</param>
    /// <param name="scores">As in <see cref="Score(ReadOnlySpan{float}, int, Span{float})"/>.</param>
    /// <param name="numberOfThreads">Threads that score, the calling one included; at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">As in <see cref="Score(ReadOnlySpan{float}, int, Span{float})"/>, or <paramref name="numberOfThreads"/> is below 1.</exception>
    public void Score(ReadOnlyMemory<float> features, int rows, Memory<float> scores, int numberOfThreads)
        => _network.Score(features, rows, scores, numberOfThreads);

    ValueMapper<TSrc, TDst> IValueMapper.GetMapper<TSrc, TDst>()
    {
        Host.Check(typeof(TSrc) == typeof(VBuffer<float>) && typeof(TDst) == typeof(float), "The mapper goes from a vector of Single to a Single.");
        ScoringNetwork.RowScorer scorer = _network.CreateRowScorer();
        ValueMapper<VBuffer<float>, float> mapper = (in VBuffer<float> features, ref float score) => score = scorer.Score(features);
        return (ValueMapper<TSrc, TDst>)(Delegate)mapper;
    }

    bool ICanSaveOnnx.CanSaveOnnx(OnnxContext ctx) => true;

    bool ISingleCanSaveOnnx.SaveAsOnnx(OnnxContext ctx, string[] outputNames, string featureColumn)
    {
        Host.CheckValue(ctx, nameof(ctx));
        Host.CheckValue(outputNames, nameof(outputNames));
        OnnxContextGraph.SaveScore(ctx, _network.Trained, outputNames, featureColumn);
        return true;
    }

    /// <inheritdoc/>
    protected override void SaveCore(ModelSaveContext ctx)
    {
        base.SaveCore(ctx);
        ctx.SetVersionInfo(GetVersionInfo());
        // *** Binary format ***
        // int32: sizeof(float), by the base class
        // the network: Persistence/NetworkFormat.Writer.cs
        _network.Save(ctx.Writer);
    }

    // ML.NET finds this method by its name and signature; it must be more visible than the constructor that takes a ModelLoadContext.
    internal static BatchNormNetworkRegressionModelParameters Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        Contracts.CheckValue(env, nameof(env));
        env.CheckValue(ctx, nameof(ctx));
        return ModelLoading.Guard(env, ctx, GetVersionInfo(), () => new BatchNormNetworkRegressionModelParameters(env, ctx));
    }

    private static VersionInfo GetVersionInfo() => new(
        modelSignature: "MBNNREGR",
        verWrittenCur: 0x00010001, // Initial
        verReadableCur: 0x00010001,
        verWeCanReadBack: 0x00010001,
        loaderSignature: LoaderSignature,
        loaderAssemblyName: typeof(BatchNormNetworkRegressionModelParameters).Assembly.FullName);
}
