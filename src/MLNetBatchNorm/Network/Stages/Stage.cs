using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>What computes the nodes of a <see cref="PlanStage"/>: a worker goes through its own share of them without waiting.</summary>
internal abstract class Stage
{
    /// <summary>What it writes, its last operation's output.</summary>
    public abstract PanelMatrix Output { get; }

    /// <summary>All trained arrays.</summary>
    public abstract IEnumerable<ParameterBlock> Parameters { get; }

    /// <summary>What computes the nodes, in order.</summary>
    public abstract IEnumerable<object> Operations { get; }

    /// <summary>All matrices that it writes.</summary>
    public abstract IEnumerable<PanelMatrix> Matrices { get; }

    /// <summary>Memory that its operations have beside matrices.</summary>
    public virtual long ScratchBytes => 0;

    /// <summary>
    /// Gives memory to the gradients that cannot take the place of others. A gradient is dead when the one below it is done: it is asked
    /// for by the matrix that it belongs to, from the last one on.
    /// </summary>
    /// <param name="below">The stage that writes what this one reads; null where that is the network's input.</param>
    /// <param name="gradientOf">Memory for the gradient of a matrix.</param>
    public abstract void AssignGradients(Stage? below, Func<PanelMatrix, PanelMatrix> gradientOf);

    /// <summary>Computes the worker's own share of the output.</summary>
    public abstract void Forward(int rows, Worker worker);

    /// <summary>
    /// Computes the gradients of the parameters and hands them on, and the gradient of what the stage reads. The worker's own share of
    /// <paramref name="gradient"/>, <see cref="OutputPanels"/>, is there; of the result what <see cref="OutputPanels"/> of the stage
    /// below is will be.
    /// </summary>
    /// <returns>The gradient of what it reads; null for the first stage.</returns>
    public abstract PanelMatrix? Backward(PanelMatrix gradient, int rows, Worker worker, WorkerTeam team, IGradientConsumer consumer);

    /// <summary>The panels of <see cref="Output"/> whose gradient a worker must find when <see cref="Backward"/> begins.</summary>
    public abstract (int First, int End) OutputPanels(Worker worker);

    /// <summary>Brings what <see cref="Backward"/> reads of the parameters up to date, for the worker's own part.</summary>
    public abstract void Refresh(Worker worker);
}
