using MLNetBatchNorm.Data;
using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Encoding;

/// <summary>The raw slots in an ONNX graph, [rows, slots] each; but for the first one, those that are no parts of categories.</summary>
/// <param name="Features">All slots of a row, those of categories included.</param>
/// <param name="Raw">As they are, NaN where missing.</param>
/// <param name="IsMissing">Whether a value is missing.</param>
/// <param name="Known">Something finite where it is missing.</param>
/// <param name="Center">What is in <paramref name="Known"/> there: the slots' centres, [slots].</param>
internal readonly record struct OnnxSlots(string Features, string Raw, string IsMissing, string Known, string Center);
