using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.WebScoring.Tests;

/// <summary>The page as people use it, in a real browser: drawing with mouse, finger and keyboard, and pasting a table.</summary>
[TestClass]
public sealed partial class PageTests
{
    private static ScoringService? s_service;
    private static Browser? s_browser;
    private static OfflineModel s_model = null!;

    private IPage _page = null!;
    private readonly List<string> _complaints = [];

    /// <summary>The model is the one that the service trains when it finds none.</summary>
    [ClassInitialize]
    public static async Task StartServiceAndBrowser(TestContext _)
    {
        s_browser = await Browser.StartAsync();
        s_service = await new ScoringService(zip: null).ReadyAsync();
        s_model = new OfflineModel(File.ReadAllBytes(s_service.Folder.ModelPath));
    }

    [ClassCleanup]
    public static async Task StopServiceAndBrowser()
    {
        if (s_browser is not null)
            await s_browser.DisposeAsync();
        s_service?.Dispose();
    }

    [TestCleanup]
    public async Task ClosePage()
    {
        if (_page is not null)
            await _page.Context.CloseAsync();
        Assert.IsEmpty(_complaints, string.Join("\n", _complaints));
    }

    [TestMethod]
    public async Task Digits_DrawnWithTheMouse_AreRead()
    {
        await OpenAsync(1280, 800);
        Assert.AreEqual("?", await _page.Locator("#digit").TextContentAsync());
        var misread = new List<string>();
        for (int digit = 0; digit <= 9; digit++)
        {
            foreach ((double X, double Y)[] stroke in Strokes.Of(digit))
                await DrawWithMouseAsync(stroke);
            (string read, double[] percents) = await ReadAnswerAsync();
            Assert.AreEqual(100, percents.Sum(), 0.6, $"the percentages beside {digit}");
            Assert.AreEqual(int.Parse(read), Array.IndexOf(percents, percents.Max()), "the digit shown has the longest bar");
            if (read != $"{digit}")
                misread.Add($"{digit} as {read}");
            await _page.ClickAsync("#clear");
            await Assertions.Expect(_page.Locator("#digit")).ToHaveTextAsync("?");
        }

        Assert.IsEmpty(misread, string.Join(", ", misread));
    }

    [TestMethod]
    public async Task Probabilities_AppearWhileTheStrokeIsDrawn()
    {
        await OpenAsync(1280, 800);
        (double X, double Y)[] stroke = Strokes.Of(7)[0];
        LocatorBoundingBoxResult pad = (await _page.Locator("#pad").BoundingBoxAsync())!;
        await MoveMouseAsync(pad, stroke[0]);
        await _page.Mouse.DownAsync();
        await MoveMouseAsync(pad, stroke[1]);
        await MoveMouseAsync(pad, stroke[2]);
        await Assertions.Expect(_page.Locator("#digit")).ToHaveTextAsync("7");
        await _page.Mouse.UpAsync();
        await Assertions.Expect(_page.Locator("#draw-status")).ToContainTextAsync($"says model {s_model.Version[..8]}");
    }

    [TestMethod]
    public async Task Digit_DrawnWithTheKeyboard_IsRead_AndCanBeUndone()
    {
        await OpenAsync(1280, 800);
        await _page.FocusAsync("#pad");
        await PressAsync("ArrowLeft", 6);
        await PressAsync("Space", 1);
        await PressAsync("ArrowRight", 14);
        for (int i = 0; i < 11; i++)
        {
            await PressAsync("ArrowDown", 2);
            await PressAsync("ArrowLeft", 1);
        }

        await PressAsync("Space", 1);
        Assert.AreEqual("7", (await ReadAnswerAsync()).Digit);
        await PressAsync("Backspace", 1);
        await Assertions.Expect(_page.Locator("#digit")).ToHaveTextAsync("?");
    }

    [TestMethod]
    public async Task Digit_DrawnWithAFingerOnAPhone_IsRead_WithoutScrolling()
    {
        const int Width = 390, Height = 844;
        await OpenAsync(Width, Height, touch: true);
        LocatorBoundingBoxResult pad = (await _page.Locator("#pad").BoundingBoxAsync())!;
        ICDPSession session = await _page.Context.NewCDPSessionAsync(_page);
        foreach ((double X, double Y)[] stroke in Strokes.Of(4))
            await DrawWithFingerAsync(session, pad, stroke);
        Assert.AreEqual("4", (await ReadAnswerAsync()).Digit);

        Assert.AreEqual(0, await _page.EvaluateAsync<double>("scrollY"), "drawing does not scroll the page");
        Assert.AreEqual(
            0, await _page.EvaluateAsync<int>("document.documentElement.scrollWidth - innerWidth"), "nothing sticks out on the right");
        LocatorBoundingBoxResult lastBar = (await _page.Locator("#bars li").Last.BoundingBoxAsync())!;
        Assert.IsLessThanOrEqualTo(Height, lastBar.Y + lastBar.Height, "drawing and all bars are in view at once");
    }

    /// <summary>The drawings have the ink, the place and the range of the data set's own rows.</summary>
    [TestMethod]
    public async Task Counts_OfDrawings_AreLikeTheDataSets()
    {
        await OpenAsync(1280, 800);
        double inkOfData = DigitsTable.Rows.Average(row => row.Sum());
        for (int digit = 0; digit <= 9; digit++)
        {
            double[][][] strokes = [.. Strokes.Of(digit).Select(stroke => stroke.Select(point => new[] { point.X, point.Y }).ToArray())];
            int[] counts = await _page.EvaluateAsync<int[]>("async strokes => (await import('/js/raster.js')).countsOf(strokes)", strokes);
            Assert.HasCount(64, counts);
            Assert.IsTrue(counts.All(count => count is >= 0 and <= 16), $"{digit}: {string.Join(" ", counts)}");
            Assert.AreEqual(inkOfData, counts.Sum(), 0.1 * inkOfData, $"ink of {digit}");
            Assert.IsGreaterThan(0, counts.Take(8).Sum(), $"{digit} reaches the top");
            Assert.IsGreaterThan(0, counts.Skip(56).Sum(), $"{digit} reaches the bottom");
            // Twice and moved: size and place on the pad do not matter.
            double[][][] elsewhere =
                [.. strokes.Select(stroke => stroke.Select(point => new[] { 0.5 * point[0] + 0.4, 0.5 * point[1] }).ToArray())];
            CollectionAssert.AreEqual(
                counts, await _page.EvaluateAsync<int[]>("async strokes => (await import('/js/raster.js')).countsOf(strokes)", elsewhere));
        }
    }

    [TestMethod]
    public async Task Table_Pasted_ComesBackScored_AndTheFileHasTheOfflineModelsBits()
    {
        const int Rows = 1200;                                          // more than one request may have
        await OpenAsync(1280, 800);
        await Assertions.Expect(_page.Locator("#model-version")).ToHaveTextAsync(s_model.Version[..8]);
        // The columns in reverse: they are found by the names in the header.
        string text = string.Join(
            '\n',
            new[] { DigitsTable.Header }.Concat(DigitsTable.Lines[..Rows].ToArray())
                .Select(line => string.Join(';', line.Split(',').Reverse())));
        await _page.FillAsync("#csv", text);
        await _page.ClickAsync("#score");

        int agreeing = Enumerable.Range(0, Rows).Count(row => s_model.Predictions[row] == DigitsTable.Labels[row]);
        await Assertions.Expect(_page.Locator("#table-summary")).ToContainTextAsync(
            $"{Rows} rows scored by model {s_model.Version[..8]}. {agreeing} of {Rows} agree with column target.");
        Assert.AreEqual(s_model.Predictions[0], await _page.Locator("#result-rows .prediction").First.TextContentAsync());

        IDownload download = await _page.RunAndWaitForDownloadAsync(() => _page.ClickAsync("#download"));
        string[][] file = [.. (await File.ReadAllLinesAsync(await download.PathAsync())).Select(line => line.Split(';'))];
        Assert.AreEqual("scored.csv", download.SuggestedFilename);
        Assert.HasCount(Rows + 1, file);
        CollectionAssert.AreEqual(new[] { "prediction", "probability", "p_0", "p_1" }, file[0][65..69]);
        for (int row = 0; row < Rows; row++)
        {
            // A browser's numbers have 64 bits; the nearest number of 32 bits is the one that the service sent.
            float[] probabilities = [.. file[row + 1][67..77].Select(cell => (float)double.Parse(cell, CultureInfo.InvariantCulture))];
            Assert.IsTrue(s_model.Gives(row, file[row + 1][65], probabilities), $"row {row}");
            Assert.AreEqual(s_model.Version, file[row + 1][77]);
        }
    }

    [TestMethod]
    [DataRow("seven", "Line 3, column 5: Found the string \"seven\", a number is needed")]
    [DataRow("1e99", "Line 3, column 5: 1e+99 is beyond the 32-bit range")]
    public async Task Table_WithAWrongValue_IsRefused_AndTheLineIsNamed(string value, string expected)
    {
        await OpenAsync(390, 844);
        await Assertions.Expect(_page.Locator("#model-version")).ToHaveTextAsync(s_model.Version[..8]);
        string[] lines = DigitsTable.Lines[..4].ToArray();
        string[] cells = lines[2].Split(',');
        cells[4] = value;
        lines[2] = string.Join(',', cells);
        await _page.FillAsync("#csv", string.Join("\r\n", lines));
        await _page.ClickAsync("#score");
        await Assertions.Expect(_page.Locator("#table-problem")).ToContainTextAsync(expected);
        Assert.IsFalse(await _page.Locator("#table-result").IsVisibleAsync());
        // The browser itself notes the refused request.
        Assert.IsNotEmpty(_complaints);
        Assert.IsTrue(_complaints.All(text => text.Contains("400 (Bad Request)")), string.Join("\n", _complaints));
        _complaints.Clear();
    }

    [TestMethod]
    public async Task Table_WithQuotesMissingValuesAndOtherColumns_IsUnderstood()
    {
        await OpenAsync(1280, 800);
        await Assertions.Expect(_page.Locator("#model-version")).ToHaveTextAsync(s_model.Version[..8]);
        string[] cells = DigitsTable.Lines[0].Split(',')[..64];
        cells[3] = "";
        await _page.FillAsync("#csv", $"{string.Join(',', cells)},\"a \"\"note\"\", with a comma\"\n{DigitsTable.Lines[1]}\n");
        await _page.ClickAsync("#score");
        await Assertions.Expect(_page.Locator("#table-summary")).ToContainTextAsync("2 rows scored");
        await Assertions.Expect(_page.Locator("#result-rows td").Nth(3)).ToHaveTextAsync("a \"note\", with a comma");
    }

    /// <summary>The page shows the model that answers now, without being loaded anew.</summary>
    [TestMethod]
    public async Task Model_ThatIsReplaced_IsShown()
    {
        OfflineModel first = OfflineModel.Of(1), second = OfflineModel.Of(2);
        using ScoringService service = await new ScoringService(first.Zip).ReadyAsync();
        await OpenAsync(1280, 800, address: service.Client.BaseAddress);
        await Assertions.Expect(_page.Locator("#model-version")).ToHaveTextAsync(first.Version[..8]);
        service.Folder.Replace(second.Zip);
        await Assertions.Expect(_page.Locator("#model-version")).ToHaveTextAsync(second.Version[..8]);
        service.Folder.Replace([1, 2, 3]);
        await Assertions.Expect(_page.Locator("#model-state")).ToHaveTextAsync("degraded");
        await Assertions.Expect(_page.Locator("#notice")).ToContainTextAsync("goes on answering");
    }

    /// <summary>Opens the page; errors in its scripts and requests to anywhere else fail the test.</summary>
    private async Task OpenAsync(int width, int height, bool touch = false, Uri? address = null)
    {
        address ??= s_service!.Client.BaseAddress!;
        _page = await s_browser!.OpenAsync(new Uri("about:blank"), width, height, touch);
        _page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
                _complaints.Add(message.Text);
        };
        _page.PageError += (_, error) => _complaints.Add(error);
        _page.Request += (_, request) =>
        {
            var target = new Uri(request.Url);
            if (target.Scheme is not ("blob" or "data") && target.Authority != address.Authority)
                _complaints.Add($"a request to {request.Url}");
        };
        await _page.GotoAsync(address.ToString());
    }

    private async Task DrawWithMouseAsync((double X, double Y)[] stroke)
    {
        LocatorBoundingBoxResult pad = (await _page.Locator("#pad").BoundingBoxAsync())!;
        await MoveMouseAsync(pad, stroke[0]);
        await _page.Mouse.DownAsync();
        foreach ((double X, double Y) point in stroke)
            await MoveMouseAsync(pad, point);
        await _page.Mouse.UpAsync();
    }

    private Task MoveMouseAsync(LocatorBoundingBoxResult pad, (double X, double Y) point) =>
        _page.Mouse.MoveAsync(
            (float)(pad.X + point.X * pad.Width), (float)(pad.Y + point.Y * pad.Height), new MouseMoveOptions { Steps = 3 });

    private static async Task DrawWithFingerAsync(ICDPSession session, LocatorBoundingBoxResult pad, (double X, double Y)[] stroke)
    {
        async Task SendAsync(string type, (double X, double Y)? point)
        {
            object[] points = point is { } p ? [new { x = pad.X + p.X * pad.Width, y = pad.Y + p.Y * pad.Height }] : [];
            await session.SendAsync(
                "Input.dispatchTouchEvent", new Dictionary<string, object> { ["type"] = type, ["touchPoints"] = points });
        }

        await SendAsync("touchStart", stroke[0]);
        foreach ((double X, double Y) point in stroke)
            await SendAsync("touchMove", point);
        await SendAsync("touchEnd", null);
    }

    private async Task PressAsync(string key, int times)
    {
        for (int i = 0; i < times; i++)
            await _page.Keyboard.PressAsync(key);
    }

    /// <summary>The page's answer for the finished drawing: the digit, and the percentages of all.</summary>
    private async Task<(string Digit, double[] Percents)> ReadAnswerAsync()
    {
        await Assertions.Expect(_page.Locator("#bars")).ToHaveAttributeAsync("aria-busy", "false");
        IReadOnlyList<string> texts = await _page.Locator("#bars .percent").AllTextContentsAsync();
        double[] percents = [.. texts.Select(text => double.Parse(Number().Match(text).Value, CultureInfo.InvariantCulture))];
        return ((await _page.Locator("#digit").TextContentAsync())!, percents);
    }

    [GeneratedRegex(@"[\d.]+")]
    private static partial Regex Number();
}
