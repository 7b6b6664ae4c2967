using System.Net.Http.Json;
using System.Security.Cryptography;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.WebScoring.Tests;

/// <summary>What is answered is what the model file gives offline, to the last bit.</summary>
[TestClass]
public sealed class ScoringTests
{
    [TestMethod]
    public async Task Score_GivesTheOfflineModelsBits_AndNamesTheVersion()
    {
        OfflineModel model = OfflineModel.Of(1);
        using ScoringService service = await new ScoringService(model.Zip).ReadyAsync();
        for (int row = 0; row < 50; row++)
        {
            ScoreAnswer answer = await ScoreAsync(service, DigitsTable.Rows[row]);
            Assert.AreEqual(model.Version, answer.ModelVersion);
            CollectionAssert.AreEqual(model.Classes, answer.Classes);
            Assert.IsTrue(model.Gives(row, answer.Prediction, answer.Probabilities), $"row {row}");
        }
    }

    /// <summary>The comparison of this and other tests finds another model's answer, another row's, and one bit.</summary>
    [TestMethod]
    public void Gives_OfAnythingElse_IsFalse()
    {
        OfflineModel model = OfflineModel.Of(1);
        OfflineModel other = OfflineModel.Of(2);
        float[] right = model.Probabilities[0];
        float[] oneBitOff = [.. right];
        oneBitOff[3] = MathF.BitIncrement(oneBitOff[3]);
        Assert.IsTrue(model.Gives(0, model.Predictions[0], right));
        Assert.IsFalse(model.Gives(0, model.Predictions[0], oneBitOff));
        Assert.IsFalse(model.Gives(0, model.Predictions[0], other.Probabilities[0]));
        Assert.IsFalse(model.Gives(1, model.Predictions[0], right));
        Assert.IsFalse(model.Gives(0, model.Predictions[0] + " ", right));
    }

    [TestMethod]
    public async Task ScoreBatch_GivesTheOfflineModelsBits_InTheOrderOfTheRows()
    {
        OfflineModel model = OfflineModel.Of(1);
        using ScoringService service = await new ScoringService(model.Zip).ReadyAsync();
        using HttpResponseMessage response = await service.Client.PostAsJsonAsync(
            "/score/batch", new { rows = DigitsTable.Rows.Take(1000) });
        var answer = (await response.Content.ReadFromJsonAsync<BatchAnswer>())!;
        Assert.AreEqual(model.Version, answer.ModelVersion);
        Assert.HasCount(1000, answer.Rows);
        for (int row = 0; row < answer.Rows.Length; row++)
            Assert.IsTrue(model.Gives(row, answer.Rows[row].Prediction, answer.Rows[row].Probabilities), $"row {row}");
    }

    /// <summary>More requests at once than the pool keeps engines: every one is answered with its own row's scores.</summary>
    [TestMethod]
    public async Task Score_ByManyAtOnce_MixesNothing()
    {
        OfflineModel model = OfflineModel.Of(1);
        using ScoringService service = await new ScoringService(model.Zip).ReadyAsync();
        await Parallel.ForAsync(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (row, _) =>
        {
            ScoreAnswer answer = await ScoreAsync(service, DigitsTable.Rows[row]);
            Assert.IsTrue(model.Gives(row, answer.Prediction, answer.Probabilities), $"row {row}");
        });
    }

    [TestMethod]
    public async Task Score_OfAMissingValue_IsAnAnswer()
    {
        using ScoringService service = await new ScoringService(OfflineModel.Of(1).Zip).ReadyAsync();
        float?[] row = [.. DigitsTable.Rows[0].Select(value => (float?)value)];
        row[20] = null;
        using HttpResponseMessage response = await service.Client.PostAsJsonAsync("/score", new { features = row });
        var answer = (await response.Content.ReadFromJsonAsync<ScoreAnswer>())!;
        Assert.AreEqual(1, answer.Probabilities.Sum(), 1e-5);
        CollectionAssert.AreNotEqual(OfflineModel.Of(1).Probabilities[0], answer.Probabilities);
    }

    [TestMethod]
    public async Task Model_DescribesTheFile()
    {
        OfflineModel model = OfflineModel.Of(1);
        DateTimeOffset before = DateTimeOffset.UtcNow;
        using ScoringService service = await new ScoringService(model.Zip, ("Scoring:MaximumRows", "7")).ReadyAsync();
        var answer = (await service.Client.GetFromJsonAsync<ModelAnswer>("/model"))!;
        Assert.AreEqual(Convert.ToHexStringLower(SHA256.HashData(model.Zip)), answer.Version);
        Assert.AreEqual(model.Zip.Length, answer.Bytes);
        Assert.AreEqual(DigitsTable.Features, answer.FeatureCount);
        CollectionAssert.AreEqual(model.Classes, answer.Classes);
        Assert.AreEqual(7, answer.MaximumRows);
        Assert.IsTrue(answer.LoadedAt >= before && answer.LoadedAt <= DateTimeOffset.UtcNow);
    }

    [TestMethod]
    public async Task Health_OfAServiceWithAModel_IsHealthy()
    {
        using ScoringService service = await new ScoringService(OfflineModel.Of(1).Zip).ReadyAsync();
        HealthAnswer health = await service.WaitForHealthAsync(_ => true);
        Assert.AreEqual(("healthy", OfflineModel.Of(1).Version, null), (health.Status, health.ModelVersion, health.Fault));
    }

    private static async Task<ScoreAnswer> ScoreAsync(ScoringService service, float[] row)
    {
        using HttpResponseMessage response = await service.Client.PostAsJsonAsync("/score", new { features = row });
        response.EnsureSuccessStatusCode();
        return (await response.Content.ReadFromJsonAsync<ScoreAnswer>())!;
    }
}
