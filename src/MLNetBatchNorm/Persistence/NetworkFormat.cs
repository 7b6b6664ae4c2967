namespace MLNetBatchNorm.Persistence;

/// <summary>
/// The bytes of a trained network: what the input encoding and the network have learned, unfolded, and how training went.
/// Little-endian, versioned, without any type of ML.NET. Described for other programs in docs/model-format.md.
/// </summary>
/// <remarks>
/// The layout stands at <see cref="Write"/> and at <see cref="Read"/>; a change to one is a change to both, to the
/// document, and to <see cref="CurrentVersion"/>.
/// </remarks>
internal static partial class NetworkFormat
{
    /// <summary>First four bytes, "MNBN" when read as text.</summary>
    public const uint Magic = 0x4E424E4D;

    /// <summary>
    /// The version written; all from <see cref="OldestVersion"/> on are read. Version 1: the first one. Version 2:
    /// validation metrics in the history. Version 3: sections.
    /// </summary>
    public const int CurrentVersion = 3;

    /// <summary>The oldest version that is read.</summary>
    public const int OldestVersion = 1;

    /// <summary>The first version with validation metrics in the history.</summary>
    private const int VersionOfMetrics = 2;

    /// <summary>The first version that is made of sections.</summary>
    private const int VersionOfSections = 3;

    // Tags of the sections.
    private const string DefinitionTag = "DEFI";
    private const string PicturesTag = "PICT";
    private const string EncoderTag = "ENCO";
    private const string NetworksTag = "NETS";
    private const string HalfNetworksTag = "HALF";
    private const string HistoriesTag = "HIST";
    private const string ObjectiveTag = "OBJE";
    private const string ScaleTag = "SCAL";
    private const string ChosenTag = "CHOS";
    private const string SlotNamesTag = "SLOT";
    private const string IntervalsTag = "INTV";
    private const string SlotRangesTag = "RANG";
    private const string TargetScalesTag = "TSCA";
    private const string TargetNamesTag = "TNAM";
    private const string TargetMetricsTag = "TMET";
    private const string ClassNamesTag = "CNAM";
    private const string OutputShiftsTag = "SHIF";
    private const string TrialsTag = "TRIA";
    private const string TeachersTag = "TAUG";

    /// <summary>What a block is.</summary>
    private enum BlockKind
    {
        /// <summary>A model.</summary>
        Model,

        /// <summary>The spread of a model's intervals.</summary>
        Spread,

        /// <summary>The networks of another trial of a model.</summary>
        Trial,
    }

    /// <summary>
    /// Limits of the counts in a file, beside those of <see cref="Network.NetworkDefinition"/>, so that a damaged or hostile one is refused
    /// before anything is allocated for it.
    /// </summary>
    public const int MaximumEpochs = 1 << 24;

    /// <inheritdoc cref="MaximumEpochs"/>
    public const int MaximumMembers = 1 << 10;

    /// <summary>Bytes of the version of the library at most.</summary>
    public const int MaximumVersionLength = 256;

    /// <summary>
    /// Times the size of all data that the networks may take in memory, both as they are and folded for scoring; twice as much where
    /// weights are of half precision. Large maps stay below nine: two outputs take 8 bytes an input in the data and as they are, and the
    /// 64 of sixteen outputs folded. One output is never padded where there are many inputs, and from three outputs on there is less
    /// padding.
    /// </summary>
    public const int LargestGrowth = 10;

    /// <summary>
    /// Bytes that the networks may take in any case. A layer takes up to a kilobyte however small it is, which may be more than ten times
    /// its data where it has fewer than five units: some ten thousand of such layers reach this.
    /// </summary>
    public const int SmallNetworks = 1 << 24;

    /// <summary>Bytes that the objects of a layer take in memory at most, with the padding of its vectors.</summary>
    private const int LayerOverhead = 1 << 10;

    /// <summary>
    /// Bytes that a column of a batch normalization or a bias takes at most: two numbers in single precision
    /// and two in double, folded and on the way there.
    /// </summary>
    private const int ColumnBytes = 64;
}
