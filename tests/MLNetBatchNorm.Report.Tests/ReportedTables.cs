using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Reporting.Tests;

/// <summary>Small tables of which it is known what matters: the first slot decides, the second helps, the third is noise.</summary>
internal static class ReportedTables
{

    public static IDataView Rows(MLContext mlContext, int count)
    {
        var random = new Random(3);
        return mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(_ =>
        {
            float deciding = random.NextSingle() * 2 - 1, helping = random.NextSingle() * 2 - 1, noise = random.NextSingle();
            float value = 3 * deciding + helping + 0.3f * (random.NextSingle() - 0.5f);
            return new Row
            {
                Deciding = deciding, Helping = helping, Noise = noise, Amount = value, IsMuch = value > 0,
                Size = value < -1 ? 20 : value < 1 ? 5 : 7,
            };
        }).ToArray());
    }

    /// <summary>A trained pipeline for one task, quickly made.</summary>
    public static ITransformer Train(MLContext mlContext, NetworkTask task, IDataView rows)
    {
        var columns = mlContext.Transforms.Concatenate("Features", "Deciding", "Helping", "Noise");
        return task switch
        {
            NetworkTask.Binary => columns
                .Append(mlContext.BinaryClassification.Trainers.BatchNormNetwork(
                    "IsMuch", hiddenUnits: [16], batchSize: 32, maximumNumberOfEpochs: 12))
                .Fit(rows),
            NetworkTask.Multiclass => columns.Append(mlContext.Transforms.Conversion.MapValueToKey("Key", "Size"))
                .Append(mlContext.MulticlassClassification.Trainers.BatchNormNetwork(
                    "Key", hiddenUnits: [16], batchSize: 32, maximumNumberOfEpochs: 12))
                .Append(mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel")).Fit(rows),
            _ => columns
                .Append(
                    mlContext.Regression.Trainers.BatchNormNetwork("Amount", hiddenUnits: [16], batchSize: 32, maximumNumberOfEpochs: 12))
                .Fit(rows),
        };
    }

    public static string Label(NetworkTask task) => task switch
    {
        NetworkTask.Binary => "IsMuch",
        NetworkTask.Multiclass => "Key",
        _ => "Amount",
    };

    internal sealed class Row
    {
        public float Deciding { get; set; }

        public float Helping { get; set; }

        public float Noise { get; set; }

        public float Amount { get; set; }

        public bool IsMuch { get; set; }

        public int Size { get; set; }
    }
}
