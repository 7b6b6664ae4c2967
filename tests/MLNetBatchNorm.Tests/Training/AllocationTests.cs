using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>A training step and a scored row allocate nothing, on any thread.</summary>
[TestClass]
public sealed class AllocationTests
{
    private const int Steps = 40;

    private static readonly int[] s_indices = [1, 4];
    private static readonly float[] s_values = [0.5f, 2];

    public static IEnumerable<object[]> Cases =>
    [
        [nameof(BatchNormalizationPlacement.BeforeActivation), new AdamWOptimizer(), nameof(KnownObjectives.SoftmaxCrossEntropy), 1],
        [nameof(BatchNormalizationPlacement.BeforeActivation), new AdamWOptimizer(), nameof(KnownObjectives.SoftmaxCrossEntropy), 2],
        [nameof(BatchNormalizationPlacement.AfterActivation), new SgdOptimizer { OptimizerMomentum = 0.9 },
            nameof(KnownObjectives.SquaredError), 2],
        [nameof(BatchNormalizationPlacement.LayerInput), new RmsPropOptimizer { Centered = true, OptimizerMomentum = 0.5 },
            nameof(KnownObjectives.BinaryCrossEntropy), 1],
        [nameof(BatchNormalizationPlacement.None), new AdamOptimizer(), nameof(KnownObjectives.Huber), 2],
        [nameof(BatchNormalizationPlacement.BeforeActivation), new AdamOptimizer(), nameof(KnownObjectives.Poisson), 2],
        [nameof(BatchNormalizationPlacement.BeforeActivation), new AdamOptimizer(), nameof(KnownObjectives.Tweedie), 1],
        [nameof(BatchNormalizationPlacement.BeforeActivation), new AdamOptimizer(), nameof(KnownObjectives.Quantile), 1],
    ];

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Run_Warm_AllocatesNothing(string placement, Optimizer optimizer, string loss, int threads)
    {
        using var team = new WorkerTeam(threads);
        TrainingStep step = Step(placement, optimizer, KnownObjectives.Named(loss), team);
        Assert.AreEqual(0, AllocatedBy(() => Run(step)));
    }

    [TestMethod]
    public void Run_SparseRows_AllocatesNothing()
    {
        using var team = new WorkerTeam(2);
        TrainingStep step = Step(
            nameof(BatchNormalizationPlacement.BeforeActivation), new AdamWOptimizer(),
            KnownObjectives.SoftmaxCrossEntropy, team, sparse: true);
        Assert.AreEqual(0, AllocatedBy(() => Run(step)));
    }

    [TestMethod]
    [DataRow(1, false, nameof(BatchNormalizationPlacement.BeforeActivation))]
    [DataRow(2, false, nameof(BatchNormalizationPlacement.AfterActivation))]
    [DataRow(2, true, nameof(BatchNormalizationPlacement.LayerInput))]
    public void Run_Pictures_AllocatesNothing(int threads, bool averagesPixels, string placement)
    {
        using var team = new WorkerTeam(threads);
        NetworkDefinition definition = OfPictures(averagesPixels, Enum.Parse<BatchNormalizationPlacement>(placement));
        var network = new FeedForwardNetwork(Generated.Network(definition, 1), 24);
        var settings = new TrainingSettings
        {
            Objective = KnownObjectives.SoftmaxCrossEntropy, Optimizer = new AdamWOptimizer(), RandomShift = 1, RandomHorizontalFlip = true,
        };
        EncodedRows data = Generated.Data(settings.Objective, 41, definition.Inputs, 3, 1, weighted: true);
        var step = new TrainingStep(settings, data, network, OptimizerState.Create(settings.Optimizer, network.Parameters), team);
        Assert.AreEqual(0, AllocatedBy(() => Run(step)));
    }

    [TestMethod]
    [DataRow(1, false)]
    [DataRow(30, false)]
    [DataRow(30, true)]
    public void Score_Pictures_AllocatesNothing(int rows, bool averagesPixels)
    {
        NetworkDefinition definition = OfPictures(averagesPixels, BatchNormalizationPlacement.BeforeActivation);
        FoldedNetwork folded = FoldedNetwork.Create(InputEncoder.Identity(definition.Inputs), Generated.Network(definition, 1));
        ScoringScratch scratch = folded.CreateScratch(rows);
        float[] features = new float[rows * definition.Inputs], outputs = new float[rows * 3];
        Assert.AreEqual(0, AllocatedBy(() =>
        {
            for (int i = 0; i < Steps; i++)
                folded.Score(features, rows, outputs, scratch);
        }));
    }

    [TestMethod]
    [DataRow(nameof(KnownObjectives.SquaredError))]
    [DataRow(nameof(KnownObjectives.BinaryCrossEntropy))]
    public void Run_SeveralTargets_AllocatesNothing(string loss)
    {
        using var team = new WorkerTeam(2);
        var settings = new TrainingSettings
        {
            Objective = KnownObjectives.Named(loss), Optimizer = new AdamWOptimizer(), TargetWeights = [1, 2, 0.5f],
        };
        EncodedRows data = Generated.Data(settings.Objective, 41, 7, 3, 1, weighted: true);
        for (int i = 0; i < data.TableInMemory().Targets.Length; i += 4)
            data.TableInMemory().Targets[i] = float.NaN;
        var network = new FeedForwardNetwork(Generated.Network(Definition(BatchNormalizationPlacement.BeforeActivation), 1), 24);
        var step = new TrainingStep(settings, data, network, OptimizerState.Create(settings.Optimizer, network.Parameters), team);
        Assert.AreEqual(0, AllocatedBy(() => Run(step)));
    }

    /// <summary>Neither where what networks say is asked for, nor where it is remembered.</summary>
    [TestMethod]
    [DataRow(nameof(KnownObjectives.SoftmaxCrossEntropy), 1)]
    [DataRow(nameof(KnownObjectives.SoftmaxCrossEntropy), 2)]
    [DataRow(nameof(KnownObjectives.Quantile), 1)]
    public void Run_TaughtByOthers_AllocatesNothing(string loss, int threads)
    {
        using var team = new WorkerTeam(threads);
        NetworkDefinition definition = Definition(BatchNormalizationPlacement.BeforeActivation);
        var teacher = new Teacher(InputEncoder.Identity(7), [Generated.Network(definition, 2), Generated.Network(definition, 3)]);
        foreach (bool remembers in new[] { true, false })
        {
            var settings = new TrainingSettings
            {
                Objective = KnownObjectives.Named(loss), Optimizer = new AdamWOptimizer(), Teacher = teacher,
                RandomShift = remembers ? 0 : 1,
            };
            EncodedRows data = Generated.Data(settings.Objective, 41, 7, 3, 1, weighted: true);
            var network = new FeedForwardNetwork(Generated.Network(definition, 1), 24);
            var step = new TrainingStep(settings, data, network, OptimizerState.Create(settings.Optimizer, network.Parameters), team);
            Assert.AreEqual(0, AllocatedBy(() => Run(step)));
        }
    }

    [TestMethod]
    [DataRow(1, false)]
    [DataRow(2, false)]
    [DataRow(2, true)]
    public void Run_PiecesAsTable_AllocatesNothing(int threads, bool sparse)
    {
        using var team = new WorkerTeam(threads);
        InputEncoder encoder = WithPieces();
        NetworkParameters parameters = Generated.Network(WithPieces(encoder), 1);
        var data = new EncodedRows(
            (sparse
                ? Generated.SparseData(KnownObjectives.SoftmaxCrossEntropy, 41, 7, 3, 1)
                : Generated.Data(KnownObjectives.SoftmaxCrossEntropy, 41, 7, 3, 1, weighted: true)).TableInMemory(),
            encoder);
        if (!sparse)
            data.TableInMemory().Features(5)[2] = float.NaN;
        var network = new FeedForwardNetwork(parameters, 24, data);
        Assert.IsInstanceOfType<TableInput>(network.Input);
        var settings = new TrainingSettings { Objective = KnownObjectives.SoftmaxCrossEntropy, Optimizer = new AdamWOptimizer() };
        var step = new TrainingStep(settings, data, network, OptimizerState.Create(settings.Optimizer, network.Parameters), team);
        Assert.AreEqual(0, AllocatedBy(() => Run(step)));
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(200)]
    public void Score_PiecesAsTable_AllocatesNothing(int rows)
    {
        InputEncoder encoder = WithPieces();
        FoldedNetwork folded = FoldedNetwork.Create(encoder, Generated.Network(WithPieces(encoder), 1));
        Assert.IsInstanceOfType<FoldedTable>(folded.Members[0][0]);
        ScoringScratch scratch = folded.CreateScratch(rows);
        float[] features = new float[rows * 7], outputs = new float[rows * 3];
        Assert.AreEqual(0, AllocatedBy(() =>
        {
            for (int i = 0; i < Steps; i++)
                folded.Score(features, rows, outputs, scratch);
        }));
        Assert.AreEqual(0, AllocatedBy(() =>
        {
            for (int i = 0; i < Steps; i++)
                folded.ScoreSparse(s_indices, s_values, outputs, scratch);
        }));
    }

    /// <summary>
    /// A whole training of a network behind few rows: a known number of times its parameters, whatever the number of epochs. They are
    /// gradients, two moments, weights transposed for the way back, the best epoch's copy and the folded network.
    /// </summary>
    [TestMethod]
    [DataRow(3)]
    [DataRow(20)]
    public void Train_FewRows_AllocatesAFewTimesTheParameters(int epochs)
    {
        var definition = new NetworkDefinition { Inputs = 7, HiddenUnits = [256, 128], Outputs = 3 };
        NetworkParameters parameters = Generated.Network(definition, 1);
        EncodedRows training = Generated.Data(KnownObjectives.SoftmaxCrossEntropy, 40, 7, 3, 1);
        EncodedRows validation = Generated.Data(KnownObjectives.SoftmaxCrossEntropy, 10, 7, 3, 2);
        var settings = new TrainingSettings
        {
            Objective = KnownObjectives.SoftmaxCrossEntropy, BatchSize = 8, MaximumEpochs = epochs, EarlyStoppingPatience = 0,
        };
        long allocated = AllocatedBy(
            () => TrainingLoop.Train(parameters, training, validation, settings, null, CancellationToken.None), attempts: 3);
        Assert.IsLessThan(12 * sizeof(float) * definition.ParameterCount, allocated);
    }

    /// <summary>Evaluating other rows of the same kind takes the same folded network, with no copy of its own.</summary>
    [TestMethod]
    public void Evaluator_BesideAnother_SameLossWithoutAFoldedNetworkOfItsOwn()
    {
        var definition = new NetworkDefinition { Inputs = 7, HiddenUnits = [256, 128], Outputs = 3 };
        NetworkParameters parameters = Generated.Network(definition, 1);
        var settings = new TrainingSettings { Objective = KnownObjectives.SoftmaxCrossEntropy };
        var encoder = InputEncoder.Identity(7);
        EncodedRows few = Generated.Data(KnownObjectives.SoftmaxCrossEntropy, 10, 7, 3, 2).EncodedBy(encoder);
        EncodedRows many = Generated.Data(KnownObjectives.SoftmaxCrossEntropy, 230, 7, 3, 1).EncodedBy(encoder);
        using var team = new WorkerTeam(2);
        var first = new Evaluator(few, parameters, settings, team);
        (double, double) before = first.Evaluate(parameters, CancellationToken.None);
        Evaluator? beside = null;
        long allocated = AllocatedBy(() => beside = new Evaluator(many, parameters, settings, team, first));

        Assert.IsLessThan(sizeof(float) * definition.ParameterCount / 4, allocated);
        Assert.IsGreaterThan(
            sizeof(float) * definition.ParameterCount, AllocatedBy(() => _ = new Evaluator(many, parameters, settings, team)));
        (double expected, _) = new Evaluator(many, parameters, settings, team).Evaluate(parameters, CancellationToken.None);
        (double loss, _) = beside!.Evaluate(parameters, CancellationToken.None);
        Assert.AreEqual(expected, loss, 1e-12 * Math.Abs(expected), "blocks of 10 rows, and their sums of losses, in place of 96");
        Assert.AreEqual(before, first.Evaluate(parameters, CancellationToken.None));
    }

    /// <summary>The counters see what other threads allocate: a small array a step on a member of the team do not go unnoticed.</summary>
    [TestMethod]
    public void Run_WithAnAllocationOnAnotherThread_IsNoticed()
    {
        using var team = new WorkerTeam(2);
        var kept = new byte[]?[2];
        Action<Worker> body = worker => kept[worker.Index] = worker.Index == 1 ? new byte[64] : null;
        long allocated = AllocatedBy(() =>
        {
            for (int i = 0; i < Steps; i++)
                team.Run(body);
        });
        Assert.IsGreaterThanOrEqualTo(Steps * 64L, allocated);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(200)]
    public void Score_Warm_AllocatesNothing(int rows)
    {
        FoldedNetwork folded = FoldedNetwork.Create(
            InputEncoder.Identity(7), Generated.Network(Definition(BatchNormalizationPlacement.BeforeActivation), 1));
        ScoringScratch scratch = folded.CreateScratch(rows);
        float[] features = new float[rows * 7], outputs = new float[rows * 3];
        Assert.AreEqual(0, AllocatedBy(() =>
        {
            for (int i = 0; i < Steps; i++)
                folded.Score(features, rows, outputs, scratch);
        }));
    }

    /// <summary>
    /// Bytes allocated in the whole process while the action runs, the least of several tries: what happens by chance, such as the runtime
    /// compiling a method again, does not happen every time, and what the action allocates does.
    /// </summary>
    private static long AllocatedBy(Action action, int attempts = 8)
    {
        long least = long.MaxValue;
        for (int attempt = 0; attempt < attempts && least > 0; attempt++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            action();
            long allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
            if (attempt > 0)                           // the first try is the warm-up
                least = Math.Min(least, allocated);
        }
        return least;
    }

    private static void Run(TrainingStep step)
    {
        for (int i = 0; i < Steps; i++)
        {
            step.Run(0, 24, 1e-4, dropoutKey: (ulong)i, changesKey: (ulong)i);
            step.Run(24, 17, 1e-4, dropoutKey: (ulong)i, changesKey: (ulong)i + 100);
        }
    }

    private static TrainingStep Step(string placement, Optimizer optimizer, Objective loss, WorkerTeam team, bool sparse = false)
    {
        NetworkParameters parameters = Generated.Network(Definition(Enum.Parse<BatchNormalizationPlacement>(placement)), 1);
        var network = new FeedForwardNetwork(parameters, 24, sparse);
        var settings = new TrainingSettings { Objective = loss, Optimizer = optimizer };
        EncodedRows data = sparse ? Generated.SparseData(loss, 41, 7, 3, 1) : Generated.Data(loss, 41, 7, 3, 1, weighted: true);
        return new TrainingStep(settings, data, network, OptimizerState.Create(optimizer, network.Parameters), team);
    }

    /// <summary>
    /// Fewer and more channels than a panel has, and both poolings; or whole panels, whose windows are read where they lie.
    /// </summary>
    private static NetworkDefinition OfPictures(bool averagesPixels, BatchNormalizationPlacement placement) => new()
    {
        Inputs = 2 * 7 * 6,
        Picture = new MapShape(7, 6, 2),
        Convolutions =
        [
            new ConvolutionDefinition
            {
                Filters = averagesPixels ? 18 : 32, KernelHeight = 3, KernelWidth = 3, Top = 1, Bottom = 1, Left = 1, Right = 1,
                DropoutRate = 0.1, Pooling = averagesPixels ? new PoolingDefinition(TakesMaximum: true, 2, 2, 2, 2) : null,
            },
            new ConvolutionDefinition
            {
                Filters = 5, KernelHeight = averagesPixels ? 2 : 3, KernelWidth = averagesPixels ? 2 : 3,
                Pooling = new PoolingDefinition(TakesMaximum: false, 2, 2, 1, 1),
            },
        ],
        AveragesPixels = averagesPixels,
        HiddenUnits = averagesPixels ? [] : [9],
        Outputs = 3,
        Placement = placement,
        NormalizeOutputLayerInput = placement == BatchNormalizationPlacement.LayerInput,
        VirtualBatchSize = 10,
    };

    private static InputEncoder WithPieces() => new(7,
    [
        new UntouchedSlots(7),
        new Pieces([.. Enumerable.Range(0, 7 * 8).Select(p => new InputPiece(p / 8, p % 8 - 4, 1, Missing: 0.5f))]),
    ]);

    private static NetworkDefinition WithPieces(InputEncoder encoder) =>
        new() { Inputs = encoder.EncodedInputs, HiddenUnits = [37, 18], Outputs = 3, DropoutRate = 0.2 };

    private static NetworkDefinition Definition(BatchNormalizationPlacement placement) => new()
    {
        Inputs = 7,
        HiddenUnits = [37, 18],
        Outputs = 3,
        Placement = placement,
        NormalizeOutputLayerInput = placement == BatchNormalizationPlacement.LayerInput,
        VirtualBatchSize = 10,
        DropoutRate = 0.2,
    };
}
