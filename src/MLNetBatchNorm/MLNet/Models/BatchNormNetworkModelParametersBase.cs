using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Model;
using Microsoft.ML.Model.OnnxConverter;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>What the model parameters of all batch-normalized network trainers have in common.</summary>
/// <remarks>
/// Immutable and safe for any number of threads. Prediction uses the frozen running mean and variance of each batch normalization and
/// nothing of the other rows it is asked about: a row's score is the same to the last bit from a prediction engine, from <c>Transform</c>,
/// and from <c>Score</c> in a block of any size on any number of threads.
/// </remarks>
/// <typeparam name="TScore">The type of a row's score: a number, or a vector of numbers for several classes.</typeparam>
public abstract class BatchNormNetworkModelParametersBase<TScore>
    : ModelParametersBase<TScore>, IValueMapper, ISingleCanSaveOnnx, INetworkModel
{
    private BatchNormNetwork? _network;
    private ExplainingNetwork? _explaining;

    private protected BatchNormNetworkModelParametersBase(IHostEnvironment env, string loaderSignature, TrainedNetwork network)
        : base(env, loaderSignature)
    {
        Scoring = new ScoringNetwork(Host, network);
    }

    private protected BatchNormNetworkModelParametersBase(IHostEnvironment env, string loaderSignature, ModelLoadContext ctx)
        : base(env, loaderSignature, ctx)
    {
        Scoring = ScoringNetwork.Load(Host, ctx.Reader);
    }

    /// <summary>
    /// What the model has learned, for reading: its networks with their layers and histories, the
    /// encoding of the features, what the training used.
    /// </summary>
    public BatchNormNetwork Network
    {
        get
        {
            if (_network is null)
                Interlocked.CompareExchange(ref _network, new BatchNormNetwork(Scoring.Trained, ScoreByMember), null);
            return _network;
        }
    }

    /// <summary>Number of slots of the feature column.</summary>
    public int NumberOfFeatures => Scoring.Inputs;

    TrainedNetwork INetworkModel.Network => Scoring.Trained;

    DataViewType IValueMapper.InputType => Scoring.InputType;

    DataViewType IValueMapper.OutputType => ScoreType;

    /// <summary>The network with its folded form.</summary>
    private protected ScoringNetwork Scoring { get; }

    /// <summary>What explains scores; made when it is first asked for.</summary>
    private protected ExplainingNetwork Explaining
    {
        get
        {
            if (_explaining is null)
                Interlocked.CompareExchange(ref _explaining, new ExplainingNetwork(Host, Scoring, OutputsAreClasses), null);
            return _explaining;
        }
    }

    /// <summary>Whether outputs are the logits of classes, of which what they have in common says nothing.</summary>
    private protected virtual bool OutputsAreClasses => false;

    /// <summary>The type of the score column.</summary>
    private protected abstract DataViewType ScoreType { get; }

    /// <summary>Identifies the saved form.</summary>
    private protected abstract VersionInfo Version { get; }

    /// <summary>Scores a block of rows at once, which is faster than row by row and gives the same bits.</summary>
    /// <param name="features">The rows one after the other, [rows, <see cref="NumberOfFeatures"/>]; NaN where a value is missing.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="scores">Room for what the score column holds of each row, one row after the other.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="features"/> does not hold exactly the given rows, or <paramref name="scores"/> has no room for them.
    /// </exception>
    public void Score(ReadOnlySpan<float> features, int rows, Span<float> scores) => ScoreBlock(features, rows, scores);

    /// <summary>Scores a block of rows on several threads; the same bits as on one.</summary>
    /// <param name="features">As in <see cref="Score(ReadOnlySpan{float}, int, Span{float})"/>.</param>
    /// <param name="rows">
    /// Number of rows. Threads share them in parts of some hundred rows, so a smaller block is scored by one thread.
    /// </param>
    /// <param name="scores">As in <see cref="Score(ReadOnlySpan{float}, int, Span{float})"/>.</param>
    /// <param name="numberOfThreads">Threads that score, the calling one included; at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// As in <see cref="Score(ReadOnlySpan{float}, int, Span{float})"/>, or <paramref name="numberOfThreads"/> is below 1.
    /// </exception>
    public void Score(ReadOnlyMemory<float> features, int rows, Memory<float> scores, int numberOfThreads)
        => ScoreBlock(features, rows, scores, numberOfThreads);

    /// <summary>
    /// What the contributions of a row are added to: the score where nothing is known of it. One number; of several classes or targets one
    /// for each.
    /// </summary>
    /// <remarks>
    /// Where nothing is known of a slot, the first layer reads the mean, over the training rows, of what it makes of the slot's values,
    /// which is what it reads of a missing value, but for the effect of being missing. In tables of 1,024 slots and more a slot whose 0 is
    /// encoded as 0, such as a word, has 0 instead. The unit is that of the contributions, see
    /// <see cref="GetFeatureContributions(ReadOnlySpan{float}, int, Span{float})"/>.
    /// </remarks>
    /// <exception cref="NotSupportedException">The network has convolutions.</exception>
    public IReadOnlyList<float> FeatureContributionBase => Explaining.BaseScores;

    /// <summary>Says of rows what each slot contributes to the score: why it is not that of a row of which nothing is known.</summary>
    /// <remarks>
    /// <para>
    /// <see cref="FeatureContributionBase"/> and the contributions of a row add up to its score: to the logit of a binary network,
    /// to the prediction of a regression. With several classes they add up to the class's logit, less the mean of the logits of all
    /// classes: <c>log p(class) - mean over classes of log p</c>. Temperature, class weights and calibrators that a model was trained with
    /// are part of the logit or stand behind it, and are not explained.
    /// </para>
    /// <para>
    /// They are Shapley values over one base (Shapley 1953; Lundberg and Lee 2017, arXiv:1705.07874; baseline Shapley: Sundararajan and
    /// Najmi 2020, arXiv:1908.08474): what knowing a slot adds to the score, in the mean of all orders in which slots become known. Up to 9
    /// slots that differ from the base all subsets are scored. Of more, pairs of an order and its reverse are drawn (Mitchell et al. 2022,
    /// arXiv:2104.12199), which is exact where effects are those of one or two slots together, and an estimate of what more do together.
    /// The orders depend on nothing but the number of slots: the same row has the same contributions, alone or in a block, on any number
    /// of threads.
    /// </para>
    /// <para>
    /// The slots of a category (a range of the <c>CategoricalSlotRanges</c> annotation, or neighbours of which exactly one was set in every
    /// training row) are known together. Their contribution stands at the slot that is set, or at the first if none is;
    /// <see cref="BatchNormNetworkEncoder.SumByColumn"/> adds it up under the column's name. Models that an older version saved have no
    /// ranges: their slots are known one by one.
    /// </para>
    /// </remarks>
    /// <param name="features">The rows one after the other, [rows, <see cref="NumberOfFeatures"/>]; NaN where a value is missing.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="contributions">
    /// Room for [rows, <see cref="NumberOfFeatures"/>], of several classes or targets for [rows, classes or targets,
    /// <see cref="NumberOfFeatures"/>].
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="features"/> does not hold exactly the given rows, or <paramref name="contributions"/> has no room for them.
    /// </exception>
    /// <exception cref="NotSupportedException">The network has convolutions.</exception>
    public void GetFeatureContributions(ReadOnlySpan<float> features, int rows, Span<float> contributions)
        => Explaining.Explain(features, rows, contributions);

    /// <summary>The same on several threads; the same bits as on one.</summary>
    /// <param name="features">As in <see cref="GetFeatureContributions(ReadOnlySpan{float}, int, Span{float})"/>.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="contributions">As in <see cref="GetFeatureContributions(ReadOnlySpan{float}, int, Span{float})"/>.</param>
    /// <param name="numberOfThreads">Threads that compute, the calling one included; at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// As in <see cref="GetFeatureContributions(ReadOnlySpan{float}, int, Span{float})"/>, or <paramref name="numberOfThreads"/> is below
    /// 1.
    /// </exception>
    public void GetFeatureContributions(ReadOnlyMemory<float> features, int rows, Memory<float> contributions, int numberOfThreads)
        => Explaining.Explain(features, rows, contributions, numberOfThreads);

    ValueMapper<TSrc, TDst> IValueMapper.GetMapper<TSrc, TDst>()
    {
        Host.Check(
            typeof(TSrc) == typeof(VBuffer<float>) && typeof(TDst) == ScoreType.RawType,
            $"The mapper goes from a vector of Single to {ScoreType}.");
        return (ValueMapper<TSrc, TDst>)CreateMapper(Scoring.CreateRowScorer());
    }

    bool ICanSaveOnnx.CanSaveOnnx(OnnxContext ctx) => true;

    bool ISingleCanSaveOnnx.SaveAsOnnx(OnnxContext ctx, string[] outputNames, string featureColumn)
    {
        Host.CheckValue(ctx, nameof(ctx));
        Host.CheckValue(outputNames, nameof(outputNames));
        SaveOnnx(ctx, outputNames, featureColumn);
        return true;
    }

    /// <inheritdoc/>
    protected sealed override void SaveCore(ModelSaveContext ctx)
    {
        base.SaveCore(ctx);
        ctx.SetVersionInfo(Version);
        // *** Binary format ***
        // int32: sizeof(float), by the base class
        // the network: Persistence/NetworkFormat.Writer.cs
        Scoring.Save(ctx.Writer);
    }

    /// <summary>What makes the score of a row: a <see cref="ValueMapper{TSrc, TDst}"/> to <see cref="ScoreType"/>.</summary>
    private protected abstract Delegate CreateMapper(ScoringNetwork.RowScorer scorer);

    /// <summary>Scores a block of rows.</summary>
    private protected virtual void ScoreBlock(ReadOnlySpan<float> features, int rows, Span<float> scores)
        => Scoring.Score(features, rows, scores);

    /// <summary>Scores a block of rows on several threads.</summary>
    private protected virtual void ScoreBlock(ReadOnlyMemory<float> features, int rows, Memory<float> scores, int numberOfThreads)
        => Scoring.Score(features, rows, scores, numberOfThreads);

    /// <summary>Scores a block of rows by one of the networks alone.</summary>
    private protected virtual void ScoreByMember(int member, ReadOnlySpan<float> features, int rows, Span<float> scores)
        => Scoring.ScoreByMember(member, features, rows, scores);

    /// <summary>Adds the nodes that make the score column.</summary>
    private protected virtual void SaveOnnx(OnnxContext ctx, string[] outputNames, string featureColumn)
        => OnnxContextGraph.SaveScore(ctx, Scoring.Trained, outputNames, featureColumn);

    /// <summary>What ML.NET writes at the head of the saved form.</summary>
    private protected static VersionInfo VersionOf(string modelSignature, string loaderSignature) => new(
        modelSignature: modelSignature,
        verWrittenCur: 0x00010001, // Initial
        verReadableCur: 0x00010001,
        verWeCanReadBack: 0x00010001,
        loaderSignature: loaderSignature,
        loaderAssemblyName: typeof(BatchNormNetworkModelParametersBase<>).Assembly.FullName);
}
