// How many claims will there be, and what will they cost? Numbers that are mostly 0 and spread the more the
// larger they are, for which squared error is the wrong question.
using Microsoft.ML;
using MLNetBatchNorm;
using MLNetBatchNorm.Samples;

const double power = 1.5;
var ml = new MLContext(seed: 1);

// All learn rates per year, and the weight of a policy is how long it was insured.
IEstimator<ITransformer> Network(string label, RegressionLoss loss) =>
    ml.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
    {
        LabelColumnName = label, ExampleWeightColumnName = "Years", Loss = loss,
    });
IEstimator<ITransformer> Trees(string label) =>
    ml.Regression.Trainers.FastTreeTweedie(label, exampleWeightColumnName: "Years");
IEstimator<ITransformer> Linear(string label) =>
    ml.Regression.Trainers.LbfgsPoissonRegression(label, exampleWeightColumnName: "Years");

double[] counts = new Comparison(ml, "ClaimsPerYear", 1, policy => policy.TrueClaimsPerYear).Run(
    ("network, PoissonLoss", Network("ClaimsPerYear", new PoissonLoss())),
    ("network, SquaredLoss", Network("ClaimsPerYear", new SquaredLoss())),
    ("LbfgsPoissonRegression", Linear("ClaimsPerYear")),
    ("FastTreeTweedie", Trees("ClaimsPerYear")));
double[] amounts = new Comparison(ml, "CostPerYear", power, policy => policy.TrueCostPerYear).Run(
    ("network, TweedieLoss", Network("CostPerYear", new TweedieLoss { Power = power })),
    ("network, SquaredLoss", Network("CostPerYear", new SquaredLoss())),
    ("LbfgsPoissonRegression", Linear("CostPerYear")),
    ("FastTreeTweedie", Trees("CostPerYear")));

bool isBest = counts[1..].All(other => counts[0] < other) && amounts[1..].All(other => amounts[0] < other);
Console.WriteLine($"the networks with PoissonLoss and TweedieLoss have the lowest deviance: {(isBest ? "yes" : "no")}");
return isBest ? 0 : 1;
