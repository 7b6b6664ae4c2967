namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>The normal distribution function in double, from its two textbook expansions.</summary>
internal static class NormalOracle
{
    /// <summary>Phi(x), relative error below 1e-12 also in the left tail.</summary>
    public static double Cumulative(double x)
    {
        if (double.IsNaN(x))
            return double.NaN;
        return x < 0 ? Tail(-x) : 1 - Tail(x);
    }

    /// <summary>1 - Phi(a) for a >= 0.</summary>
    private static double Tail(double a)
    {
        if (a > 39)
            return 0;       // below the smallest double
        double density = Math.Exp(-a * a / 2) / Math.Sqrt(2 * Math.PI);
        if (a < 3)
        {
            // 1/2 - density * (a + a^3/3 + a^5/(3*5) + ...)
            double term = a;
            double sum = a;
            for (int k = 3; term > sum * 1e-17; k += 2)
            {
                term *= a * a / k;
                sum += term;
            }

            return 0.5 - (density * sum);
        }

        // Laplace's continued fraction: density / (a + 1/(a + 2/(a + 3/(a + ...)))), evaluated from the inside.
        double fraction = a;
        for (int k = 200; k >= 1; k--)
            fraction = a + (k / fraction);
        return density / fraction;
    }
}
