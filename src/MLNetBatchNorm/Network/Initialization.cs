namespace MLNetBatchNorm.Network;

/// <summary>Initial weights.</summary>
internal static class Initialization
{
    /// <summary>Fresh parameters: every node draws its own from the seed.</summary>
    public static NetworkParameters Create(NetworkDefinition definition, ulong seed)
    {
        var parameters = new NetworkParameters(definition);
        foreach (Node node in definition.Plan.Nodes)
            node.Initialize(parameters[node], seed);
        return parameters;
    }
}
