using System.Globalization;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Training;

/// <summary>Which of a model's trainings one is: a trial, a network of it, and how often that was trained before.</summary>
/// <param name="Index">Number of the training, from 0; all of a network's follow one another, and all networks of a trial.</param>
/// <param name="Members">Number of networks of a trial.</param>
/// <param name="Restarts">Number of times that each is trained again.</param>
/// <param name="Trials">Number of trials; 1: nothing is tried.</param>
/// <param name="IsCompact">Whether it is that of the network which all others teach, after them.</param>
internal readonly record struct TrainingNumber(int Index, int Members, int Restarts, int Trials = 1, bool IsCompact = false)
{
    /// <summary>The training of the network that an ensemble teaches: its number follows those of the ensemble's trainings.</summary>
    public static TrainingNumber OfCompact(int members, int restarts) => new(members * (1 + restarts), members, restarts, IsCompact: true);

    /// <summary>
    /// Number of the network of its trial, from 0: it decides which rows are set aside. The one that is taught by all, which sets none
    /// aside, has 0.
    /// </summary>
    public int Member => IsCompact ? 0 : Index / (1 + Restarts) % Members;

    /// <summary>Number of the trial, from 0.</summary>
    public int Trial => IsCompact ? 0 : Index / (1 + Restarts) / Members;

    /// <summary>0: the network's first training.</summary>
    public int Restart => IsCompact ? 0 : Index % (1 + Restarts);

    /// <summary>Whether there is no other training.</summary>
    public bool IsOnly => Members == 1 && Restarts == 0 && Trials == 1;

    /// <summary>What it is called in messages, at the beginning of a sentence; nothing where there is no other.</summary>
    public string Name => (Members, Restarts, Restart) switch
    {
        _ when IsCompact => "Compact network",
        _ when Trials > 1 => string.Create(CultureInfo.InvariantCulture, $"Trial {Trial + 1}/{Trials}, network {Member + 1}/{Members}"),
        (1, 0, _) => "",
        (1, _, 0) => "First training",
        (1, _, _) => string.Create(CultureInfo.InvariantCulture, $"Restart {Restart}/{Restarts}"),
        (_, _, 0) => string.Create(CultureInfo.InvariantCulture, $"Network {Member + 1}/{Members}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"Network {Member + 1}/{Members}, restart {Restart}/{Restarts}"),
    };

    /// <summary>The seed of this training; that of the first training of the first network is the trainer's own.</summary>
    public ulong SeedFrom(ulong seed)
    {
        if (IsCompact)
            return RandomStream.Mix(seed ^ RandomStream.Mix(RandomPurpose.CompactSeed));
        if (Trial > 0)
            seed = RandomStream.Mix(seed ^ RandomStream.Mix(RandomPurpose.TrialSeed + ((ulong)Trial << 32)));
        ulong ofMember = Member == 0 ? seed : RandomStream.Mix(seed + (ulong)Member);
        return Restart == 0 ? ofMember : RandomStream.Mix(ofMember ^ RandomStream.Mix(RandomPurpose.Restart + ((ulong)Restart << 32)));
    }
}
