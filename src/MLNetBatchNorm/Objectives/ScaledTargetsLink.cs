using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Objectives;

/// <summary>The outputs are scaled labels of several targets: the score of each is in its own units.</summary>
/// <param name="scales">What the targets were scaled with, one for each output.</param>
internal sealed class ScaledTargetsLink(TargetScales scales) : OutputLink
{
    public override void Apply(PanelMatrix outputs, int rows, Span<float> scores)
    {
        Span<float> used = Unpack(outputs, rows, scores);
        for (int i = 0; i < used.Length;)
        {
            for (int target = 0; target < scales.Count; target++, i++)
                used[i] = scales[target].Restore(used[i]);
        }
    }

    /// <summary>In double precision as well: a float cannot hold the mean of labels that are far from zero.</summary>
    public override void AddTo(OnnxGraph graph, string outputs, string scores) => ScaledLink.AddTo(graph, scales, outputs, scores);
}
