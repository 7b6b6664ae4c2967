using System.Diagnostics;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>Members, shares, barriers, failures and the end of a team.</summary>
[TestClass]
public sealed class WorkerTeamTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(8)]
    public void Run_EveryMember_RunsTheBodyOnce(int count)
    {
        using var team = new WorkerTeam(count);
        var runs = new int[count];
        for (int i = 1; i <= 50; i++)
        {
            team.Run(worker =>
            {
                Assert.AreEqual(count, worker.Count);
                Interlocked.Increment(ref runs[worker.Index]);
            });
            Assert.IsTrue(runs.All(r => r == i));
        }
    }

    [TestMethod]
    public void Run_TheCaller_IsMemberZero()
    {
        using var team = new WorkerTeam(3);
        int caller = Environment.CurrentManagedThreadId;
        var threads = new int[3];
        team.Run(worker => threads[worker.Index] = Environment.CurrentManagedThreadId);
        Assert.AreEqual(caller, threads[0]);
        Assert.AreEqual(3, threads.Distinct().Count());
    }

    [TestMethod]
    public void Share_AnyNumbers_CoversEveryItemOnceInOrder()
    {
        for (int count = 1; count <= 9; count++)
        {
            for (int items = 0; items <= 40; items++)
            {
                int next = 0, smallest = int.MaxValue, largest = 0;
                for (int index = 0; index < count; index++)
                {
                    (int begin, int end) = new Worker(index, count).Share(items);
                    Assert.AreEqual(next, begin);
                    next = end;
                    (smallest, largest) = (Math.Min(smallest, end - begin), Math.Max(largest, end - begin));
                }
                Assert.AreEqual(items, next);
                Assert.IsTrue(largest - smallest <= 1, "shares differ by more than one item");
            }
        }
        Assert.AreEqual((int.MaxValue / 2, int.MaxValue), new Worker(1, 2).Share(int.MaxValue), "no overflow");
    }

    /// <summary>
    /// After a barrier every member sees what all others wrote before it; again and again, with members that come at uneven moments.
    /// </summary>
    [TestMethod]
    [DataRow(2, 2000)]
    [DataRow(3, 500)]
    [DataRow(8, 150)]
    public void Barrier_ManyTimes_SeparatesWhatIsBeforeFromWhatIsBehind(int count, int phases)
    {
        using var team = new WorkerTeam(count);
        var written = new int[count * 16];
        int wrong = 0;
        team.Run(worker =>
        {
            for (int phase = 1; phase <= phases; phase++)
            {
                if ((phase + worker.Index) % 97 == 0)
                    Thread.Sleep(1);                   // long enough for the others to park
                written[worker.Index * 16] = phase;
                team.Barrier();
                for (int other = 0; other < count; other++)
                {
                    if (Volatile.Read(ref written[other * 16]) != phase)
                        Interlocked.Increment(ref wrong);
                }
                team.Barrier();
            }
        });
        Assert.AreEqual(0, wrong);
    }

    /// <summary>
    /// A failure in any member, before or between barriers that the others wait at, comes out of Run, and the team works on.
    /// </summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(4)]
    public void Run_OneMemberFails_ThrowsItsExceptionAndStaysUsable(int count)
    {
        using var team = new WorkerTeam(count);
        for (int round = 0; round < 10; round++)
        {
            for (int failing = 0; failing < count; failing++)
            {
                int culprit = failing, barriersBefore = round % 3;
                var exception = Assert.ThrowsExactly<InvalidDataException>(() => team.Run(worker =>
                {
                    for (int barrier = 0; barrier < 3; barrier++)
                    {
                        if (worker.Index == culprit && barrier == barriersBefore)
                            throw new InvalidDataException($"member {culprit}");
                        team.Barrier();
                    }
                }));
                Assert.AreEqual($"member {culprit}", exception.Message);

                int done = 0;
                team.Run(_ =>
                {
                    team.Barrier();
                    Interlocked.Increment(ref done);
                    team.Barrier();
                });
                Assert.AreEqual(count, done);
            }
        }
    }

    [TestMethod]
    public void Run_AllMembersFail_ThrowsOneOfTheirExceptions()
    {
        using var team = new WorkerTeam(4);
        for (int round = 0; round < 20; round++)
        {
            var exception = Assert.ThrowsExactly<InvalidDataException>(
                () => team.Run(worker => throw new InvalidDataException($"member {worker.Index}")));
            Assert.StartsWith("member ", exception.Message);
        }
    }

    [TestMethod]
    public void Dispose_ManyTeams_LeavesNoThreads()
    {
        using var process = Process.GetCurrentProcess();
        WarmUp();
        process.Refresh();
        int before = process.Threads.Count;
        for (int i = 0; i < 20; i++)
            WarmUp();
        process.Refresh();
        // Twenty teams of five have a hundred threads of their own; a few of the runtime's may come or go.
        Assert.IsLessThan(before + 20, process.Threads.Count);

        static void WarmUp()
        {
            using var team = new WorkerTeam(6);
            team.Run(_ => team.Barrier());
            try
            {
                team.Run(worker => throw new InvalidDataException());
            }
            catch (InvalidDataException)
            {
            }
        }
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void Dispose_TwiceAndThenRun_IsRefused(int count)
    {
        var team = new WorkerTeam(count);
        team.Dispose();
        team.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => team.Run(_ => { }));
    }

    [TestMethod]
    public void Dispose_NeverRun_Ends() => new WorkerTeam(4).Dispose();

    [TestMethod]
    [DataRow(0)]
    [DataRow(-1)]
    public void Constructor_NoMembers_IsRefused(int count) =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new WorkerTeam(count));
}
