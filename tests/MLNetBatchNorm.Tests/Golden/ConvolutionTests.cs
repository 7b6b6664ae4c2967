using System.Text.Json;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Tests.Fixtures;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>A convolution by itself, forward and backward, against PyTorch.</summary>
[TestClass]
public sealed class ConvolutionTests
{
    private const string Kind = "conv2d_forward_backward";

    public TestContext TestContext { get; set; } = null!;

    public static IEnumerable<object[]> Files => FixtureFile.NamesOfKind(Kind);

    /// <summary>1e-5 of the largest entry; sums of the files of many channels are exact, which leaves 1e-6.</summary>
    [TestMethod]
    [DynamicData(nameof(Files))]
    public void Layer_ForwardAndBackward_AgreeWithPyTorch(string name)
    {
        FixtureFile file = FixtureFile.Read(name);
        double tolerance = name.Contains("many_channels", StringComparison.Ordinal) ? 1e-6 : 1e-5;
        foreach (int threads in new[] { 1, 3 })
            Compare(file, new Convention(Threads: threads), tolerance).AssertAgrees($"{name}, {threads} threads", TestContext);
    }

    /// <summary>The first layer's own input, planar and interleaved, is read to the same bits as a map.</summary>
    [TestMethod]
    [DynamicData(nameof(Files))]
    public void Layer_RowsOfPixels_SameBitsAsAMap(string name)
    {
        FixtureFile file = FixtureFile.Read(name);
        foreach (JsonElement @case in file["cases"].EnumerateArray())
        {
            double[] map = [.. Outcome.Of(@case, new Convention()).Y.SelectMany(r => r)];
            foreach (PixelOrder order in Enum.GetValues<PixelOrder>())
                CollectionAssert.AreEqual(map, Outcome.Of(@case, new Convention { Rows = order }).Y.SelectMany(r => r).ToArray());
        }
    }

    [TestMethod]
    [DataRow(nameof(Convention.TurnsKernel))]
    [DataRow(nameof(Convention.SwapsPadding))]
    [DataRow(nameof(Convention.SwapsChannels))]
    public void Layer_OneConventionWrong_IsNoticed(string wrong) => NegativeControl.MustBeNoticed(Kind, wrong, file => Compare(
        file, new Convention
        {
            TurnsKernel = wrong == nameof(Convention.TurnsKernel),
            SwapsPadding = wrong == nameof(Convention.SwapsPadding),
            SwapsChannels = wrong == nameof(Convention.SwapsChannels),
        },
        1e-5));

    private static Comparison Compare(FixtureFile file, Convention convention, double tolerance)
    {
        var comparison = new Comparison();
        int number = 0;
        foreach (JsonElement @case in file["cases"].EnumerateArray())
        {
            Outcome outcome = Outcome.Of(@case, convention);
            JsonElement expected = @case.GetProperty("expected");
            comparison.Relative($"{number} Y", expected.GetProperty("Y").Flat(), [.. outcome.Y.SelectMany(r => r)], tolerance);
            comparison.Relative(
                $"{number} dX", expected.GetProperty("dX").Flat(), [.. outcome.InputGradient.SelectMany(r => r)], tolerance);
            comparison.Relative($"{number} dW", expected.GetProperty("dW").Flat(), outcome.WeightGradient, tolerance);
            if (expected.TryGetProperty("dB", out JsonElement bias))
                comparison.Relative($"{number} dB", bias.Flat(), outcome.BiasGradient, tolerance);
            number++;
        }
        return comparison;
    }

    /// <summary>How a convolution may be got wrong, and in which form it is given its pictures.</summary>
    private sealed record Convention(int Threads = 1)
    {
        public bool TurnsKernel { get; init; }

        public bool SwapsPadding { get; init; }

        public bool SwapsChannels { get; init; }

        /// <summary>Null: a map.</summary>
        public PixelOrder? Rows { get; init; }
    }

    private sealed record Outcome(double[][] Y, double[][] InputGradient, double[] WeightGradient, double[] BiasGradient)
    {
        public static Outcome Of(JsonElement @case, Convention convention)
        {
            int Number(string name) => @case.GetProperty(name).GetInt32();
            int[] Numbers(string name) => [.. @case.GetProperty(name).Vector().Select(v => (int)v)];
            var map = new MapShape(Number("height"), Number("width"), Number("in_channels"));
            int[] kernel = Numbers("kernel"), stride = Numbers("stride"), padding = Numbers("padding_top_bottom_left_right");
            if (convention.SwapsPadding)
                padding = [padding[1], padding[0], padding[3], padding[2]];
            bool hasBias = @case.GetProperty("bias").GetBoolean();
            var node = new ConvolutionNode(
                0, 0, map,
                new ConvolutionDefinition
                {
                    Filters = Number("out_channels"), KernelHeight = kernel[0], KernelWidth = kernel[1], StrideY = stride[0],
                    StrideX = stride[1], Top = padding[0], Bottom = padding[1], Left = padding[2], Right = padding[3],
                },
                hasBias, squaredGain: 1);
            var parameters = (ConvolutionParameters)node.CreateParameters(compact: false);
            double[] weights = @case.GetProperty("W").Flat();
            if (convention.TurnsKernel)
                weights = [.. weights.Chunk(kernel[0] * kernel[1]).SelectMany(k => k.Reverse())];
            if (convention.SwapsChannels)
            {
                weights = [.. weights.Chunk(kernel[0] * kernel[1] * map.Channels)
                    .SelectMany(filter => filter.Chunk(kernel[0] * kernel[1]).Reverse()).SelectMany(k => k)];
            }
            NetworkState.Write(weights, "weight", parameters);
            if (hasBias)
                NetworkState.Write(@case.GetProperty("B").Flat(), "bias", parameters);

            double[][] x = [.. @case.GetProperty("X").EnumerateArray().Select(FixtureElements.Flat)];
            RowOperation layer = node.CreateOperation(Input(x, map, convention.Rows), parameters, x.Length, passesGradient: true);
            PanelMatrix gradient = Panels.OfMap([.. @case.GetProperty("dY").EnumerateArray().Select(FixtureElements.Flat)], node.Outputs);
            var inputGradient = new PanelMatrix(x.Length * map.Pixels, map.Channels) { Positions = map.Pixels };
            using var team = new WorkerTeam(convention.Threads);
            team.Run(worker =>
            {
                layer.Refresh(worker);
                (int first, int end) = RowChunks.Share(x.Length, worker);
                layer.Forward(first, end, worker);
                team.Barrier();
                layer.Backward(gradient, inputGradient, x.Length, worker);
                team.Barrier();
                layer.FinishGradients(x.Length, worker, NoConsumer.Instance);
            });
            return new Outcome(
                Panels.Rows(layer.Output), Panels.Rows(inputGradient), NetworkState.Weights(layer.Parameters[0].Gradient, parameters),
                hasBias ? Panels.Vector(layer.Parameters[1].Gradient, node.Outputs) : []);
        }

        private static NodeInput Input(double[][] x, MapShape map, PixelOrder? rows)
        {
            if (rows is not { } order)
                return new PanelInput(Panels.OfMap(x, map.Channels));
            var pictures = new PictureInput(map, order, x.Length);
            for (int n = 0; n < x.Length; n++)
            {
                for (int i = 0; i < x[n].Length; i++)
                {
                    int at = order == PixelOrder.Planar ? i : i % map.Pixels * map.Channels + i / map.Pixels;
                    pictures.Row(n)[at] = (float)x[n][i];
                }
            }
            return pictures;
        }
    }

    private sealed class NoConsumer : IGradientConsumer
    {
        public static NoConsumer Instance { get; } = new();

        public void Consume(ParameterBlock block, int start, ReadOnlySpan<float> gradient)
        {
        }
    }
}
