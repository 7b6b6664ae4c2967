using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>What a <see cref="Teacher"/> says of the rows of mini-batches. Allocates nothing in a step.</summary>
/// <remarks>
/// Of rows in memory it is said once and remembered; of rows in a file, and of pictures that are changed, anew in each epoch, of the
/// changed picture itself. A row's outputs do not depend on its neighbours, so that both come to the same bits.
/// </remarks>
internal sealed class Lessons
{
    /// <summary>Numbers that are remembered at most: 256 MB, beside the budget of rows.</summary>
    private const long MostRemembered = 1 << 26;

    private readonly EncodedRows _data;
    private readonly FoldedNetwork _teacher;
    private readonly OutputLink _link;
    private readonly ScoringScratch[] _scratches;
    private readonly float[] _targets;
    private readonly int _outputs;

    // By the number of a row in its table; empty where nothing is remembered.
    private readonly float[] _remembered = [];
    private readonly bool[] _isKnown = [];

    /// <summary>Prepares for mini-batches of up to <paramref name="capacity"/> rows.</summary>
    /// <param name="teacher">Who speaks.</param>
    /// <param name="settings">How the learning network is trained.</param>
    /// <param name="data">The rows.</param>
    /// <param name="capacity">Rows of a mini-batch at most.</param>
    /// <param name="workers">Threads that share a mini-batch.</param>
    public Lessons(Teacher teacher, TrainingSettings settings, EncodedRows data, int capacity, int workers)
    {
        _data = teacher.Encoded(data);
        _teacher = teacher.Fold(data.Shape);
        _link = settings.Objective.LinkOf(null);
        _outputs = _teacher.Outputs;
        _scratches = [.. Enumerable.Range(0, workers).Select(_ => _teacher.CreateScratch(capacity))];
        _targets = new float[capacity * _outputs];
        if (Remembers(settings, data, _outputs) is { } rows)
            (_remembered, _isKnown) = (new float[rows * _outputs], new bool[rows]);
    }

    /// <summary>Number of rows of which it is remembered what was said; null: it is said anew in each epoch.</summary>
    public static int? Remembers(TrainingSettings settings, EncodedRows data, int outputs) =>
        data.Source is TableRows { Table.Rows: var rows } && settings is { RandomShift: 0, RandomHorizontalFlip: false }
            && (long)rows * outputs <= MostRemembered ? rows : null;

    /// <summary>What was said of the mini-batch, row by row, one number for each output.</summary>
    public ReadOnlySpan<float> Targets => _targets;

    /// <summary>Has a worker's own rows of a mini-batch spoken of, once they are there to be read.</summary>
    /// <param name="worker">Number of the worker.</param>
    /// <param name="first">The first row of the mini-batch.</param>
    /// <param name="begin">Where in the mini-batch the worker's rows begin.</param>
    /// <param name="end">Where they end.</param>
    /// <param name="changes">What happens to pictures.</param>
    /// <param name="changesKey">Chooses what does, the same for those who teach and who learns.</param>
    public void Fill(int worker, int first, int begin, int end, PictureChanges changes, ulong changesKey)
    {
        ScoringScratch scratch = _scratches[worker];
        for (int count; begin < end; begin += count)
        {
            count = Math.Min(scratch.Rows, end - begin);
            Span<float> targets = _targets.AsSpan(begin * _outputs, count * _outputs);
            ReadOnlySpan<int> rows = _isKnown.Length == 0 ? [] : _data.Source.Run(first + begin, count).Rows;
            if (Recall(rows, targets))
                continue;
            NodeInput input = scratch.InputFor(_data.Shape);
            input.Change(changes, changesKey, begin);
            input.Prepare(_data, first + begin, count);
            input.Fill(_data, first + begin, 0, count);
            _link.Apply(_teacher.Forward(scratch, count, input, _link), count, targets);
            Remember(rows, targets);
        }
    }

    /// <summary>Whether all of these rows have been spoken of before; then the targets are filled.</summary>
    private bool Recall(ReadOnlySpan<int> rows, Span<float> targets)
    {
        if (rows.IsEmpty)
            return false;
        for (int i = 0; i < rows.Length; i++)
        {
            if (!_isKnown[rows[i]])
                return false;
            _remembered.AsSpan(rows[i] * _outputs, _outputs).CopyTo(targets[(i * _outputs)..]);
        }

        return true;
    }

    private void Remember(ReadOnlySpan<int> rows, ReadOnlySpan<float> targets)
    {
        for (int i = 0; i < rows.Length; i++)
        {
            targets.Slice(i * _outputs, _outputs).CopyTo(_remembered.AsSpan(rows[i] * _outputs));
            _isKnown[rows[i]] = true;
        }
    }
}
