using System.Text.Json;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Tests.Fixtures;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>Poolings by themselves, forward and backward, against PyTorch.</summary>
[TestClass]
public sealed class PoolingTests
{
    private const string Kind = "pool2d";

    public TestContext TestContext { get; set; } = null!;

    public static IEnumerable<object[]> Files => FixtureFile.NamesOfKind(Kind);

    [TestMethod]
    [DynamicData(nameof(Files))]
    public void Layer_ForwardAndBackward_AgreeWithPyTorch(string name) =>
        Compare(FixtureFile.Read(name), wrong: "").AssertAgrees(name, TestContext);

    [TestMethod]
    [DataRow("the last of equal numbers")]
    [DataRow("mean for maximum")]
    [DataRow("maximum for mean")]
    public void Layer_OneConventionWrong_IsNoticed(string wrong) =>
        NegativeControl.MustBeNoticed(Kind, wrong, file => Compare(file, wrong));

    private static Comparison Compare(FixtureFile file, string wrong)
    {
        var comparison = new Comparison();
        int number = 0;
        foreach (JsonElement @case in file["cases"].EnumerateArray())
        {
            (double[] y, double[] dx, PanelMatrix x) = Run(@case, wrong);
            JsonElement expected = @case.GetProperty("expected");
            bool takesMaximum = @case.GetProperty("pool").GetString() == "max";
            // What a maximum is, and where it was, is exact.
            comparison.Relative($"{number} Y", expected.GetProperty("Y").Flat(), y, takesMaximum ? 1e-12 : 1e-5);
            comparison.Relative($"{number} dX", expected.GetProperty("dX").Flat(), dx, 1e-5);
            if (takesMaximum)
                CompareArgMax(comparison, $"{number} argmax", @case, expected.GetProperty("argmax_row_major").Flat(), x);
            number++;
        }
        return comparison;
    }

    private static (double[] Y, double[] InputGradient, PanelMatrix X) Run(JsonElement @case, string wrong)
    {
        int channels = @case.GetProperty("C").GetInt32();
        var map = new MapShape(@case.GetProperty("height").GetInt32(), @case.GetProperty("width").GetInt32(), channels);
        double[][] values = [.. @case.GetProperty("X").EnumerateArray().Select(FixtureElements.Flat)];
        if (wrong == "the last of equal numbers")
            values = [.. values.Select(Turned)];
        PanelMatrix x = Panels.OfMap(values, channels);
        ReshapingNode node = Node(@case, map, wrong);
        var layer = (ReshapingOperation)((ColumnNode)node).CreateOperation(null, x);
        layer.InputGradient = new PanelMatrix(x.RowCapacity, channels) { Positions = map.Pixels };
        // What was there before is no part of the result.
        layer.InputGradient.Span.Fill(float.NaN);
        double[][] d = [.. @case.GetProperty("dY").EnumerateArray().Select(FixtureElements.Flat)];
        if (wrong == "the last of equal numbers")
            d = [.. d.Select(Turned)];
        layer.Forward(x.RowCapacity, 0, x.Panels);
        PanelMatrix gradient = layer.Backward(Panels.OfMap(d, channels), x.RowCapacity, 0, x.Panels);
        double[][] y = Panels.Rows(layer.Output), dx = Panels.Rows(gradient);
        if (wrong == "the last of equal numbers")
            (y, dx) = ([.. y.Select(Turned)], [.. dx.Select(Turned)]);
        return ([.. y.SelectMany(r => r)], [.. dx.SelectMany(r => r)], x);

        // Upside down and the wrong way round, so that the first of equal numbers is the last.
        double[] Turned(double[] picture) => [.. picture.Chunk(picture.Length / channels).SelectMany(channel => channel.Reverse())];
    }

    private static ReshapingNode Node(JsonElement @case, MapShape map, string wrong)
    {
        string pool = @case.GetProperty("pool").GetString()!;
        if (pool == "global_average")
            return new MeanNode(0, 0, map);
        int[] Pair(string name) => [.. @case.GetProperty(name).Vector().Select(v => (int)v)];
        int[] kernel = Pair("kernel"), stride = Pair("stride"), padding = Pair("padding");
        bool takesMaximum = (pool == "max" || wrong == "maximum for mean") && wrong != "mean for maximum";
        return new PoolingNode(
            0, 0, map, new PoolingDefinition(takesMaximum, kernel[0], kernel[1], stride[0], stride[1], padding[0], padding[1]));
    }

    /// <summary>Which pixel gets a window's gradient, by the gradient of that window alone.</summary>
    private static void CompareArgMax(Comparison comparison, string what, JsonElement @case, double[] expected, PanelMatrix x)
    {
        int channels = x.Columns, pixels = x.Positions, pictures = x.RowCapacity / pixels;
        var map = new MapShape(@case.GetProperty("height").GetInt32(), @case.GetProperty("width").GetInt32(), channels);
        var node = (PoolingNode)Node(@case, map, wrong: "");
        var layer = (PoolingLayer)((ColumnNode)node).CreateOperation(null, x);
        layer.InputGradient = new PanelMatrix(x.RowCapacity, channels) { Positions = pixels };
        layer.Forward(x.RowCapacity, 0, x.Panels);
        int windows = node.Grid.Positions;
        var actual = new double[expected.Length];
        for (int window = 0; window < windows; window++)
        {
            double[] one = [.. Enumerable.Range(0, channels * windows).Select(i => i % windows == window ? 1.0 : 0)];
            PanelMatrix gradient = Panels.OfMap([.. Enumerable.Repeat(one, pictures)], channels);
            double[][] dx = Panels.Rows(layer.Backward(gradient, x.RowCapacity, 0, x.Panels));
            for (int n = 0; n < pictures; n++)
            {
                for (int c = 0; c < channels; c++)
                    actual[(n * channels + c) * windows + window] = Array.IndexOf(dx[n], 1.0, c * pixels, pixels) - c * pixels;
            }
        }
        comparison.Absolute(what, expected, actual, 0);
    }
}
