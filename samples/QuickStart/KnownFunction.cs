using Microsoft.ML;
using Microsoft.ML.Data;
using MLNetBatchNorm;
using MLNetBatchNorm.Reporting;

namespace QuickStart;

/// <summary>Regression on a function that is known, so that the best possible result is known too.</summary>
/// <remarks>
/// Friedman 1991, "Multivariate Adaptive Regression Splines": x1 to x10 uniform in [0, 1], of which the last five have no influence,
/// <c>y = 10 sin(pi x1 x2) + 20 (x3 - 0.5)^2 + 10 x4 + 5 x5 + noise</c>, the noise normal with deviation 1.
/// The noise ceiling is the R2 of the function itself on the held-out rows: what a perfect model would get.
/// </remarks>
internal static class KnownFunction
{
    private const int NumberOfRows = 3_000;

    /// <summary>How far below the ceiling the network may be.</summary>
    private const double AllowedGap = 0.03;

    public static TaskResult Run(MLContext ml)
    {
        IDataView table = ml.Data.LoadFromEnumerable(Generate(new Random(1)));
        DataOperationsCatalog.TrainTestData split = ml.Data.TrainTestSplit(table, testFraction: 0.2);

        ITransformer network = TrainingConsole.Show("function", progress => ml.Regression.Trainers
            .BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options { Progress = progress })
            .Fit(split.TrainSet));

        ITransformer linear = ml.Transforms.NormalizeMeanVariance("Features")
            .AppendCacheCheckpoint(ml)
            .Append(ml.Regression.Trainers.Sdca())
            .Fit(split.TrainSet);

        double RSquared(IDataView scored, string score = "Score") => ml.Regression.Evaluate(scored, scoreColumnName: score).RSquared;
        double ceiling = RSquared(split.TestSet, nameof(Row.WithoutNoise));
        Console.WriteLine(
            "function: y = 10 sin(pi x1 x2) + 20 (x3 - 0.5)^2 + 10 x4 + 5 x5 + noise of deviation 1; "
            + $"R2 of the function itself {ceiling:F4}");
        return new TaskResult(
            "function", "R2", RSquared(network.Transform(split.TestSet)), RSquared(linear.Transform(split.TestSet)), "Sdca",
            ceiling - AllowedGap, network, split.TestSet);
    }

    private static IEnumerable<Row> Generate(Random random)
    {
        var rows = new Row[NumberOfRows];
        for (int i = 0; i < rows.Length; i++)
        {
            float[] x = [.. Enumerable.Range(0, 10).Select(_ => random.NextSingle())];
            double y = 10 * Math.Sin(Math.PI * x[0] * x[1]) + 20 * Math.Pow(x[2] - 0.5, 2) + 10 * x[3] + 5 * x[4];
            double noise = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            rows[i] = new Row { Features = x, WithoutNoise = (float)y, Label = (float)(y + noise) };
        }

        return rows;
    }

    private sealed class Row
    {
        [VectorType(10)]
        public float[] Features { get; set; } = [];

        public float Label { get; set; }

        public float WithoutNoise { get; set; }
    }
}
