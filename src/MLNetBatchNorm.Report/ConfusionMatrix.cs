namespace MLNetBatchNorm.Reporting;

/// <summary>How often each class was taken for each: <c>Counts[truth, decision]</c>.</summary>
internal sealed class ConfusionMatrix
{
    private readonly IReadOnlyList<int> _labels;
    private readonly IReadOnlyList<int> _decisions;
    private readonly int[] _truthsOf;
    private readonly int[] _decisionsFor;
    private readonly int[] _rightOf;

    public ConfusionMatrix(IReadOnlyList<string> names, IReadOnlyList<int> labels, IReadOnlyList<int> decisions)
    {
        Names = names;
        _labels = labels;
        _decisions = decisions;
        _truthsOf = new int[names.Count];
        _decisionsFor = new int[names.Count];
        _rightOf = new int[names.Count];
        for (int i = 0; i < labels.Count; i++)
        {
            _truthsOf[labels[i]]++;
            _decisionsFor[decisions[i]]++;
            if (labels[i] == decisions[i])
                _rightOf[labels[i]]++;
        }
    }

    public IReadOnlyList<string> Names { get; }

    /// <summary>Made when it is asked for: of ten thousand classes it would be larger than all else.</summary>
    public int[,] Counts => field ??= Count();

    public int Rows => _labels.Count;

    /// <summary>Rows that were recognized.</summary>
    public int Right => _rightOf.Sum();

    public int Classes => Names.Count;

    /// <summary>Rows that are of a class.</summary>
    public int Truths(int index) => _truthsOf[index];

    /// <summary>Rows that were taken for a class.</summary>
    public int Decisions(int index) => _decisionsFor[index];

    /// <summary>Part of all rows that was recognized.</summary>
    public double Accuracy => Right / (double)Rows;

    /// <summary>Right among those taken for the class; null if none was.</summary>
    public double? Precision(int index) => _decisionsFor[index] is var n and > 0 ? _rightOf[index] / (double)n : null;

    /// <summary>Recognized among those of the class; null if there are none.</summary>
    public double? Recall(int index) => _truthsOf[index] is var n and > 0 ? _rightOf[index] / (double)n : null;

    private int[,] Count()
    {
        var counts = new int[Classes, Classes];
        for (int i = 0; i < Rows; i++)
            counts[_labels[i], _decisions[i]]++;
        return counts;
    }
}
