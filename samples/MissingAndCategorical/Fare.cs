namespace MLNetBatchNorm.Samples;

/// <summary>One ride: 2 a kilometre, 5 more at night, 4 more if the hour was not written down, 3 less in cash, and noise.</summary>
internal sealed class Fare
{
    public float Distance { get; set; }

    /// <summary>From 0 to 23; NaN where it is missing.</summary>
    public float Hour { get; set; }

    public string Payment { get; set; } = "";

    public float Amount { get; set; }

    public static IEnumerable<Fare> Generate(int count)
    {
        var random = new Random(1);
        for (int i = 0; i < count; i++)
        {
            float distance = random.NextSingle() * 5;
            int hour = random.Next(24);
            bool missing = random.Next(3) == 0, cash = random.Next(2) == 0;
            yield return new Fare
            {
                Distance = distance,
                Hour = missing ? float.NaN : hour,
                Payment = cash ? "cash" : "card",
                Amount = 2 * distance + (missing ? 4 : hour is >= 22 or < 6 ? 5 : 0) - (cash ? 3 : 0) + random.NextSingle(),
            };
        }
    }
}
