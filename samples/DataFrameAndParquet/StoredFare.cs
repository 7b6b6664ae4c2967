namespace MLNetBatchNorm.Samples;

/// <summary>
/// A fare as such files have it: doubles, integers and decimals, and null where a value is missing. ML.NET has no columns of these types.
/// </summary>
internal sealed class StoredFare
{
    public double Distance { get; set; }

    public int? Hour { get; set; }

    public string Payment { get; set; } = "";

    public decimal Amount { get; set; }

    public static StoredFare From(Fare fare) => new()
    {
        Distance = fare.Distance,
        Hour = float.IsNaN(fare.Hour) ? null : (int)fare.Hour,
        Payment = fare.Payment,
        Amount = Math.Round((decimal)fare.Amount, 2),
    };

    /// <summary>The fare as ML.NET reads it: numbers as floats, missing ones as NaN.</summary>
    public Fare ToRow() => new() { Distance = (float)Distance, Hour = Hour ?? float.NaN, Payment = Payment, Amount = (float)Amount };
}
