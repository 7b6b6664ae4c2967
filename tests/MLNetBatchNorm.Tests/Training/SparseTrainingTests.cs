using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>Sparse rows give the bits of the same rows written out, and touch only what they have.</summary>
[TestClass]
public sealed class SparseTrainingTests
{
    private const int Columns = 203;
    private const int Rows = 97;

    [TestMethod]
    [DataRow(BatchNormalizationPlacement.BeforeActivation, 1)]
    [DataRow(BatchNormalizationPlacement.BeforeActivation, 3)]
    [DataRow(BatchNormalizationPlacement.AfterActivation, 2)]
    [DataRow(BatchNormalizationPlacement.None, 1)]
    public void Train_SparseRows_GivesTheBitsOfDenseRows(BatchNormalizationPlacement placement, int threads)
    {
        // Plain gradient descent leaves a weight without a gradient alone, so that dense and sparse training must agree in every bit.
        NetworkParameters dense = Train(Table(sparse: false), placement, threads, new SgdOptimizer());
        NetworkParameters sparse = Train(Table(sparse: true), placement, threads, new SgdOptimizer());
        AssertSameWeights(dense, sparse);
    }

    [TestMethod]
    public void Train_SparseRowsWithAdam_DiffersFromDense_AndLeavesAbsentColumnsAlone()
    {
        // The control of the test above: Adam goes on moving a weight after its last gradient, the sparse layer does not.
        NetworkParameters dense = Train(Table(sparse: false), BatchNormalizationPlacement.BeforeActivation, 1, new AdamOptimizer());
        NetworkParameters sparse = Train(Table(sparse: true), BatchNormalizationPlacement.BeforeActivation, 1, new AdamOptimizer());
        Assert.IsFalse(dense.Linear[0].Weights.Span.SequenceEqual(sparse.Linear[0].Weights.Span));

        NetworkParameters initial = Initialization.Create(Definition(BatchNormalizationPlacement.BeforeActivation), 5);
        for (int unit = 0; unit < 20; unit++)
        {
            Assert.AreEqual(
                initial.Linear[0].Weight(unit, Columns - 1), sparse.Linear[0].Weight(unit, Columns - 1), "The last column is in no row.");
            Assert.AreNotEqual(initial.Linear[0].Weight(unit, 0), sparse.Linear[0].Weight(unit, 0), "The first column is in every row.");
        }
    }

    [TestMethod]
    public void Score_SparseRow_GivesTheBitsOfTheDenseRow()
    {
        TrainingTable table = Table(sparse: true);
        NetworkParameters parameters = Train(table, BatchNormalizationPlacement.AfterActivation, 1, new SgdOptimizer());
        FoldedNetwork network = FoldedNetwork.Create(InputEncoder.Identity(Columns), parameters);
        ScoringScratch scratch = network.CreateScratch(1);
        var row = new float[Columns];
        float[] fromDense = new float[3], fromSparse = new float[3];
        for (int r = 0; r < Rows; r++)
        {
            Array.Clear(row);
            for (int i = 0; i < table.Sparse!.Indices(r).Length; i++)
                row[table.Sparse.Indices(r)[i]] = table.Sparse.Values(r)[i];
            network.Score(row, 1, fromDense, scratch);
            network.ScoreSparse(table.Sparse.Indices(r), table.Sparse.Values(r), fromSparse, scratch);
            CollectionAssert.AreEqual(fromDense, fromSparse);
        }
        row[7] += 1;                                   // the comparison notices one entry
        network.Score(row, 1, fromDense, scratch);
        CollectionAssert.AreNotEqual(fromDense, fromSparse);
    }

    /// <summary>
    /// A network that keeps its first layer scores as the one folded whole, sees what training does to that layer, and copies none of it.
    /// </summary>
    [TestMethod]
    [DataRow(BatchNormalizationPlacement.BeforeActivation)]
    [DataRow(BatchNormalizationPlacement.AfterActivation)]
    [DataRow(BatchNormalizationPlacement.None)]
    public void Score_WithSharedFirstLayer_IsThatOfTheFoldedNetwork(BatchNormalizationPlacement placement)
    {
        TrainingTable table = Table(sparse: true);
        NetworkParameters parameters = Train(table, placement, 1, new AdamOptimizer());
        FoldedNetwork shared = FoldedNetwork.Create(InputEncoder.Identity(Columns), parameters, sharesFirstLayer: true);
        AssertScoresAreClose(FoldedNetwork.Create(InputEncoder.Identity(Columns), parameters), shared, table);
        Assert.AreSame(parameters.Linear[0].Weights, ((LinearParameters)shared.Members[0][0].Parameters!).Weights);

        FoldedNetwork before = FoldedNetwork.Create(InputEncoder.Identity(Columns), parameters);
        foreach (ref float weight in parameters.Linear[0].Weights.Span)
            weight *= 3;
        parameters.BatchNormalization[0]?.RunningMean.AsSpan().Fill(0.5);
        shared.Refold(parameters);
        AssertScoresAreClose(FoldedNetwork.Create(InputEncoder.Identity(Columns), parameters), shared, table);
        Assert.ThrowsExactly<AssertFailedException>(() => AssertScoresAreClose(before, shared, table));
        Assert.ThrowsExactly<ArgumentException>(
            () => shared.Refold(parameters.Clone()), "Another network's first layer would have to be copied.");
    }

    [TestMethod]
    [DataRow(BatchNormalizationPlacement.BeforeActivation, 1024, true)]
    [DataRow(BatchNormalizationPlacement.BeforeActivation, 1023, false)]
    [DataRow(BatchNormalizationPlacement.LayerInput, 1024, false)]
    public void Create_OfATrainedNetwork_SharesTheFirstLayerOfWideSparseInputsOnly(
        BatchNormalizationPlacement placement, int slots, bool shares)
    {
        NetworkParameters parameters = Initialization.Create(
            new NetworkDefinition { Inputs = slots, HiddenUnits = [16], Outputs = 1, Placement = placement }, 1);
        var trained = new TrainedNetwork(InputEncoder.Identity(slots), parameters, new TrainingHistory());
        Assert.AreEqual(shares, FoldedNetwork.Create(trained.Encoder, trained.Networks).SharesFirstLayer);
        Assert.IsFalse(FoldedNetwork.CreateWhole(trained.Encoder, trained.Networks).SharesFirstLayer);
    }

    /// <summary>Folded once, whoever asks; the networks of its intervals are looked at as well.</summary>
    [TestMethod]
    public void IsFinite_OfAModel_SeesItsNetworksAndThoseOfItsIntervals()
    {
        TrainedNetwork good = Model(weight: 1), bad = Model(weight: float.PositiveInfinity);
        FoldedNetwork folded = good.Folded;
        Assert.AreSame(folded, good.Folded);
        Assert.IsTrue(good.IsFinite);
        Assert.IsFalse(bad.IsFinite);
        Assert.IsTrue(Model(weight: 1, spread: good).IsFinite);
        Assert.IsFalse(Model(weight: 1, spread: bad).IsFinite);

        static TrainedNetwork Model(float weight, TrainedNetwork? spread = null)
        {
            NetworkParameters parameters = Initialization.Create(Definition(BatchNormalizationPlacement.BeforeActivation), 5);
            parameters.Linear[0].Weight(3, 7) = weight;
            return new TrainedNetwork(InputEncoder.Identity(Columns), parameters, new TrainingHistory())
            {
                Intervals = spread is null ? null
                    : new PredictionIntervals([0], [new IntervalLevel(0.9, [-1], [1])], power: 1, spread) { Rows = 100 },
            };
        }
    }

    [TestMethod]
    public void IsFinite_WithSharedFirstLayer_SeesWeightsAndNormalization()
    {
        NetworkParameters parameters = Initialization.Create(Definition(BatchNormalizationPlacement.BeforeActivation), 5);
        FoldedNetwork network = FoldedNetwork.Create(InputEncoder.Identity(Columns), parameters, sharesFirstLayer: true);
        Assert.IsTrue(network.IsFinite);
        parameters.BatchNormalization[0]!.Gamma.Span[3] = 1e38f;
        parameters.BatchNormalization[0]!.RunningVariance[3] = 0;
        Assert.IsFalse(network.IsFinite);
        parameters.BatchNormalization[0]!.Gamma.Span[3] = 1;
        parameters.Linear[0].Weight(3, 7) = float.PositiveInfinity;
        Assert.IsFalse(network.IsFinite);
    }

    /// <summary>A share of the entries goes, the others grow by as much; another key leaves others out.</summary>
    [TestMethod]
    public void Drop_Entries_KeepsTheirMean()
    {
        const int rows = 50, columns = 400;
        SparseBatch Dropped(ulong key)
        {
            var batch = new SparseBatch(columns);
            for (int row = 0; row < rows; row++)
            {
                batch.BeginRow();
                for (int column = row % 3; column < columns; column += 3)
                    batch.Add(column, 1 + column);
            }
            batch.Drop(key, 0.75f);
            return batch;
        }
        SparseBatch one = Dropped(1), same = Dropped(1), other = Dropped(2);
        int kept = 0;
        for (int row = 0; row < rows; row++)
        {
            CollectionAssert.AreEqual(one.Indices(row).ToArray(), same.Indices(row).ToArray());
            CollectionAssert.AreNotEqual(one.Indices(row).ToArray(), other.Indices(row).ToArray());
            foreach (int i in Enumerable.Range(0, one.Indices(row).Length))
            {
                Assert.AreEqual(row % 3, one.Indices(row)[i] % 3);
                Assert.AreEqual(4 * (1 + one.Indices(row)[i]), one.Values(row)[i]);
            }
            kept += one.Indices(row).Length;
        }
        // 6,683 entries: five standard deviations of a binomial.
        Assert.AreEqual(0.25, kept / (rows * columns / 3.0), 5 * Math.Sqrt(0.25 * 0.75 / (rows * columns / 3.0)));
    }

    /// <summary>
    /// The runs of touched columns hold every column of the batch once, and no other: at the
    /// ends of words, of the batch and of the columns.
    /// </summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(63)]
    [DataRow(64)]
    [DataRow(65)]
    [DataRow(300)]
    public void FindTouched_AnyColumns_AreRunsOfExactlyThese(int columns)
    {
        var batch = new SparseBatch(columns);
        var random = new RandomStream(8, (ulong)columns);
        for (int attempt = 0; attempt < 200; attempt++)
        {
            double density = attempt % 5 / 4.0;
            int[][] rows = [.. Enumerable.Range(0, 2)
                .Select(_ => Enumerable.Range(0, columns).Where(c => random.NextDouble() < density).ToArray())];
            batch.Clear();
            foreach (int[] row in rows)
            {
                batch.BeginRow();
                batch.AddEntries(row, new float[row.Length]);
            }
            batch.FindTouched();
            var touched = new List<int>();
            foreach ((int first, int end) in batch.Touched)
            {
                Assert.IsTrue(first < end && (touched.Count == 0 || first > touched[^1] + 1), "Runs rise and do not meet.");
                touched.AddRange(Enumerable.Range(first, end - first));
            }
            CollectionAssert.AreEqual(rows.SelectMany(row => row).Distinct().Order().ToArray(), touched);
        }
    }

    [TestMethod]
    public void FitSparse_ScalesLargeSlotsOnly_AndLearnsMissingOnes()
    {
        TrainingTable table = TrainingTable.CreateSparse(5, 1, weighted: false);
        table.AddSparse([0, 2], [0.5f, 40f], [0], 1);
        table.AddSparse([2, 4], [-80f, float.NaN], [1], 1);
        InputEncoder encoder = EncoderLearning.Learn(new MemoryRows(table), Enumerable.Repeat(SlotKind.Sparse, 5).ToArray());
        Assert.AreEqual(6, encoder.EncodedInputs);
        Assert.IsTrue(encoder.KeepsZero);

        var batch = new SparseBatch(6);
        encoder.EncodeSparse([0, 2, 4], [0.5f, -80f, float.NaN], batch);
        CollectionAssert.AreEqual(new[] { 0, 2, 4, 5 }, batch.Indices(0).ToArray());
        // One row has slot 0, and two have slot 2: a quarter and half of what they would be in four rows and more.
        CollectionAssert.AreEqual(new[] { 0.125f, -0.5f, 0f, 1f }, batch.Values(0).ToArray());

        var written = new float[6];
        encoder.Encode([0.5f, 0, -80f, 0, float.NaN], written);
        CollectionAssert.AreEqual(new[] { 0.125f, 0, -0.5f, 0, 0, 1f }, written);
    }

    [TestMethod]
    public void AddSparse_ColumnsThatDoNotRise_IsRefused()
    {
        TrainingTable table = TrainingTable.CreateSparse(5, 1, weighted: false);
        Assert.ThrowsExactly<ArgumentException>(() => table.AddSparse([2, 2], [1f, 1f], [0], 1));
        Assert.ThrowsExactly<ArgumentException>(() => table.AddSparse([5], [1f], [0], 1));
        Assert.ThrowsExactly<ArgumentException>(() => table.AddSparse([-1], [1f], [0], 1));
    }

    private static void AssertScoresAreClose(FoldedNetwork expected, FoldedNetwork actual, TrainingTable table)
    {
        ScoringScratch one = expected.CreateScratch(1), other = actual.CreateScratch(1);
        float[] a = new float[3], b = new float[3];
        for (int r = 0; r < Rows; r++)
        {
            expected.ScoreSparse(table.Sparse!.Indices(r), table.Sparse.Values(r), a, one);
            actual.ScoreSparse(table.Sparse.Indices(r), table.Sparse.Values(r), b, other);
            for (int i = 0; i < a.Length; i++)
                Assert.AreEqual(a[i], b[i], 1e-4 * (1 + Math.Abs(a[i])), $"Row {r}, output {i}.");
        }
    }

    private static NetworkDefinition Definition(BatchNormalizationPlacement placement) =>
        new() { Inputs = Columns, HiddenUnits = [80, 20], Outputs = 3, Placement = placement };

    private static NetworkParameters Train(TrainingTable table, BatchNormalizationPlacement placement, int threads, Optimizer optimizer)
    {
        NetworkParameters parameters = Initialization.Create(Definition(placement), 5);
        using var team = new WorkerTeam(threads);
        var settings = new TrainingSettings { Objective = KnownObjectives.SoftmaxCrossEntropy, BatchSize = 16, Optimizer = optimizer };
        var network = new FeedForwardNetwork(parameters, 17, table.Sparse is not null);
        var step = new TrainingStep(settings, new EncodedRows(table), network, OptimizerState.Create(optimizer, network.Parameters), team);
        var plan = new BatchPlan(Rows, 16, needsTwoRows: true);
        for (int epoch = 0; epoch < 2; epoch++)
        {
            for (int batch = 0; batch < plan.Batches; batch++)
                step.Run(plan.Batch(batch).First, plan.Batch(batch).Rows, 0.05, 1);
        }
        return parameters;
    }

    private static TrainingTable Table(bool sparse)
    {
        TrainingTable table = sparse
            ? TrainingTable.CreateSparse(Columns, 1, weighted: false)
            : new TrainingTable(Columns, 1, weighted: false);
        var random = new RandomStream(3, 3);
        for (int r = 0; r < Rows; r++)
        {
            var indices = new List<int> { 0 };
            for (int c = 1; c < Columns - 1; c++)
            {
                if (random.NextDouble() < 0.06)
                    indices.Add(c);
            }
            float[] values = [.. indices.Select(_ => (float)(random.NextDouble() * 4 - 2))];
            float label = random.Next(3);
            if (sparse)
            {
                table.AddSparse(indices.ToArray(), values, [label], 1);
                continue;
            }
            Span<float> row = table.Add([label], 1);
            for (int i = 0; i < values.Length; i++)
                row[indices[i]] = values[i];
        }
        return table;
    }

    private static void AssertSameWeights(NetworkParameters expected, NetworkParameters actual)
    {
        for (int layer = 0; layer < expected.Linear.Length; layer++)
        {
            CollectionAssert.AreEqual(
                expected.Linear[layer].Weights.Span.ToArray(), actual.Linear[layer].Weights.Span.ToArray(), $"Weights of layer {layer}.");
        }
    }
}
