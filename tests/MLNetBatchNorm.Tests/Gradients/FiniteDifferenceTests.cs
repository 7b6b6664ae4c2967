using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Tests.Golden;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Gradients;

/// <summary>
/// The gradient of every parameter that a training step computes, against central differences of the loss of
/// <see cref="ReferenceNetwork"/>, for every activation, placement and loss; and that network's outputs and loss against the step's own.
/// </summary>
[TestClass]
public sealed class FiniteDifferenceTests
{
    private const int Rows = 11;
    private const int Inputs = 5;
    private const int Outputs = 3;
    private const ulong DropoutKey = 77;

    /// <summary>
    /// Step of the differences. Their own error, a few h² = 1e-10 from curvature and 1e-16 / h = 1e-11 from rounding in double, is far
    /// below the tolerances, which are for the float32 gradients alone.
    /// </summary>
    private const double Step = 1e-5;

    /// <summary>No number may be nearer to a kink than this, a hundred steps, or a difference could reach across it.</summary>
    private const double KinkDistance = 1e-3;

    /// <summary>
    /// Outputs: chains of at most 18 float32 operations behind normalizations that enlarge errors a
    /// few times; 17 rounding errors of 6e-8 are 1e-6.
    /// </summary>
    private const double OutputTolerance = 5e-6;

    /// <summary>
    /// Gradients, relative to the largest entry of an array: 11 rows of products of errors as above, which BN's backward
    /// pass subtracts from each other. The smallest scale is for arrays whose true gradient is next to nothing, such as
    /// a bias that the next normalization takes away.
    /// </summary>
    private const double GradientTolerance = 3e-5;
    private const double SmallestScale = 1e-2;

    private static readonly (BatchNormalizationPlacement Placement, bool OutputToo)[] s_placements =
    [
        (BatchNormalizationPlacement.None, false),
        (BatchNormalizationPlacement.BeforeActivation, false),
        (BatchNormalizationPlacement.AfterActivation, false),
        (BatchNormalizationPlacement.LayerInput, false),
        (BatchNormalizationPlacement.LayerInput, true),
    ];

    public TestContext TestContext { get; set; } = null!;

    public static IEnumerable<object[]> Activations => Enum.GetNames<ActivationFunction>().Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(Activations))]
    public void Gradients_EveryPlacementAndLoss_AreCentralDifferences(string activation)
    {
        var comparison = new Comparison();
        foreach ((BatchNormalizationPlacement placement, bool outputToo) in s_placements)
        {
            foreach (Objective loss in KnownObjectives.All)
                Check(comparison, Definition(Enum.Parse<ActivationFunction>(activation), placement, outputToo), loss);
        }
        comparison.AssertAgrees(activation, TestContext);
    }

    [TestMethod]
    [DataRow(4, DisplayName = "4, 4 and 3 rows")]
    [DataRow(5, DisplayName = "5 rows and 6: a remainder of one row joins the batch before it")]
    [DataRow(2, DisplayName = "2, 2, 2, 2 and 3 rows")]
    [DataRow(11, DisplayName = "one batch, exactly")]
    [DataRow(16, DisplayName = "fewer rows than a virtual batch")]
    public void Gradients_VirtualBatches_AreCentralDifferences(int size)
    {
        var comparison = new Comparison();
        foreach ((BatchNormalizationPlacement placement, bool outputToo) in s_placements.Skip(1))
        {
            Check(
                comparison, Definition(ActivationFunction.Tanh, placement, outputToo, virtualBatchSize: size),
                KnownObjectives.SoftmaxCrossEntropy, size == 2 ? 3 : 1);
        }
        comparison.AssertAgrees($"virtual batches of {size}", TestContext);
    }

    [TestMethod]
    public void Gradients_DropoutWithAFixedMask_AreCentralDifferences()
    {
        var comparison = new Comparison();
        foreach ((BatchNormalizationPlacement placement, bool outputToo) in s_placements)
            Check(comparison, Definition(ActivationFunction.SiLU, placement, outputToo, dropout: 0.3), KnownObjectives.SquaredError);
        comparison.AssertAgrees("dropout", TestContext);
    }

    /// <summary>Several panels in every layer, and more rows than a kernel sums in one go: a dozen parameters of each array.</summary>
    [TestMethod]
    [DataRow(nameof(BatchNormalizationPlacement.None))]
    [DataRow(nameof(BatchNormalizationPlacement.BeforeActivation))]
    [DataRow(nameof(BatchNormalizationPlacement.AfterActivation))]
    [DataRow(nameof(BatchNormalizationPlacement.LayerInput))]
    public void Gradients_WideLayersAndManyRows_AreCentralDifferences(string placement)
    {
        var definition = new NetworkDefinition
        {
            Inputs = 35,
            HiddenUnits = [67, 33],
            Outputs = 19,
            Activation = ActivationFunction.Tanh,
            Placement = Enum.Parse<BatchNormalizationPlacement>(placement),
            NormalizeOutputLayerInput = true,
            Epsilon = 1e-3,
        };
        var comparison = new Comparison();
        Check(comparison, definition, KnownObjectives.SoftmaxCrossEntropy, rows: 150, sampled: 12);
        comparison.AssertAgrees(placement, TestContext);
    }

    /// <summary>Pieces that are added up as rows of a table: the reference reads them as columns.</summary>
    [TestMethod]
    [DataRow(nameof(BatchNormalizationPlacement.None), false)]
    [DataRow(nameof(BatchNormalizationPlacement.BeforeActivation), false)]
    [DataRow(nameof(BatchNormalizationPlacement.BeforeActivation), true)]
    [DataRow(nameof(BatchNormalizationPlacement.AfterActivation), true)]
    public void Gradients_OfATable_AreCentralDifferences(string placement, bool missing)
    {
        var comparison = new Comparison();
        InputEncoder encoder = WithPieces(missing);
        var definition = new NetworkDefinition
        {
            Inputs = encoder.EncodedInputs,
            HiddenUnits = [67, 7],
            Outputs = Outputs,
            Activation = ActivationFunction.Tanh,
            Placement = Enum.Parse<BatchNormalizationPlacement>(placement),
            Epsilon = 1e-3,
        };
        Check(comparison, definition, KnownObjectives.SoftmaxCrossEntropy, rows: 60, sampled: 150, encoder: encoder);
        comparison.AssertAgrees($"{placement} {missing}", TestContext);
    }

    /// <summary>
    /// Convolutions with uneven kernels, strides and padding, poolings that overlap, more and fewer channels than a panel has.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(BatchNormalizationPlacement.None), false, 0)]
    [DataRow(nameof(BatchNormalizationPlacement.BeforeActivation), false, 0)]
    [DataRow(nameof(BatchNormalizationPlacement.BeforeActivation), true, 3)]
    [DataRow(nameof(BatchNormalizationPlacement.AfterActivation), true, 0)]
    [DataRow(nameof(BatchNormalizationPlacement.LayerInput), false, 0)]
    [DataRow(nameof(BatchNormalizationPlacement.LayerInput), true, 4)]
    public void Gradients_OfConvolutions_AreCentralDifferences(string placement, bool averages, int virtualBatchSize)
    {
        var comparison = new Comparison();
        var first = new ConvolutionDefinition
        {
            Filters = 18, KernelHeight = 3, KernelWidth = 2, Top = 1, Bottom = 1, Left = 0, Right = 1,
            Pooling = new PoolingDefinition(TakesMaximum: true, 2, 3, 2, 2),
        };
        var second = new ConvolutionDefinition
        {
            Filters = 5, KernelHeight = 2, KernelWidth = 2, StrideY = 1, StrideX = 2, Left = 1, Right = 1,
            Pooling = new PoolingDefinition(TakesMaximum: false, 2, 2, 1, 1),
        };
        var picture = new MapShape(6, 7, 2);
        ConvolutionDefinition[][] stacks = [[second], [first, second with { Pooling = null }]];
        foreach (ConvolutionDefinition[] convolutions in stacks)
        {
            var definition = new NetworkDefinition
            {
                Inputs = (int)picture.Values,
                Picture = picture,
                Convolutions = convolutions,
                AveragesPixels = averages,
                HiddenUnits = averages ? [] : [7],
                Outputs = Outputs,
                // It does not saturate: numbers that are nearly equal would leave open which is the largest of a window.
                Activation = ActivationFunction.SiLU,
                Placement = Enum.Parse<BatchNormalizationPlacement>(placement),
                NormalizeOutputLayerInput = placement == nameof(BatchNormalizationPlacement.LayerInput),
                VirtualBatchSize = virtualBatchSize,
                Epsilon = 1e-3,
            };
            Check(comparison, definition, KnownObjectives.SoftmaxCrossEntropy, amplification: 2, rows: 5, sampled: 60);
        }
        comparison.AssertAgrees($"{placement} {averages}", TestContext);
    }

    /// <summary>
    /// Several targets that count for unlike much, about a third of which are missing; of one row all, of another all but one.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(KnownObjectives.SquaredError))]
    [DataRow(nameof(KnownObjectives.Huber))]
    [DataRow(nameof(KnownObjectives.BinaryCrossEntropy))]
    public void Gradients_OfSeveralTargets_AreCentralDifferences(string loss)
    {
        var comparison = new Comparison();
        foreach ((BatchNormalizationPlacement placement, bool outputToo) in s_placements)
        {
            Check(
                comparison, Definition(ActivationFunction.Tanh, placement, outputToo), KnownObjectives.Named(loss),
                targetWeights: [0.5f, 2, 0.75f]);
        }
        comparison.AssertAgrees(loss, TestContext);
    }

    /// <summary>The comparison can fail: a loss that is not the one trained on, or statistics over other rows, are noticed.</summary>
    [TestMethod]
    [DataRow("smoothing")]
    [DataRow("virtual batches")]
    [DataRow("dropout")]
    [DataRow("epsilon")]
    [DataRow("target weights")]
    public void Gradients_OfAnotherNetwork_AreNoticed(string wrong)
    {
        var comparison = new Comparison();
        NetworkDefinition definition = Definition(ActivationFunction.Tanh, BatchNormalizationPlacement.BeforeActivation, false, 4, 0.3);
        if (wrong == "target weights")
            Check(comparison, definition, KnownObjectives.SquaredError, wrong: wrong, targetWeights: [0.5f, 2, 0.75f]);
        else
            Check(comparison, definition, KnownObjectives.SoftmaxCrossEntropy, wrong: wrong);
        Assert.IsFalse(comparison.Agrees);
    }

    private static NetworkDefinition Definition(
        ActivationFunction activation, BatchNormalizationPlacement placement, bool outputToo, int virtualBatchSize = 0,
        double dropout = 0, double epsilon = 1e-3)
        => new()
        {
            Inputs = Inputs,
            HiddenUnits = [18, 7],                     // more than a panel, and less
            Outputs = Outputs,
            Activation = activation,
            Placement = placement,
            NormalizeOutputLayerInput = outputToo,
            VirtualBatchSize = virtualBatchSize,
            DropoutRate = dropout,
            Epsilon = epsilon,
        };

    /// <param name="amplification">
    /// How much more error than usual the shape lets through: two rows in a batch differ by little more than their rounding.
    /// </param>
    /// <param name="sampled">How many parameters of each array are compared, evenly spread; 0: all.</param>
    private static void Check(
        Comparison comparison, NetworkDefinition definition, Objective loss, double amplification = 1, string wrong = "", int rows = Rows,
        int sampled = 0, InputEncoder? encoder = null, float[]? targetWeights = null)
    {
        var settings = new TrainingSettings
        {
            Objective = loss.With(labelSmoothing: 0.1, delta: 0.7), Optimizer = new SgdOptimizer(), TargetWeights = targetWeights,
        };
        for (ulong seed = 1; seed < 1000; seed++)
        {
            double[][] raw = Generated.Rows(rows, encoder?.RawInputs ?? definition.Inputs, seed), x = raw;
            for (int r = 0; encoder is not null && r < rows; r++)
                raw[r][r % Inputs] = r % 3 == 0 ? double.NaN : raw[r][r % Inputs];
            if (encoder is not null)
                x = [.. raw.Select(row => Encoded(encoder, row))];
            double[][] y = Generated.Targets(loss, x, definition.Outputs, seed);
            for (int i = 0; targetWeights is not null && i < rows * definition.Outputs; i++)
            {
                (int row, int k) = (i / definition.Outputs, i % definition.Outputs);
                y[row][k] = row == 3 || (row == 4 && k != 1) || i % 7 is 1 or 4 ? double.NaN : y[row][k];
            }
            double[] w = Generated.Weights(rows, seed);
            NetworkParameters parameters = Generated.Network(definition, seed);
            var reference = new ReferenceNetwork(wrong == "" ? parameters : Other(parameters, wrong))
            {
                DropoutFactors = DropoutFactors(definition, wrong),
            };
            TrainingSettings referenceSettings = wrong switch
            {
                "smoothing" => new TrainingSettings { Objective = loss },
                "target weights" => settings with { TargetWeights = [1, 1, 1] },
                _ => settings,
            };
            double referenceLoss = reference.Loss(x, y, w, referenceSettings);
            if (reference.NearestKink < KinkDistance)
                continue;                              // the next seed's numbers are farther from every kink

            double[][] referenceOutputs = reference.Forward(x, training: true);
            (double computedLoss, double[][] outputs, Dictionary<string, double[]> gradients) = Train(
                parameters, Generated.Table(raw, y, w), settings, encoder);
            string what = $"{definition.Placement} {loss}";
            comparison.Relative($"{what} outputs", referenceOutputs, outputs, OutputTolerance * amplification);
            comparison.Elementwise($"{what} loss", [referenceLoss], [computedLoss], OutputTolerance * amplification, OutputTolerance);
            foreach ((string name, double[] gradient) in gradients)
            {
                // An odd stride passes through all lanes and panels.
                int stride = sampled == 0 ? 1 : Math.Max(1, gradient.Length / sampled) | 1;
                int[] chosen = [.. Enumerable.Range(0, gradient.Length).Where(i => i % stride == stride / 2)];
                double[] differences = Differences(reference, name, chosen, () => reference.Loss(x, y, w, referenceSettings));
                double scale = Math.Max(SmallestScale, gradient.Max(Math.Abs));
                comparison.Absolute(
                    $"{what} {name}", differences, [.. chosen.Select(i => gradient[i])], GradientTolerance * amplification * scale);
            }
            return;
        }
        Assert.Fail("No seed gives numbers that are far from every kink.");
    }

    /// <summary>
    /// Five slots of six pieces, between which most values lie; where they are missing, all are empty or have numbers of their own.
    /// </summary>
    private static InputEncoder WithPieces(bool missing) => new(Inputs,
    [
        new ScaleAndClip(new float[Inputs], [.. Enumerable.Repeat(0.25f, Inputs)], [.. Enumerable.Repeat(true, Inputs)], new float[Inputs]),
        new Pieces([.. Enumerable.Range(0, 6 * Inputs).Select(
            p => new InputPiece(p / 6, p % 6 * 1.5f - 5, 1 / 1.5f, missing ? 0.9f - 0.125f * (p % 6) : 0))]),
    ]);

    private static double[] Encoded(InputEncoder encoder, double[] raw)
    {
        float[] encoded = new float[encoder.EncodedInputs];
        encoder.Encode([.. raw.Select(value => (float)value)], encoded);
        return [.. encoded.Select(value => (double)value)];
    }

    private static double[] Differences(ReferenceNetwork reference, string name, int[] chosen, Func<double> loss)
    {
        double[] values = reference.Arrays[name];
        return [.. chosen.Select(i =>
        {
            double value = values[i];
            values[i] = value + Step;
            double above = loss();
            values[i] = value - Step;
            double below = loss();
            values[i] = value;
            return (above - below) / (2 * Step);
        })];
    }

    /// <summary>One step of the code that trains users' models, at a rate of 0, so that parameters stay what they are.</summary>
    private static (double Loss, double[][] Outputs, Dictionary<string, double[]> Gradients) Train(
        NetworkParameters parameters, TrainingTable table, TrainingSettings settings, InputEncoder? encoder)
    {
        var data = new EncodedRows(table, encoder);
        var network = new FeedForwardNetwork(parameters, table.Rows, data);
        Assert.AreEqual(encoder is not null, network.Operations.First() is TableLayer);
        using var team = new WorkerTeam(1);
        var step = new TrainingStep(settings, data, network, OptimizerState.Create(settings.Optimizer, network.Parameters), team);
        (double loss, double weight) = step.Run(0, table.Rows, learningRate: 0, DropoutKey);
        return (loss / weight, Panels.Rows(network.Output), NetworkState.Gradients(network, parameters));
    }

    /// <summary>
    /// The mask is the kernel's own, taken from what it makes of ones: which units it drops is
    /// its choice, what that does to gradients is not.
    /// </summary>
    private static double[][][]? DropoutFactors(NetworkDefinition definition, string wrong)
    {
        if (definition.DropoutRate == 0)
            return null;
        var factors = new double[definition.HiddenUnits.Length][][];
        for (int layer = 0; layer < factors.Length; layer++)
        {
            var ones = new PanelMatrix(Rows, definition.HiddenUnits[layer]);
            ones.Span.Fill(1);
            ulong key = RandomStream.Mix(DropoutKey + (ulong)layer + (wrong == "dropout" ? 1ul : 0));
            for (int panel = 0; panel < ones.Panels; panel++)
                Dropout.Apply(ones.Rows(panel, 0, Rows), Rows, key, panel, (float)definition.DropoutRate);
            factors[layer] = Panels.Rows(ones);
        }
        return factors;
    }

    private static NetworkParameters Other(NetworkParameters parameters, string wrong)
    {
        NetworkDefinition from = parameters.Definition;
        var other = new NetworkParameters(Definition(
            from.Activation, from.Placement, from.NormalizeOutputLayerInput, wrong == "virtual batches" ? 0 : from.VirtualBatchSize,
            from.DropoutRate, wrong == "epsilon" ? 1e-5 : from.Epsilon));
        other.CopyFrom(parameters);
        return other;
    }
}
