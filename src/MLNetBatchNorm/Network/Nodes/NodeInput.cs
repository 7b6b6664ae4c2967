namespace MLNetBatchNorm.Network;

/// <summary>What a node reads. The first node of a network may take forms that the others never see; it makes what computes it from the form it is given.</summary>
internal abstract class NodeInput;
