using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Tests.Kernels;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>Training multiplies with the products it is given, and native ones lead to the same network within rounding.</summary>
[TestClass]
public sealed class MatrixProductsTests
{
    private const int Inputs = 20;

    [TestMethod]
    public void Train_WithGivenProducts_UsesThemForEveryProduct()
    {
        var counting = new CountingProducts();
        string expected = Generated.Hash(
            Train(MatrixProducts.Managed, BatchNormalizationPlacement.LayerInput, KnownObjectives.SoftmaxCrossEntropy, 1).Parameters);
        string actual = Generated.Hash(
            Train(counting, BatchNormalizationPlacement.LayerInput, KnownObjectives.SoftmaxCrossEntropy, 1).Parameters);
        Assert.AreEqual(expected, actual);
        // 12 batches in each of 3 epochs; three linear maps, each one product forward, one for
        // its input's and one for its weights' gradient.
        Assert.AreEqual(12 * 3 * 3 * 2, counting.Products);
        Assert.AreEqual(12 * 3 * 3, counting.Gradients);
    }

    [TestMethod]
    [DataRow(nameof(BatchNormalizationPlacement.None), nameof(KnownObjectives.SquaredError), 1)]
    [DataRow(nameof(BatchNormalizationPlacement.BeforeActivation), nameof(KnownObjectives.SoftmaxCrossEntropy), 1)]
    [DataRow(nameof(BatchNormalizationPlacement.BeforeActivation), nameof(KnownObjectives.SoftmaxCrossEntropy), 2)]
    [DataRow(nameof(BatchNormalizationPlacement.AfterActivation), nameof(KnownObjectives.Huber), 2)]
    [DataRow(nameof(BatchNormalizationPlacement.LayerInput), nameof(KnownObjectives.BinaryCrossEntropy), 1)]
    public void Train_WithNativeProducts_GivesTheSameNetworkWithinRounding(string placementName, string lossName, int threads)
    {
        var placement = Enum.Parse<BatchNormalizationPlacement>(placementName);
        var loss = KnownObjectives.Named(lossName);
        (NetworkParameters expected, TrainingHistory expectedHistory) = Train(MatrixProducts.Managed, placement, loss, threads);
        (NetworkParameters actual, TrainingHistory history) = Train(NativeLibraryOfTests.Products(), placement, loss, threads);
        for (int epoch = 0; epoch < history.Epochs.Count; epoch++)
        {
            Assert.AreEqual(
                expectedHistory.Epochs[epoch].TrainingLoss, history.Epochs[epoch].TrainingLoss, 1e-5, $"loss of epoch {epoch + 1}");
        }
        for (int layer = 0; layer < expected.Linear.Length; layer++)
        {
            CheckClose(expected.Linear[layer].Weights, actual.Linear[layer].Weights, $"weights {layer}");
            if (expected.Linear[layer].Bias is { } bias)
                CheckClose(bias, actual.Linear[layer].Bias!, $"bias {layer}");
            if (expected.BatchNormalization[layer] is { } normalization)
            {
                CheckClose(normalization.Gamma, actual.BatchNormalization[layer]!.Gamma, $"gamma {layer}");
                CheckClose(normalization.Beta, actual.BatchNormalization[layer]!.Beta, $"beta {layer}");
            }
        }
    }

    /// <summary>The tolerance is one that another course of the training exceeds.</summary>
    [TestMethod]
    public void Train_WithAnotherSeed_IsNotTheSameNetworkWithinRounding()
    {
        const BatchNormalizationPlacement placement = BatchNormalizationPlacement.BeforeActivation;
        NetworkParameters one = Train(MatrixProducts.Managed, placement, KnownObjectives.SquaredError, 1, seed: 1).Parameters;
        NetworkParameters other = Train(MatrixProducts.Managed, placement, KnownObjectives.SquaredError, 1, seed: 2).Parameters;
        Assert.ThrowsExactly<AssertFailedException>(() => CheckClose(one.Linear[0].Weights, other.Linear[0].Weights, "weights"));
    }

    [TestMethod]
    public void Products_NativeAndWarm_AllocateNothing()
    {
        NativeMatrixMultiply products = NativeLibraryOfTests.Products();
        float[] x = new float[16 * 30], w = new float[48 * 16], z = new float[48 * 30];
        void Run()
        {
            for (int i = 0; i < 20; i++)
            {
                products.Multiply(x, 30, 16, w, default, z, 30, 0, 30, 0, 3);
                products.WeightGradient(x, 30, 16, z, 30, 30, w, 0, 3);
            }
        }
        Run();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Run();
        Assert.AreEqual(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>
    /// A smooth activation and plain momentum, so that rounding is not amplified by a kink or by a division by a tiny second moment.
    /// </summary>
    private static (NetworkParameters Parameters, TrainingHistory History) Train(
        MatrixProducts products, BatchNormalizationPlacement placement, Objective loss, int threads, ulong seed = 1)
    {
        int outputs = loss is SoftmaxCrossEntropy ? 3 : 2;
        var definition = new NetworkDefinition
        {
            Inputs = Inputs, HiddenUnits = [70, 33], Outputs = outputs, Activation = ActivationFunction.Tanh, Placement = placement,
            NormalizeOutputLayerInput = placement == BatchNormalizationPlacement.LayerInput,
        };
        var settings = new TrainingSettings
        {
            Objective = loss, BatchSize = 60, MaximumEpochs = 3, LearningRate = 0.02,
            Optimizer = new SgdOptimizer { OptimizerMomentum = 0.9 }, Seed = seed, Products = products,
        };
        NetworkParameters parameters = Generated.Network(definition, 1);
        using var team = new WorkerTeam(threads);
        TrainingHistory history = TrainingLoop.Train(
            team, parameters, Generated.Data(loss, 700, Inputs, outputs, 1), null, settings, null, CancellationToken.None);
        return (parameters, history);
    }

    private static void CheckClose(AlignedBuffer expected, AlignedBuffer actual, string what)
    {
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected.Span[i], actual.Span[i], 1e-4f, $"{what}, element {i}");
    }

    private sealed class CountingProducts : MatrixProducts
    {
        public int Products { get; private set; }

        public int Gradients { get; private set; }

        public override int GradientPanelsAtOnce => 100;

        public override void Multiply(
            ReadOnlySpan<float> a, int aRowCapacity, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c,
            int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel, int bRowCapacity)
        {
            Products++;
            Managed.Multiply(a, aRowCapacity, inner, b, bias, c, cRowCapacity, firstRow, endRow, firstPanel, endPanel, bRowCapacity);
        }

        public override void WeightGradient(
            ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity, int rows,
            Span<float> c, int firstPanel, int endPanel, int cRowCapacity)
        {
            Gradients++;
            Managed.WeightGradient(a, aRowCapacity, inputs, d, dRowCapacity, rows, c, firstPanel, endPanel, cRowCapacity);
        }
    }
}
