using System.Numerics;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>
/// Shapley values of the columns of a table by the definition, over the base of the library: every subset of columns is encoded and goes
/// through the whole network. Of more than <see cref="MostColumns"/> columns many random orders take the place of all subsets.
/// </summary>
internal sealed class ContributionReference
{
    /// <summary>Columns of which all subsets are scored: 65,536 a row at most.</summary>
    public const int MostColumns = 16;

    private const int Orders = 1000;

    private readonly InputEncoder _encoder;
    private readonly FoldedNetwork _network;
    private readonly OutputLink _link;
    private readonly (int First, int Count)[] _columns;
    private readonly EncodedColumn[] _encoded;
    private readonly ScoringScratch _scratch;
    private readonly bool _centred;
    private readonly int _numbers;

    public ContributionReference(TrainedNetwork trained, IEnumerable<(int First, int Count)> columns, bool centred)
    {
        _encoder = trained.Encoder;
        _network = FoldedNetwork.CreateWhole(trained.Encoder, trained.Networks);
        _link = trained.ScoreLink;
        _columns = [.. columns];
        _encoded = [.. _encoder.Describe()];
        _scratch = _network.CreateScratch();
        _centred = centred;
        _numbers = _encoder.Ranges?.Numbers ?? _encoder.Slots;
    }

    /// <summary>Whether all subsets are scored.</summary>
    public bool IsExact => _columns.Length <= MostColumns;

    /// <summary>The values of a row, [columns, outputs].</summary>
    public double[,] Values(float[] row)
    {
        int n = _columns.Length, outputs = _network.Outputs;
        var values = new double[n, outputs];
        if (IsExact)
        {
            double[][] scores = Scores(row, [.. Enumerable.Range(0, 1 << n).Select(subset => (UInt128)(uint)subset)]);
            double[] weights = new double[n];
            for (int there = 0; there < n; there++)
                weights[there] = there == 0 ? 1.0 / n : weights[there - 1] * there / (n - there);
            for (int subset = 0; subset < 1 << n; subset++)
            {
                for (int column = 0; column < n; column++)
                {
                    if ((subset >> column & 1) == 1)
                        continue;
                    for (int o = 0; o < outputs; o++)
                    {
                        values[column, o] += weights[BitOperations.PopCount((uint)subset)]
                            * (scores[subset | 1 << column][o] - scores[subset][o]);
                    }
                }
            }
            return values;
        }

        var random = new Random(1);
        for (int repeat = 0; repeat < Orders; repeat++)
        {
            int[] order = [.. Enumerable.Range(0, n)];
            random.Shuffle(order);
            UInt128[] subsets = new UInt128[n + 1];
            for (int i = 0; i < n; i++)
                subsets[i + 1] = subsets[i] | (UInt128.One << order[i]);
            double[][] scores = Scores(row, subsets);
            for (int i = 0; i < n; i++)
            {
                for (int o = 0; o < outputs; o++)
                    values[order[i], o] += (scores[i + 1][o] - scores[i][o]) / Orders;
            }
        }
        return values;
    }

    /// <summary>Scores of the row where only the columns of a subset are known.</summary>
    private double[][] Scores(float[] row, UInt128[] subsets)
    {
        int outputs = _network.Outputs;
        var scores = new double[subsets.Length][];
        float[] own = new float[_encoder.Slots], known = new float[_encoder.Slots], line = new float[_encoder.EncodedInputs];
        if (_encoder.Ranges is { } ranges)
            ranges.Keep(row, own);
        else
            row.CopyTo(own, 0);
        PanelMatrix panels = new(_scratch.Rows, _encoder.EncodedInputs);
        float[] linked = new float[_scratch.Rows * outputs];
        bool[] plays = new bool[row.Length];
        for (int done = 0; done < subsets.Length; done += _scratch.Rows)
        {
            int rows = Math.Min(_scratch.Rows, subsets.Length - done);
            for (int r = 0; r < rows; r++)
            {
                Array.Clear(plays);
                for (int column = 0; column < _columns.Length; column++)
                {
                    (int first, int count) = _columns[column];
                    plays.AsSpan(first, count).Fill((subsets[done + r] >> column & 1) == 1);
                }
                // Who does not play says nothing: a number is missing without the effect of that, a category is no number at all.
                for (int slot = 0; slot < known.Length; slot++)
                {
                    bool isNumber = slot < _numbers;
                    int rawSlot = isNumber ? _encoder.Ranges?.RawSlotOf(slot) ?? slot : _encoder.Ranges![slot - _numbers].First;
                    known[slot] = plays[rawSlot] ? own[slot] : isNumber ? float.NaN : CategoryRanges.Silent;
                }
                _encoder.EncodeKept(known, line);
                for (int i = 0; i < line.Length; i++)
                {
                    bool isSilent = _encoded[i].Kind == EncodedColumnKind.Missing && !plays[_encoded[i].Slot];
                    panels.Span[PanelLayout.Index(r, i, panels.RowCapacity)] = isSilent ? 0 : line[i];
                }
            }
            PanelMatrix result = _network.Forward(_scratch, rows, new PanelInput(panels));
            _link.Apply(result, rows, linked);
            for (int r = 0; r < rows; r++)
            {
                double[] score = [.. linked.AsSpan(r * outputs, outputs).ToArray().Select(value => (double)value)];
                double mean = _centred ? score.Average() : 0;
                scores[done + r] = [.. score.Select(value => value - mean)];
            }
        }
        return scores;
    }
}
