using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// Walks the nodes of a network and makes those that are affine maps of each column, such as batch normalization with frozen
/// statistics, a part of a linear map beside them.
/// </summary>
/// <remarks>
/// <c>y = s x + t</c> (<see cref="Node.Affine"/>) behind the linear map: <c>W' = diag(s) W, b' = s b + t</c>; in
/// front of it: <c>W' = W diag(s), b' = b + W t</c>. In double precision, rounded once at the end, so that
/// folding costs no accuracy that float32 could show.
/// </remarks>
internal static class Folding
{
    /// <summary>What is left of a network when it predicts.</summary>
    /// <param name="network">The network.</param>
    /// <param name="sharesFirstLayer">
    /// Whether the first linear map stays as it is, over its own memory; see <see cref="FoldedNetwork.SharesFirstLayer"/>.
    /// </param>
    /// <param name="keepsCompact">Whether a folded map takes no more memory than it needs.</param>
    /// <param name="form">How the first linear map reads its input; null: all columns.</param>
    public static FoldedOperation[] Fold(
        NetworkParameters network, bool sharesFirstLayer, Func<LinearNode, bool> keepsCompact, EncodedForm? form)
    {
        Node[] nodes = [.. network.Definition.Plan.Nodes.Where(node => !node.IsIdentityInPrediction)];
        var operations = new List<FoldedOperation>();
        var left = new List<ColumnNode>();             // nodes behind the last map that nothing has taken up
        for (int i = 0; i < nodes.Length; i++)
        {
            if (nodes[i] is not IMapNode map)
            {
                left.Add((ColumnNode)nodes[i]);
                continue;
            }
            var linear = nodes[i] as LinearNode;
            bool shares = sharesFirstLayer && linear is { Layer: 0 };
            Node? before = !shares && map.TakesAffineInFront && left.Count > 0 && left[^1].IsAffineInPrediction ? left[^1] : null;
            Freeze(before is null ? left : left[..^1], network, operations);
            left.Clear();
            bool takesNext = !shares && map.TakesAffineBehind && i + 1 < nodes.Length && nodes[i + 1].IsAffineInPrediction;
            Node? behind = takesNext ? nodes[++i] : null;
            operations.Add(
                shares ? form is null ? linear!.Share(network) : linear!.ShareTable(network, form)
                : form is not null && linear is { Layer: 0 } ? linear.FoldTable(network, behind, form)
                : map.Fold(network, before, behind, linear is not null && keepsCompact(linear)));
        }
        Freeze(left, network, operations);
        return [.. operations];
    }

    /// <summary>
    /// Writes the linear map with the affine maps in front of it and behind it folded in; either may be null.
    /// <paramref name="folded"/> has a bias; <paramref name="linear"/> may have none, and may have more inputs: then the first are taken.
    /// </summary>
    public static void Fold(
        LinearParameters linear, (double[] Scale, double[] Shift)? input, (double[] Scale, double[] Shift)? output, LinearParameters folded)
    {
        Span<float> bias = folded.Bias!.Span;
        if (input is null && linear.Lanes == PanelLayout.Width && folded.Lanes == PanelLayout.Width)
        {
            FoldPanels(linear, output, folded);
            return;
        }
        for (int o = 0; o < linear.Outputs; o++)
        {
            double outputScale = output?.Scale[o] ?? 1;
            double sum = linear.Bias is null ? 0 : linear.Bias.Span[o];
            ReadOnlySpan<float> weights = linear.Weights.Span[linear.WeightIndex(o, 0)..];
            Span<float> foldedWeights = folded.Weights.Span[folded.WeightIndex(o, 0)..];
            for (int i = 0; i < folded.Inputs; i++)
            {
                double weight = weights[i * linear.Lanes];
                if (input is { } affine)
                {
                    sum += weight * affine.Shift[i];
                    weight *= affine.Scale[i];
                }
                foldedWeights[i * folded.Lanes] = (float)(weight * outputScale);
            }
            bias[o] = (float)(sum * outputScale + (output?.Shift[o] ?? 0));
        }
    }

    /// <summary>What is behind a map, for the outputs of a panel; lanes without an output are multiplied by 1, and stay 0.</summary>
    public static void ScalesOf(double[]? scales, int outputs, int panel, Span<double> ofLanes)
    {
        ofLanes.Fill(1);
        int first = panel * PanelLayout.Width;
        scales?.AsSpan(first, Math.Min(PanelLayout.Width, outputs - first)).CopyTo(ofLanes);
    }

    /// <summary>The same bits with nothing in front of the map, 16 outputs at a time.</summary>
    private static void FoldPanels(LinearParameters linear, (double[] Scale, double[] Shift)? output, LinearParameters folded)
    {
        Span<double> scales = stackalloc double[PanelLayout.Width];
        int length = folded.Inputs * PanelLayout.Width;
        for (int panel = 0; panel < PanelLayout.PanelCount(linear.Outputs); panel++)
        {
            ScalesOf(output?.Scale, linear.Outputs, panel, scales);
            ScaledLines.Scale(
                linear.Weights.Span.Slice(panel * linear.Inputs * PanelLayout.Width, length), scales,
                folded.Weights.Span.Slice(panel * length, length));
        }
        for (int o = 0; o < linear.Outputs; o++)
            folded.Bias!.Span[o] = (float)((linear.Bias?.Span[o] ?? 0.0) * (output?.Scale[o] ?? 1) + (output?.Shift[o] ?? 0));
    }

    private static void Freeze(IEnumerable<ColumnNode> nodes, NetworkParameters network, List<FoldedOperation> operations)
    {
        foreach (Node node in Plan.Fuse(nodes))
            operations.Add(((ColumnNode)node).Freeze(network[node]));
    }
}
