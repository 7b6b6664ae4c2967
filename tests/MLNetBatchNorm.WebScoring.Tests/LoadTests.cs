using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.WebScoring.Tests;

/// <summary>
/// 64 clients on loopback while the model file is replaced: no request fails, and every answer is, bit for bit, what the
/// offline model of the version it names gives for the row that was sent. A few seconds here;
/// <c>build/build.sh load-test</c> runs it for 30 with ten replacements.
/// </summary>
[TestClass]
public sealed class LoadTests
{
    private const string SecondsVariable = "WEBSCORING_LOAD_SECONDS";
    private const int Clients = 64;
    private const int BatchRows = 16;

    public required TestContext TestContext { get; set; }

    [TestMethod]
    [TestCategory("Load")]
    public async Task ModelReplacedUnderLoad_NothingFails_AndNothingIsMixed()
    {
        double seconds = double.Parse(Environment.GetEnvironmentVariable(SecondsVariable) ?? "4", CultureInfo.InvariantCulture);
        int replacements = seconds < 30 ? 3 : 10;
        OfflineModel[] models = [.. Enumerable.Range(1, replacements + 1).Select(OfflineModel.Of)];
        AssertDistinguishable(models);
        using var folder = new ModelFolder();
        folder.Replace(models[0].Zip);
        using var service = new ServiceProcess(folder);
        Uri address = await service.AddressAsync();
        using var observer = new HttpClient { BaseAddress = address };
        await WaitForVersionAsync(observer, models[0].Version);

        var tally = new Tally(models);
        var clock = Stopwatch.StartNew();
        using var stop = new CancellationTokenSource();
        Task[] clients = [.. Enumerable.Range(0, Clients)
            .Select(number => Task.Run(() => RunClientAsync(address, number, tally, stop.Token)))];
        for (int i = 1; i <= replacements; i++)
        {
            await WaitUntilAsync(clock, seconds * i / (replacements + 1));
            folder.Replace(models[i].Zip);
            await WaitForVersionAsync(observer, models[i].Version);
        }

        await WaitUntilAsync(clock, seconds);
        stop.Cancel();
        await Task.WhenAll(clients);
        double duration = clock.Elapsed.TotalSeconds;
        service.RequestEnd();
        Assert.AreEqual(0, await service.EndAsync(), service.Output);

        Report(tally, replacements, duration);
        Assert.IsEmpty(tally.Failures, string.Join("\n", tally.Failures.Take(5)));
        Assert.IsEmpty(tally.Wrong, string.Join("\n", tally.Wrong.Take(5)));
        foreach (OfflineModel model in models)
            Assert.IsTrue(tally.Rows.ContainsKey(model.Version), $"No request was answered by {model.Version}.");
    }

    /// <summary>Without this a mixed answer could be right by chance.</summary>
    private static void AssertDistinguishable(OfflineModel[] models)
    {
        Assert.AreEqual(models.Length, models.Select(model => model.Version).Distinct().Count());
        for (int row = 0; row < DigitsTable.Rows.Length; row++)
        {
            for (int i = 1; i < models.Length; i++)
            {
                Assert.IsFalse(
                    models[i].Gives(row, models[i - 1].Predictions[row], models[i - 1].Probabilities[row]),
                    $"row {row}, models {i} and {i - 1}");
            }
        }
    }

    /// <summary>One client with a connection of its own: single rows, and every eighth time a batch.</summary>
    private static async Task RunClientAsync(Uri address, int number, Tally tally, CancellationToken stop)
    {
        using var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 1 })
        {
            BaseAddress = address, Timeout = ScoringService.Patience,
        };
        for (int request = 0; !stop.IsCancellationRequested; request++)
        {
            int row = (number * 101 + request * 17) % (DigitsTable.Rows.Length - BatchRows);
            long start = Stopwatch.GetTimestamp();
            try
            {
                if (request % 8 == 7)
                    await SendBatchAsync(http, row, tally);
                else
                    await SendRowAsync(http, row, tally);
                tally.Milliseconds.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
            catch (Exception exception)
            {
                tally.Failures.Add($"client {number}, request {request}: {exception.Message}");
            }
        }
    }

    private static async Task SendRowAsync(HttpClient http, int row, Tally tally)
    {
        using HttpResponseMessage response = await http.PostAsJsonAsync("/score", new { features = DigitsTable.Rows[row] });
        response.EnsureSuccessStatusCode();
        var answer = (await response.Content.ReadFromJsonAsync<ScoreAnswer>())!;
        tally.Check(answer.ModelVersion, row, new RowAnswer(answer.Prediction, answer.Probabilities));
    }

    private static async Task SendBatchAsync(HttpClient http, int first, Tally tally)
    {
        using HttpResponseMessage response = await http.PostAsJsonAsync(
            "/score/batch", new { rows = DigitsTable.Rows[first..(first + BatchRows)] });
        response.EnsureSuccessStatusCode();
        var answer = (await response.Content.ReadFromJsonAsync<BatchAnswer>())!;
        if (answer.Rows.Length != BatchRows)
            tally.Wrong.Add($"{answer.Rows.Length} rows came back for {BatchRows}");
        for (int i = 0; i < answer.Rows.Length; i++)
            tally.Check(answer.ModelVersion, first + i, answer.Rows[i]);
    }

    private static async Task WaitForVersionAsync(HttpClient client, string version)
    {
        using var patience = new CancellationTokenSource(ScoringService.Patience);
        while ((await (await client.GetAsync("/health", patience.Token)).Content
            .ReadFromJsonAsync<HealthAnswer>(patience.Token))!.ModelVersion != version)
        {
            await Task.Delay(20, patience.Token);
        }
    }

    private static async Task WaitUntilAsync(Stopwatch clock, double seconds)
    {
        double left = seconds - clock.Elapsed.TotalSeconds;
        if (left > 0)
            await Task.Delay(TimeSpan.FromSeconds(left));
    }

    private void Report(Tally tally, int replacements, double seconds)
    {
        double[] times = [.. tally.Milliseconds.Order()];
        string text = string.Create(CultureInfo.InvariantCulture,
            $"load test: {Clients} clients, {seconds:F0} s, {replacements} replacements: "
            + $"{times.Length} requests, {tally.Rows.Values.Sum()} rows by {tally.Rows.Count} versions, " +
            $"{tally.Failures.Count} failed, {tally.Wrong.Count} wrong; median {times[times.Length / 2]:F1} ms, "
            + $"99% within {times[times.Length * 99 / 100]:F1} ms");
        TestContext.WriteLine(text);
    }

    /// <summary>What the clients have seen.</summary>
    private sealed class Tally(OfflineModel[] models)
    {
        private readonly Dictionary<string, OfflineModel> _models = models.ToDictionary(model => model.Version);

        public ConcurrentBag<string> Failures { get; } = [];

        public ConcurrentBag<string> Wrong { get; } = [];

        public ConcurrentBag<double> Milliseconds { get; } = [];

        public ConcurrentDictionary<string, int> Rows { get; } = [];

        public void Check(string version, int row, RowAnswer answer)
        {
            if (!_models.TryGetValue(version, out OfflineModel? model))
                Wrong.Add($"an unknown version: {version}");
            else if (!model.Gives(row, answer.Prediction, answer.Probabilities))
                Wrong.Add($"row {row} of {version}: {answer.Prediction} {string.Join(" ", answer.Probabilities)}");
            Rows.AddOrUpdate(version, 1, static (_, count) => count + 1);
        }
    }
}
