using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Pooling or flattening in prediction: what training does, over the rows of a block.</summary>
internal sealed class FoldedReshaping(ReshapingNode node) : FoldedMap(node, null)
{
    public override void Apply(NodeInput input, int rows, MapOutput output)
    {
        PanelMatrix values = ((PanelInput)input).Values;
        // A layer is two references and its sizes; it is made once for each memory that is scored with.
        ReshapingOperation operation = output.Reshaping is { } known && known.Input == values
            ? known
            : output.Reshaping = node.CreateOperation(values, output.Values);
        operation.Forward(rows * values.Positions, 0, values.Panels);
    }
}
