using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>The nonlinear function between the layers of a network, applied to every hidden unit.</summary>
/// <remarks>
/// Names, constants and the derivative at kinks follow PyTorch. x is the input of the unit; <c>sigmoid(x) = 1 / (1 + exp(-x))</c>.
/// A NaN input gives a NaN output.
/// </remarks>
[JsonConverter(typeof(JsonStringEnumConverter<ActivationFunction>))]
public enum ActivationFunction
{
    /// <summary>
    /// Rectified linear unit: <c>max(x, 0)</c>, with derivative 0 at 0. The cheapest; with batch normalization rarely the worst.
    /// </summary>
    ReLU = 0,

    /// <summary>
    /// Leaky rectified linear unit: <c>x</c> for x &gt; 0, <c>0.01 x</c> otherwise. No unit can stop learning altogether.
    /// </summary>
    LeakyReLU = 1,

    /// <summary>Exponential linear unit (Clevert et al. 2016) with alpha 1: <c>x</c> for x &gt; 0, <c>exp(x) - 1</c> otherwise.</summary>
    ELU = 2,

    /// <summary>
    /// Scaled exponential linear unit (Klambauer et al. 2017): <c>s x</c> for x &gt; 0, <c>s a (exp(x) - 1)</c> otherwise, with
    /// a = 1.6732632423543772 and s = 1.0507009873554805. Made to normalize itself, so it gains the least from batch normalization.
    /// </summary>
    SELU = 3,

    /// <summary>
    /// Gaussian error linear unit (Hendrycks and Gimpel 2016) in its exact form: <c>x Phi(x)</c> with Phi the normal distribution function,
    /// <c>Phi(x) = (1 + erf(x / sqrt(2))) / 2</c>.
    /// </summary>
    GELU = 4,

    /// <summary>Sigmoid linear unit, also called swish: <c>x sigmoid(x)</c>.</summary>
    SiLU = 5,

    /// <summary>Mish (Misra 2019): <c>x tanh(log(1 + exp(x)))</c>.</summary>
    Mish = 6,

    /// <summary>Hyperbolic tangent, values in (-1, 1).</summary>
    Tanh = 7,

    /// <summary>Logistic sigmoid, values in (0, 1).</summary>
    Sigmoid = 8,
}
