using MLNetBatchNorm.Data;
using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Encoding;

/// <summary>What an encoded column says.</summary>
internal enum EncodedColumnKind
{
    /// <summary>The slot's value as it is.</summary>
    Untouched,

    /// <summary>The slot's value, scaled.</summary>
    Scaled,

    /// <summary>Whether the value is missing.</summary>
    Missing,

    /// <summary>Whether no slot of the category that begins with the slot is set.</summary>
    NoCategory,

    /// <summary>How much the row's category is one of those that training has hardly seen.</summary>
    OtherCategory,

    /// <summary>How far the value has come from one border to another.</summary>
    Piece,
}
