using System.Numerics.Tensors;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Network;

/// <summary>
/// All networks of a model for prediction: those of one shape behind one encoder, or of several, whose means are added with weights.
/// </summary>
/// <remarks>
/// Where there is one shape, every bit is that of <see cref="FoldedNetwork"/>. Immutable and shared by all threads; what a call writes is
/// in its <see cref="Scratch"/>.
/// </remarks>
internal sealed class FoldedModel
{
    private readonly FoldedNetwork[] _parts;
    private readonly float[] _shares;

    /// <param name="parts">The networks of each shape, and what their mean counts for; these numbers add up to 1.</param>
    public FoldedModel(IReadOnlyList<(FoldedNetwork Networks, double Share)> parts)
    {
        _parts = [.. parts.Select(part => part.Networks)];
        _shares = [.. parts.Select(part => (float)part.Share)];
        TakesSparse = Array.TrueForAll(_parts, part => part.TakesSparse);
    }

    /// <summary>The networks of each shape.</summary>
    public IReadOnlyList<FoldedNetwork> Parts => _parts;

    /// <summary>What the mean of each part counts for.</summary>
    public IReadOnlyList<float> Shares => _shares;

    /// <summary>Number of raw feature values in a row.</summary>
    public int RawInputs => _parts[0].RawInputs;

    /// <summary>Number of outputs of a row.</summary>
    public int Outputs => _parts[0].Outputs;

    /// <summary>Whether every weight is finite.</summary>
    public bool IsFinite => Array.TrueForAll(_parts, part => part.IsFinite);

    /// <summary>Whether networks have convolutions in front.</summary>
    public bool HasMaps => Array.Exists(_parts, part => part.HasMaps);

    /// <summary>Whether sparse rows can be scored without writing them out.</summary>
    public bool TakesSparse { get; }

    /// <summary>What one thread writes while it scores.</summary>
    public sealed class Scratch
    {
        internal Scratch(FoldedModel model, int maximumRows)
        {
            // A block has as many rows as suit all parts.
            int rows = model._parts.Min(part => part.RowsOfScratch(maximumRows));
            Parts = [.. model._parts.Select(part => part.CreateScratch(rows))];
            Sum = Parts.Length > 1 ? new PanelMatrix(rows, model.Outputs) : null;
        }

        internal ScoringScratch[] Parts { get; }

        internal PanelMatrix? Sum { get; }
    }

    /// <summary>Memory for calls of up to so many rows at once; one for each thread. Longer calls work in blocks.</summary>
    public Scratch CreateScratch(int maximumRows = FoldedNetwork.BlockRows) => new(this, maximumRows);

    /// <inheritdoc cref="FoldedNetwork.Score"/>
    public void Score(
        ReadOnlySpan<float> raw, int rows, Span<float> outputs, Scratch scratch, OutputLink? link = null, int? member = null)
    {
        (int part, int? own) = member is { } one ? Find(one) : (0, (int?)null);
        if (scratch.Sum is not { } sum || own is not null)
        {
            _parts[part].Score(raw, rows, outputs, scratch.Parts[part], link, own);
            return;
        }

        for (int first = 0; first < rows; first += scratch.Parts[0].Rows)
        {
            int count = Math.Min(scratch.Parts[0].Rows, rows - first);
            ReadOnlySpan<float> block = raw.Slice(first * RawInputs, count * RawInputs);
            for (int i = 0; i < _parts.Length; i++)
                Add(i, _parts[i].Forward(block, count, scratch.Parts[i], link, null), sum);
            (link ?? OutputLink.Identity).Apply(sum, count, outputs.Slice(first * Outputs, count * Outputs));
        }
    }

    /// <inheritdoc cref="FoldedNetwork.ScoreSparse"/>
    public void ScoreSparse(
        ReadOnlySpan<int> indices, ReadOnlySpan<float> values, Span<float> outputs, Scratch scratch, OutputLink? link = null)
    {
        if (scratch.Sum is not { } sum)
        {
            _parts[0].ScoreSparse(indices, values, outputs, scratch.Parts[0], link);
            return;
        }

        for (int i = 0; i < _parts.Length; i++)
            Add(i, _parts[i].ForwardSparse(indices, values, scratch.Parts[i], link), sum);
        (link ?? OutputLink.Identity).Apply(sum, 1, outputs);
    }

    /// <summary>In the order of the parts, whatever the number of rows: a row has the same bits alone and in a block.</summary>
    private void Add(int part, PanelMatrix outputs, PanelMatrix sum)
    {
        if (part == 0)
            TensorPrimitives.Multiply(outputs.Span, _shares[part], sum.Span);
        else
            TensorPrimitives.MultiplyAdd(outputs.Span, _shares[part], sum.Span, sum.Span);
    }

    /// <summary>Where a network stands, by its number among those of all parts.</summary>
    private (int Part, int? Member) Find(int member)
    {
        int part = 0;
        for (; member >= _parts[part].Members.Count; part++)
            member -= _parts[part].Members.Count;
        return (part, member);
    }
}
