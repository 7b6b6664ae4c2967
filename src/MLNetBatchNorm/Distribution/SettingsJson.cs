using System.Text.Json.Serialization;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Distribution;

/// <summary>The settings of a training as JSON: all its properties, also those of the future.</summary>
[JsonSourceGenerationOptions(
    IgnoreReadOnlyProperties = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, Converters = [typeof(ObjectiveConverter)])]
[JsonSerializable(typeof(TrainingSettings))]
internal sealed partial class SettingsJson : JsonSerializerContext;
