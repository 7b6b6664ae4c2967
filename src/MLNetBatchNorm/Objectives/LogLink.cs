using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Objectives;

/// <summary>The outputs are logarithms of scaled labels: the scores are in the label's own units, and never negative.</summary>
/// <remarks>
/// Networks are averaged as means, not as logarithms: the mean of logarithms is the geometric mean, which is below, so that predicted
/// totals would be too small.
/// </remarks>
/// <param name="scale">What labels were scaled with.</param>
internal sealed class LogLink(TargetScale scale) : OutputLink
{
    private readonly ScaledLink _scaled = new(scale);

    private static readonly LogLink s_unscaled = new(new TargetScale(0, 1));

    /// <summary>Of the mean of the networks' predictions.</summary>
    public override double? Slope => scale.Deviation;

    public override OutputLink Unscaled => s_unscaled;

    public override void BeforeMean(PanelMatrix outputs) => Exponential.Apply(outputs.Span);

    public override void Apply(PanelMatrix outputs, int rows, Span<float> scores) => _scaled.Apply(outputs, rows, scores);

    public override string AddBeforeMean(OnnxGraph graph, string outputs)
    {
        string bounded = graph.Bounds("output.bounded", outputs, -Exponential.Largest, Exponential.Largest);
        return graph.Node("Exp", "output.exponential", [bounded]);
    }

    public override void AddTo(OnnxGraph graph, string outputs, string scores) => _scaled.AddTo(graph, outputs, scores);
}
