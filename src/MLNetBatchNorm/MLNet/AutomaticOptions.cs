using MLNetBatchNorm.Network;

namespace MLNetBatchNorm;

/// <summary>What one call of <c>Fit</c> does where the options leave it open: chosen by the size of the data, never by a clock, so that it is the same everywhere.</summary>
/// <remarks>The experiments behind the numbers are in docs/defaults.md.</remarks>
/// <param name="BatchSize">Rows of a step.</param>
/// <param name="Epochs">Passes over the rows.</param>
/// <param name="Members">Networks.</param>
internal sealed record AutomaticOptions(int BatchSize, int Epochs, int Members)
{
    /// <summary>An epoch has about so many steps: batch statistics are noisy enough to regularize, and small tables get enough steps.</summary>
    public const int StepsOfAnEpoch = 100;

    /// <summary>Below it the noise of batch statistics costs accuracy.</summary>
    public const int SmallestBatch = 32;

    /// <summary>Above it accuracy falls at the same number of epochs, and speed no longer rises.</summary>
    public const int LargestBatch = 256;

    /// <summary>Where nothing forbids it.</summary>
    public const int UsualEpochs = 24;

    /// <summary>A cycle of the learning rate with fewer steps than this many epochs anneals too fast; from there on networks are saved first.</summary>
    public const int FewestEpochs = 8;

    /// <summary>
    /// The errors of single networks partly cancel. With a fifth of the rows set aside every row trains at least three of four networks. Twice five
    /// gained on all tables over five; scoring takes as many times as long, so not more.
    /// </summary>
    public const int UsualMembers = 8;

    /// <summary>Fine enough for the jumps of real tables; twice as many gained nothing.</summary>
    public const int UsualPieces = 32;

    /// <summary>Pieces beside all slots at most: they decide the size of the first layer.</summary>
    public const int LargestNumberOfAllPieces = 1024;

    /// <summary>Coarser pieces than this say little that the scaled slot does not.</summary>
    public const int FewestPieces = 4;

    /// <summary>
    /// Multiplications and additions that the networks of one model may take together, before epochs and then networks are saved: a minute
    /// or less on two cores of some 40 GFLOP/s each.
    /// </summary>
    public const double LargestWork = 5e12;

    /// <summary>Pieces of a numeric slot.</summary>
    /// <param name="options">What is set stays as it is.</param>
    /// <param name="numericSlots">Slots that are scaled.</param>
    /// <param name="none">Whether pieces are out of the question: rows that do not fit into memory are read faster than a wide first layer can follow.</param>
    public static int ChoosePieces(BatchNormNetworkOptions options, int numericSlots, bool none)
    {
        if (options.NumberOfInputPieces is { } pieces)
            return pieces;
        int fitting = Math.Min(UsualPieces, LargestNumberOfAllPieces / Math.Max(1, numericSlots));
        return none || fitting < FewestPieces ? 0 : fitting;
    }

    /// <summary>Everything, once the encoder and so the size of a network is known.</summary>
    /// <param name="options">What is set stays as it is.</param>
    /// <param name="rows">Training rows, before any are set aside.</param>
    /// <param name="weights">Weights of one network that a row meets.</param>
    /// <param name="isSingle">Whether one network has to do: rows are sparse, of very many inputs, or do not fit into memory.</param>
    /// <param name="start">The model that training goes on from, or null; it has as many networks as it has.</param>
    public static AutomaticOptions Choose(BatchNormNetworkOptions options, long rows, double weights, bool isSingle, TrainedNetwork? start)
    {
        // Two operations for each weight and row forward, four backward.
        double workOfEpoch = 6.0 * weights * rows * (1 - options.ValidationFraction);
        int members = isSingle && options.NumberOfEnsembleMembers is null && start is null ? 1 : MostMembers(options, start);
        int epochs = options.MaximumNumberOfEpochs ?? Fitting(LargestWork / (workOfEpoch * members), FewestEpochs, UsualEpochs);
        if (options.NumberOfEnsembleMembers is null && start is null)
            members = Fitting(LargestWork / (workOfEpoch * epochs), 1, members);
        return new AutomaticOptions(ChooseBatchSize(options, rows), epochs, members);
    }

    /// <summary>No more networks than this will be trained, as far as is known before any row is read.</summary>
    public static int MostMembers(BatchNormNetworkOptions options, TrainedNetwork? start) => options.NumberOfEnsembleMembers ?? start?.Members.Count ?? UsualMembers;

    private static int ChooseBatchSize(BatchNormNetworkOptions options, long rows)
    {
        if (options.BatchSize is { } size)
            return size;
        int exponent = (int)Math.Round(Math.Log2(Math.Max(1, rows / (double)StepsOfAnEpoch)));
        int chosen = (int)Math.Clamp(1L << exponent, SmallestBatch, LargestBatch);
        return Math.Max(chosen, options.VirtualBatchSize ?? 0);
    }

    private static int Fitting(double wanted, int least, int most) => (int)Math.Clamp(wanted, least, most);
}
