using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>What a silo of one core does with messages, some of them old, without Orleans around it.</summary>
[TestClass]
public sealed class SiloTrainingsTests
{
    private readonly Guid _fit = Guid.NewGuid();

    /// <summary>A training that waits can be taken back, and messages that come late change nothing.</summary>
    [TestMethod]
    public void Withdraw_TakesWhatHasNotBegun() => WithTrainings(epochs: 100_000, async (silo, trainings) =>
    {
        Assert.IsTrue(Start(silo, trainings, 0, attempt: 0).IsTaken);
        Assert.IsFalse(Start(silo, trainings, 1, attempt: 0, mayWait: false).IsTaken, "there is one core");
        Assert.IsTrue(Start(silo, trainings, 1, attempt: 0).IsTaken);
        Assert.IsFalse(Start(silo, trainings, 2, attempt: 0).IsTaken, "one waits already");
        Assert.IsFalse(silo.Withdraw(_fit, 0, 0), "it has begun");
        Assert.IsTrue(silo.Withdraw(_fit, 1, 0));
        Assert.IsTrue(silo.Withdraw(_fit, 1, 0), "the answer was lost");
        Assert.IsTrue(silo.Withdraw(_fit, 3, 0), "it was never here");
        Assert.IsTrue(silo.Withdraw(Guid.NewGuid(), 0, 0), "nor was the fit");

        Assert.IsTrue(Start(silo, trainings, 1, attempt: 0).IsTaken, "an old message, of which nothing comes");
        Assert.IsTrue(Start(silo, trainings, 2, attempt: 0).IsTaken, "there is room for one to wait");
        Assert.IsTrue(silo.Withdraw(_fit, 2, 0));
        Assert.IsTrue(Start(silo, trainings, 1, attempt: 1).IsTaken, "it comes back");
        Assert.IsTrue(silo.Withdraw(_fit, 1, 0), "an old message: of the first time");
        Assert.IsNotNull((await Poll(silo, 1, attempt: 1)).News[0], "the second time is still here");
        Assert.IsFalse(Start(silo, trainings, 2, attempt: 1).IsTaken, "and waits");
        Assert.AreEqual(1, silo.Describe().Running);
    });

    /// <summary>When the client has the network, the silo need not keep it.</summary>
    [TestMethod]
    public void Poll_EndThatHasCome_IsForgotten() => WithTrainings(epochs: 1, async (silo, trainings) =>
    {
        Assert.IsTrue(Start(silo, trainings, 0, attempt: 0).IsTaken);
        var stream = new NewsStream();
        // Each answer waits for news, and a network is in the last.
        while (!trainings.HasEnded(0))
        {
            PollAnswer answer = await Poll(silo, 0, attempt: 0, stream.Offset);
            foreach (byte[] news in stream.Add(answer.News[0]!))
                trainings.Receive(0, news);
        }

        Assert.IsNotNull((await Poll(silo, 0, attempt: 0, stream.Offset)).News[0], "it is kept until the client says that it has it");
        while ((await Poll(silo, 0, attempt: 0, stream.Offset, ended: 0)).News[0] is not null)
        {
            // Its thread had not ended yet.
        }

        Assert.IsTrue(Start(silo, trainings, 0, attempt: 0).IsTaken, "an old message, of which nothing comes");
        Assert.AreEqual(0, silo.Describe().Running);
        Assert.IsNull((await Poll(silo, 0, attempt: 0)).News[0]);
    });

    [TestMethod]
    public void Add_BlockThatSaysToBeLargerThanTheMemory_IsRefused() => WithTrainings(epochs: 1, (silo, trainings) =>
    {
        Guid other = Guid.NewGuid();
        silo.Begin(new RowsRequest { Fit = other, Header = trainings.GetRowsHeader(), Blocks = 1 });
        RowsAnswer answer = silo.Add(new RowsPiece { Fit = other, Block = 0, Offset = 0, Total = (16 << 20) + 1, Bytes = [1] });
        Assert.Contains("more than the silo's memory for rows", answer.Refusal!);
        return silo.End(other);
    });

    private static StartAnswer Start(SiloTrainings silo, Guid fit, FitTrainings trainings, int training, int attempt, bool mayWait)
    {
        byte[] bytes = trainings.GetTraining(training);
        return silo.Start(new TrainingPiece
        {
            Fit = fit, Training = training, Attempt = attempt, Offset = 0, Total = bytes.Length, Bytes = bytes, MayWait = mayWait,
        });
    }

    private StartAnswer Start(SiloTrainings silo, FitTrainings trainings, int training, int attempt, bool mayWait = true) =>
        Start(silo, _fit, trainings, training, attempt, mayWait);

    private Task<PollAnswer> Poll(SiloTrainings silo, int training, int attempt, long offset = 0, int? ended = null) =>
        silo.Poll(new PollRequest
        {
            Fit = _fit, Trainings = [training], Attempts = [attempt], Offsets = [offset], Ended = ended is { } number ? [number] : [],
        });

    /// <summary>Does something with a silo that has the rows of four trainings, and frees them.</summary>
    private void WithTrainings(int epochs, Func<SiloTrainings, FitTrainings, Task> action)
    {
        using ServiceProvider services = new ServiceCollection().BuildServiceProvider();
        using var silo = new SiloTrainings(
            Options.Create(new TrainingSiloOptions { NumberOfCores = 1, MemoryBudgetInMegabytes = 16 }), services,
            NullLogger<SiloTrainings>.Instance);
        var runner = new ActionRunner(trainings =>
        {
            RowsAnswer answer = silo.Begin(new RowsRequest { Fit = _fit, Header = trainings.GetRowsHeader(), Blocks = 1 });
            byte[] block = trainings.GetRowBlock(0);
            answer = silo.Add(new RowsPiece { Fit = _fit, Block = 0, Offset = 0, Total = block.Length, Bytes = block });
            Assert.IsTrue(answer.IsComplete);
            action(silo, trainings).GetAwaiter().GetResult();
            silo.End(_fit).GetAwaiter().GetResult();
            Assert.AreEqual(0, silo.Describe().Fits);
            throw new TimeZoneNotFoundException();
        });
        Assert.ThrowsExactly<TimeZoneNotFoundException>(() => Fits.Regression(
            new MLContext(1), new BatchNormNetworkRegressionTrainer.Options { TrainingRunner = runner, HiddenUnits = [4] },
            epochs: epochs, count: 200));
    }

    /// <summary>Has the trainings of a fit in its hands, and ends with an exception of its own.</summary>
    private sealed class ActionRunner(Action<FitTrainings> action) : TrainingRunner
    {
        public override void Run(FitTrainings trainings, CancellationToken cancellation) => action(trainings);
    }
}
