namespace MLNetBatchNorm.Samples;

/// <summary>
/// A policy of an invented insurance: how many claims it had in the time it was insured, and what they cost. The process is known.
/// </summary>
/// <remarks>
/// The number of claims is Poisson's with a rate that young and old drivers, strong cars, full streets and bad years raise, each by a
/// factor; that of a young driver in a strong car is more than the product. What a claim costs is gamma distributed with a mean that grows
/// with the car's value and falls with the fullness of the streets, where cars are slow.
/// </remarks>
internal sealed class Policy
{
    /// <summary>Gamma's shape: a claim's standard deviation is its mean divided by the root of this.</summary>
    private const double Shape = 1.5;

    public float Age { get; set; }

    public float Power { get; set; }

    public float Value { get; set; }

    /// <summary>How full the streets are, from 0 to 1.</summary>
    public float Traffic { get; set; }

    public string Use { get; set; } = "";

    /// <summary>How long it was insured: from a twentieth of a year to a year.</summary>
    public float Years { get; set; }

    public float ClaimsPerYear { get; set; }

    public float CostPerYear { get; set; }

    /// <summary>What the process expects.</summary>
    public double TrueClaimsPerYear { get; set; }

    /// <summary>What the process expects.</summary>
    public double TrueCostPerYear { get; set; }

    public static Policy[] Generate(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => Generate(random))];
    }

    private static Policy Generate(Random random)
    {
        var policy = new Policy
        {
            Age = 18 + 62 * random.NextSingle(),
            Power = 30 + 170 * random.NextSingle() * random.NextSingle(),
            Value = (float)Math.Exp(8.5 + 1.5 * random.NextDouble()),
            Traffic = random.NextSingle(),
            Use = random.Next(4) switch { 0 => "work", 1 => "taxi", _ => "private" },
            Years = 0.05f + 0.95f * random.NextSingle(),
        };
        double young = Math.Exp(-(policy.Age - 18) / 8), old = Math.Max(0, policy.Age - 65) / 15, strong = policy.Power / 200;
        policy.TrueClaimsPerYear = Math.Exp(
            -2.3 + 1.2 * young + 0.8 * old + 0.6 * strong + 2 * young * strong + 0.9 * Math.Sin(3 * policy.Traffic)
            + (policy.Use == "taxi" ? 1.1 : policy.Use == "work" ? 0.3 : 0));
        double meanCost = Math.Sqrt(policy.Value) * Math.Exp(3 + 1.5 * (1 - policy.Traffic) * (0.5 + strong));
        policy.TrueCostPerYear = policy.TrueClaimsPerYear * meanCost;
        double cost = 0;
        int claims = Poisson(random, policy.TrueClaimsPerYear * policy.Years);
        for (int claim = 0; claim < claims; claim++)
            cost += meanCost / Shape * Gamma(random);
        policy.ClaimsPerYear = claims / policy.Years;
        policy.CostPerYear = (float)(cost / policy.Years);
        return policy;
    }

    /// <summary>How many exponential waits fit into a time.</summary>
    private static int Poisson(Random random, double mean)
    {
        int events = 0;
        for (double time = Exponential(random); time < mean; time += Exponential(random))
            events++;
        return events;
    }

    /// <summary>Gamma of shape 1.5: an exponential and half the square of a normal.</summary>
    private static double Gamma(Random random)
    {
        double normal = Math.Sqrt(2 * Exponential(random)) * Math.Cos(2 * Math.PI * random.NextDouble());
        return Exponential(random) + normal * normal / 2;
    }

    private static double Exponential(Random random) => -Math.Log(1 - random.NextDouble());
}
