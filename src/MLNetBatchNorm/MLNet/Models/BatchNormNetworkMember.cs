using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>One network of a model; a model of several predicts by the weighted mean of their outputs.</summary>
public sealed class BatchNormNetworkMember
{
    private readonly NetworkMember _member;
    private readonly BatchNormNetworkEncoder _encoder;
    private readonly int _number;
    private readonly BatchNormNetwork.MemberScorer _score;
    private IReadOnlyList<BatchNormNetworkLayer>? _layers;

    internal BatchNormNetworkMember(NetworkMember member, BatchNormNetworkEncoder encoder, int number, BatchNormNetwork.MemberScorer score)
    {
        _member = member;
        _encoder = encoder;
        _number = number;
        _score = score;
    }

    /// <summary>
    /// The part that this network's output has in that of the model; those of all networks add up to 1. One over their number, unless
    /// trials have chosen them: see <see cref="BatchNormNetworkOptions.NumberOfTrials"/>.
    /// </summary>
    public double Weight { get; internal init; }

    /// <summary>The number of the trial that this network is of, a place in <see cref="BatchNormNetwork.Trials"/>; 0 without any.</summary>
    public int Trial { get; internal init; }

    /// <summary>
    /// The layers with their weights and batch normalizations as learned, at least one: a
    /// <see cref="BatchNormNetworkInputLayer"/>, which reads the slots of the feature column, or of pictures
    /// <see cref="BatchNormNetworkConvolutionLayer"/>s, then
    /// <see cref="BatchNormNetworkDenseLayer"/>s, each of which reads the layer before. The last one gives the outputs.
    /// </summary>
    public IReadOnlyList<BatchNormNetworkLayer> Layers
    {
        get
        {
            if (_layers is null)
                Interlocked.CompareExchange(ref _layers, BatchNormNetworkLayer.CreateAll(_member.Parameters, _encoder), null);
            return _layers;
        }
    }

    /// <summary>
    /// The course of this network's training, epoch by epoch. What losses and validation metric are
    /// is said of the class of the model parameters.
    /// </summary>
    public TrainingHistory TrainingHistory => _member.History;

    /// <summary>Scores a block of rows by this network alone.</summary>
    /// <remarks>
    /// In the units of the model's own scores: logits, predictions in the label's units, or probabilities. The model's score of a row is
    /// the mean of its networks' scores, by <see cref="Weight"/>; with several classes it is <c>softmax(mean over networks of log p)</c>, p
    /// being a network's probabilities, because logits are averaged. How far the networks are apart says how little the rows like this one
    /// have taught them.
    /// </remarks>
    /// <param name="features">The rows one after the other, [rows, slots]; NaN where a value is missing.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="scores">Room for what the score column holds of each row, one row after the other.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="features"/> does not hold exactly the given rows, or <paramref name="scores"/> has no room for them.
    /// </exception>
    public void Score(ReadOnlySpan<float> features, int rows, Span<float> scores) => _score(_number, features, rows, scores);
}
