using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>Answers are counted by time and not by epochs, and lose nothing; on a clock that the test turns.</summary>
[TestClass]
public sealed class NewsPaceTests
{
    private readonly ManualClock _clock = new();
    private readonly NewsPace _pace;

    public NewsPaceTests() => _pace = new NewsPace(_clock);

    public TestContext TestContext { get; set; } = null!;

    /// <summary>Ten seconds: an answer after each 200 ms, unless epochs are rarer than that.</summary>
    [TestMethod]
    [DataRow(1, 10_000, 50)]
    [DataRow(5, 2_000, 50)]
    [DataRow(25, 400, 50)]
    [DataRow(400, 25, 25)]
    public async Task Wait_EpochsOfAnyLength_AnswersAreBoundedByTime(int milliseconds, int epochs, int expected)
    {
        var buffer = new NewsBuffer();
        var stream = new NewsStream();
        var told = new List<int>();
        Task? wait = null;
        int answers = 0;
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            buffer.Add(BitConverter.GetBytes(epoch));
            _pace.Tell();
            wait ??= _pace.Wait(() => NewsKind.Progress);
            // Only the clock can hold an answer back here.
            for (int tick = 0; tick <= milliseconds; tick++)
            {
                if (wait is not null && !_clock.IsAwaited)
                {
                    await Soon(wait);
                    byte[] answer = buffer.Read(stream.Offset, MessageLimits.PieceBytes);
                    told.AddRange(stream.Add(answer).Select(news => BitConverter.ToInt32(news)));
                    answers++;
                    wait = null;
                }

                if (tick < milliseconds)
                    _clock.Advance(TimeSpan.FromMilliseconds(1));
            }
        }

        Assert.AreEqual(expected, answers);
        CollectionAssert.AreEqual(Enumerable.Range(0, epochs).ToArray(), told);
    }

    /// <summary>The clock stands still: were it waited for, the answer would never come.</summary>
    [TestMethod]
    public async Task Wait_EndOfATraining_IsAnsweredAtOnce()
    {
        Task held = _pace.Wait(() => NewsKind.Progress);
        _pace.Tell();
        Assert.IsTrue(_clock.IsAwaited);
        Assert.IsFalse(held.IsCompleted);
        _pace.TellEnd();
        await Soon(held);
        Assert.IsTrue(_pace.Wait(() => NewsKind.End).IsCompletedSuccessfully, "it ended before the client asked");

        Task idle = _pace.Wait(() => NewsKind.None);
        Assert.IsFalse(idle.IsCompleted);
        _pace.TellEnd();
        await Soon(idle);
    }

    /// <summary>What is told while the silo looks for news is not missed.</summary>
    [TestMethod]
    public async Task Wait_EndBehindTheLook_IsAnsweredAtOnce()
    {
        await Soon(_pace.Wait(() =>
        {
            _pace.TellEnd();
            return NewsKind.None;
        }));
    }

    [TestMethod]
    public async Task Wait_NoNews_AnswersAfterAWhile()
    {
        Task wait = _pace.Wait(() => NewsKind.None);
        Assert.IsFalse(wait.IsCompleted);
        _clock.Advance(TimeSpan.FromSeconds(1));
        await Soon(wait);
    }

    private Task Soon(Task task) => task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.CancellationToken);
}
