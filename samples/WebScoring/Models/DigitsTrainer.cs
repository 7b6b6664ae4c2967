using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNetBatchNorm;

namespace WebScoring.Models;

/// <summary>Trains the model that is served when there is no file: which digit do these 8 x 8 pixels show?</summary>
internal static class DigitsTrainer
{
    /// <summary>What came of it, measured on a fifth of the rows that training has not seen.</summary>
    public sealed record Result(double Accuracy, long TestRows, double Seconds);

    public static Result TrainAndSave(string path, int seed, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        var ml = new MLContext(seed);
        var file = new MultiFileSource(Path.Combine(AppContext.BaseDirectory, "data", "digits.csv"));
        // With the file as sample the loader takes the features' names from the header; the model
        // keeps them, and the page finds columns by them.
        IDataView table = ml.Data.CreateTextLoader(
            [new TextLoader.Column("Features", DataKind.Single, 0, 63), new TextLoader.Column("Digit", DataKind.String, 64)],
            separatorChar: ',', hasHeader: true, dataSample: file).Load(file);

        // The label's mapping is fitted apart and not saved: a row to be scored has no label, and
        // the network knows the classes' names from it.
        var byName = Microsoft.ML.Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue;
        IDataView labelled = ml.Transforms.Conversion.MapValueToKey("Label", "Digit", keyOrdinality: byName).Fit(table).Transform(table);
        var split = ml.Data.TrainTestSplit(labelled, testFraction: 0.2);
        var trainer = ml.MulticlassClassification.Trainers.BatchNormNetwork(
            new BatchNormNetworkMulticlassTrainer.Options { CancellationToken = cancellationToken });
        var network = trainer.Fit(split.TrainSet);

        var metrics = ml.MulticlassClassification.Evaluate(network.Transform(split.TestSet));
        Save(ml, network, ml.Transforms.SelectColumns("Features").Fit(table).GetOutputSchema(table.Schema), path);
        long testRows = (long)metrics.ConfusionMatrix.Counts.Sum(row => row.Sum());
        return new Result(metrics.MicroAccuracy, testRows, clock.Elapsed.TotalSeconds);
    }

    /// <summary>Writes beside the target and renames: who reads the target finds the whole old file, the whole new one, or none.</summary>
    private static void Save(MLContext ml, ITransformer model, DataViewSchema inputSchema, string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        string unfinished = path + ".new";
        ml.Model.Save(model, inputSchema, unfinished);
        File.Move(unfinished, path, overwrite: true);
    }
}
