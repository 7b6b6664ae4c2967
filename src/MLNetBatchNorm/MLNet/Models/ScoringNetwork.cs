using System.Collections.Concurrent;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>What all kinds of model parameters share: the trained network, its folded form for scoring, saving and loading.</summary>
/// <remarks>
/// Immutable, and shared by every mapper and every prediction engine made from the model; what a row needs
/// to be written to is in <see cref="RowScorer"/>.
/// </remarks>
internal sealed class ScoringNetwork
{
    private readonly IExceptionContext _context;
    private readonly FoldedModel _folded;
    private readonly OutputLink _link;
    // As many as threads have ever scored blocks, or single rows, at once.
    private readonly ConcurrentBag<FoldedModel.Scratch> _spareScratches = [];
    private readonly ConcurrentBag<FoldedModel.Scratch> _spareRowScratches = [];

    /// <summary>Scores with <paramref name="trained"/>.</summary>
    public ScoringNetwork(IExceptionContext context, TrainedNetwork trained)
    {
        _context = context;
        Trained = trained;
        _folded = trained.Model;
        _link = trained.ScoreLink;
        Intervals = trained.Intervals is null ? null : new IntervalScoring(trained);
        InputType = new VectorDataViewType(NumberDataViewType.Single, _folded.RawInputs);
    }

    /// <summary>The unfolded network, as it is saved.</summary>
    public TrainedNetwork Trained { get; }

    /// <summary>What makes bounds of scores; null where the model has none.</summary>
    public IntervalScoring? Intervals { get; }

    /// <summary>The type of the feature column.</summary>
    public VectorDataViewType InputType { get; }

    /// <summary>Number of feature slots.</summary>
    public int Inputs => _folded.RawInputs;

    /// <summary>Number of outputs.</summary>
    public int Outputs => _folded.Outputs;

    /// <summary>The folded networks.</summary>
    public FoldedModel Folded => _folded;

    /// <summary>What makes scores of outputs.</summary>
    public OutputLink Link => _link;

    /// <summary>Writes the network at the writer's position.</summary>
    public void Save(BinaryWriter writer) => NetworkFormat.Write(writer, Trained);

    /// <summary>Reads a network; anything wrong with the bytes ends in ML.NET's <see cref="FormatException"/>.</summary>
    public static ScoringNetwork Load(IExceptionContext context, BinaryReader reader)
    {
        TrainedNetwork trained;
        try
        {
            trained = NetworkFormat.Read(reader);
        }
        catch (NetworkFormatException e)
        {
            // Not as an inner exception: the innermost one is what ML.NET's loader leaves to the caller, and it must bear ML.NET's mark.
            throw context.ExceptDecode(e.Message);
        }

        var network = new ScoringNetwork(context, trained);
        context.CheckDecode(
            trained.IsFinite, "A batch normalization of the network multiplies its layer's weights beyond the range of float.");
        return network;
    }

    /// <summary>Memory and entry point of one thread that scores row by row.</summary>
    public RowScorer CreateRowScorer() => new(this);

    /// <summary>
    /// Scores rows [rows, <see cref="Inputs"/>] into [rows, <see cref="Outputs"/>], both row-major, with the same bits as row by row.
    /// </summary>
    public void Score(ReadOnlySpan<float> features, int rows, Span<float> outputs) => Score(features, rows, outputs, _link, null);

    /// <summary>As <see cref="Score(ReadOnlySpan{float}, int, Span{float})"/>, by one of the networks alone.</summary>
    public void ScoreByMember(int member, ReadOnlySpan<float> features, int rows, Span<float> outputs)
        => Score(features, rows, outputs, _link, member);

    private void Score(ReadOnlySpan<float> features, int rows, Span<float> outputs, OutputLink link, int? member)
    {
        CheckBlock(features.Length, rows, outputs.Length);
        bool isRow = rows == 1;
        ConcurrentBag<FoldedModel.Scratch> spares = isRow ? _spareRowScratches : _spareScratches;
        if (!spares.TryTake(out FoldedModel.Scratch? scratch))
            scratch = _folded.CreateScratch(isRow ? 1 : FoldedNetwork.BlockRows);
        _folded.Score(features, rows, outputs, scratch, link, member);
        spares.Add(scratch);
    }

    /// <summary>As <see cref="Score(ReadOnlySpan{float}, int, Span{float})"/>, by several threads at once.</summary>
    public void Score(ReadOnlyMemory<float> features, int rows, Memory<float> outputs, int numberOfThreads)
        => ScoreParts(features, rows, outputs, numberOfThreads, Score);

    /// <summary>
    /// As <see cref="Score(ReadOnlySpan{float}, int, Span{float})"/>, with the outputs of each row turned into probabilities by softmax.
    /// </summary>
    public void ScoreProbabilities(ReadOnlySpan<float> features, int rows, Span<float> probabilities)
        => Score(features, rows, probabilities, OutputLink.Softmax, null);

    /// <summary>As <see cref="ScoreProbabilities(ReadOnlySpan{float}, int, Span{float})"/>, by one of the networks alone.</summary>
    public void ScoreProbabilitiesByMember(int member, ReadOnlySpan<float> features, int rows, Span<float> probabilities)
        => Score(features, rows, probabilities, OutputLink.Softmax, member);

    /// <summary>As <see cref="ScoreProbabilities(ReadOnlySpan{float}, int, Span{float})"/>, by several threads at once.</summary>
    public void ScoreProbabilities(ReadOnlyMemory<float> features, int rows, Memory<float> probabilities, int numberOfThreads)
        => ScoreParts(features, rows, probabilities, numberOfThreads, ScoreProbabilities);

    /// <summary>Scores rows with their bounds, [rows, levels] row-major.</summary>
    public void ScoreIntervals(ReadOnlySpan<float> features, int rows, Span<float> scores, Span<float> lower, Span<float> upper)
    {
        int levels = Intervals!.Levels;
        CheckBlock(features.Length, rows, scores.Length);
        if (Math.Min(lower.Length, upper.Length) < (long)rows * levels)
        {
            throw _context.ExceptParam(
                nameof(lower),
                $"The bounds have room for {lower.Length} and {upper.Length} values; {rows} rows of {levels} levels need "
                + $"{(long)rows * levels}.");
        }

        RowScorer scorer = CreateRowScorer();
        for (int row = 0; row < rows; row++)
        {
            scores[row] = scorer.Score(
                features.Slice(row * Inputs, Inputs), lower.Slice(row * levels, levels), upper.Slice(row * levels, levels));
        }
    }

    private delegate void BlockScorer(ReadOnlySpan<float> features, int rows, Span<float> outputs);

    /// <summary>
    /// Cuts a block into parts that threads take one after the other, so that a thread that is held up leaves its share to the others.
    /// </summary>
    private void ScoreParts(ReadOnlyMemory<float> features, int rows, Memory<float> outputs, int numberOfThreads, BlockScorer score)
    {
        // Parts of whole blocks: large enough that starting one costs nothing beside scoring it, small enough to share them evenly.
        const int partRows = 4 * FoldedNetwork.BlockRows;
        _context.CheckParam(
            numberOfThreads >= 1, nameof(numberOfThreads), $"The number of threads is {numberOfThreads}; it must be at least 1.");
        CheckBlock(features.Length, rows, outputs.Length);
        int parts = (int)(((uint)rows + partRows - 1) / partRows);
        if (numberOfThreads == 1 || parts <= 1)
        {
            score(features.Span, rows, outputs.Span);
            return;
        }

        Parallel.For(0, parts, new ParallelOptions { MaxDegreeOfParallelism = numberOfThreads }, part =>
        {
            int first = part * partRows, count = Math.Min(partRows, rows - first);
            score(features.Span.Slice(first * Inputs, count * Inputs), count, outputs.Span.Slice(first * Outputs, count * Outputs));
        });
    }

    private void CheckBlock(int features, int rows, int scores)
    {
        _context.CheckParam(rows >= 0, nameof(rows), "The number of rows must not be negative.");
        if (features != (long)rows * Inputs)
        {
            throw _context.ExceptParam(
                nameof(features), $"The features hold {features} values; {rows} rows of {Inputs} features are {(long)rows * Inputs}.");
        }

        if (scores < (long)rows * Outputs)
        {
            throw _context.ExceptParam(
                nameof(scores), $"The scores have room for {scores} values; {rows} rows of {Outputs} need {(long)rows * Outputs}.");
        }
    }

    /// <summary>Room for the outputs of a row in whole panels.</summary>
    public int PaddedOutputs => PanelLayout.PanelCount(Outputs) * PanelLayout.Width;

    /// <summary>Scores one row at a time without allocating. Not thread-safe: one for each mapper.</summary>
    public sealed class RowScorer
    {
        private readonly ScoringNetwork _network;
        private readonly FoldedModel.Scratch _scratch;
        private readonly float[] _outputs;
        private readonly IntervalScoring.RowScratch? _intervals;
        private readonly OutputLink? _scaledLink;
        private float[]? _dense;

        internal RowScorer(ScoringNetwork network)
        {
            _network = network;
            _scratch = network._folded.CreateScratch(1);
            _outputs = new float[network.PaddedOutputs];
            _intervals = network.Intervals?.CreateScratch();
            // What labels were made of for training, of which the score is made at the end.
            _scaledLink = network.Intervals is null ? null : network._link.Unscaled;
        }

        /// <summary>The outputs of one row.</summary>
        public void Score(in VBuffer<float> features, Span<float> outputs) => Score(features, outputs, _network._link);

        private void Score(in VBuffer<float> features, Span<float> outputs, OutputLink link)
        {
            if (features.Length != _network.Inputs)
                throw _network._context.Except($"The row has {features.Length} features; the model was trained on {_network.Inputs}.");
            if (features.IsDense)
            {
                _network._folded.Score(features.GetValues(), 1, outputs, _scratch, link);
                return;
            }

            if (_network._folded.TakesSparse)
            {
                _network._folded.ScoreSparse(features.GetIndices(), features.GetValues(), outputs, _scratch, link);
                return;
            }

            _dense ??= new float[_network.Inputs];
            features.CopyTo(_dense);
            _network._folded.Score(_dense, 1, outputs, _scratch, link);
        }

        /// <summary>The output of one row of a network with intervals, and the bounds of each level.</summary>
        public float Score(in VBuffer<float> features, Span<float> lower, Span<float> upper)
        {
            Score(features, _outputs, _scaledLink!);
            float mean = _outputs[0];
            if (features.IsDense)
                _intervals!.Score(features.GetValues(), mean, lower, upper);
            else
                _intervals!.ScoreSparse(features.GetIndices(), features.GetValues(), mean, lower, upper);
            return Restored(mean);
        }

        /// <summary>The same of a row written out.</summary>
        public float Score(ReadOnlySpan<float> features, Span<float> lower, Span<float> upper)
        {
            _network._folded.Score(features, 1, _outputs, _scratch, _scaledLink!);
            float mean = _outputs[0];
            _intervals!.Score(features, mean, lower, upper);
            return Restored(mean);
        }

        private float Restored(float mean) => _network.Trained.Scale is { } scale ? scale.Restore(mean) : mean;

        /// <summary>The output of one row of a network with a single one.</summary>
        public float Score(in VBuffer<float> features)
        {
            Score(features, _outputs);
            return _outputs[0];
        }

        /// <summary>The outputs of one row, turned into probabilities by softmax.</summary>
        public void ScoreProbabilities(in VBuffer<float> features, Span<float> probabilities)
        {
            Score(features, _outputs);
            Losses.Softmax(_outputs, probabilities);
        }
    }
}
