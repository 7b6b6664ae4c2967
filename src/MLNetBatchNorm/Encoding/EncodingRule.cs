using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Encoding;

/// <summary>How features are to be encoded, whatever rows this is learned from.</summary>
/// <param name="Categorical">Slots that are known to be indicators; empty: none.</param>
/// <param name="Scales">Whether slots may be scaled; if not, all pass unchanged.</param>
/// <param name="Pieces">Into how many pieces numeric slots are cut.</param>
internal sealed record EncodingRule(bool[] Categorical, bool Scales, PieceRule Pieces)
{
    /// <summary>Learns from rows.</summary>
    public InputEncoder Learn(RowStore rows)
    {
        SlotKind[] kinds = SlotKinds.Of(rows.Slots, Categorical, Scales, projects: true);
        return EncoderLearning.Learn(rows, kinds, Pieces.Of(SlotKinds.CountNumeric(kinds, rows.Slots)));
    }
}
