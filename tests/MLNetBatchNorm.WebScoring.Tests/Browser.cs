using Microsoft.Playwright;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.WebScoring.Tests;

/// <summary>A Chromium of the machine, without a window.</summary>
internal sealed class Browser : IAsyncDisposable
{
    private static readonly string[] s_places =
        ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome",
            "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"];

    // A page of ours needs the network of this machine only; a browser's own errands would be connections refused.
    private static readonly string[] s_arguments =
        ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync"];

    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;

    private Browser(IPlaywright playwright, IBrowser browser)
    {
        _playwright = playwright;
        _browser = browser;
    }

    public static async Task<Browser> StartAsync()
    {
        string[] places = Environment.GetEnvironmentVariable("CHROMIUM_PATH") is { } place ? [place] : s_places;
        string? path = places.FirstOrDefault(File.Exists);
        if (path is null)
        {
            Assert.Inconclusive(
                $"There is no Chromium at {string.Join(" or ", places)}. Install Debian's package chromium, or set CHROMIUM_PATH.");
        }
        Assertions.SetDefaultExpectTimeout((float)ScoringService.Patience.TotalMilliseconds);
        IPlaywright playwright = await Playwright.CreateAsync();
        IBrowser browser = await playwright.Chromium.LaunchAsync(
            new BrowserTypeLaunchOptions { ExecutablePath = path, Args = s_arguments });
        return new Browser(playwright, browser);
    }

    /// <summary>A page of a size, in a session of its own.</summary>
    public async Task<IPage> OpenAsync(Uri address, int width, int height, bool touch = false)
    {
        IBrowserContext context = await _browser.NewContextAsync(new BrowserNewContextOptions
        {
            ViewportSize = new ViewportSize { Width = width, Height = height },
            HasTouch = touch,
            AcceptDownloads = true,
        });
        context.SetDefaultTimeout((float)ScoringService.Patience.TotalMilliseconds);
        IPage page = await context.NewPageAsync();
        await page.GotoAsync(address.ToString());
        return page;
    }

    public async ValueTask DisposeAsync()
    {
        await _browser.CloseAsync();
        _playwright.Dispose();
    }
}
