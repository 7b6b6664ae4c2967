using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.WebScoring.Tests;

/// <summary>Ending the program does not cut off a request that has begun.</summary>
[TestClass]
[OSCondition(ConditionMode.Exclude, OperatingSystems.Windows, IgnoreMessage = "Windows has no SIGTERM to send.")]
public sealed class ShutdownTests
{
    [TestMethod]
    public async Task Request_UnderWay_IsAnswered_AndNewOnesAreRefused()
    {
        OfflineModel model = OfflineModel.Of(1);
        using var folder = new ModelFolder();
        folder.Replace(model.Zip);
        using var service = new ServiceProcess(folder);
        Uri address = await service.AddressAsync();
        await WaitUntilReadyAsync(address);

        byte[] body = JsonSerializer.SerializeToUtf8Bytes(new { features = DigitsTable.Rows[7] });
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, address.Port);
        await using NetworkStream stream = client.GetStream();
        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes(
            $"POST /score HTTP/1.1\r\nHost: {address.Authority}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n"
            + "Expect: 100-continue\r\n\r\n"));

        // "100 Continue" comes when the route begins to read the body: the request is under way. The end
        // that is then asked for shows in the closed port.
        using var reader = new StreamReader(stream);
        Assert.AreEqual("HTTP/1.1 100 Continue", await reader.ReadLineAsync().WaitAsync(ScoringService.Patience));
        Assert.AreEqual("", await reader.ReadLineAsync());
        service.RequestEnd();
        await WaitUntilRefusedAsync(address);
        await stream.WriteAsync(body);
        string answer = await reader.ReadToEndAsync().WaitAsync(ScoringService.Patience);

        StringAssert.StartsWith(answer, "HTTP/1.1 200 OK\r\n");
        StringAssert.Contains(answer, $"\"modelVersion\":\"{model.Version}\"");
        Assert.AreEqual(0, await service.EndAsync(), service.Output);
    }

    /// <summary>Training is the longest thing the program does: the end does not wait for it, and leaves no half of a file.</summary>
    [TestMethod]
    public async Task Training_UnderWay_IsGivenUp()
    {
        using var folder = new ModelFolder();
        using var service = new ServiceProcess(folder);
        await service.AddressAsync();
        using (var patience = new CancellationTokenSource(ScoringService.Patience))
        {
            while (!service.Output.Contains("training a model of handwritten digits"))
                await Task.Delay(5, patience.Token);
        }

        service.RequestEnd();
        Assert.AreEqual(0, await service.EndAsync(), service.Output);
        // Training takes about a second; only where the request came too late to stop it there is a file, a whole one.
        string[] expected = service.Output.Contains("Trained in") ? [folder.ModelPath] : [];
        CollectionAssert.AreEqual(expected, Directory.GetFiles(Path.GetDirectoryName(folder.ModelPath)!));
    }

    private static async Task WaitUntilReadyAsync(Uri address)
    {
        using var client = new HttpClient { BaseAddress = address };
        using var patience = new CancellationTokenSource(ScoringService.Patience);
        while ((await client.GetAsync("/model", patience.Token)).StatusCode != HttpStatusCode.OK)
            await Task.Delay(20, patience.Token);
    }

    private static async Task WaitUntilRefusedAsync(Uri address)
    {
        using var patience = new CancellationTokenSource(ScoringService.Patience);
        while (true)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, address.Port, patience.Token);
            }
            catch (SocketException)
            {
                return;
            }

            await Task.Delay(20, patience.Token);
        }
    }
}
