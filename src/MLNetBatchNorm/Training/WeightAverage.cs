using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>
/// An exponential average of a network's parameters, statistics included, over the steps of its training: each time
/// <c>average += share (parameters - average)</c>.
/// </summary>
/// <remarks>
/// <para>The average lies where the steps go back and forth, as if the learning rate had been lowered already (Polyak and Juditsky 1992;
/// Izmailov et al. 2018, arXiv:1803.05407), so an early epoch can be the best one without the end of a cycle. Where the rate has become
/// small it is the parameters themselves.</para>
/// <para>It is taken some times an epoch, not after each step: neighbouring steps say nearly the same. The first shares are those of a
/// plain mean, so that little is left of the initial weights. All follows from the number of the step, which a resumed training knows.
/// </para>
/// <para>Over so few epochs that a share would be the whole, there is nothing to average: it is the parameters behind an epoch's last step,
/// whether or not that is one of the times.</para>
/// </remarks>
/// <param name="average">Changed in place; at the start the initial parameters.</param>
/// <param name="parameters">What is trained.</param>
/// <param name="stepsOfEpoch">Steps of an epoch.</param>
/// <param name="epochs">Epochs after which a share has fallen to 1/e; positive.</param>
internal sealed class WeightAverage(NetworkParameters average, NetworkParameters parameters, int stepsOfEpoch, double epochs)
{
    /// <summary>Times an epoch; more cost time and average no better.</summary>
    private const int TimesAnEpoch = 16;

    private readonly int _interval = Math.Max(1, stepsOfEpoch / TimesAnEpoch);

    /// <summary>What counts for the newest parameters once the first times are over; at 1, for these alone.</summary>
    private double Share => _interval / (epochs * stepsOfEpoch);

    /// <summary>Takes the parameters behind a step into account, if it is one of those.</summary>
    /// <param name="step">Number of the step, from 0, of the whole training.</param>
    public void Follow(long step)
    {
        bool isLastAlone = Share >= 1 && (step + 1) % stepsOfEpoch == 0;
        if ((step + 1) % _interval != 0 && !isLastAlone)
            return;
        long times = (step + 1) / _interval;
        average.Approach(parameters, Math.Min(1, Math.Max(Share, 1.0 / (times + 1))));
    }
}
