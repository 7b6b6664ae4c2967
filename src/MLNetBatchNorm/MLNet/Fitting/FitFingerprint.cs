using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using Microsoft.ML.Data;
using MLNetBatchNorm.Distribution;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>
/// Hashes of all that decides what a training comes to, so that a checkpoint is used only by the training that wrote it: the rows as they
/// are read, the options, the seed, the encoding of the features and the initial network.
/// </summary>
internal sealed class FitFingerprint : IDisposable
{
    /// <summary>
    /// Options and settings that have no influence on the model, or are there twice. All others are compared, also those of the future.
    /// </summary>
    private static readonly HashSet<string> s_withoutInfluence =
    [
        nameof(BatchNormNetworkOptions.NumberOfThreads), nameof(BatchNormNetworkOptions.Checkpoint),
        nameof(TrainingSettings.Products),
        // How far a training is to go; what it has come to until then is the same.
        nameof(TrainingSettings.Rungs), nameof(TrainingSettings.EpochsOfAllRungs),
    ];

    private readonly IncrementalHash _rows = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>Hash of the rows added so far; may be asked for by the trainings of several networks at once.</summary>
    public byte[] Rows
    {
        get
        {
            lock (_rows)
                return _rows.GetCurrentHash();
        }
    }

    /// <summary>The rows that follow are of this set.</summary>
    public void BeginSet(string name) => _rows.AppendData(System.Text.Encoding.UTF8.GetBytes(name));

    /// <summary>Adds a row of the training or validation set.</summary>
    public void AddRow(ReadOnlySpan<float> targets, float weight, in VBuffer<float> features)
    {
        ReadOnlySpan<float> values = features.GetValues();
        _rows.AppendData(MemoryMarshal.AsBytes(targets));
        _rows.AppendData(MemoryMarshal.AsBytes<float>([weight]));
        _rows.AppendData(MemoryMarshal.AsBytes<int>([values.Length, features.IsDense ? 1 : 0]));
        _rows.AppendData(MemoryMarshal.AsBytes(values));
        if (!features.IsDense)
            _rows.AppendData(MemoryMarshal.AsBytes(features.GetIndices()));
    }

    /// <summary>The row just added belongs to this group.</summary>
    public void AddGroup(uint group) => _rows.AppendData(MemoryMarshal.AsBytes<uint>([group]));

    /// <summary>The owner of the checkpoints of one training.</summary>
    public CheckpointOwner OwnerOf(BatchNormNetworkOptions options, NetworkTraining training, NetworkParameters initial)
    {
        using var hash = SHA256.Create();
        using var stream = new CryptoStream(Stream.Null, hash, CryptoStreamMode.Write);
        using var writer = new BinaryWriter(stream);
        writer.Write(TextOf(options));
        writer.Write(TextOf(training.Settings));
        writer.Write(training.Number.Index);
        var start = new TrainedNetwork(training.Encoder, initial, new TrainingHistory()) { Scales = training.Rows.Target.Scales };
        NetworkFormat.Write(writer, start);
        writer.Flush();
        stream.FlushFinalBlock();
        return new CheckpointOwner(LibraryBuild.Hash, Rows, hash.Hash!);
    }

    public void Dispose() => _rows.Dispose();

    /// <summary>Type and properties of an object, one on each line, the same text wherever and whenever the values are the same.</summary>
    internal static string TextOf(object value)
    {
        var text = new StringBuilder();
        Append(text, value.GetType().Name, value);
        return text.ToString();
    }

    private static void Append(StringBuilder text, string name, object? value)
    {
        switch (value)
        {
            case null:
                text.Append(CultureInfo.InvariantCulture, $"{name} = null\n");
                break;
            case string or IConvertible or IFormattable:
                text.Append(CultureInfo.InvariantCulture, $"{name} = {Convert.ToString(value, CultureInfo.InvariantCulture)}\n");
                break;
            case IEnumerable items:
                int count = 0;
                foreach (object? item in items)
                    Append(text, string.Create(CultureInfo.InvariantCulture, $"{name}[{count++}]"), item);
                text.Append(CultureInfo.InvariantCulture, $"{name} has {count}\n");
                break;
            default:
                text.Append(CultureInfo.InvariantCulture, $"{name} is {value.GetType().FullName}\n");
                foreach (PropertyInfo property in PropertiesOf(TypeOf(value)).OrderBy(p => p.Name, StringComparer.Ordinal))
                    Append(text, $"{name}.{property.Name}", property.GetValue(value));
                break;
        }
    }

    /// <summary>
    /// The type of what may be made of properties, of which trimming keeps these. Another one here is an option that is not compared.
    /// </summary>
    [return: DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)]
    private static Type TypeOf(object value) => value switch
    {
        BatchNormNetworkOptions options => TypeOf(options),
        TrainingSettings settings => TypeOf(settings),
        Objective objective => TypeOf(objective),
        Optimizer optimizer => TypeOf(optimizer),
        LearningRateSchedule schedule => TypeOf(schedule),
        ImageShape => typeof(ImageShape),
        ConvolutionLayer => typeof(ConvolutionLayer),
        SearchSpace => typeof(SearchSpace),
        _ => throw new ArgumentException(
            $"A value of {value.GetType()} is not compared by its properties; add its type here.", nameof(value)),
    };

    // Trimming goes by the declared type, which carries the attribute, of what is asked for its type.
    [return: DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)]
    private static Type TypeOf(BatchNormNetworkOptions options) => options.GetType();

    [return: DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)]
    private static Type TypeOf(TrainingSettings settings) => settings.GetType();

    [return: DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)]
    private static Type TypeOf(Objective objective) => objective.GetType();

    [return: DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)]
    private static Type TypeOf(Optimizer optimizer) => optimizer.GetType();

    [return: DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)]
    private static Type TypeOf(LearningRateSchedule schedule) => schedule.GetType();

    // What is not written as JSON (validation rows, callbacks) is no value; rows are hashed as rows.
    private static IEnumerable<PropertyInfo> PropertiesOf(
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
        .Where(property => !s_withoutInfluence.Contains(property.Name) && property.GetCustomAttribute<JsonIgnoreAttribute>() is null);
}
