using MLNetBatchNorm.Data;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Distribution;

/// <summary>What is known of the rows of a Fit before the first block of them is there.</summary>
internal sealed record RowsHeader
{
    /// <summary>What a row has.</summary>
    public required RowShape Shape { get; init; }

    /// <summary>Whether they go to a temporary file.</summary>
    public required bool IsSpilled { get; init; }

    /// <summary>Memory that they take, validation rows included, or that is kept for reading them from the file.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Number of training rows.</summary>
    public required int Rows { get; init; }

    /// <summary>Number of their blocks.</summary>
    public required int Blocks { get; init; }

    /// <summary>Whether each row has a group.</summary>
    public required bool HasGroups { get; init; }

    /// <summary>Number of classes; 0: labels are numbers.</summary>
    public required int Classes { get; init; }

    /// <summary>What labels mean.</summary>
    public required Objective Objective { get; init; }

    /// <summary>What labels were scaled with, of each target, or null.</summary>
    public required TargetScales? Scales { get; init; }

    /// <summary>Number of validation rows that were given.</summary>
    public required int ValidationRows { get; init; }

    /// <summary>Number of their blocks.</summary>
    public required int ValidationBlocks { get; init; }
}
