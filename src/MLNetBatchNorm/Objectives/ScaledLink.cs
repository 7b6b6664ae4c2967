using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Objectives;

/// <summary>The outputs are scaled labels: the scores are in the label's own units.</summary>
/// <param name="scale">What labels were scaled with.</param>
internal sealed class ScaledLink(TargetScale scale) : OutputLink
{
    /// <summary>Predictions lie within a few deviations of the labels' mean; beyond so many they are nonsense in any case.</summary>
    private const double FarthestOutput = 1e6;

    public override double? Slope => scale.Deviation;

    public override void Apply(PanelMatrix outputs, int rows, Span<float> scores)
    {
        foreach (ref float score in Unpack(outputs, rows, scores))
            score = scale.Restore(score);
    }

    /// <summary>In double precision as well: a float cannot hold the mean of labels that are far from zero.</summary>
    public override void AddTo(OnnxGraph graph, string outputs, string scores) => AddTo(graph, [scale], outputs, scores);

    /// <summary>The nodes for outputs that have a scale each, or all the same.</summary>
    internal static void AddTo(OnnxGraph graph, IReadOnlyList<TargetScale> scales, string outputs, string scores)
    {
        string wide = graph.Node("Cast", "output.double", [outputs], new OnnxAttribute("to", OnnxGraph.DoubleType));
        string scaled = graph.Node("Mul", "output.scaled", [wide, graph.Doubles("output.deviation", [.. scales.Select(s => s.Deviation)])]);
        string moved = graph.Node("Add", "output.moved", [scaled, graph.Doubles("output.mean", [.. scales.Select(s => s.Mean)])]);
        if (scales.Any(CanOverflow))
        {
            string below = graph.Node("Min", "output.above", [moved, graph.Doubles("output.high", float.MaxValue)]);
            moved = graph.Node("Max", "output.bounded", [below, graph.Doubles("output.low", -float.MaxValue)]);
        }

        graph.NodeTo(scores, "Cast", [moved], new OnnxAttribute("to", OnnxGraph.FloatType));
    }

    /// <summary>Whether outputs that are far from their usual range make more than a float can hold; nearly never.</summary>
    private static bool CanOverflow(TargetScale scale) => Math.Abs(scale.Mean) + FarthestOutput * scale.Deviation > float.MaxValue;
}
