namespace MLNetBatchNorm.Kernels;

/// <summary>The purposes of all random streams, in one table so that no two get the same number: see <see cref="RandomStream"/>.</summary>
/// <remarks>
/// The numbers decide which random numbers a seed gives: another number gives other models. What is counted (layers, epochs, steps) adds
/// its count to the number or to the number's hash; a new purpose leaves room for that.
/// </remarks>
internal static class RandomPurpose
{
    /// <summary>Initial weights: the linear map of layer i draws from <c>InitialWeights + i</c>.</summary>
    public const ulong InitialWeights = 1000;

    /// <summary>Which rows of a table in memory are set aside for validation.</summary>
    public const ulong ValidationRows = 2000;

    /// <summary>Which rows of a stream are set aside for validation.</summary>
    public const ulong ValidationPart = 2001;

    /// <summary>Which rows of a stream are in the sample for quantiles.</summary>
    public const ulong QuantileSample = 2002;

    /// <summary>Seeds of the restarts of a training.</summary>
    public const ulong Restart = 2003;

    /// <summary>Groups of the rows whose sampling key is missing.</summary>
    public const ulong RowsWithoutKey = 2004;

    /// <summary>From which rows the shuffled values of a feature are, where its importance is measured.</summary>
    public const ulong ShuffledFeature = 2005;

    /// <summary>Which held-out rows are kept out of the choice of the best epoch.</summary>
    public const ulong KeptBack = 2006;

    /// <summary>Seeds of the networks that learn the spread of errors: network i has <c>Spread + i</c>.</summary>
    public const ulong Spread = 2100;

    /// <summary>Seeds of the networks of a trial.</summary>
    public const ulong TrialSeed = 2200;

    /// <summary>What rows each bag of the selection among trials leaves out.</summary>
    public const ulong SelectionBag = 2201;

    /// <summary>Seed of the network that is taught by an ensemble.</summary>
    public const ulong CompactSeed = 2202;

    /// <summary>What a trial draws: trial i has <c>TrialOptions + i</c>.</summary>
    public const ulong TrialOptions = 10_000;

    /// <summary>Order of an epoch's rows in memory.</summary>
    public const ulong RowOrder = 3000;

    /// <summary>Dropout masks of a step.</summary>
    public const ulong Dropout = 3001;

    /// <summary>Order of an epoch's blocks of spilled rows.</summary>
    public const ulong BlockOrder = 3100;

    /// <summary>Order of the rows within a window of such blocks.</summary>
    public const ulong WindowOrder = 3101;

    /// <summary>How the pictures of a step are moved and mirrored.</summary>
    public const ulong PictureChanges = 3200;

    /// <summary>Orders in which the slots of a row come, for what each contributes to its score.</summary>
    public const ulong ContributionOrders = 4000;
}
