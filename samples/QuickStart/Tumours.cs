using Microsoft.ML;
using Microsoft.ML.Data;
using MLNetBatchNorm;
using MLNetBatchNorm.Reporting;
using MLNetBatchNorm.Training;

namespace QuickStart;

/// <summary>Binary classification: is the tumour benign, by 30 measures of its cell nuclei in their own units?</summary>
internal static class Tumours
{
    public static TaskResult Run(MLContext ml)
    {
        // With the file as a sample the loader names the slots by the header, which LoadFromTextFile does not.
        var file = new MultiFileSource(Path.Combine(AppContext.BaseDirectory, "data", "breast_cancer.csv"));
        // Kept in memory, because trainers and measures read the rows many times: without it the text is parsed each time.
        IDataView table = ml.Data.Cache(ml.Data.CreateTextLoader(
            [new TextLoader.Column("Features", DataKind.Single, 0, 29), new TextLoader.Column("Label", DataKind.Boolean, 30)],
            separatorChar: ',', hasHeader: true, dataSample: file).Load(file));
        DataOperationsCatalog.TrainTestData split = ml.Data.TrainTestSplit(table, testFraction: 0.2);

        ITransformer network = TrainingConsole.Show("tumours", progress => ml.BinaryClassification.Trainers
            .BatchNormNetwork(new BatchNormNetworkBinaryTrainer.Options { Progress = progress })
            .Fit(split.TrainSet));

        ITransformer linear = ml.Transforms.NormalizeMeanVariance("Features")
            .Append(ml.BinaryClassification.Trainers.LbfgsLogisticRegression())
            .Fit(split.TrainSet);

        double Auc(ITransformer model) => ml.BinaryClassification.Evaluate(model.Transform(split.TestSet)).AreaUnderRocCurve;
        return new TaskResult("tumours", "AUC", Auc(network), Auc(linear), "LbfgsLogisticRegression", 0.99, network, split.TestSet);
    }
}
