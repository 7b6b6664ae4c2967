using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>Free threads join a team, and leave it where its members had to be waited for.</summary>
[TestClass]
public sealed class TeamHelpTests
{
    [TestMethod]
    [DataRow(2, false)]
    [DataRow(3, true)]
    public void EpochEnded_MembersThatSlept_GoWhereThereWereManyFor32Steps(int sleeps, bool go)
    {
        var spare = new SpareThreads(2);
        using var team = new WorkerTeam(2, members: 1);
        using var help = new TeamHelp(team, spare);
        help.Enlarge();
        Assert.AreEqual(1, team.Members, "none is free");
        spare.Leave(1);
        help.Enlarge();
        Assert.AreEqual((2, 0), (team.Members, spare.Take(9)));
        for (int i = 0; i < sleeps; i++)
        {
            int before = team.Sleeps;
            team.Run(worker =>
            {
                // The other one comes when the first has fallen asleep.
                if (worker.Index == 1)
                    SpinWait.SpinUntil(() => team.Sleeps > before);
                team.Barrier();
            });
        }
        Assert.AreEqual(sleeps, team.Sleeps);
        help.EpochEnded(steps: 32);
        Assert.AreEqual(go ? 1 : 2, team.Members);
        int free = spare.Take(9);
        Assert.AreEqual(go ? 1 : 0, free);
        spare.Leave(free);
        help.Enlarge();
        Assert.AreEqual(go ? 1 : 2, team.Members, "who has gone does not come again");
        help.EpochEnded(steps: 32);
        Assert.AreEqual(go ? 1 : 2, team.Members, "sleeps count for their own epoch");
    }

    [TestMethod]
    public void Dispose_ThreadsThatWereTaken_AreFreeAgain()
    {
        var spare = new SpareThreads(3);
        spare.Leave(2);
        using var team = new WorkerTeam(2, members: 1);
        using (var help = new TeamHelp(team, spare))
        {
            help.Enlarge();
            Assert.AreEqual(1, spare.Take(9), "no more are taken than the team can have");
            spare.Leave(1);
        }
        Assert.AreEqual(2, spare.Take(9));
    }
}
