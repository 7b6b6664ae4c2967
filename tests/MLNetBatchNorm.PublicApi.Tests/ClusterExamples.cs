using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm;
using MLNetBatchNorm.Clustering;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>The C# of docs/scale.md; see <see cref="ReadmeTests"/>.</summary>
[TestClass]
public sealed class ClusterExamples
{
    [TestMethod]
    public async Task EmbeddedSilo_Trains()
    {
        var mlContext = new MLContext(seed: 1);
        IDataView data = SampleTables.Tumours(mlContext);

        #region EmbeddedSilo
        await using TrainingCluster cluster = await TrainingCluster.StartSiloAsync();
        var trainer = mlContext.BinaryClassification.Trainers.BatchNormNetwork(
            new BatchNormNetworkBinaryTrainer.Options { TrainingRunner = cluster.CreateRunner(), Seed = 1 });
        var model = trainer.Fit(data);
        #endregion

        var onThreads = mlContext.BinaryClassification.Trainers.BatchNormNetwork(
            new BatchNormNetworkBinaryTrainer.Options { Seed = 1 }).Fit(data);
        CollectionAssert.AreEqual(
            onThreads.Transform(data).GetColumn<float>("Score").ToArray(), model.Transform(data).GetColumn<float>("Score").ToArray());
    }
}
