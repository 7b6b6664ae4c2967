using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>
/// A first layer that reads columns, entries of categories and a table of pieces trains and scores as one that multiplies all columns, up
/// to rounding, and with the same bits however rows come.
/// </summary>
[TestClass]
public sealed class CategoryTrainingTests
{
    private const int Rows = 180;
    private const int Outputs = 3;

    // Three numbers, a category of twelve, a number, a category of three.
    private const int Slots = 19;

    private static readonly CategoryRanges s_ranges = new(Slots, [new CategoryRange(3, 12), new CategoryRange(16, 3)]);

    /// <summary>Pieces as a table; as columns behind the entries, because a table is not worth it; and none.</summary>
    public static IEnumerable<object[]> Pieces => [[7], [2], [0]];

    [TestMethod]
    [DynamicData(nameof(Pieces))]
    public void Train_EntriesBesideColumns_FollowsTheDenseForm(int pieces)
    {
        InputEncoder encoder = Encoder(pieces);
        Assert.IsTrue(encoder.HasEntries);
        Assert.AreEqual(pieces == 7, encoder.Table is not null);
        NetworkParameters form = Steps(encoder, allColumns: false), dense = Steps(encoder, allColumns: true);
        AssertClose(dense, form);
        Assert.ThrowsExactly<AssertFailedException>(() => AssertClose(dense, Steps(encoder, allColumns: false, first: 7)));
    }

    [TestMethod]
    [DynamicData(nameof(Pieces))]
    public void Train_RowsAndTeamsOfAnyKind_SameBits(int pieces)
    {
        InputEncoder encoder = Encoder(pieces);
        NetworkParameters[] trained =
        [
            Trained(encoder, sparse: false, 1), Trained(encoder, sparse: false, 3), Trained(encoder, sparse: true, 1),
            Trained(encoder, sparse: true, 2),
        ];
        string[] hashes = [.. trained.Select(Generated.Hash)];
        Assert.AreEqual(1, hashes.Distinct().Count(), string.Join(", ", hashes));
        Assert.AreNotEqual(hashes[0], Generated.Hash(Trained(encoder, sparse: false, 1, seed: 4)));
    }

    /// <summary>Alone, in blocks, sparse or written out: a row has the same bits; and those of all columns up to rounding.</summary>
    [TestMethod]
    [DataRow(7, false, false)]
    [DataRow(7, true, false)]
    [DataRow(2, false, false)]
    [DataRow(0, true, false)]
    [DataRow(7, false, true)]
    [DataRow(0, false, true)]
    public void Score_RowsOfAnyKind_SameBits(int pieces, bool shares, bool isLinear)
    {
        InputEncoder encoder = Encoder(pieces);
        NetworkParameters parameters = Trained(encoder, sparse: false, 1, isLinear: isLinear);
        FoldedNetwork folded = FoldedNetwork.Create(encoder, parameters, shares), whole = FoldedNetwork.CreateWhole(encoder, [parameters]);
        Assert.IsTrue(folded.TakesSparse);
        float[][] raw = [.. Enumerable.Range(0, Rows).Select(row => Raw(row)), .. Odd()];
        float[] all = [.. raw.SelectMany(row => row)], scores = new float[raw.Length * Outputs], expected = new float[scores.Length];
        folded.Score(all, raw.Length, scores, folded.CreateScratch());
        whole.Score(all, raw.Length, expected, whole.CreateScratch());
        for (int i = 0; i < scores.Length; i++)
            Assert.AreEqual(expected[i], scores[i], 1e-4 * expected.Max(Math.Abs));
        Assert.IsGreaterThan(raw.Length / 2, scores.Distinct().Count());
        ScoringScratch scratch = folded.CreateScratch(1);
        float[] one = new float[Outputs];
        for (int row = 0; row < raw.Length; row++)
        {
            float[] wanted = scores[(row * Outputs)..((row + 1) * Outputs)];
            folded.Score(raw[row], 1, one, scratch);
            CollectionAssert.AreEqual(wanted, one, $"Row {row} alone.");
            int[] indices = [.. Enumerable.Range(0, Slots).Where(slot => raw[row][slot] != 0)];
            folded.ScoreSparse(indices, [.. indices.Select(slot => raw[row][slot])], one, scratch);
            CollectionAssert.AreEqual(wanted, one, $"Row {row}, sparse.");
        }
    }

    [TestMethod]
    [DataRow(7, false)]
    [DataRow(0, true)]
    public void RunAndScore_Categories_AllocateNothing(int pieces, bool sparse)
    {
        InputEncoder encoder = Encoder(pieces);
        NetworkParameters parameters = Generated.Network(Definition(encoder), 1);
        var data = new EncodedRows(Store(sparse).All(48), encoder);
        var network = new FeedForwardNetwork(parameters, 48, data);
        var settings = new TrainingSettings { Objective = KnownObjectives.SoftmaxCrossEntropy, Optimizer = new AdamWOptimizer() };
        using var team = new WorkerTeam(2);
        var step = new TrainingStep(settings, data, network, OptimizerState.Create(settings.Optimizer, network.Parameters), team);
        FoldedNetwork folded = FoldedNetwork.Create(encoder, parameters);
        ScoringScratch scratch = folded.CreateScratch(1);
        float[] row = Raw(5), scores = new float[Outputs], values = [2, 1];
        int[] indices = [0, 4];
        long Allocated()
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            for (int s = 0; s < 30; s++)
            {
                step.Run(4 * s, 48, 0.01, dropoutKey: 1);
                folded.Score(row, 1, scores, scratch);
                folded.ScoreSparse(indices, values, scores, scratch);
            }
            return GC.GetTotalAllocatedBytes(precise: true) - before;
        }
        Allocated();
        Assert.AreEqual(0, Enumerable.Range(0, 5).Min(_ => Allocated()));
    }

    private static NetworkDefinition Definition(InputEncoder encoder, bool isLinear = false) => new()
    {
        Inputs = encoder.EncodedInputs, HiddenUnits = isLinear ? [] : [37, 18], Outputs = Outputs, Activation = ActivationFunction.Tanh,
    };

    private static float[] Raw(int row)
    {
        var random = new Random(row);
        var values = new float[Slots];
        foreach (int slot in new[] { 0, 1, 2, 15 })
            values[slot] = (float)(random.NextDouble() * 10 - 3);
        if (row % 11 == 0)
            values[1] = float.NaN;
        // None in some rows; the last but one is rare, the last is in no row.
        int category = row is 17 or 60 ? 10 : row % 11;
        if (category < 10 || row is 17 or 60)
            values[3 + category] = 1;
        values[16 + row % 3] = 1;
        return values;
    }

    /// <summary>Rows unlike those of training: a category that was never seen, several, another value, a missing one, nothing.</summary>
    private static IEnumerable<float[]> Odd()
    {
        foreach ((int slot, float value) in new[] { (14, 1f), (7, 1f), (7, 0.5f), (7, float.NaN), (18, 1f), (2, 1e6f), (2, float.NaN) })
        {
            float[] row = Raw(1);
            if (slot == 14)
                row.AsSpan(3, 12).Clear();
            row[slot] = value;
            yield return row;
        }
        yield return new float[Slots];
    }

    private static RowStore Store(bool sparse)
    {
        var shape = new RowShape(s_ranges.Slots, 1, false, sparse, s_ranges);
        var collector = new RowCollector(shape, 1 << 30, () => throw new InvalidOperationException(), 1);
        for (int row = 0; row < Rows; row++)
        {
            float[] raw = Raw(row);
            double signal = raw[0] + (row % 11 % 4 * 2) - (row % 3) + (float.IsNaN(raw[1]) ? 2 : raw[1] / 4);
            collector.Add(raw, [signal > 4 ? 2 : signal > 1 ? 1 : 0], 1);
        }
        return collector.Complete();
    }

    private static InputEncoder Encoder(int pieces)
    {
        RowStore rows = Store(sparse: false);
        return EncoderLearning.Learn(rows, SlotKinds.Of(rows.Slots, default, scale: true), pieces);
    }

    private static NetworkParameters Steps(InputEncoder encoder, bool allColumns, int first = 0)
    {
        const int batch = 48;
        NetworkParameters parameters = Generated.Network(Definition(encoder), 1);
        var data = new EncodedRows(Store(sparse: false).All(batch), encoder);
        FeedForwardNetwork network = allColumns
            ? new FeedForwardNetwork(parameters, batch)
            : new FeedForwardNetwork(parameters, batch, data);
        Assert.AreEqual(!allColumns, network.Operations.First() is TableLayer);
        var settings = new TrainingSettings
        {
            Objective = KnownObjectives.SoftmaxCrossEntropy, Optimizer = new SgdOptimizer { OptimizerMomentum = 0 },
        };
        using var team = new WorkerTeam(1);
        var step = new TrainingStep(settings, data, network, OptimizerState.Create(settings.Optimizer, network.Parameters), team);
        for (int s = 0; s < 50; s++)
            step.Run((first + 29 * s) % (Rows - batch), batch - s % 3, 0.02, dropoutKey: 1);
        return parameters;
    }

    private static NetworkParameters Trained(InputEncoder encoder, bool sparse, int threads, ulong seed = 3, bool isLinear = false)
    {
        NetworkParameters parameters = Generated.Network(Definition(encoder, isLinear), 1);
        var settings = new TrainingSettings
        {
            Objective = KnownObjectives.SoftmaxCrossEntropy, BatchSize = 16, MaximumEpochs = 3, Seed = seed, Optimizer = new SgdOptimizer(),
            LearningRate = 0.05,
        };
        using var team = new WorkerTeam(threads);
        var rows = new EncodedRows(Store(sparse).All(48), encoder);
        TrainingLoop.Train(team, parameters, rows, rows.Head(40), settings, null, CancellationToken.None);
        return parameters;
    }

    /// <summary>As in <see cref="TableTrainingTests"/>: relative to the largest weight.</summary>
    private static void AssertClose(NetworkParameters expected, NetworkParameters actual)
    {
        for (int layer = 0; layer < expected.Linear.Length; layer++)
        {
            float[] one = expected.Linear[layer].Weights.Span.ToArray(), other = actual.Linear[layer].Weights.Span.ToArray();
            double scale = one.Max(Math.Abs);
            for (int i = 0; i < one.Length; i++)
                Assert.AreEqual(one[i], other[i], 1e-4 * scale, $"layer {layer}, weight {i}");
        }
    }
}
