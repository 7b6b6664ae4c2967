using Microsoft.ML;
using Microsoft.ML.Data;
using MLNetBatchNorm;
using MLNetBatchNorm.Reporting;

namespace QuickStart;

/// <summary>Binary classification: is the tumour benign, by 30 measures of its cell nuclei in their own units?</summary>
internal static class Tumours
{
    public static TaskResult Run(MLContext ml)
    {
        IDataView table = ml.Data.LoadFromTextFile(
            Path.Combine(AppContext.BaseDirectory, "data", "breast_cancer.csv"),
            [new TextLoader.Column("Features", DataKind.Single, 0, 29), new TextLoader.Column("Label", DataKind.Boolean, 30)],
            separatorChar: ',', hasHeader: true);
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
