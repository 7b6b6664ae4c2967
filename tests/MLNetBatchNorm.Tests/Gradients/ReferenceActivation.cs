namespace MLNetBatchNorm.Tests.Gradients;

/// <summary>The activation functions as their formulas say, in double precision.</summary>
internal static class ReferenceActivation
{
    private const double SeluAlpha = 1.6732632423543772;
    private const double SeluScale = 1.0507009873554805;

    public static double Value(ActivationFunction function, double x) => function switch
    {
        ActivationFunction.ReLU => Math.Max(0, x),
        ActivationFunction.LeakyReLU => x > 0 ? x : 0.01 * x,
        ActivationFunction.ELU => x > 0 ? x : Math.Exp(x) - 1,
        ActivationFunction.SELU => SeluScale * (x > 0 ? x : SeluAlpha * (Math.Exp(x) - 1)),
        ActivationFunction.GELU => x * NormalCumulative(x),
        ActivationFunction.SiLU => x * Sigmoid(x),
        ActivationFunction.Mish => x * Math.Tanh(Softplus(x)),
        ActivationFunction.Tanh => Math.Tanh(x),
        ActivationFunction.Sigmoid => Sigmoid(x),
        _ => throw new ArgumentOutOfRangeException(nameof(function), function, null),
    };

    /// <summary>Whether the derivative, or what a central difference makes of it, jumps at 0.</summary>
    public static bool HasKink(ActivationFunction function)
        => function is ActivationFunction.ReLU or ActivationFunction.LeakyReLU or ActivationFunction.ELU or ActivationFunction.SELU;

    public static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    /// <summary>log(1 + e^x) without overflow.</summary>
    public static double Softplus(double x) => Math.Max(x, 0) + Math.Log(1 + Math.Exp(-Math.Abs(x)));

    /// <summary>The normal distribution function, by the series <c>1/2 + phi(x) (x + x^3/3 + x^5/15 + ...)</c>, whose terms all have one sign.</summary>
    public static double NormalCumulative(double x)
    {
        if (Math.Abs(x) > 8)
            return x > 0 ? 1 : 0;
        double term = x, sum = x;
        for (int n = 3; Math.Abs(term) > 1e-18 * Math.Abs(sum); n += 2)
        {
            term *= x * x / n;
            sum += term;
        }
        return 0.5 + sum * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);
    }
}
