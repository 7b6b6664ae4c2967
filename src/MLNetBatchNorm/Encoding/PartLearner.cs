namespace MLNetBatchNorm.Encoding;

/// <summary>Learns one <see cref="EncodingPart"/> from the training rows, slot by slot.</summary>
internal abstract class PartLearner
{
    /// <summary>Takes what is known of the next slot; every slot comes once, in order.</summary>
    public abstract void Take(in SlotSample slot);

    /// <summary>The part; null where no slot needs it.</summary>
    public abstract EncodingPart? Create();
}
