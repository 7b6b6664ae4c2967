using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Training;

/// <summary>Lets threads that are free join the team of a training between two epochs, for as long as they are a help.</summary>
/// <remarks>
/// The members of a team meet several times a step. Where another program runs in place of one of them the others wait, some milliseconds
/// each time, and one thread alone is faster than all together. Then a member falls asleep at a barrier, which is seen from its count, not
/// from a clock; the team then goes on with the caller's thread alone.
/// </remarks>
internal sealed class TeamHelp(WorkerTeam team, SpareThreads spare) : IDisposable
{
    /// <summary>
    /// Steps to each of which a member may have slept once: a sleep takes some 2 ms, and what a second thread saves of a step is a few
    /// tenths of one.
    /// </summary>
    private const int StepsOfASleep = 16;

    private int _taken;
    private int _sleeps;
    private bool _isNone;

    /// <summary>Takes what threads there are; between two epochs.</summary>
    public void Enlarge()
    {
        if (_isNone || team.Members == team.Count)
            return;
        int more = spare.Take(team.Count - team.Members);
        if (more == 0)
            return;
        _taken += more;
        team.Enlarge(team.Members + more);
    }

    /// <summary>Does without them if they had to be waited for.</summary>
    /// <param name="steps">Steps of the epoch.</param>
    public void EpochEnded(int steps)
    {
        int before = _sleeps;
        _sleeps = team.Sleeps;
        if (_taken == 0 || _sleeps - before <= steps / StepsOfASleep)
            return;
        team.Rest();
        Dispose();
        _isNone = true;
    }

    /// <summary>Leaves them to others.</summary>
    public void Dispose()
    {
        spare.Leave(_taken);
        _taken = 0;
    }
}
