// What does batch normalization do for another trainer? The same linear trainer on raw columns, and behind the transform BatchNormalize.
using Microsoft.ML;
using Microsoft.ML.Data;

var ml = new MLContext(seed: 42);
IDataView table = ml.Data.LoadFromTextFile(
    Path.Combine(AppContext.BaseDirectory, "data", "breast_cancer.csv"),
    [new TextLoader.Column("Features", DataKind.Single, 0, 29), new TextLoader.Column("Label", DataKind.Boolean, 30)],
    separatorChar: ',', hasHeader: true);
var split = ml.Data.TrainTestSplit(table, testFraction: 0.2);
var linear = ml.BinaryClassification.Trainers.AveragedPerceptron(numberOfIterations: 10);

double raw = Auc(linear.Fit(split.TrainSet));
var normalize = ml.Transforms.BatchNormalize("Features");
double normalized = Auc(normalize.Append(linear).Fit(split.TrainSet));
Console.WriteLine($"area under the ROC curve on raw columns {raw:F4}, on normalized ones {normalized:F4}");

// The statistics are those of the training rows, and stay: a row is normalized alone, by the same numbers as in training.
var statistics = normalize.Fit(split.TrainSet).GetBatchNormalizationParameters(0);
Console.WriteLine($"first column: mean {statistics.Mean[0]:F2}, variance {statistics.Variance[0]:F2}");
Console.WriteLine($"normalization helps: {(normalized > raw ? "yes" : "no")}");
return normalized > raw ? 0 : 1;

double Auc(ITransformer model) => ml.BinaryClassification.EvaluateNonCalibrated(model.Transform(split.TestSet)).AreaUnderRocCurve;
