using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A <see cref="ColumnOperation"/> whose output has another shape than its input.</summary>
internal interface IReshapingOperation
{
    /// <summary>Where the gradient with respect to <see cref="ColumnOperation.Input"/> goes.</summary>
    PanelMatrix? InputGradient { get; set; }
}
