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

    /// <summary>How far the value has come from one border to another.</summary>
    Piece,
}
