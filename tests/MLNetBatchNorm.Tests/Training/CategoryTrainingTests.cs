using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Persistence;
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

    /// <summary>
    /// The gradient of a projection and of the weights of its units, against differences of the loss: steps of 1/64 leave six digits of
    /// a smooth loss, of which float32 keeps four here.
    /// </summary>
    [TestMethod]
    [DataRow(7)]
    [DataRow(0)]
    public void Train_Projection_HasTheGradientOfFiniteDifferences(int pieces)
    {
        const int batch = 40;
        InputEncoder encoder = Encoder(pieces, isNarrow: true);
        NetworkDefinition definition = Definition(encoder, placement: BatchNormalizationPlacement.None);
        NetworkParameters parameters = Network(definition);
        LinearParameters first = parameters.Linear[0], narrow = first.Projections[0], words = first.Projections[1];
        var data = new EncodedRows(Store(sparse: false).All(batch), encoder);
        using var team = new WorkerTeam(2);
        (TrainingStep Step, FeedForwardNetwork Network) New(NetworkParameters of)
        {
            var network = new FeedForwardNetwork(of, batch, data);
            var settings = new TrainingSettings
            {
                Objective = KnownObjectives.SoftmaxCrossEntropy, Optimizer = new SgdOptimizer { OptimizerMomentum = 0 },
            };
            OptimizerState optimizer = OptimizerState.Create(settings.Optimizer, network.Parameters);
            return (new TrainingStep(settings, data, network, optimizer, team), network);
        }
        NetworkParameters moved = parameters.Clone();
        New(moved).Step.Run(0, batch, 1, dropoutKey: 1);
        (TrainingStep step, _) = New(parameters);
        double Loss()
        {
            (double loss, double weight) = step.Run(0, batch, 0, dropoutKey: 1);
            return loss / weight;
        }
        int checkedWeights = 0;
        foreach ((AlignedBuffer values, AlignedBuffer after, int[] places) in new[]
        {
            (narrow.Weights, moved.Linear[0].Projections[0].Weights,
                Enumerable.Range(0, narrow.Inputs).SelectMany(i => new[] { narrow.WeightIndex(0, i), narrow.WeightIndex(4, i) }).ToArray()),
            (words.Weights, moved.Linear[0].Projections[1].Weights,
                Enumerable.Range(0, 2).SelectMany(i => new[] { words.WeightIndex(3, i), words.WeightIndex(17, i) }).ToArray()),
            (first.Weights, moved.Linear[0].Weights, [.. Enumerable.Range(0, first.Inputs).Select(i => first.WeightIndex(20, i))]),
        })
        {
            foreach (int place in places)
            {
                ref float value = ref values.Span[place];
                float before = value;
                value = before + 1f / 64;
                double above = Loss();
                value = before - 1f / 64;
                double below = Loss();
                value = before;
                double expected = (above - below) * 32, actual = before - after.Span[place];
                Assert.AreEqual(expected, actual, 2e-4 + 0.01 * Math.Abs(expected), $"weight {place} of {values.Length}");
                checkedWeights += Math.Abs(expected) > 1e-3 ? 1 : 0;
            }
        }
        Assert.IsGreaterThan(15, checkedWeights, "Most have a gradient.");
    }

    /// <summary>A model with a projection comes back from its bytes, in either precision, with the bits of its scores.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Read_NetworkWithAProjection_ScoresTheSame(bool isHalf)
    {
        InputEncoder encoder = Encoder(7, isNarrow: true);
        NetworkParameters parameters = Trained(encoder, sparse: false, 1);
        if (isHalf)
            Array.ForEach(parameters.Linear, HalfWeights.Round);
        Assert.AreEqual(isHalf, Array.TrueForAll(parameters.Linear, HalfWeights.Holds));
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        NetworkFormat.Write(writer, new TrainedNetwork(encoder, parameters, new TrainingHistory()));
        stream.Position = 0;
        TrainedNetwork read = NetworkFormat.Read(new BinaryReader(stream));
        Assert.AreEqual(parameters.Linear[0].Projections[0].Inputs, read.Parameters.Linear[0].Projections[0].Inputs);
        FoldedNetwork one = FoldedNetwork.Create(encoder, [parameters]), other = FoldedNetwork.Create(read.Encoder, read.Networks);
        float[] all = [.. Enumerable.Range(0, Rows).SelectMany(Raw)], scores = new float[Rows * Outputs], again = new float[Rows * Outputs];
        one.Score(all, Rows, scores, one.CreateScratch());
        other.Score(all, Rows, again, other.CreateScratch());
        CollectionAssert.AreEqual(scores, again);
        parameters.Linear[0].Projections[0].Weight(2, 3) += 1;
        one.Score(all, Rows, again, one.CreateScratch());
        CollectionAssert.AreNotEqual(scores, again);
    }

    [TestMethod]
    [DataRow(7, false)]
    [DataRow(2, false)]
    [DataRow(0, false)]
    [DataRow(7, true)]
    [DataRow(0, true)]
    public void Train_RowsAndTeamsOfAnyKind_SameBits(int pieces, bool isNarrow)
    {
        InputEncoder encoder = Encoder(pieces, isNarrow);
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
    [DataRow(7, false, false, true)]
    [DataRow(2, true, false, true)]
    [DataRow(0, true, false, true)]
    public void Score_RowsOfAnyKind_SameBits(int pieces, bool shares, bool isLinear, bool isNarrow = false)
    {
        InputEncoder encoder = Encoder(pieces, isNarrow);
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
    [DataRow(7, false, false)]
    [DataRow(0, true, false)]
    [DataRow(7, false, true)]
    public void RunAndScore_Categories_AllocateNothing(int pieces, bool sparse, bool isNarrow)
    {
        InputEncoder encoder = Encoder(pieces, isNarrow);
        NetworkParameters parameters = Network(Definition(encoder));
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

    private static NetworkDefinition Definition(
        InputEncoder encoder, bool isLinear = false,
        BatchNormalizationPlacement placement = BatchNormalizationPlacement.BeforeActivation) => new NetworkDefinition
    {
        Inputs = encoder.EncodedInputs, HiddenUnits = isLinear ? [] : [37, 18], Outputs = Outputs, Activation = ActivationFunction.Tanh,
        Placement = placement,
    }.Reading(encoder);

    /// <summary>Generated parameters, with a projection that is not zero.</summary>
    private static NetworkParameters Network(NetworkDefinition definition)
    {
        NetworkParameters parameters = Generated.Network(definition, 1);
        var random = new Random(3);
        foreach (LinearParameters projection in parameters.Linear[0].Projections)
        {
            for (int i = 0; i < projection.Inputs * projection.Outputs; i++)
                projection.Weight(i % projection.Outputs, i / projection.Outputs) = random.NextSingle() - 0.5f;
        }
        return parameters;
    }

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

    /// <summary>
    /// Learned from the rows; with a projection of the first range, as a wider one has it, and one of two numbers, as if they were words.
    /// </summary>
    private static InputEncoder Encoder(int pieces, bool isNarrow = false)
    {
        RowStore rows = Store(sparse: false);
        SlotKind[] kinds = SlotKinds.Of(rows.Slots, default, scale: true);
        if (isNarrow)
            (kinds[0], kinds[2]) = (SlotKind.Projected, SlotKind.Projected);
        InputEncoder encoder = EncoderLearning.Learn(rows, kinds, pieces);
        if (!isNarrow)
            return encoder;
        EncodingPart[] others = [.. encoder.Parts.Where(part => part is ScaleAndClip or MissingColumns)];
        EncodingPart[] cut = [.. encoder.Parts.OfType<Pieces>()];
        var narrow = new InputEncoder(
            Slots,
            [
                .. others, new Categories(s_ranges, [1], [rows.Slots.CategoriesOf(1)], units: 0), .. cut,
                new Categories(s_ranges, [0], [rows.Slots.CategoriesOf(0)], units: 8), encoder.Part<SparseSlots>()!,
            ],
            s_ranges);
        Assert.HasCount(2, narrow.Projected);
        return narrow;
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
        NetworkParameters parameters = Network(Definition(encoder, isLinear));
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
