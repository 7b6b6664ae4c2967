using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>Where the mean and the variance come from that batch normalization uses when it predicts.</summary>
/// <remarks>
/// <para>
/// Training normalizes each mini-batch with its own mean and its own biased variance (divisor m, the number of rows of the batch).
/// Prediction has no batch, so it needs statistics of its own: <c>y = gamma * (x - mean) / sqrt(variance + epsilon) + beta</c>.
/// Below, for batch b of m_b values, <c>mean_b</c> is its mean and <c>variance_b</c> its <em>unbiased</em> variance, with divisor m_b - 1:
/// the biased one times <c>m / (m - 1)</c>, the factor of Ioffe and Szegedy. All four choices therefore estimate the same quantity, and
/// with a single batch the last three of them are equal.
/// </para>
/// <para>
/// They differ where rows are not in random order, because only <see cref="PopulationPooled"/> holds the variance <em>between</em> batches;
/// and in a network, where the first two see activations of weights that were still changing.
/// </para>
/// <para>Sources: Ioffe and Szegedy 2015, "Batch Normalization", arXiv:1502.03167, algorithm 2; Wu and Johnson 2021,
/// "Rethinking 'Batch' in BatchNorm", arXiv:2105.07576, section 3, on exact statistics against running averages.</para>
/// </remarks>
[JsonConverter(typeof(JsonStringEnumConverter<BatchNormalizationStatistics>))]
public enum BatchNormalizationStatistics
{
    /// <summary>
    /// An exponential average over mini-batches, in the order they come:
    /// <c>mean = (1 - momentum) * mean + momentum * mean_b</c>, and the same for the variance, from mean 0 and variance 1.
    /// </summary>
    /// <remarks>
    /// The momentum is the weight of the newest batch, as in PyTorch; Keras and many texts write the complement. After t batches the
    /// initial values still weigh <c>(1 - momentum)^t</c>: 1% at momentum 0.1 after 44 batches. What PyTorch does by default.
    /// </remarks>
    RunningAverage = 0,

    /// <summary>
    /// The plain average over mini-batches, each batch counting the same: <c>mean = (1/B) * sum_b mean_b</c>,
    /// <c>variance = (1/B) * sum_b variance_b</c>.
    /// </summary>
    /// <remarks>
    /// What PyTorch does with <c>momentum=None</c>. Unlike the exponential average, it keeps nothing of the initial values.
    /// </remarks>
    Cumulative = 1,

    /// <summary>
    /// Algorithm 2 of the paper, over one pass through the training rows with nothing changing meanwhile: <c>mean = E[mean_b]</c> and
    /// <c>variance = E[variance_b]</c>, where E is the plain average over mini-batches, each batch counting the same.
    /// </summary>
    /// <remarks>
    /// The formula is that of <see cref="Cumulative"/>; the difference is when the batches are seen: here after training, under the final
    /// weights, there while the weights change. Where no weights exist, as in the transform BatchNormalize, the two are the same.
    /// The paper has batches of one size; a smaller last batch keeps its own factor <c>m / (m - 1)</c>.
    /// </remarks>
    Population = 2,

    /// <summary>
    /// Exact moments of all rows together, however they are cut into batches: <c>mean = (1/n) * sum_i x_i</c>,
    /// <c>variance = 1/(n - 1) * sum_i (x_i - mean)^2</c>, over one pass through the training rows with nothing changing meanwhile.
    /// </summary>
    /// <remarks>The same whatever the order of the rows and the batch size, up to rounding in double precision.</remarks>
    PopulationPooled = 3,
}
