using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.WebScoring.Tests;

/// <summary>Every refusal is a problem document that says where and why, and leaves the service well.</summary>
[TestClass]
public sealed class RefusalTests
{
    private const int MaximumRows = 3;
    private const int MaximumBodyBytes = 2048;

    private static ScoringService s_service = null!;

    [ClassInitialize]
    public static async Task StartService(TestContext _) => s_service = await new ScoringService(
        OfflineModel.Of(1).Zip, ("Scoring:MaximumRows", $"{MaximumRows}"),
        ("Scoring:MaximumBodyBytes", $"{MaximumBodyBytes}")).ReadyAsync();

    [ClassCleanup]
    public static void StopService() => s_service.Dispose();

    [TestMethod]
    [DataRow("/score", "", "malformed-json", "Line 1, byte 1")]
    [DataRow("/score", "{\"features\": [1, 2", "malformed-json", "Line 1")]
    [DataRow("/score", "{\n\"features\": [1, NaN]}", "malformed-json", "Line 2, byte 17")]
    [DataRow("/score", "{\"features\": [1, Infinity]}", "malformed-json", "write null for a missing value")]
    [DataRow(
        "/score", "{\"features\": [1], \"features\": [2]}", "malformed-json",
        "Line 1, byte 19: The property 'features' stands there a second time.")]
    [DataRow(
        "/score", "{\n  \"features\": [1],\n  \"x\": 1,\n  \"features\": [2]}", "malformed-json",
        "Line 4, byte 3: The property 'features'")]
    [DataRow("/score", "{\"features\": [1], \"\\u0066eatures\": [2]}", "malformed-json", "Line 1, byte 19: The property 'features'")]
    [DataRow(
        "/score", "{\"a\": {\"b\": 1}, \"c\": {\"b\": {\"d\": 1,\r\n\"d\": 2}}}", "malformed-json", "Line 2, byte 1: The property 'd'")]
    [DataRow("/score/batch", "{\"rows\": [[1]], \"ü\": 0, \"ü\": 0}", "malformed-json", "Line 1, byte 26: The property 'ü'")]
    [DataRow("/score/batch", "[{\"\": 0, \"\": 0}]", "malformed-json", "Line 1, byte 10: The property ''")]
    [DataRow(
        "/score", "{\"features\": [1], \"\\ud800\": 1}", "malformed-json",
        "Line 1, byte 19: The property's name has half a surrogate pair.")]
    [DataRow("/score", "{\n\"\\udc00\": 1}", "malformed-json", "Line 2, byte 1: The property's name has half a surrogate pair.")]
    [DataRow("/score", "{\"features\": [\"\\ud800\"]}", "wrong-length", "Found 1 values")]
    [DataRow("/score", "{\"features\": \"\\ud800\"}", "not-an-array", "the string \"\\ud800\"")]
    [DataRow("/score", "{\"features\": [[[[[[[[1]]]]]]]]}", "malformed-json", "Line 1, byte 21")]
    [DataRow("/score", "{\"features\": [1]} {", "malformed-json", "Line 1, byte 19")]
    [DataRow("/score", "{\"features\": [01]}", "malformed-json", "Line 1, byte 16")]
    [DataRow("/score", "{\"features\": [1,]}", "malformed-json", "Line 1, byte 17")]
    [DataRow("/score", "{\"features\": [1] /* why */}", "malformed-json", "Line 1, byte 18")]
    [DataRow("/score", "\n\n \"features", "malformed-json", "Line 3, byte")]
    [DataRow("/score", "{\"features\": \"a\tb\"}", "malformed-json", "Line 1, byte 16")]
    [DataRow("/score", "{}", "missing-field", "'features'")]
    [DataRow("/score", "[1, 2]", "missing-field", "'features'")]
    [DataRow("/score", "{\"rows\": [[1]]}", "missing-field", "'features'")]
    [DataRow("/score", "{\"features\": \"1,2\"}", "not-an-array", "the string \"1,2\"")]
    [DataRow("/score", "{\"features\": []}", "wrong-length", "Found 0 values, the model needs 64.")]
    [DataRow("/score/batch", "{}", "missing-field", "'rows'")]
    [DataRow("/score/batch", "{\"rows\": 5}", "not-an-array", "the number 5")]
    [DataRow("/score/batch", "{\"rows\": []}", "empty-batch", "at least one row")]
    [DataRow("/score/batch", "{\"rows\": [{}]}", "not-an-array", "#/rows/0: Found an object")]
    [DataRow("/score/batch", "{\"rows\": [[1, 2, 3]]}", "wrong-length", "#/rows/0: Found 3 values")]
    public Task Body_OfTheWrongForm_Is400(string path, string body, string kind, string detail) =>
        AssertRefusedAsync(path, body, 400, kind, detail);

    [TestMethod]
    [DataRow("\"7\"", "not-a-number", "Found the string \"7\", a number is needed")]
    [DataRow("\"NaN\"", "not-a-number", "Found the string \"NaN\"")]
    [DataRow("\"\\udfff\"", "not-a-number", "Found the string \"\\udfff\"")]
    [DataRow("\"1234567890123456789012345\"", "not-a-number", "Found the string \"12345678901234567890...\"")]
    [DataRow("true", "not-a-number", "Found true")]
    [DataRow("[1]", "not-a-number", "Found an array")]
    [DataRow("{}", "not-a-number", "Found an object")]
    [DataRow("1e39", "not-finite", "1e39 is beyond the 32-bit range")]
    [DataRow("-1e400", "not-finite", "-1e400 is beyond")]
    public async Task Value_ThatIsNoFiniteNumber_Is400_AndItsPlaceIsNamed(string value, string kind, string detail)
    {
        string row = $"[{string.Join(",", Enumerable.Repeat("0", 10))},{value},{string.Join(",", Enumerable.Repeat("0", 53))}]";
        await AssertRefusedAsync("/score", $"{{\"features\": {row}}}", 400, kind, $"#/features/10: {detail}");
        ProblemAnswer problem = await AssertRefusedAsync(
            "/score/batch", $"{{\"rows\": [{Zeros},{row}]}}", 400, kind, $"#/rows/1/10: {detail}");
        Assert.AreEqual("#/rows/1/10", problem.Errors!.Single().Pointer);
    }

    [TestMethod]
    public async Task Batch_WithSeveralErrors_NamesThemAll_UpToTwenty()
    {
        ProblemAnswer two = await AssertRefusedAsync(
            "/score/batch", $"{{\"rows\": [[1],{Zeros},[2,3]]}}", 400, "wrong-length", "2 things are wrong");
        CollectionAssert.AreEqual(new[] { "#/rows/0", "#/rows/2" }, two.Errors!.Select(error => error.Pointer).ToArray());

        string strings = $"[{string.Join(",", Enumerable.Repeat("\"x\"", 64))}]";
        ProblemAnswer many = await AssertRefusedAsync(
            "/score", $"{{\"features\": {strings}}}", 400, "not-a-number", "More than 20 things are wrong");
        Assert.HasCount(20, many.Errors!);
    }

    [TestMethod]
    public async Task Batch_WithTooManyRows_Is413_AndOneOfTheMostIsNot()
    {
        string Batch(int rows) => $"{{\"rows\": [{string.Join(",", Enumerable.Repeat(Zeros, rows))}]}}";
        await AssertRefusedAsync("/score/batch", Batch(MaximumRows + 1), 413, "too-many-rows", "4 rows; at most 3");
        using HttpResponseMessage most = await PostAsync("/score/batch", Batch(MaximumRows));
        Assert.AreEqual(HttpStatusCode.OK, most.StatusCode);
    }

    [TestMethod]
    public async Task Body_ThatIsTooLarge_Is413_WithAndWithoutItsLength()
    {
        string body = $"{{\"features\": {Zeros}}}".PadRight(MaximumBodyBytes + 1);
        await AssertRefusedAsync("/score", body, 413, "body-too-large", "At most 2,048 bytes");

        using var chunked = new HttpRequestMessage(HttpMethod.Post, "/score")
        {
            Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json"),
        };
        chunked.Headers.TransferEncodingChunked = true;
        using HttpResponseMessage response = await s_service.Client.SendAsync(chunked);
        await AssertProblemAsync(response, 413, "body-too-large", "At most 2,048 bytes");

        using HttpResponseMessage largest = await PostAsync("/score", body[..MaximumBodyBytes]);
        Assert.AreEqual(HttpStatusCode.OK, largest.StatusCode);
    }

    [TestMethod]
    public async Task Body_ThatIsNotDeclaredToBeJson_Is415()
    {
        using var content = new StringContent($"{{\"features\": {Zeros}}}", System.Text.Encoding.UTF8, "text/plain");
        using HttpResponseMessage response = await s_service.Client.PostAsync("/score", content);
        await AssertProblemAsync(response, 415, "not-json", "Content-Type: application/json");
    }

    [TestMethod]
    [DataRow("GET", "/nothing-here", 404)]
    [DataRow("GET", "/score", 405)]
    [DataRow("POST", "/model", 405)]
    public async Task Route_ThatIsNotThere_IsAProblemDocumentToo(string method, string path, int status)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using HttpResponseMessage response = await s_service.Client.SendAsync(request);
        Assert.AreEqual(status, (int)response.StatusCode);
        Assert.AreEqual("application/problem+json", response.Content.Headers.ContentType!.MediaType);
    }

    /// <summary>
    /// What is no UTF-8 is malformed where it stops to be it: in a string, where a parser need not look, and outside of one.
    /// </summary>
    [TestMethod]
    [DataRow("{\"features\": \"", new byte[] { 0xC3, 0x28 }, "\"}", "Line 1, byte 15: ")]
    [DataRow("{\n\"", new byte[] { 0xFF }, "\": 1}", "Line 2, byte 2: ")]
    [DataRow("{\"ü\": 1,\r\n \"x\": \"", new byte[] { 0xED, 0xA0, 0x80 }, "\"}", "Line 2, byte 8: ")]
    [DataRow("", new byte[] { 0xFE, 0xFF, 0x00, 0x7B }, "", "Line 1, byte 1: ")]
    public async Task Body_ThatIsNotUtf8_Is400_AndItsPlaceIsNamed(string before, byte[] bytes, string after, string place)
    {
        using var content = new ByteArrayContent(
            [.. System.Text.Encoding.UTF8.GetBytes(before), .. bytes, .. System.Text.Encoding.UTF8.GetBytes(after)]);
        content.Headers.ContentType = new("application/json");
        using HttpResponseMessage response = await s_service.Client.PostAsync("/score", content);
        await AssertProblemAsync(response, 400, "malformed-json", place + "The text is not UTF-8.");
    }

    /// <summary>Some programs begin what they write with a byte order mark; it is no part of the text, nor of the places in it.</summary>
    [TestMethod]
    public async Task Body_WithByteOrderMark_IsReadAsIfWithoutIt()
    {
        using HttpResponseMessage marked = await PostAsync("/score", $"\ufeff{{\"features\": {Zeros}}}");
        Assert.AreEqual(HttpStatusCode.OK, marked.StatusCode);
        await AssertRefusedAsync("/score", "\ufeff{\"a\": 1, \"a\": 2}", 400, "malformed-json", "Line 1, byte 10: The property 'a'");
        await AssertRefusedAsync("/score", "\ufeff{]", 400, "malformed-json", "Line 1, byte 2: ");
    }

    /// <summary>A problem's type leads to a paragraph of the page of problems.</summary>
    [TestMethod]
    public async Task ProblemKinds_AreAllExplained()
    {
        string page = await s_service.Client.GetStringAsync("/problems.html");
        Assert.IsGreaterThan(10, global::WebScoring.Requests.ProblemKind.All.Count);
        foreach (var kind in global::WebScoring.Requests.ProblemKind.All)
            StringAssert.Contains(page, $"<h2 id=\"{kind.Anchor}\">{kind.Status}: ");
    }

    /// <summary>In a process of its own: in this one the host may be gone before whoever waits for its start is told why.</summary>
    [TestMethod]
    public async Task Setting_OutOfRange_StopsTheProgramAtItsStart()
    {
        var start = new ProcessStartInfo(
            "dotnet", [typeof(global::WebScoring.ScoringOptions).Assembly.Location, "--urls", "http://127.0.0.1:0", "--Scoring:MaximumRows", "0"]) { RedirectStandardError = true, RedirectStandardOutput = true };
        using Process program = Process.Start(start)!;
        Task<string> output = program.StandardOutput.ReadToEndAsync(), errors = program.StandardError.ReadToEndAsync();
        using var patience = new CancellationTokenSource(ScoringService.Patience);
        try
        {
            await program.WaitForExitAsync(patience.Token);
        }
        finally
        {
            program.Kill(entireProcessTree: true);
        }

        Assert.AreNotEqual(0, program.ExitCode);
        StringAssert.Contains(await output + await errors, "MaximumRows");
    }

    private static string Zeros => $"[{string.Join(",", Enumerable.Repeat("0", 64))}]";

    private static Task<HttpResponseMessage> PostAsync(string path, string body) =>
        s_service.Client.PostAsync(path, new StringContent(body, System.Text.Encoding.UTF8, "application/json"));

    private static async Task<ProblemAnswer> AssertRefusedAsync(string path, string body, int status, string kind, string detail)
    {
        using HttpResponseMessage response = await PostAsync(path, body);
        return await AssertProblemAsync(response, status, kind, detail);
    }

    private static async Task<ProblemAnswer> AssertProblemAsync(HttpResponseMessage response, int status, string kind, string detail)
    {
        Assert.AreEqual(
            "application/problem+json", response.Content.Headers.ContentType?.MediaType, await response.Content.ReadAsStringAsync());
        var problem = (await response.Content.ReadFromJsonAsync<ProblemAnswer>())!;
        Assert.AreEqual(
            (status, status, $"/problems.html#{kind}"), ((int)response.StatusCode, problem.Status, problem.Type), problem.Detail);
        StringAssert.Contains(problem.Detail, detail);
        return problem;
    }
}
