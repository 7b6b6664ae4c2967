using MLNetBatchNorm.Data;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>The bounds of scores: the spread's networks folded for scoring. Immutable, shared by all threads.</summary>
internal sealed class IntervalScoring
{
    private readonly FoldedNetwork? _spread;
    private readonly OutputLink? _spreadLink;
    private readonly TargetScale? _scale;
    private readonly float _least;

    /// <summary>Scores with the intervals of a model that has some.</summary>
    public IntervalScoring(TrainedNetwork trained)
    {
        Intervals = trained.Intervals!;
        _scale = trained.Scale;
        _least = trained.Objective?.Labels.Least ?? -float.MaxValue;
        if (Intervals.Spread is not { } spread)
            return;
        _spread = spread.Folded;
        _spreadLink = spread.ScoreLink;
    }

    /// <summary>What was measured.</summary>
    public PredictionIntervals Intervals { get; }

    /// <summary>Number of levels.</summary>
    public int Levels => Intervals.Levels.Count;

    /// <summary>Memory of one thread.</summary>
    public RowScratch CreateScratch() => new(this);

    /// <summary>The bounds of one row.</summary>
    /// <param name="row">Memory of the calling thread, to which the features were given.</param>
    /// <param name="mean">The mean of the networks in scaled labels.</param>
    /// <param name="lower">Room for a bound of each level.</param>
    /// <param name="upper">Room for a bound of each level.</param>
    private void Score(RowScratch row, float mean, Span<float> lower, Span<float> upper)
    {
        double width = _spread is null ? 1 : Intervals.Width(row.Spread(mean));
        (int Knot, double Fraction) place = Intervals.Place(mean);
        for (int i = 0; i < Levels; i++)
        {
            IntervalLevel level = Intervals.Levels[i];
            lower[i] = PredictionIntervals.Bound(mean, PredictionIntervals.Factor(level.Lower, place) * width, _scale, _least);
            upper[i] = PredictionIntervals.Bound(mean, PredictionIntervals.Factor(level.Upper, place) * width, _scale, _least);
        }
    }

    /// <summary>A row of features with a last slot for the prediction. Not thread-safe.</summary>
    internal sealed class RowScratch
    {
        private readonly IntervalScoring _intervals;
        private readonly ScoringScratch? _scratch;
        private readonly float[] _outputs = new float[Kernels.PanelLayout.Width];
        private readonly int _slots;
        private float[] _values;
        private int[] _indices = [];
        private int _count;
        private bool _isSparse;

        internal RowScratch(IntervalScoring intervals)
        {
            _intervals = intervals;
            _scratch = intervals._spread?.CreateScratch(1);
            _slots = (intervals._spread?.RawInputs ?? 1) - 1;
            _values = new float[_slots + 1];
        }

        /// <summary>The bounds of a dense row.</summary>
        public void Score(ReadOnlySpan<float> features, float mean, Span<float> lower, Span<float> upper)
        {
            if (_scratch is not null)
            {
                _isSparse = false;
                features.CopyTo(_values);
            }

            _intervals.Score(this, mean, lower, upper);
        }

        /// <summary>The bounds of a sparse row.</summary>
        public void ScoreSparse(
            ReadOnlySpan<int> indices, ReadOnlySpan<float> values, float mean, Span<float> lower, Span<float> upper)
        {
            if (_scratch is not null && _intervals._spread!.TakesSparse)
            {
                if (_indices.Length == 0)
                    _indices = new int[_slots + 1];
                (_isSparse, _count) = (true, indices.Length);
                indices.CopyTo(_indices);
                values.CopyTo(_values);
            }
            else if (_scratch is not null)
            {
                _isSparse = false;
                Array.Clear(_values);
                for (int i = 0; i < indices.Length; i++)
                    _values[indices[i]] = values[i];
            }

            _intervals.Score(this, mean, lower, upper);
        }

        internal float Spread(float mean)
        {
            FoldedNetwork spread = _intervals._spread!;
            if (_isSparse)
            {
                (_indices[_count], _values[_count]) = (_slots, mean);
                spread.ScoreSparse(
                    _indices.AsSpan(0, _count + 1), _values.AsSpan(0, _count + 1), _outputs, _scratch!, _intervals._spreadLink);
            }
            else
            {
                _values[_slots] = mean;
                spread.Score(_values, 1, _outputs, _scratch!, _intervals._spreadLink);
            }

            return _outputs[0];
        }
    }
}
