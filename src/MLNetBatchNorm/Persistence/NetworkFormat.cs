using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Persistence;

/// <summary>
/// The bytes of a trained network: what the input encoding and the network have learned, unfolded, and how training went.
/// Little-endian, versioned, without any type of ML.NET. Described for other programs in docs/model-format.md.
/// </summary>
/// <remarks>
/// The layout stands at <see cref="Write"/> and at <see cref="Read"/>; a change to one is a change to both, to the document, and to <see cref="CurrentVersion"/>.
/// </remarks>
internal static partial class NetworkFormat
{
    /// <summary>First four bytes, "MNBN" when read as text.</summary>
    public const uint Magic = 0x4E424E4D;

    /// <summary>The version written; all from <see cref="OldestVersion"/> on are read. Version 1: the first one. Version 2: validation metrics in the history.</summary>
    public const int CurrentVersion = 2;

    /// <summary>The oldest version that is read.</summary>
    public const int OldestVersion = 1;

    /// <summary>The first version with validation metrics in the history.</summary>
    private const int VersionOfMetrics = 2;

    /// <summary>Limits of the counts in a file, so that a damaged or hostile one is refused before anything is allocated for it.</summary>
    public const int MaximumInputs = 1 << 24;

    /// <inheritdoc cref="MaximumInputs"/>
    public const int MaximumUnits = 1 << 20;

    /// <inheritdoc cref="MaximumInputs"/>
    public const int MaximumHiddenLayers = 1 << 10;

    /// <inheritdoc cref="MaximumInputs"/>
    public const int MaximumEpochs = 1 << 24;

    /// <inheritdoc cref="MaximumInputs"/>
    public const int MaximumMembers = 1 << 10;

    /// <summary>
    /// Times the size of all data that one linear map may take in memory, padded as it is there. What the trainers write stays below six: a first layer of
    /// a single unit has 13 bytes of file for each input, and 64 of memory.
    /// </summary>
    public const int LargestGrowth = 10;

    /// <summary>Bytes that a linear map may take in any case.</summary>
    public const int SmallMap = 1 << 16;

    private const byte False = 0;
    private const byte True = 1;

    // Bits of the byte that describes a feature slot.
    private const byte ClippedFlag = 1;
    private const byte MissingFlag = 2;
}
