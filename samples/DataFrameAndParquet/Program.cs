// How do a Parquet file and a DataFrame become rows to train on? The same fares in both, with missing, integer and decimal values; the
// models must be equal.
using Microsoft.Data.Analysis;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNetBatchNorm;
using MLNetBatchNorm.Samples;
using Parquet.Serialization;

List<StoredFare> fares = [.. Fare.Generate(3000).Select(StoredFare.From)];
string folder = Directory.CreateTempSubdirectory("fares-").FullName;
try
{
    // Parquet.Net reads objects with nullable members; as a class of floats they are rows for LoadFromEnumerable.
    string path = Path.Combine(folder, "fares.parquet");
    await ParquetSerializer.SerializeAsync(fares, path);
    var stored = await ParquetSerializer.DeserializeAsync<StoredFare>(path);
    var ml = new MLContext();
    IDataView parquetRows = ml.Data.LoadFromEnumerable(stored.Data.Select(fare => fare.ToRow()).ToList());

    // A DataFrame is a view already. What counts is the type of its columns: with null in it, one of ints would be read as 0, one of
    // floats as NaN.
    var hours = new Int32DataFrameColumn("Hour", fares.Select(fare => fare.Hour));
    var amounts = new DecimalDataFrameColumn("Amount", fares.Select(fare => (decimal?)fare.Amount));
    var frame = new DataFrame(
        new SingleDataFrameColumn("Distance", fares.Select(fare => (float)fare.Distance)),
        new SingleDataFrameColumn("Hour", hours.Select(hour => (float?)hour)),
        new StringDataFrameColumn("Payment", fares.Select(fare => fare.Payment)),
        new SingleDataFrameColumn("Amount", amounts.Select(amount => (float?)amount)));

    ITransformer parquetModel = Train(ml, parquetRows), frameModel = Train(ml, frame);
    float[] parquetScores = [.. parquetModel.Transform(parquetRows).GetColumn<float>("Score")];

    // And back: scores as columns of a frame.
    DataFrame scored = frameModel.Transform(frame).ToDataFrame(fares.Count, "Distance", "Hour", "Amount", "Score");
    float[] frameScores = [.. ((SingleDataFrameColumn)scored["Score"]).Select(score => score!.Value)];
    long bytes = new FileInfo(path).Length;
    Console.WriteLine($"Parquet file of {bytes:N0} bytes, {stored.Data.Count} rows, {hours.NullCount} of them without an hour");
    Console.WriteLine($"R2 on these rows: {ml.Regression.Evaluate(parquetModel.Transform(parquetRows), "Amount").RSquared:F4}");
    Console.WriteLine($"columns of the scored frame: {string.Join(", ", scored.Columns.Select(column => column.Name))}");
    bool same = parquetScores.SequenceEqual(frameScores);
    Console.WriteLine($"the same scores from both, to the last bit: {(same ? "yes" : "no")}");
    return same ? 0 : 1;
}
finally
{
    Directory.Delete(folder, recursive: true);
}

// Seed of the trainer itself: with MLContext(seed), a trainer's numbers depend on what was made with the context before it.
static ITransformer Train(MLContext ml, IDataView rows) => ml.Transforms.Categorical.OneHotEncoding("Paid", "Payment")
    .Append(ml.Transforms.Concatenate("Features", "Distance", "Hour", "Paid"))
    .Append(ml.Regression.Trainers.BatchNormNetwork(
        new BatchNormNetworkRegressionTrainer.Options { LabelColumnName = "Amount", Seed = 42 }))
    .Fit(rows);
