using System.Numerics.Tensors;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Objectives;

/// <summary>What makes scores of a network's outputs.</summary>
internal abstract class OutputLink
{
    /// <summary>The outputs are the scores.</summary>
    public static readonly OutputLink Identity = new IdentityLink();

    /// <summary>Each output is the logit of a probability.</summary>
    public static readonly OutputLink Sigmoid = new SigmoidLink();

    /// <summary>The outputs of a row are logits of probabilities that add up to 1.</summary>
    public static readonly OutputLink Softmax = new SoftmaxLink();

    private protected OutputLink()
    {
    }

    /// <summary>By how much a score rises with its output, where that is the same everywhere; else null.</summary>
    public virtual double? Slope => null;

    /// <summary>What makes the mean over networks of outputs, of which <see cref="Apply"/> makes scores, a score itself.</summary>
    public virtual OutputLink Unscaled => Identity;

    /// <summary>
    /// What is done, in place, to the outputs of each network before the networks of an ensemble are averaged; mostly nothing.
    /// </summary>
    public virtual void BeforeMean(PanelMatrix outputs)
    {
    }

    /// <summary>
    /// Makes scores, [rows, outputs] row-major, of the outputs of the first rows of a block; the same bits for one row as for many.
    /// </summary>
    public abstract void Apply(PanelMatrix outputs, int rows, Span<float> scores);

    /// <summary>Adds the nodes of ONNX that do what <see cref="BeforeMean"/> does, and returns the name of what they give.</summary>
    public virtual string AddBeforeMean(OnnxGraph graph, string outputs) => outputs;

    /// <summary>Adds the nodes of ONNX that do what <see cref="Apply"/> does.</summary>
    public abstract void AddTo(OnnxGraph graph, string outputs, string scores);

    private protected static Span<float> Unpack(PanelMatrix outputs, int rows, Span<float> scores)
    {
        if (outputs.RowCapacity == 1)                  // panels of one row are a plain vector
            outputs.Span[..outputs.Columns].CopyTo(scores);
        else
            PanelLayout.Unpack(outputs.Span, outputs.RowCapacity, rows, outputs.Columns, scores);
        return scores[..(rows * outputs.Columns)];
    }

    private sealed class IdentityLink : OutputLink
    {
        public override double? Slope => 1;

        public override void Apply(PanelMatrix outputs, int rows, Span<float> scores)
        {
            Span<float> used = Unpack(outputs, rows, scores);
            // Terms that are zero are left out where that saves time; all they could have changed is the
            // sign of a sum that is zero, and -0 + 0 is +0.
            TensorPrimitives.Add(used, 0f, used);
        }

        public override void AddTo(OnnxGraph graph, string outputs, string scores) => graph.NodeTo(scores, "Identity", [outputs]);
    }

    private sealed class SigmoidLink : OutputLink
    {
        public override void Apply(PanelMatrix outputs, int rows, Span<float> scores) =>
            Losses.Sigmoid(outputs.Span, outputs.RowCapacity, outputs.Columns, scores, 0, rows);

        public override void AddTo(OnnxGraph graph, string outputs, string scores) => graph.NodeTo(scores, "Sigmoid", [outputs]);
    }

    private sealed class SoftmaxLink : OutputLink
    {
        public override void Apply(PanelMatrix outputs, int rows, Span<float> scores) =>
            Losses.Softmax(outputs.Span, outputs.RowCapacity, outputs.Columns, scores, 0, rows);

        public override void AddTo(OnnxGraph graph, string outputs, string scores) =>
            graph.NodeTo(scores, "Softmax", [outputs], new OnnxAttribute("axis", 1L));
    }
}
