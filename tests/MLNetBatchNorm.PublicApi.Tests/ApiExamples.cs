using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Reporting;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>The C# that the reference of the public members shows; see <see cref="ReadmeTests"/>.</summary>
[TestClass]
public sealed class ApiExamples
{
    [TestMethod]
    public void Reference_BatchNormalize_Runs()
    {
        var mlContext = new MLContext(seed: 1);
        IDataView people = mlContext.Data.LoadFromEnumerable(
            Enumerable.Range(0, 50).Select(i => new Person { Age = 20 + i, Income = 1000 * i % 7000 }));

        #region ReferenceNormalize
        var pipeline = mlContext.Transforms.Concatenate("Features", "Age", "Income")
            .Append(mlContext.Transforms.BatchNormalize("Features"));
        #endregion

        float[] ages = [.. pipeline.Fit(people).Transform(people).GetColumn<float[]>("Features").Select(row => row[0])];
        Assert.AreEqual(0, ages.Average(), 1e-5);

        #region ReferenceNormalizeOptions
        var estimator = mlContext.Transforms.BatchNormalize(new BatchNormalizeEstimator.Options
        {
            Columns = [new("Scaled", "Features", gamma: [2, 1, 0.5], beta: [0, 0, 1])],
            Statistics = BatchNormalizationStatistics.RunningAverage,
            BatchSize = 64,
        });
        #endregion

        IDataView triples = mlContext.Transforms.Concatenate("Features", "Age", "Income", "Age").Fit(people).Transform(people);
        Assert.HasCount(3, estimator.Fit(triples).Transform(triples).GetColumn<float[]>("Scaled").First());
    }

    [TestMethod]
    public void Reference_TrainingConsole_Runs()
    {
        var mlContext = new MLContext(seed: 1);
        IDataView trainingRows = SampleTables.Tumours(mlContext);

        #region ReferenceTraining
        var model = TrainingConsole.Show("tumours", progress => mlContext.BinaryClassification.Trainers
            .BatchNormNetwork(new BatchNormNetworkBinaryTrainer.Options { Progress = progress })
            .Fit(trainingRows));
        #endregion

        Assert.IsNotEmpty(model.Model.SubModel.Network.Members);
    }

    private sealed class Person
    {
        public float Age { get; set; }

        public float Income { get; set; }
    }
}
