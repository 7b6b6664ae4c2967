using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>Where a network applies batch normalization, relative to the linear map and the activation of each hidden layer.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<BatchNormalizationPlacement>))]
public enum BatchNormalizationPlacement
{
    /// <summary>No batch normalization: <c>linear (with bias) -> activation</c>. For comparison.</summary>
    None,

    /// <summary>
    /// Placement A, the default: <c>linear (without bias) -> normalization -> activation</c>, as in Ioffe and Szegedy 2015, section 3.2.
    /// The linear map has no bias because the normalization subtracts it again; beta takes its place.
    /// </summary>
    BeforeActivation,

    /// <summary>
    /// Placement B: <c>linear (with bias) -> activation -> normalization</c>. The bias stays: the
    /// activation comes between it and the normalization.
    /// </summary>
    AfterActivation,

    /// <summary>
    /// Placement C: <c>normalization -> linear (with bias) -> activation</c>; the first normalization sees the network's own input.
    /// </summary>
    LayerInput,
}
