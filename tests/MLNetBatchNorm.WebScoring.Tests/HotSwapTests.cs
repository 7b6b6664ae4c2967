using System.Net;
using System.Net.Http.Json;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.WebScoring.Tests;

/// <summary>The model file as it lives: absent, replaced, spoiled, repaired, deleted.</summary>
[TestClass]
public sealed class HotSwapTests
{
    [TestMethod]
    public async Task File_ThatIsReplaced_Answers()
    {
        (OfflineModel first, OfflineModel second) = (OfflineModel.Of(1), OfflineModel.Of(2));
        using ScoringService service = await new ScoringService(first.Zip).ReadyAsync();
        await AssertAnswersAsync(service, first);

        service.Folder.Replace(second.Zip);
        HealthAnswer health = await service.WaitForHealthAsync(answer => answer.ModelVersion == second.Version);
        Assert.AreEqual("healthy", health.Status);
        await AssertAnswersAsync(service, second);
    }

    [TestMethod]
    public async Task File_WrittenInPlace_Answers_OnceItIsWhole()
    {
        (OfflineModel first, OfflineModel second) = (OfflineModel.Of(1), OfflineModel.Of(2));
        using ScoringService service = await new ScoringService(first.Zip).ReadyAsync();
        await using (FileStream file = File.Create(service.Folder.ModelPath))
        {
            await file.WriteAsync(second.Zip.AsMemory(0, second.Zip.Length / 2));
            await file.FlushAsync();
            await service.WaitForHealthAsync(answer => answer.Status == "degraded");
            await AssertAnswersAsync(service, first);
            await file.WriteAsync(second.Zip.AsMemory(second.Zip.Length / 2));
        }

        await service.WaitForHealthAsync(answer => answer is { Status: "healthy", Fault: null });
        await AssertAnswersAsync(service, second);
    }

    [TestMethod]
    [DataRow("not a zip")]
    [DataRow("half a zip")]
    [DataRow("another kind of model")]
    [DataRow("an empty file")]
    public async Task File_ThatCannotBeUsed_KeepsTheModel_AndHealthSaysWhy(string what)
    {
        OfflineModel good = OfflineModel.Of(1);
        using ScoringService service = await new ScoringService(good.Zip).ReadyAsync();
        service.Folder.Replace(Bad(what));
        HealthAnswer degraded = await service.WaitForHealthAsync(answer => answer.Status == "degraded");
        Assert.AreEqual(good.Version, degraded.ModelVersion);
        Assert.AreEqual(service.Folder.ModelPath, degraded.Fault!.File);
        StringAssert.Contains(degraded.Fault.Reason, what == "another kind of model" ? "column 'Score'" : "not a model");
        await AssertAnswersAsync(service, good);

        service.Folder.Replace(good.Zip);
        await service.WaitForHealthAsync(answer => answer is { Status: "healthy", Fault: null });
        await AssertAnswersAsync(service, good);
    }

    [TestMethod]
    public async Task File_ThatIsDeleted_KeepsTheModel_AndItsReturnIsNoticed()
    {
        OfflineModel good = OfflineModel.Of(1);
        using ScoringService service = await new ScoringService(good.Zip).ReadyAsync();
        File.Delete(service.Folder.ModelPath);
        HealthAnswer degraded = await service.WaitForHealthAsync(answer => answer.Status == "degraded");
        StringAssert.Contains(degraded.Fault!.Reason, "not there");
        await AssertAnswersAsync(service, good);

        service.Folder.Replace(good.Zip);
        await service.WaitForHealthAsync(answer => answer is { Status: "healthy", Fault: null });
    }

    [TestMethod]
    public async Task File_ThatIsBadAtTheStart_Is503_UntilItIsReplaced()
    {
        using var service = new ScoringService(Bad("not a zip"));
        HealthAnswer health = await service.WaitForHealthAsync(answer => answer.Fault is not null);
        Assert.AreEqual(("unhealthy", null), (health.Status, health.ModelVersion));
        foreach (string path in new[] { "/score", "/score/batch", "/model" })
        {
            using HttpResponseMessage response = path == "/model"
                ? await service.Client.GetAsync(path)
                : await service.Client.PostAsJsonAsync(path, new { features = DigitsTable.Rows[0], rows = DigitsTable.Rows.Take(1) });
            Assert.AreEqual(HttpStatusCode.ServiceUnavailable, response.StatusCode, path);
            Assert.IsNotNull(response.Headers.RetryAfter, path);
            var problem = (await response.Content.ReadFromJsonAsync<ProblemAnswer>())!;
            Assert.AreEqual("/problems.html#no-model", problem.Type);
            StringAssert.Contains(problem.Detail, "not a model", path);
        }

        OfflineModel good = OfflineModel.Of(1);
        service.Folder.Replace(good.Zip);
        await service.ReadyAsync();
        await AssertAnswersAsync(service, good);
    }

    [TestMethod]
    public async Task File_ThatIsNotThereAtTheStart_IsTrained_AndTheServiceSaysSo()
    {
        using var service = new ScoringService(zip: null);
        HealthAnswer starting = await service.WaitForHealthAsync(_ => true);
        // Training takes about a second; only a test that was held up for so long finds it done.
        if (starting.Status != "healthy")
        {
            Assert.IsTrue(
                starting.Status == "unhealthy" && starting.Detail.Contains("model of handwritten digits is being trained"),
                starting.ToString());
        }
        await service.ReadyAsync();
        StringAssert.StartsWith(
            service.Log.First(), $"No model file at {service.Folder.ModelPath}: training a model of handwritten digits");
        OfflineModel trained = new(File.ReadAllBytes(service.Folder.ModelPath));
        await AssertAnswersAsync(service, trained);
        int right = trained.Predictions.Zip(DigitsTable.Labels).Count(pair => pair.First == pair.Second);
        Assert.IsGreaterThan(0.97 * DigitsTable.Rows.Length, right);
        var model = (await service.Client.GetFromJsonAsync<ModelAnswer>("/model"))!;
        CollectionAssert.AreEqual(Enumerable.Range(0, 64).Select(i => $"px{i}").ToArray(), model.FeatureNames);
        CollectionAssert.AreEqual(Enumerable.Range(0, 10).Select(i => $"{i}").ToArray(), model.Classes);
    }

    private static byte[] Bad(string what) => what switch
    {
        "not a zip" => [.. Enumerable.Range(0, 5000).Select(i => (byte)(i * 7))],
        "half a zip" => OfflineModel.Of(2).Zip[..(OfflineModel.Of(2).Zip.Length / 2)],
        "another kind of model" => OfflineModel.RegressionZip(),
        "an empty file" => [],
        _ => throw new ArgumentException(what),
    };

    private static async Task AssertAnswersAsync(ScoringService service, OfflineModel model)
    {
        using HttpResponseMessage response = await service.Client.PostAsJsonAsync("/score", new { features = DigitsTable.Rows[5] });
        var answer = (await response.Content.ReadFromJsonAsync<ScoreAnswer>())!;
        Assert.AreEqual(model.Version, answer.ModelVersion);
        Assert.IsTrue(model.Gives(5, answer.Prediction, answer.Probabilities));
    }
}
