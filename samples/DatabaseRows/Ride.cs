using Microsoft.ML.Data;

namespace MLNetBatchNorm.Samples;

/// <summary>
/// A row of the query. Every number is a float, whatever the column is (double precision, integer, numeric): the loader converts, and
/// NULL becomes NaN.
/// As an int, NULL would become 0; as a bool, false.
/// </summary>
internal sealed class Ride
{
    [LoadColumnName("id")]
    public long Id { get; set; }

    [LoadColumnName("distance")]
    public float Distance { get; set; }

    [LoadColumnName("hour")]
    public float Hour { get; set; }

    [LoadColumnName("payment")]
    public string Payment { get; set; } = "";

    [LoadColumnName("amount")]
    public float Amount { get; set; }
}

/// <summary>What is read from the scored rows.</summary>
internal sealed class Prediction
{
    public long Id { get; set; }

    public float Score { get; set; }
}
