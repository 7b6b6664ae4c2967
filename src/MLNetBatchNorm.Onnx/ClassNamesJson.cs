using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>How names of classes become JSON: by code that the compiler writes, so that a trimmed program has it too.</summary>
[JsonSerializable(typeof(IReadOnlyList<string>))]
internal sealed partial class ClassNamesJson : JsonSerializerContext;
