using static MLNetBatchNorm.ActivationFunction;
using static MLNetBatchNorm.BatchNormalizationPlacement;
using static MLNetBatchNorm.BatchNormalizationStatistics;

namespace MLNetBatchNorm.Proof;

/// <summary>One model: its name, what is set, and the case before it that has to give the same bits, if there is one.</summary>
internal sealed record Case(string Name, Settings Settings, string? SameAs = null);

/// <summary>Each case differs from another in what its name says. Hashes have to differ but where they have to be the same.</summary>
internal static class Cases
{
    private static readonly Settings s_binary = Settings.Quick(NetworkTask.Binary);

    private static readonly Settings s_multiclass = Settings.Quick(NetworkTask.Multiclass);

    private static readonly Settings s_regression = Settings.Quick(NetworkTask.Regression);

    public static IReadOnlyList<Case> All { get; } =
        [.. Networks(), .. Training(), .. Classification(), .. Regression(), .. Inputs(), .. Members(), .. Rows()];

    private static IEnumerable<Case> Networks() =>
    [
        new("binary", s_binary),
        new("binary, after Tanh", s_binary with
        {
            Placement = AfterActivation, Activation = Tanh, Optimizer = "Nesterov", Schedule = "cosine", Statistics = Cumulative,
        }),
        new("binary, layer input, GELU", s_binary with
        {
            Placement = LayerInput, Activation = GELU, Optimizer = "Adam", Schedule = "warm-up", Statistics = Population,
        }),
        new("binary, none, SiLU", s_binary with { Placement = None, Activation = SiLU, Optimizer = "RMSprop centered", Schedule = "step" }),
        new("multiclass", s_multiclass),
        new("multiclass, before LeakyReLU", s_multiclass with
        {
            Placement = BeforeActivation, Activation = LeakyReLU, Optimizer = "Adam and decay", Schedule = "cosine periods",
            Statistics = PopulationPooled,
        }),
        new("multiclass, after Mish", s_multiclass with
        {
            Placement = AfterActivation, Activation = Mish, Optimizer = "AdamW of all", Schedule = "linear cycle", Statistics = Population,
        }),
        new("multiclass, layer input, ELU", s_multiclass with
        {
            Placement = LayerInput, NormalizeOutputInput = true, Activation = ELU, Optimizer = "RMSprop momentum", Schedule = "constant",
            Statistics = RunningAverage, Rate = 0.001,
        }),
        new("multiclass, none, SELU", s_multiclass with
        {
            Placement = None, Activation = SELU, Optimizer = "sgd", Schedule = "milestones", Rate = 0.05,
        }),
        new("regression", s_regression),
        new("regression, before Sigmoid", s_regression with
        {
            Activation = Sigmoid, Optimizer = "momentum and decay", Schedule = "warm-up steps", Statistics = Cumulative,
        }),
        new("regression, after ReLU", s_regression with
        {
            Placement = AfterActivation, Activation = ReLU, Optimizer = "RMSprop", Schedule = "constant", Statistics = PopulationPooled,
            Rate = 0.002,
        }),
        new("regression, layer input, SELU", s_regression with
        {
            Placement = LayerInput, Activation = SELU, Optimizer = "Adam", Schedule = "constant",
        }),
        new("regression, none, GELU", s_regression with { Placement = None, Activation = GELU, Schedule = "cosine" }),
    ];

    private static IEnumerable<Case> Training() =>
    [
        new("binary, dropout 0", s_binary with { Dropout = 0 }),
        new("regression, dropout 0.5", s_regression with { Dropout = 0.5 }),
        new("regression, epsilon and momentum", s_regression with { Epsilon = 0.01, Momentum = 0.3 }),
        new("multiclass, gamma 0.5", s_multiclass with { Gamma = 0.5 }),
        new("regression, batches of 64", s_regression with { Batch = 64 }),
        new("regression, virtual batches of 16", s_regression with { Batch = 64, Virtual = 16 }),
        new("binary, not shuffled", s_binary with { Shuffle = false }),
        new("binary, nothing set aside", s_binary with { SetAside = 0 }),
        new("multiclass, 0.4 set aside", s_multiclass with { SetAside = 0.4 }),
        new("multiclass, validation rows", s_multiclass with { Validation = ValidationRows.GivenToFit }),
        new("multiclass, validation rows as option", s_multiclass with
        {
            Validation = ValidationRows.GivenAsOption,
        }, "multiclass, validation rows"),
        new("regression, restless", s_regression with { Epochs = 12, Rate = 0.1, Schedule = "constant" }),
        new("regression, restless, stopped early", s_regression with { Epochs = 12, Rate = 0.1, Schedule = "constant", Patience = 1 }),
    ];

    private static IEnumerable<Case> Classification() =>
    [
        new("multiclass, class weights", s_multiclass with { ClassWeights = [1, 0.5, 2, 8] }),
        new("binary, class weights", s_binary with { ClassWeights = [1, 3] }),
        new("binary, unbalanced", s_binary with { Unbalanced = true }),
        new("multiclass, unbalanced, weighted", s_multiclass with { Unbalanced = true, Weighted = true }),
        new("multiclass, label smoothing", s_multiclass with { Smoothing = 0.1 }),
        new("binary, averaged", s_binary with { Averaged = 0.5 }),
        new("multiclass, averaged", s_multiclass with { Averaged = 1 }),
        new("multiclass, averaged, from a checkpoint", s_multiclass with { Averaged = 1, Interrupted = true }, "multiclass, averaged"),
        new("binary, sparse, averaged", s_binary with { Table = TableKind.Sparse, Averaged = 0.5 }),
        new("binary, long", s_binary with { Epochs = 20, Dropout = 0 }),
        new("binary, long, no temperature", s_binary with { Epochs = 20, Dropout = 0, Temperature = false }),
        new("multiclass, long", s_multiclass with { Epochs = 20, Dropout = 0 }),
        new("multiclass, long, no temperature", s_multiclass with { Epochs = 20, Dropout = 0, Temperature = false }),
    ];

    private static IEnumerable<Case> Regression() =>
    [
        new("regression, Huber", s_regression with { Huber = 1.345 }),
        new("regression, Huber 0.5", s_regression with { Huber = 0.5 }),
    ];

    private static IEnumerable<Case> Inputs() =>
    [
        new("binary, missing values", s_binary with { Table = TableKind.WithMissing }),
        new("regression, missing values, no pieces", s_regression with { Table = TableKind.WithMissing, Pieces = 0 }),
        new("regression, example weights", s_regression with { Weighted = true }),
        new("regression, no pieces", s_regression with { Pieces = 0 }),
        new("regression, 64 pieces", s_regression with { Pieces = 64 }),
        new("binary, not scaled", s_binary with { Scale = false }),
        new("binary, sparse", s_binary with { Table = TableKind.Sparse }),
        new("multiclass, sparse, layer input", s_multiclass with
        {
            Table = TableKind.Sparse, Placement = LayerInput, Statistics = Population,
        }),
        new("regression, sparse, weighted, not scaled", s_regression with
        {
            Table = TableKind.Sparse, Weighted = true, Scale = false, Optimizer = "Adam",
        }),
    ];

    private static IEnumerable<Case> Members()
    {
        Settings wide = s_regression with { Table = TableKind.Many, Units = [128, 64], Batch = 1024, Epochs = 2 };
        yield return new("binary, defaults", new Settings(NetworkTask.Binary));
        yield return new("multiclass, defaults", new Settings(NetworkTask.Multiclass));
        yield return new("regression, defaults", new Settings(NetworkTask.Regression));
        yield return new("regression, usual members", s_regression with { Members = null });
        yield return new("multiclass, 3 members", s_multiclass with { Members = 3, Threads = 1 });
        yield return new("multiclass, 3 members, 2 threads", s_multiclass with { Members = 3, Threads = 2 }, "multiclass, 3 members");
        yield return new("binary, 4 restarts", s_binary with { Restarts = 4, Threads = 1 });
        yield return new("binary, 4 restarts, 2 threads", s_binary with { Restarts = 4, Threads = 2 }, "binary, 4 restarts");
        yield return new("regression, 2 members, 1 restart", s_regression with { Members = 2, Restarts = 1 });
        yield return new("regression, wide", wide with { Threads = 1 });
        yield return new("regression, wide, 2 threads", wide with { Threads = 2 }, "regression, wide");
        yield return new("regression, wide, 3 threads", wide with { Threads = 3 }, "regression, wide");
        foreach (Settings settings in new[] { s_binary, s_multiclass with { Members = 2 }, s_regression with { Placement = LayerInput } })
        {
            string name = $"{settings.Task.ToString().ToLowerInvariant()}, going on";
            Settings goingOn = settings with { Start = settings with { Epochs = 3 }, Rate = 0.002 };
            yield return new(name, goingOn);
            yield return new($"{name}, from a checkpoint", goingOn with { Interrupted = true }, name);
            yield return new($"{name}, saved", goingOn with { Saved = true }, name);
        }
    }

    private static IEnumerable<Case> Rows()
    {
        Settings few = new(NetworkTask.Regression) { Table = TableKind.Many, Units = [16], Epochs = 3, Members = 1, Pieces = 0 };
        Settings regression = few with { Megabytes = 1 };
        Settings binary = regression with { Task = NetworkTask.Binary }, multiclass = regression with { Task = NetworkTask.Multiclass };
        Settings defaults = new(NetworkTask.Regression) { Table = TableKind.Many, Megabytes = 1, Epochs = 1 };
        Settings weighted = binary with { Unbalanced = true, Weighted = true, Statistics = Population };
        yield return new("regression, many rows", few);
        yield return new("regression, spilled", regression with { Threads = 1 });
        yield return new("regression, spilled, 2 threads", regression with { Threads = 2 }, "regression, spilled");
        yield return new("regression, spilled, from a checkpoint", regression with { Interrupted = true }, "regression, spilled");
        yield return new("regression, spilled, defaults", defaults);
        yield return new("binary, spilled, unbalanced, weighted", weighted);
        yield return new("multiclass, spilled, 2 members, 4 pieces", multiclass with { Members = 2, Pieces = 4 });
        yield return new("binary, spilled, validation rows", binary with { Validation = ValidationRows.GivenToFit });
        yield return new("binary, spilled, sparse", binary with { Table = TableKind.ManySparse, Batch = 512 });
    }
}
