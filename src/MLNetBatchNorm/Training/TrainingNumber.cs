using System.Globalization;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Training;

/// <summary>Which of a model's trainings one is: a network, and how often it was trained before.</summary>
/// <param name="Index">Number of the training, from 0; all of a network's follow one another.</param>
/// <param name="Members">Number of networks.</param>
/// <param name="Restarts">Number of times that each is trained again.</param>
internal readonly record struct TrainingNumber(int Index, int Members, int Restarts)
{
    /// <summary>Number of the network, from 0.</summary>
    public int Member => Index / (1 + Restarts);

    /// <summary>0: the network's first training.</summary>
    public int Restart => Index % (1 + Restarts);

    /// <summary>Whether there is no other training.</summary>
    public bool IsOnly => Members == 1 && Restarts == 0;

    /// <summary>What it is called in messages, at the beginning of a sentence; nothing where there is no other.</summary>
    public string Name => (Members, Restarts, Restart) switch
    {
        (1, 0, _) => "",
        (1, _, 0) => "First training",
        (1, _, _) => string.Create(CultureInfo.InvariantCulture, $"Restart {Restart}/{Restarts}"),
        (_, _, 0) => string.Create(CultureInfo.InvariantCulture, $"Network {Member + 1}/{Members}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"Network {Member + 1}/{Members}, restart {Restart}/{Restarts}"),
    };

    /// <summary>The seed of this training; that of the first training of the first network is the trainer's own.</summary>
    public ulong SeedFrom(ulong seed)
    {
        ulong ofMember = Member == 0 ? seed : RandomStream.Mix(seed + (ulong)Member);
        return Restart == 0 ? ofMember : RandomStream.Mix(ofMember ^ RandomStream.Mix(RandomPurpose.Restart + ((ulong)Restart << 32)));
    }
}
