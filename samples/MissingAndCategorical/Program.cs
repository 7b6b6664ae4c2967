// Do missing values and categories need any preparation? A table of fares with both, given to a
// network as it is, and then without those columns.
using Microsoft.ML;
using MLNetBatchNorm.Samples;

var ml = new MLContext(seed: 42);
var split = ml.Data.TrainTestSplit(ml.Data.LoadFromEnumerable(Fare.Generate(3000)), testFraction: 0.2);

// Of three hours one is missing, and rides whose hour is missing cost more: that a value is missing tells something.
double Everything() => RSquared(
    ml.Transforms.Categorical.OneHotEncoding("Payment")
        .Append(ml.Transforms.Concatenate("Features", "Distance", "Hour", "Payment"))
        .Append(ml.Regression.Trainers.BatchNormNetwork(labelColumnName: "Amount")).Fit(split.TrainSet));
double DistanceOnly() => RSquared(
    ml.Transforms.Concatenate("Features", "Distance")
        .Append(ml.Regression.Trainers.BatchNormNetwork(labelColumnName: "Amount")).Fit(split.TrainSet));

double with = Everything(), without = DistanceOnly();
Console.WriteLine($"R2 with the hour (a third missing) and the kind of payment: {with:F4}");
Console.WriteLine($"R2 with the distance alone: {without:F4}");
Console.WriteLine($"they are used: {(with > without + 0.1 ? "yes" : "no")}");
return with > without + 0.1 ? 0 : 1;

double RSquared(ITransformer model) => ml.Regression.Evaluate(model.Transform(split.TestSet), "Amount").RSquared;
