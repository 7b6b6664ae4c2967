namespace MLNetBatchNorm.Network;

/// <summary>Nodes that a worker goes through without waiting for others.</summary>
/// <param name="Nodes">The nodes; only the first one may have <see cref="NodeScope.All"/>.</param>
/// <param name="Split">How workers share them: by columns or by rows.</param>
internal sealed record PlanStage(IReadOnlyList<Node> Nodes, NodeScope Split);
