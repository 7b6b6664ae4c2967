using System.Text.Json;
using System.Text.Json.Serialization;

namespace MLNetBatchNorm.Distribution;

/// <summary>In JSON an objective is its bytes, which are its own affair.</summary>
internal sealed class ObjectiveConverter : JsonConverter<Objective>
{
    public override Objective Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        using var bytes = new BinaryReader(new MemoryStream(reader.GetBytesFromBase64()));
        return Objective.Read(bytes);
    }

    public override void Write(Utf8JsonWriter writer, Objective value, JsonSerializerOptions options)
    {
        using var stream = new MemoryStream();
        using (var bytes = new BinaryWriter(stream))
            value.Write(bytes);
        writer.WriteBase64StringValue(stream.ToArray());
    }
}
