using System.Reflection;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>The table of options of the trainers, for tests that go through all of them.</summary>
internal static class NetworkOptionRows
{
    /// <summary>Options of each trainer, as they are made.</summary>
    public static IReadOnlyList<BatchNormNetworkOptions> Kinds =>
    [
        new BatchNormNetworkBinaryTrainer.Options(), new BatchNormNetworkMulticlassTrainer.Options(),
        new BatchNormNetworkRegressionTrainer.Options(), new BatchNormNetworkMultiOutputRegressionTrainer.Options(),
        new BatchNormNetworkMultiLabelTrainer.Options(),
    ];

    /// <summary>Every option of every trainer, once.</summary>
    public static IReadOnlyList<OptionRow> All { get; } = [.. Kinds.SelectMany(options => OptionRow.Of(options.GetType()))
        .DistinctBy(row => row.Name)];

    /// <summary>The option of that name.</summary>
    public static OptionRow Named(string name) => All.Single(row => row.Name == name);

    /// <summary>Options that have the option, its group set.</summary>
    public static BatchNormNetworkOptions OptionsWith(OptionRow row)
    {
        BatchNormNetworkOptions options = Kinds.First(kind => OptionRow.Of(kind.GetType()).Any(other => other.Name == row.Name));
        if (row.Name.StartsWith($"{nameof(options.Checkpoint)}.", StringComparison.Ordinal))
            options.Checkpoint = new CheckpointOptions { Path = "training.checkpoint" };
        if (row.Owner == typeof(SearchSpace))
            options.SearchSpace = new SearchSpace();
        return options;
    }

    /// <summary>Sets the option, in its group if it is in one.</summary>
    public static void Set(BatchNormNetworkOptions options, OptionRow row, object? value) =>
        row.Property.SetValue(
            row.Owner == typeof(CheckpointOptions) ? options.Checkpoint : row.Owner == typeof(SearchSpace) ? options.SearchSpace : options,
            value);

    /// <summary>The name by which the documentation knows the option.</summary>
    public static string DocumentationName(OptionRow row) =>
        $"P:{row.Property.DeclaringType!.FullName!.Replace('+', '.')}.{row.Property.Name}";
}
