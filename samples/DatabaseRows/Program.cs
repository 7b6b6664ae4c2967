// How does a network train on the rows of a query, and how do its scores get back into the table? SQLite; with the argument "postgresql",
// PostgreSQL.
using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNetBatchNorm.Samples;
using Npgsql;

const int Rides = 3000, Paid = 2400;
bool postgres = args is ["postgresql"];
string file = Path.Combine(Path.GetTempPath(), $"rides-{Environment.ProcessId}.db");

// The server, user and database come from one variable; the password from PGPASSWORD, which Npgsql reads by itself: no password in code
// or files.
string? connectionString = postgres ? Environment.GetEnvironmentVariable("RIDES_DATABASE") : $"Data Source={file};Pooling=False";
if (connectionString is null)
{
    Console.Error.WriteLine(
        "Set RIDES_DATABASE, such as \"Host=localhost;Username=me;Database=test\", and PGPASSWORD. The table \"rides\" there is replaced.");
    return 2;
}

var ml = new MLContext(seed: 42);
DbProviderFactory factory = postgres ? NpgsqlFactory.Instance : SqliteFactory.Instance;
var table = new RideTable(ml, factory, connectionString);
try
{
    List<Fare> fares = [.. Fare.Generate(Rides)];
    table.Create(fares, Paid);

    // Each step that learns, here the encoding and the network, reads what it needs of the rows, which runs the query: Cache reads a
    // column once.
    IDataView rows = ml.Data.Cache(table.Paid);
    var model = ml.Transforms.Categorical.OneHotEncoding("Paid", "Payment")
        .Append(ml.Transforms.Concatenate("Features", "Distance", "Hour", "Paid"))
        .Append(ml.Regression.Trainers.BatchNormNetwork(labelColumnName: "Amount"))
        .Fit(rows);
    int missing = rows.GetColumn<float>("Hour").Count(float.IsNaN);
    Console.WriteLine($"{(postgres ? "PostgreSQL" : "SQLite")}: hours NULL in the table {table.NullHours()}, NaN in the view {missing}");

    int written = table.Write(ml.Data.CreateEnumerable<Prediction>(model.Transform(table.Unpaid), reuseRowObject: true));
    double rSquared = RSquared(table.Predictions(), [.. fares.Skip(Paid).Select(fare => (double)fare.Amount)]);
    Console.WriteLine($"trained on {Paid} rides, wrote {written} predictions back");
    Console.WriteLine($"R2 of what the table holds now: {rSquared:F4}");
    bool passed = missing == table.NullHours() && written == Rides - Paid && rSquared > 0.95;
    Console.WriteLine($"passed: {(passed ? "yes" : "no")}");
    return passed ? 0 : 1;
}
finally
{
    File.Delete(file);
}

static double RSquared(List<double> predictions, double[] labels)
{
    double mean = labels.Average();
    return 1 - predictions.Zip(labels).Sum(pair => Math.Pow(pair.First - pair.Second, 2)) / labels.Sum(label => Math.Pow(label - mean, 2));
}
