using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Tests.Kernels;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>
/// A first layer that adds up rows of a table trains and scores as the one that multiplies all pieces, up
/// to rounding, and with the same bits wherever.
/// </summary>
[TestClass]
public sealed class TableTrainingTests
{
    private const int Rows = 150;
    private const int Slots = 9;
    private const int PiecesOfASlot = 7;
    private const int Outputs = 3;

    /// <summary>
    /// Relative to the largest weight: half a hundred steps whose gradients differ by rounding, 150 terms of 6e-8; behind a normalization
    /// they are enlarged a few times. Another order of the rows is off by a hundredth and more.
    /// </summary>
    private const double TrajectoryTolerance = 1e-4;

    public static IEnumerable<object[]> Placements =>
        from placement in new[]
        {
            BatchNormalizationPlacement.None, BatchNormalizationPlacement.BeforeActivation, BatchNormalizationPlacement.AfterActivation,
        }
        from missing in new[] { false, true }
        select new object[] { placement, missing };

    [TestMethod]
    [DynamicData(nameof(Placements))]
    public void Train_AsTable_FollowsTheDenseForm(BatchNormalizationPlacement placement, bool missing)
    {
        InputEncoder encoder = Encoder(missing);
        NetworkParameters table = Steps(encoder, placement, asTable: true), dense = Steps(encoder, placement, asTable: false);
        Assert.IsFalse(table.Linear[0].Weights.Span.SequenceEqual(dense.Linear[0].Weights.Span), "One is not the other.");
        AssertClose(dense, table);
        Assert.ThrowsExactly<AssertFailedException>(
            () => AssertClose(dense, Steps(encoder, placement, asTable: true, first: 7)), "Other rows are noticed.");
    }

    [TestMethod]
    public void Train_AsTableWithNativeProducts_FollowsTheDenseForm()
    {
        InputEncoder encoder = Encoder(missing: true);
        AssertClose(
            Steps(encoder, BatchNormalizationPlacement.BeforeActivation, asTable: false),
            Steps(encoder, BatchNormalizationPlacement.BeforeActivation, asTable: true, products: NativeLibraryOfTests.Products()));
    }

    [TestMethod]
    [DynamicData(nameof(Placements))]
    public void Train_TeamOfAnySize_SameBits(BatchNormalizationPlacement placement, bool missing)
    {
        InputEncoder encoder = Encoder(missing);
        string[] hashes = [.. new[] { 1, 2, 3, 8 }.Select(threads => Generated.Hash(Trained(encoder, placement, threads)))];
        Assert.AreEqual(1, hashes.Distinct().Count(), string.Join(", ", hashes));
        Assert.AreNotEqual(hashes[0], Generated.Hash(Trained(encoder, placement, 1, seed: 4)));
    }

    /// <summary>
    /// The first layer's chain of n = D + P terms and the table's of D + 2 slots are each off by n u times the sum of the terms'
    /// magnitudes at most, u = 2^-24, and the table by one rounding more; the rectifier adds nothing, the second layer
    /// multiplies by its weights and has a chain of its own.
    /// </summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Score_AsTable_IsThatOfTheDenseFormWithinItsRounding(bool missing)
    {
        InputEncoder encoder = Encoder(missing);
        NetworkParameters parameters = Generated.Network(Definition(encoder, BatchNormalizationPlacement.None, [33]), 1);
        FoldedNetwork dense = FoldedNetwork.CreateWhole(encoder, [parameters]), table = FoldedNetwork.Create(encoder, [parameters]);
        float[] encoded = new float[encoder.EncodedInputs], expected = new float[Outputs], actual = new float[Outputs];
        bool differs = false;
        foreach (float[] row in ScoredRows(missing))
        {
            dense.Score(row, 1, expected, dense.CreateScratch(1));
            table.Score(row, 1, actual, table.CreateScratch(1));
            encoder.Encode(row, encoded);
            for (int k = 0; k < Outputs; k++)
            {
                double tolerance = Rounding(parameters, encoded, k);
                Assert.AreEqual(expected[k], actual[k], tolerance);
                Assert.IsLessThan(1e-3, tolerance);
                differs |= expected[k] != actual[k];
            }
        }
        Assert.IsTrue(differs, "One is not the other.");
    }

    [TestMethod]
    [DynamicData(nameof(Placements))]
    public void Score_AsTableAloneOrInBlocks_SameBits(BatchNormalizationPlacement placement, bool missing)
    {
        InputEncoder encoder = Encoder(missing);
        NetworkParameters[] networks = [Trained(encoder, placement, 1), Trained(encoder, placement, 1, seed: 4)];
        FoldedNetwork folded = FoldedNetwork.Create(encoder, networks);
        Assert.IsInstanceOfType<FoldedTable>(folded.Members[0][0]);
        float[] rows = [.. ScoredRows(missing).SelectMany(row => row)];
        int count = rows.Length / Slots;
        float[] expected = new float[count * Outputs], scores = new float[count * Outputs];
        folded.Score(rows, count, expected, folded.CreateScratch());
        Assert.AreEqual(expected.Length, expected.Count(float.IsFinite));
        foreach (int block in new[] { 1, 2, 13, 96 })
        {
            folded.Score(rows, count, scores, folded.CreateScratch(block));
            CollectionAssert.AreEqual(expected, scores, $"blocks of {block}");
        }
    }

    /// <summary>What early stopping goes by is what the model will say: the evaluator scores as the finished model does.</summary>
    [TestMethod]
    public void Refold_AfterTraining_GivesTheBitsOfANewNetwork()
    {
        InputEncoder encoder = Encoder(missing: true);
        NetworkParameters before = Trained(encoder, BatchNormalizationPlacement.BeforeActivation, 1);
        NetworkParameters after = Trained(encoder, BatchNormalizationPlacement.BeforeActivation, 1, seed: 4);
        FoldedNetwork refolded = FoldedNetwork.Create(encoder, before), folded = FoldedNetwork.Create(encoder, after);
        float[] row = ScoredRows(missing: true)[0], one = new float[Outputs], other = new float[Outputs];
        folded.Score(row, 1, one, folded.CreateScratch(1));
        refolded.Score(row, 1, other, refolded.CreateScratch(1));
        CollectionAssert.AreNotEqual(one, other);
        refolded.Refold(after);
        refolded.Score(row, 1, other, refolded.CreateScratch(1));
        CollectionAssert.AreEqual(one, other);
    }

    /// <summary>
    /// Sparse rows beside the table are entries instead of columns; plain gradient descent leaves a weight without a gradient alone, so
    /// that both forms must agree in every bit.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Placements))]
    public void Train_SparseRowsBesideTheTable_GivesTheBitsOfDenseRows(BatchNormalizationPlacement placement, bool missing)
    {
        InputEncoder encoder = Encoder(missing);
        NetworkParameters dense = TrainedOn(encoder, placement, 1, Table(missing), Table(missing, 2));
        foreach (int threads in new[] { 1, 3 })
        {
            NetworkParameters sparse = TrainedOn(encoder, placement, threads, Sparse(Table(missing)), Sparse(Table(missing, 2)));
            for (int layer = 0; layer < dense.Linear.Length; layer++)
            {
                CollectionAssert.AreEqual(
                    dense.Linear[layer].Weights.Span.ToArray(), sparse.Linear[layer].Weights.Span.ToArray(), $"layer {layer}");
            }
        }
        NetworkParameters other = TrainedOn(encoder, placement, 1, Sparse(Table(missing, 3)), Sparse(Table(missing, 2)));
        Assert.IsFalse(dense.Linear[0].Weights.Span.SequenceEqual(other.Linear[0].Weights.Span), "Other rows are noticed.");
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Score_SparseRowBesideTheTable_GivesTheBitsOfTheDenseRow(bool shares)
    {
        InputEncoder encoder = Encoder(missing: true);
        NetworkParameters parameters = Trained(encoder, BatchNormalizationPlacement.BeforeActivation, 1);
        FoldedNetwork folded = FoldedNetwork.Create(encoder, parameters, shares);
        Assert.IsInstanceOfType<FoldedTable>(folded.Members[0][0]);
        Assert.AreEqual(shares, folded.SharesFirstLayer);
        FoldedNetwork whole = FoldedNetwork.CreateWhole(encoder, [parameters]);
        float[] fromDense = new float[Outputs], fromSparse = new float[Outputs], expected = new float[Outputs];
        ScoringScratch scratch = folded.CreateScratch(1);
        foreach (float[] row in ScoredRows(missing: true))
        {
            folded.Score(row, 1, fromDense, scratch);
            int[] indices = [.. Enumerable.Range(0, row.Length).Where(slot => row[slot] != 0)];
            folded.ScoreSparse(indices, [.. indices.Select(slot => row[slot])], fromSparse, scratch);
            CollectionAssert.AreEqual(fromDense, fromSparse);
            whole.Score(row, 1, expected, whole.CreateScratch(1));
            for (int k = 0; k < Outputs; k++)
                Assert.AreEqual(expected[k], fromDense[k], 1e-4 * expected.Max(Math.Abs));
        }
        folded.ScoreSparse([1], [3], fromSparse, scratch);
        CollectionAssert.AreNotEqual(fromDense, fromSparse);
        if (shares)
            Assert.ThrowsExactly<ArgumentException>(() => folded.Refold(parameters.Clone()));
    }

    /// <summary>What needs a table is last, so that no part behind it can turn it off without a word.</summary>
    [TestMethod]
    public void Create_PartBehindThePieces_IsRefused() =>
        Assert.ThrowsExactly<ArgumentException>(
            () => new InputEncoder(2, [new Pieces([new InputPiece(0, 0, 1)]), new MissingColumns([1])]));

    [TestMethod]
    public void FormOf_WhatNeedsAllColumns_HasNone()
    {
        InputEncoder encoder = Encoder(missing: false);
        Assert.IsNotNull(Definition(encoder, BatchNormalizationPlacement.BeforeActivation, [8]).Plan.FormOf(encoder));
        Assert.IsNull(Definition(encoder, BatchNormalizationPlacement.LayerInput, [8]).Plan.FormOf(encoder));
        Assert.IsNull(Definition(encoder, BatchNormalizationPlacement.None, []).Plan.FormOf(encoder));
        Assert.IsNull(
            Definition(encoder, BatchNormalizationPlacement.None, [8]).Plan.FormOf(InputEncoder.Identity(encoder.EncodedInputs)));
    }

    /// <summary>Pieces in any order, with gaps, overlapping, of several slots: the table gives what the columns give.</summary>
    [TestMethod]
    public void Score_PiecesInAnyOrder_IsThatOfTheDenseForm()
    {
        var random = new Random(5);
        var pieces = new List<InputPiece>();
        for (int slot = 0; slot < 3; slot++)
        {
            for (int start = 0; start < 12; start++)
            {
                pieces.Add(
                    new InputPiece(slot, start + (start > 6 ? 0.5f : 0), start % 5 == 4 ? 2 : 1, slot == 1 ? 0.75f / (start + 1) : 0));
            }
            pieces.Add(new InputPiece(slot, 3, 0.25f));                     // lies over others
        }
        var encoder = new InputEncoder(
            3, [new ScaleAndClip([0, 1, 2], [1, 1, 0.5f], [true, false, true], [0, 0.5f, 0]), new Pieces([.. pieces])]);
        Assert.AreEqual(6, encoder.Table!.Slots, "A piece that lies over others begins a slot of its own; gaps are none.");
        NetworkParameters parameters = Generated.Network(Definition(encoder, BatchNormalizationPlacement.None, [33]), 1);
        FoldedNetwork dense = FoldedNetwork.CreateWhole(encoder, [parameters]), table = FoldedNetwork.Create(encoder, [parameters]);
        float[] expected = new float[Outputs], actual = new float[Outputs], encoded = new float[encoder.EncodedInputs];
        for (int r = 0; r < 300; r++)
        {
            float[] row = [.. Enumerable.Range(0, 3).Select(_ => random.Next(8) == 0 ? float.NaN : (float)(16 * random.NextDouble() - 2))];
            dense.Score(row, 1, expected, dense.CreateScratch(1));
            table.Score(row, 1, actual, table.CreateScratch(1));
            encoder.Encode(row, encoded);
            for (int k = 0; k < Outputs; k++)
                Assert.AreEqual(expected[k], actual[k], Rounding(parameters, encoded, k));
        }
    }

    private static double Rounding(NetworkParameters parameters, float[] encoded, int output)
    {
        const double unit = 1.0 / (1 << 24);
        LinearParameters first = parameters.Linear[0], second = parameters.Linear[1];
        double sum = 0;
        for (int h = 0; h < first.Outputs; h++)
        {
            double magnitude = Math.Abs(first.Bias!.Span[h]);
            // A running sum is rounded relative to itself: all weights of the pieces count, whatever the row.
            for (int i = 0; i < encoded.Length; i++)
                magnitude += Math.Max(Math.Abs(encoded[i]), i < Slots ? 0 : 1) * Math.Abs(first.Weight(h, i));
            sum += Math.Abs(second.Weight(output, h)) * magnitude;
        }
        return 2 * (encoded.Length + first.Outputs + 2) * unit * (sum + Math.Abs(second.Bias!.Span[output]));
    }

    private static NetworkDefinition Definition(InputEncoder encoder, BatchNormalizationPlacement placement, int[] hidden) => new()
    {
        Inputs = encoder.EncodedInputs, HiddenUnits = hidden, Outputs = Outputs, Placement = placement,
        Activation = placement == BatchNormalizationPlacement.None ? ActivationFunction.ReLU : ActivationFunction.Tanh,
    };

    /// <summary>
    /// Learned from the rows themselves; where some values are missing, there are columns for that, and pieces have their means.
    /// </summary>
    private static InputEncoder Encoder(bool missing)
    {
        var rows = new MemoryRows(Table(missing));
        return EncoderLearning.Learn(rows, SlotKinds.Of(rows.Slots, default, scale: true), PiecesOfASlot);
    }

    private static TrainingTable Table(bool missing, ulong seed = 1)
    {
        double[][] x = Generated.Rows(Rows, Slots, seed), y = Generated.Targets(KnownObjectives.SoftmaxCrossEntropy, x, Outputs, seed);
        for (int r = 0; missing && r < Rows; r++)
            x[r][r % (Slots - 2)] = r % 3 == 0 ? double.NaN : x[r][r % (Slots - 2)];
        return Generated.Table(x, y, Generated.Weights(Rows, seed));
    }

    /// <summary>Rows as in training, others far outside, on borders, and with any value missing.</summary>
    private static float[][] ScoredRows(bool missing)
    {
        TrainingTable table = Table(missing);
        var rows = new List<float[]>();
        for (int r = 0; r < Rows; r++)
            rows.Add([.. table.Features(r)]);
        for (int slot = 0; slot < Slots; slot++)
        {
            foreach (float value in new[] { -1e6f, 1e6f, 0, missing ? float.NaN : 1 })
                rows.Add([.. table.Features(slot).ToArray().Select((v, s) => s == slot ? value : v)]);
        }
        rows.Add([.. Enumerable.Repeat(missing ? float.NaN : 0, Slots)]);
        return [.. rows];
    }

    /// <summary>Some steps of both forms, over the same rows.</summary>
    private static NetworkParameters Steps(
        InputEncoder encoder, BatchNormalizationPlacement placement, bool asTable, int first = 0, MatrixProducts? products = null)
    {
        const int batch = 48;
        NetworkParameters parameters = Generated.Network(Definition(encoder, placement, [37, 18]), 1);
        var data = new EncodedRows(Table(missing: encoder.Part<MissingColumns>() is not null), encoder);
        FeedForwardNetwork network = asTable
            ? new FeedForwardNetwork(parameters, batch, data, products)
            : new FeedForwardNetwork(parameters, batch, products: products);
        var settings = new TrainingSettings
        {
            Objective = KnownObjectives.SoftmaxCrossEntropy, Optimizer = new SgdOptimizer { OptimizerMomentum = 0.9 },
        };
        using var team = new WorkerTeam(1);
        var step = new TrainingStep(settings, data, network, OptimizerState.Create(settings.Optimizer, network.Parameters), team);
        Assert.AreEqual(asTable, network.Operations.First() is TableLayer);
        for (int s = 0; s < 50; s++)
            step.Run((first + 29 * s) % (Rows - batch), batch - s % 3, 0.02, dropoutKey: 1);
        return parameters;
    }

    /// <summary>The same rows with their zeros left out.</summary>
    private static TrainingTable Sparse(TrainingTable table)
    {
        TrainingTable sparse = TrainingTable.CreateSparse(table.Inputs, table.TargetColumns, table.IsWeighted);
        for (int r = 0; r < table.Rows; r++)
        {
            float[] row = table.Features(r).ToArray();
            int[] indices = [.. Enumerable.Range(0, row.Length).Where(slot => row[slot] != 0)];
            sparse.AddSparse(indices, [.. indices.Select(slot => row[slot])], table.Targets.Slice(r, 1), table.Weights[r]);
        }
        return sparse;
    }

    private static NetworkParameters TrainedOn(
        InputEncoder encoder, BatchNormalizationPlacement placement, int threads, TrainingTable rows, TrainingTable validation)
    {
        NetworkParameters parameters = Generated.Network(Definition(encoder, placement, [37, 18]), 1);
        var settings = new TrainingSettings
        {
            Objective = KnownObjectives.SoftmaxCrossEntropy, BatchSize = 16, MaximumEpochs = 2, Seed = 3, Optimizer = new SgdOptimizer(),
            LearningRate = 0.05,
        };
        using var team = new WorkerTeam(threads);
        TrainingLoop.Train(
            team, parameters, new EncodedRows(rows, encoder), new EncodedRows(validation, encoder), settings, null, CancellationToken.None);
        return parameters;
    }

    private static NetworkParameters Trained(InputEncoder encoder, BatchNormalizationPlacement placement, int threads, ulong seed = 3)
    {
        bool missing = encoder.Part<MissingColumns>() is not null;
        NetworkDefinition definition = Definition(encoder, placement, [37, 5, 18]);
        NetworkParameters parameters = Generated.Network(definition, 1);
        var settings =
            new TrainingSettings { Objective = KnownObjectives.SoftmaxCrossEntropy, BatchSize = 16, MaximumEpochs = 2, Seed = seed };
        using var team = new WorkerTeam(threads);
        TrainingLoop.Train(
            team, parameters, new EncodedRows(Table(missing), encoder), new EncodedRows(Table(missing, 2), encoder), settings,
            null, CancellationToken.None);
        return parameters;
    }

    private static void AssertClose(NetworkParameters expected, NetworkParameters actual)
    {
        for (int layer = 0; layer < expected.Linear.Length; layer++)
        {
            float[] one = expected.Linear[layer].Weights.Span.ToArray(), other = actual.Linear[layer].Weights.Span.ToArray();
            double scale = one.Max(Math.Abs);
            for (int i = 0; i < one.Length; i++)
                Assert.AreEqual(one[i], other[i], TrajectoryTolerance * scale, $"layer {layer}, weight {i}");
        }
    }
}
