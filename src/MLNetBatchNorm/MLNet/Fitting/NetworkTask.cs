using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>What a trainer asks of one call of <c>Fit</c>, beside its options.</summary>
internal sealed class NetworkTask
{
    /// <summary>What a label means.</summary>
    public required LabelKind LabelKind { get; init; }

    /// <summary>Number of outputs of the network.</summary>
    public required int Outputs { get; init; }

    /// <summary>Number of classes; 1 where a label is a number.</summary>
    public int Classes => LabelKind switch { LabelKind.Binary => 2, LabelKind.Class => Outputs, _ => 1 };

    /// <summary>What is minimized.</summary>
    public required LossFunction Loss { get; init; }

    /// <summary>Part of the target spread over all classes.</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>Where Huber's loss turns straight, in standard deviations of the label.</summary>
    public double HuberDelta { get; init; } = 1;
}
