using System.Numerics.Tensors;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>
/// The experiment of Ioffe and Szegedy 2015, section 4.1 and figure 1: the same sigmoid network
/// on MNIST with and without batch normalization.
/// </summary>
/// <remarks>
/// <para>784-100-100-100-10, 50,000 steps of 60 images, as in the paper. What the paper leaves open: weights from N(0,
/// 0.1²), biases 0, plain gradient descent at rate 0.1, a pixel is 1 above 127 and otherwise 0. Both networks start from the
/// same weights and see the same batches.</para>
/// <para>accuracy VARIANT STEP VALUE: on the 10,000 test images, with running statistics; population VARIANT STEP VALUE: the same at the
/// end with the statistics of the paper's algorithm 2. Then the curves, as a picture.</para>
/// </remarks>
internal static class MnistPaper
{
    private const int BatchSize = 60;
    private const int StepsPerEpoch = 1000;            // 60,000 images
    private const int Epochs = 50;
    private const double LearningRate = 0.1;
    private const double WeightDeviation = 0.1;
    private const int Threshold = 127;
    private const ulong InitializationPurpose = 1;

    public static int Run(string[] args)
    {
        if (args.Length is < 1 or > 3)
        {
            Console.Error.WriteLine("usage: mnist-paper IDX_DIR [picture.png] [seed]");
            return 2;
        }
        string picture = args.Length > 1 ? args[1] : "mnist-paper.png";
        ulong seed = args.Length > 2 ? ulong.Parse(args[2]) : 0;
        TrainingTable training = Table(MnistImages.ReadTraining(args[0]));
        MnistImages test = MnistImages.ReadTest(args[0]);
        if (training.Rows != StepsPerEpoch * BatchSize)
            throw new InvalidDataException($"{args[0]}: MNIST has {StepsPerEpoch * BatchSize} training images, here are {training.Rows}.");

        Curve[] curves =
        [
            Train("no_bn", BatchNormalizationPlacement.None, training, test, seed),
            Train("bn", BatchNormalizationPlacement.BeforeActivation, training, test, seed),
        ];
        MnistPaperChart.Save(picture, curves[0].Accuracies, curves[1].Accuracies, StepsPerEpoch);
        Console.WriteLine($"picture\t{picture}");
        return 0;
    }

    private static TrainingTable Table(MnistImages images)
    {
        var table = new TrainingTable(MnistImages.PixelCount, 1, weighted: false);
        for (int i = 0; i < images.Count; i++)
            Binarize(images.Image(i), table.Add([images.Digits[i]], 1));
        return table;
    }

    private static void Binarize(ReadOnlySpan<byte> pixels, Span<float> features)
    {
        for (int i = 0; i < pixels.Length; i++)
            features[i] = pixels[i] > Threshold ? 1 : 0;
    }

    private static Curve Train(string variant, BatchNormalizationPlacement placement, TrainingTable table, MnistImages test, ulong seed)
    {
        var definition = new NetworkDefinition
        {
            Inputs = MnistImages.PixelCount, HiddenUnits = [100, 100, 100], Outputs = 10, Activation = ActivationFunction.Sigmoid,
            Placement = placement,
            Statistics = BatchNormalizationStatistics.Population,
        };
        var parameters = new NetworkParameters(definition);
        Initialize(parameters, seed);
        var settings = new TrainingSettings
        {
            Objective = new SoftmaxCrossEntropy(), BatchSize = BatchSize, MaximumEpochs = Epochs, LearningRate = LearningRate,
            Optimizer = new SgdOptimizer(), Seed = seed,
        };
        var curve = new Curve(variant, parameters, test);
        TrainingLoop.Train(
            parameters, new EncodedRows(table), null, settings, curve, CancellationToken.None, threads: Environment.ProcessorCount);
        if (definition.UsesBatchNormalization)
            Console.WriteLine($"population\t{variant}\t{Epochs * StepsPerEpoch}\t{curve.Accuracy():F4}");
        return curve;
    }

    /// <summary>Weights from N(0, 0.1²), drawn in the same order whatever stands between the layers.</summary>
    private static void Initialize(NetworkParameters parameters, ulong seed)
    {
        for (int layer = 0; layer < parameters.Linear.Length; layer++)
        {
            LinearParameters linear = parameters.Linear[layer];
            var random = new RandomStream(seed, InitializationPurpose + (ulong)layer);
            for (int output = 0; output < linear.Outputs; output++)
            {
                for (int input = 0; input < linear.Inputs; input++)
                    linear.Weight(output, input) = (float)(WeightDeviation * Normal(ref random));
            }
        }
    }

    private static double Normal(ref RandomStream random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    /// <summary>Measures the accuracy after every epoch, which is every 1,000 steps.</summary>
    private sealed class Curve(string variant, NetworkParameters parameters, MnistImages test) : ITrainingObserver
    {
        private readonly float[] _features = Features(test);
        private readonly float[] _outputs = new float[test.Count * 10];

        public List<double> Accuracies { get; } = [];

        public void EpochEnded(EpochRecord record, int bestEpoch, int maximumEpochs)
        {
            Accuracies.Add(Accuracy());
            Console.WriteLine($"accuracy\t{variant}\t{record.Epoch * StepsPerEpoch}\t{Accuracies[^1]:F4}");
        }

        public double Accuracy()
        {
            FoldedNetwork network = FoldedNetwork.Create(InputEncoder.Identity(MnistImages.PixelCount), parameters);
            network.Score(_features, test.Count, _outputs, network.CreateScratch());
            int right = 0;
            for (int i = 0; i < test.Count; i++)
            {
                ReadOnlySpan<float> logits = _outputs.AsSpan(i * 10, 10);
                if (TensorPrimitives.IndexOfMax(logits) == test.Digits[i])
                    right++;
            }
            return right / (double)test.Count;
        }

        private static float[] Features(MnistImages images)
        {
            var features = new float[images.Pixels.Length];
            Binarize(images.Pixels, features);
            return features;
        }
    }
}
