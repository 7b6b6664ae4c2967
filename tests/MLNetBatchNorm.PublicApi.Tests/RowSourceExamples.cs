using Microsoft.Data.Analysis;
using Microsoft.Data.Sqlite;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm;
using Parquet.Serialization;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>
/// The C# of docs/guide.md about where rows come from, and of docs/onnx.md about whole pipelines; see <see cref="ReadmeTests"/>.
/// </summary>
[TestClass]
public sealed class RowSourceExamples
{
    private static readonly StoredRide[] s_rides = [.. Enumerable.Range(0, 200).Select(i => new StoredRide
    {
        Distance = i % 17,
        Hour = i % 5 == 0 ? null : i % 24,
        Payment = i % 2 == 0 ? "cash" : "card",
        Amount = i % 17 * 2.5m,
    })];

    [TestMethod]
    public void Database_NumbersAreFloats_AndNullIsNaN()
    {
        var mlContext = new MLContext(seed: 1);
        string path = Path.GetTempFileName();
        string connectionString = $"Data Source={path};Pooling=False";
        try
        {
            FillDatabase(connectionString);

            #region GuideDatabase
            var source = new DatabaseSource(SqliteFactory.Instance, connectionString,
                "SELECT distance, hour, payment, amount FROM rides WHERE amount IS NOT NULL ORDER BY id");
            IDataView rows = mlContext.Data.Cache(mlContext.Data.CreateDatabaseLoader<Ride>().Load(source));
            #endregion

            CheckRows(mlContext, rows);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [TestMethod]
    public void DataFrame_NumbersBecomeFloats_AndNullIsNaN()
    {
        var mlContext = new MLContext(seed: 1);
        var frame = new DataFrame(
            new DoubleDataFrameColumn("Distance", s_rides.Select(ride => ride.Distance)),
            new Int32DataFrameColumn("Hour", s_rides.Select(ride => ride.Hour)),
            new StringDataFrameColumn("Payment", s_rides.Select(ride => ride.Payment)),
            new DecimalDataFrameColumn("Amount", s_rides.Select(ride => ride.Amount)));

        #region GuideDataFrame
        foreach (string name in new[] { "Distance", "Hour", "Amount" })
        {
            var numbers = frame[name].Cast<object?>().Select(number => number is null ? (float?)null : Convert.ToSingle(number));
            frame[name] = new SingleDataFrameColumn(name, numbers);
        }

        IDataView rows = frame;
        #endregion

        CheckRows(mlContext, rows);
    }

    [TestMethod]
    public async Task Parquet_NumbersBecomeFloats_AndNullIsNaN()
    {
        var mlContext = new MLContext(seed: 1);
        await ParquetSerializer.SerializeAsync(s_rides, "rides.parquet");
        try
        {
            #region GuideParquet
            var stored = await ParquetSerializer.DeserializeAsync<StoredRide>("rides.parquet");
            IDataView rows = mlContext.Data.LoadFromEnumerable(stored.Data.Select(ride => new Ride
            {
                Distance = (float)ride.Distance,
                Hour = ride.Hour ?? float.NaN,
                Payment = ride.Payment,
                Amount = (float)ride.Amount!,
            }));
            #endregion

            CheckRows(mlContext, rows);
        }
        finally
        {
            File.Delete("rides.parquet");
        }
    }

    [TestMethod]
    public void Pipeline_IsWrittenAsOnnx()
    {
        var mlContext = new MLContext(seed: 1);
        IDataView rows = mlContext.Data.LoadFromEnumerable(
            s_rides.Select(r => new Ride { Distance = (float)r.Distance, Amount = (float)r.Amount! }));
        ITransformer model = Pipeline(mlContext).Fit(rows);
        try
        {
            #region WritePipelineOnnx
            using (var file = File.Create("pipeline.onnx"))
                mlContext.Model.ConvertToOnnx(model, mlContext.Data.LoadFromEnumerable<UnpaidRide>([]), file);
            #endregion

            string written = System.Text.Encoding.Latin1.GetString(File.ReadAllBytes("pipeline.onnx"));
            StringAssert.Contains(written, "Payment");
            Assert.DoesNotContain("Amount", written);
        }
        finally
        {
            File.Delete("pipeline.onnx");
        }
    }

    /// <summary>What docs/guide.md says of columns that are read as they are.</summary>
    [TestMethod]
    public void OtherTypes_BehaveAsTheGuideSays()
    {
        var mlContext = new MLContext();
        IDataView frame = new DataFrame(
            new Int32DataFrameColumn("Number", [1, null]),
            new BooleanDataFrameColumn("Flag", [true, null]),
            new DoubleDataFrameColumn("Double", [1, null]));
        CollectionAssert.AreEqual(new[] { 1, 0 }, frame.GetColumn<int>("Number").ToArray());
        CollectionAssert.AreEqual(new[] { true, false }, frame.GetColumn<bool>("Flag").ToArray());
        IDataView converted = mlContext.Transforms.Conversion.ConvertType("Double").Fit(frame).Transform(frame);
        CollectionAssert.AreEqual(new[] { 1, float.NaN }, converted.GetColumn<float>("Double").ToArray());

        var pipeline = mlContext.Transforms.Concatenate("Features", "Double", "Number")
            .Append(mlContext.Regression.Trainers.BatchNormNetwork("Double"));
        StringAssert.Contains(
            Assert.Throws<InvalidOperationException>(() => pipeline.Fit(frame)).Message,
            "Column 'Number' has type of Int32, but expected column type is Double");
        StringAssert.Contains(
            Assert.Throws<ArgumentOutOfRangeException>(() => mlContext.Data.LoadFromEnumerable(s_rides)).Message,
            "Could not determine an IDataView type and registered custom types for member Hour");
    }

    private static void FillDatabase(string connectionString)
    {
        using var connection = new SqliteConnection(connectionString);
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText =
            "CREATE TABLE rides (id integer PRIMARY KEY, distance double precision, hour integer, payment text, amount numeric(8, 2))";
        command.ExecuteNonQuery();
        command.CommandText = "INSERT INTO rides (distance, hour, payment, amount) VALUES (@distance, @hour, @payment, @amount)";
        foreach (StoredRide ride in s_rides)
        {
            command.Parameters.Clear();
            command.Parameters.AddWithValue("distance", ride.Distance);
            command.Parameters.AddWithValue("hour", ride.Hour is { } hour ? hour : DBNull.Value);
            command.Parameters.AddWithValue("payment", ride.Payment);
            command.Parameters.AddWithValue("amount", ride.Amount);
            command.ExecuteNonQuery();
        }
    }

    private static IEstimator<ITransformer> Pipeline(MLContext mlContext) =>
        mlContext.Transforms.Categorical.OneHotEncoding("Paid", "Payment")
        .Append(mlContext.Transforms.Concatenate("Features", "Distance", "Hour", "Paid"))
        .Append(mlContext.Regression.Trainers.BatchNormNetwork("Amount", hiddenUnits: [8], maximumNumberOfEpochs: 3));

    private static void CheckRows(MLContext mlContext, IDataView rows)
    {
        float[] hours = [.. s_rides.Select(ride => ride.Hour ?? float.NaN)], amounts = [.. s_rides.Select(ride => (float)ride.Amount!)];
        CollectionAssert.AreEqual(hours, rows.GetColumn<float>("Hour").ToArray());
        CollectionAssert.AreEqual(amounts, rows.GetColumn<float>("Amount").ToArray());
        Assert.IsTrue(Pipeline(mlContext).Fit(rows).Transform(rows).GetColumn<float>("Score").All(float.IsFinite));
    }

    internal sealed class StoredRide
    {
        public double Distance { get; set; }

        public int? Hour { get; set; }

        public string Payment { get; set; } = "";

        public decimal? Amount { get; set; }
    }

    internal sealed class UnpaidRide
    {
        public float Distance { get; set; }

        public float Hour { get; set; }

        public string Payment { get; set; } = "";
    }

    #region GuideRide
    internal sealed class Ride
    {
        [LoadColumnName("distance")]
        public float Distance { get; set; }                   // double precision in the table

        [LoadColumnName("hour")]
        public float Hour { get; set; }                       // integer, NULL where it is missing

        [LoadColumnName("payment")]
        public string Payment { get; set; } = "";

        [LoadColumnName("amount")]
        public float Amount { get; set; }                     // numeric(8, 2)
    }
    #endregion
}
