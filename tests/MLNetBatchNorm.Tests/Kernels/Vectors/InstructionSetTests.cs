using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>
/// Trained networks are the same bits on every instruction set and every number of threads: processes with wider and wider instructions
/// turned off train the same networks and compare hashes.
/// </summary>
[TestClass]
public sealed class InstructionSetTests
{
    /// <summary>The runtime's switch, and the widest vector that is left with it.</summary>
    private static readonly (string? Switch, int Width)[] s_settings =
    [
        (null, 512),
        ("DOTNET_EnableAVX512", 256),
        ("DOTNET_EnableAVX2", 128),
        ("DOTNET_EnableHWIntrinsic", 0),
    ];

    private static string? s_expected;

    public TestContext TestContext { get; set; } = null!;

    public static IEnumerable<object[]> Settings => s_settings.Select(s => new object[] { s.Switch ?? "", s.Width });

    [TestMethod]
    [DynamicData(nameof(Settings))]
    public void Training_WithoutWiderInstructions_SameBits(string turnedOff, int width)
    {
        s_expected ??= InThisProcess();
        string[] output = InFreshProcess(turnedOff);
        int found = int.Parse(output[0]);
        if (found != width && turnedOff.Length == 0)
            Assert.Inconclusive($"This machine has vectors of {found} bits, not {width}; nothing to compare.");
        if (found < width)
            Assert.Inconclusive($"With {turnedOff}=0 vectors of {found} bits are left here; those of {width} cannot be tried.");
        Assert.AreEqual(width, found, $"{turnedOff}=0 was not heeded");
        TestContext.WriteLine($"{width} bits: {output[1]}");
        Assert.AreEqual(s_expected, output[1]);
    }

    /// <summary>The hash notices a change in the last bit of one weight.</summary>
    [TestMethod]
    public void Hash_OneBitOfOneWeight_IsNoticed()
    {
        NetworkParameters parameters = Generated.Network(new NetworkDefinition { Inputs = 5, HiddenUnits = [18], Outputs = 1 }, 1);
        string before = Generated.Hash(parameters);
        ref float weight = ref parameters.Linear[0].Weight(17, 4);
        weight = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(weight) ^ 1);
        Assert.AreNotEqual(before, Generated.Hash(parameters));
    }

    private static string InThisProcess() => TrainingHash.Compute([1]);

    private static string[] InFreshProcess(string turnedOff)
    {
        var environment = new Dictionary<string, string>();
        if (turnedOff.Length > 0)
            environment[turnedOff] = "0";
        return FreshProcess.Run<TrainingHash>(environment, "1", "2", "3", "8").Split(
            '\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }

    /// <summary>
    /// Trains small networks, one of odd shapes and one of pictures with every number of threads given; writes the vector width and one
    /// hash for all.
    /// </summary>
    internal sealed class TrainingHash : IFreshProcessTask
    {
        public static void Run(string[] arguments, TextWriter output)
        {
            output.WriteLine(WidestVector());
            output.WriteLine(Compute([.. arguments.Select(int.Parse)]));
        }

        /// <summary>Throws if the numbers of threads do not agree.</summary>
        public static string Compute(int[] threadCounts)
        {
            var hashes = new List<string>();
            foreach (ActivationFunction activation in Enum.GetValues<ActivationFunction>())
            {
                // Eight threads on two cores take their time, so only every third small network is trained with all numbers of threads.
                int[] counts = (int)activation % 3 == 0 ? threadCounts : threadCounts[..1];
                hashes.Add(SameFor(counts, threads => Small(threads, activation))[..16]);
            }
            hashes.Add(SameFor(threadCounts, OddShaped));
            hashes.Add(SameFor(threadCounts[..1], Sparse));
            hashes.Add(SameFor(threadCounts, Pictures));
            hashes.Add(SameFor(threadCounts, PicturesOfWholePanels));
            return string.Join('-', hashes);
        }

        private static string SameFor(int[] threadCounts, Func<int, string> train)
        {
            string[] hashes = [.. threadCounts.Select(train)];
            if (hashes.Distinct().Count() != 1)
                throw new InvalidOperationException($"{string.Join(", ", threadCounts)} threads: {string.Join(", ", hashes)}");
            return hashes[0];
        }

        private static int WidestVector()
        {
            // The matrix kernels ask these properties, and the runtime's compiler ties the instructions to them.
            if (Vector512.IsHardwareAccelerated != Avx512F.IsSupported && X86Base.IsSupported)
                throw new InvalidOperationException("Vectors of 512 bits are accelerated without AVX-512, or the other way round.");
            return Vector512.IsHardwareAccelerated
                ? 512
                : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 0;
        }

        /// <summary>Few units; every placement, loss and optimizer with some activation or other.</summary>
        private static string Small(int threads, ActivationFunction activation) => Train(threads, new NetworkDefinition
        {
            Inputs = 5,
            HiddenUnits = [6, 4],
            Outputs = 3,
            Activation = activation,
            Placement = (BatchNormalizationPlacement)((int)activation % 4),
            NormalizeOutputLayerInput = true,
            DropoutRate = 0.1,
        }, KnownObjectives.All[(int)activation % KnownObjectives.All.Count], rows: 30, batchSize: 8);

        private static string OddShaped(int threads) => Train(threads, new NetworkDefinition
        {
            Inputs = 29,
            HiddenUnits = [67, 33],
            Outputs = 19,
            Activation = ActivationFunction.GELU,
            VirtualBatchSize = 21,
            Statistics = BatchNormalizationStatistics.PopulationPooled,
        }, KnownObjectives.SoftmaxCrossEntropy, rows: 131, batchSize: 43);

        private static string Sparse(int threads) => Train(threads, new NetworkDefinition
        {
            Inputs = 61,
            HiddenUnits = [20, 9],
            Outputs = 3,
            Placement = BatchNormalizationPlacement.AfterActivation,
        }, KnownObjectives.SoftmaxCrossEntropy, rows: 40, batchSize: 16, sparse: true);

        /// <summary>Fewer and more channels than a panel has, both poolings, and windows that overlap.</summary>
        private static string Pictures(int threads) => Train(threads, new NetworkDefinition
        {
            Inputs = 2 * 7 * 6,
            Picture = new MapShape(7, 6, 2),
            Convolutions =
            [
                new ConvolutionDefinition
                {
                    Filters = 18, KernelHeight = 3, KernelWidth = 2, Top = 1, Bottom = 1, Left = 1, DropoutRate = 0.1,
                    Pooling = new PoolingDefinition(TakesMaximum: true, 3, 2, 2, 1, PaddingY: 1),
                },
                new ConvolutionDefinition
                {
                    Filters = 5, KernelHeight = 2, KernelWidth = 3, StrideX = 2, Right = 1,
                    Pooling = new PoolingDefinition(TakesMaximum: false, 2, 2, 1, 1),
                },
            ],
            HiddenUnits = [9],
            Outputs = 3,
            Activation = ActivationFunction.SiLU,
        }, KnownObjectives.SoftmaxCrossEntropy, rows: 40, batchSize: 16);

        /// <summary>Windows that are read where they lie, and scored with fewer multiplications for the choice of the epoch.</summary>
        private static string PicturesOfWholePanels(int threads) => Train(threads, new NetworkDefinition
        {
            Inputs = 2 * 7 * 6,
            Picture = new MapShape(7, 6, 2),
            Convolutions =
            [
                new ConvolutionDefinition { Filters = 32, KernelHeight = 3, KernelWidth = 3, Top = 1, Bottom = 1, Left = 1, Right = 1 },
                new ConvolutionDefinition
                {
                    Filters = 20, KernelHeight = 3, KernelWidth = 3, Top = 1, Bottom = 1, Left = 1, Right = 1,
                    Pooling = new PoolingDefinition(TakesMaximum: true, 2, 2, 2, 2),
                },
            ],
            HiddenUnits = [9],
            Outputs = 3,
        }, KnownObjectives.SoftmaxCrossEntropy, rows: 40, batchSize: 16);

        private static string Train(int threads, NetworkDefinition definition, Objective loss, int rows, int batchSize, bool sparse = false)
        {
            NetworkParameters parameters = Generated.Network(definition, 1);
            Optimizer[] optimizers =
            [
                new AdamWOptimizer(), new SgdOptimizer { OptimizerMomentum = 0.9, UseNesterov = true },
                new RmsPropOptimizer { Centered = true }, new AdamOptimizer(),
            ];
            var settings = new TrainingSettings
            {
                Objective = loss.With(labelSmoothing: 0.1),
                BatchSize = batchSize,
                MaximumEpochs = 2,
                LearningRate = 0.01,
                Optimizer = optimizers[(int)definition.Activation % optimizers.Length],
                Seed = 6,
                RandomShift = 1,
                RandomHorizontalFlip = true,
            };
            using var team = new WorkerTeam(threads);
            TrainingLoop.Train(team, parameters, Data(rows, 1), Data(40, 2), settings, null, CancellationToken.None);
            return Generated.Hash(parameters);

            EncodedRows Data(int count, ulong seed) => sparse
                ? Generated.SparseData(loss, count, definition.Inputs, definition.Outputs, seed)
                : Generated.Data(loss, count, definition.Inputs, definition.Outputs, seed, weighted: true);
        }
    }
}
