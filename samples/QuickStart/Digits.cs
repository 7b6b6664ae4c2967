using Microsoft.ML;
using Microsoft.ML.Data;
using MLNetBatchNorm;
using MLNetBatchNorm.Reporting;

namespace QuickStart;

/// <summary>Multiclass classification: which digit do these 64 pixels show?</summary>
internal static class Digits
{
    public static TaskResult Run(MLContext ml)
    {
        // With the file as a sample the loader names the slots by the header, which LoadFromTextFile does not.
        var file = new MultiFileSource(Path.Combine(AppContext.BaseDirectory, "data", "digits.csv"));
        // Kept in memory, because trainers and measures read the rows many times: without it the text is parsed each time.
        IDataView table = ml.Data.Cache(ml.Data.CreateTextLoader(
            [new TextLoader.Column("Features", DataKind.Single, 0, 63), new TextLoader.Column("Digit", DataKind.Int32, 64)],
            separatorChar: ',', hasHeader: true, dataSample: file).Load(file));
        DataOperationsCatalog.TrainTestData split = ml.Data.TrainTestSplit(table, testFraction: 0.2);
        var labelled = ml.Transforms.Conversion.MapValueToKey("Label", "Digit");

        ITransformer network = TrainingConsole.Show("digits", progress => labelled
            .Append(ml.MulticlassClassification.Trainers.BatchNormNetwork(
                new BatchNormNetworkMulticlassTrainer.Options { Progress = progress }))
            .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"))
            .Fit(split.TrainSet));

        ITransformer linear = labelled
            .Append(ml.Transforms.NormalizeMeanVariance("Features"))
            .Append(ml.MulticlassClassification.Trainers.LbfgsMaximumEntropy())
            .Fit(split.TrainSet);

        double Accuracy(ITransformer model) => ml.MulticlassClassification.Evaluate(model.Transform(split.TestSet)).MicroAccuracy;
        return new TaskResult(
            "digits", "accuracy", Accuracy(network), Accuracy(linear), "LbfgsMaximumEntropy", 0.97, network, split.TestSet);
    }
}
