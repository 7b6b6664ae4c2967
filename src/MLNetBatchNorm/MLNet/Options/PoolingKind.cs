using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>What a convolutional layer keeps of each window of its output.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PoolingKind>))]
public enum PoolingKind
{
    /// <summary>Everything: no pooling.</summary>
    None,

    /// <summary>The largest number of a window; its gradient goes to the first of the largest.</summary>
    Maximum,

    /// <summary>The mean of a window.</summary>
    Average,
}
