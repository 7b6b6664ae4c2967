using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// One table of text, one seed: the same model files, byte by byte, whatever the machine's instructions, threads, culture and time
/// zone, whether the rows are cached or read from the file, in any run. <see cref="Kernels.InstructionSetTests"/> does the same below
/// ML.NET, for every activation, loss and optimizer.
/// </summary>
[TestClass]
public sealed class DeterminismMatrixTests
{
    /// <summary>
    /// Processes, each with another environment; within each all numbers of threads, cached and not, and each kind of network.
    /// </summary>
    private static readonly (string Name, Dictionary<string, string> Environment, string Culture)[] s_processes =
    [
        ("as it is", [], ""),
        ("a second run", [], ""),
        ("Turkish, in Kathmandu", new() { ["TZ"] = "Asia/Kathmandu", ["LANG"] = "tr_TR.UTF-8" }, "tr-TR"),
        ("Arabic, on the Chatham Islands, without AVX-512",
            new() { ["TZ"] = "Pacific/Chatham", ["DOTNET_EnableAVX512F"] = "0", ["DOTNET_EnableAVX512"] = "0" }, "ar-SA"),
        ("German, without AVX2", new() { ["TZ"] = "Europe/Berlin", ["DOTNET_EnableAVX2"] = "0" }, "de-DE"),
        ("without any vector instruction", new() { ["DOTNET_EnableHWIntrinsic"] = "0" }, ""),
    ];

    private static readonly int[] s_threads = [1, 2, 3, 8];

    private readonly string _folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;

    public TestContext TestContext { get; set; } = null!;

    [TestCleanup]
    public void Cleanup() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void Model_InAnyEnvironment_IsTheSameFile()
    {
        string table = Table(_folder, changed: false);
        string expected = "";
        foreach ((string name, Dictionary<string, string> environment, string culture) in s_processes)
        {
            string[] models = FreshProcess.Run<Trainings>(environment, table, culture).Split(
                "====\n", StringSplitOptions.RemoveEmptyEntries);
            Assert.HasCount(3 * (s_threads.Length + 1), models, name);
            foreach (IGrouping<string, string> kind in models.GroupBy(model => model.Split('\n')[0]))
            {
                Assert.AreEqual(
                    1, kind.Select(model => model[model.IndexOf('\n')..]).Distinct().Count(),
                    $"{name}: {kind.Key} differs within one process");
            }
            string all = string.Concat(models.Order(StringComparer.Ordinal));
            if (expected.Length == 0)
                expected = all;
            Assert.AreEqual(expected, all, name);
        }
    }

    /// <summary>The comparison notices the last digit of one value.</summary>
    [TestMethod]
    public void Model_OfAnotherTable_IsAnotherFile()
    {
        string[] models = [.. new[] { false, true }.Select(changed =>
        {
            var context = new MLContext(1);
            return Trainings.Train(context, NetworkKind.Regression, Trainings.Read(context, Table(_folder, changed)), 1);
        })];
        Assert.AreNotEqual(models[0], models[1]);
    }

    private static string Table(string folder, bool changed)
    {
        string path = Path.Combine(folder, changed ? "changed.csv" : "table.csv");
        List<Example> rows = NetworkExamples.Rows(600);
        rows[11].Features[2] = float.NaN;
        if (changed)
            rows[12].Features[1] = MathF.BitIncrement(rows[12].Features[1]);
        File.WriteAllLines(path, rows.Select(row => string.Create(
            CultureInfo.InvariantCulture,
            $"{(row.IsPositive ? 1 : 0)},{row.Class},{row.Value:R},"
            + $"{string.Join(',', row.Features.Select(f => f.ToString("R", CultureInfo.InvariantCulture)))}")));
        return path;
    }

    /// <summary>
    /// Trains each kind of network from the text, with every number of threads, cached and not; writes what is in the model files.
    /// </summary>
    internal sealed class Trainings : IFreshProcessTask
    {
        public static void Run(string[] arguments, TextWriter output)
        {
            CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = new CultureInfo(arguments[1]);
            if (Environment.GetEnvironmentVariable("TZ") is { } zone && TimeZoneInfo.Local.Id != zone)
                throw new InvalidOperationException($"The time zone is {TimeZoneInfo.Local.Id}, not {zone}.");
            foreach (NetworkKind kind in Enum.GetValues<NetworkKind>())
            {
                var context = new MLContext(1);
                IDataView streamed = Read(context, arguments[0]);
                output.Write($"{kind}\n{Train(context, kind, context.Data.Cache(streamed), threads: 2)}====\n");
                foreach (int threads in s_threads)
                    output.Write($"{kind}\n{Train(context, kind, streamed, threads)}====\n");
            }
        }

        public static IDataView Read(MLContext context, string path) => context.Data.LoadFromTextFile(path,
        [
            new TextLoader.Column("Flag", DataKind.Boolean, 0), new TextLoader.Column("Class", DataKind.String, 1),
            new TextLoader.Column("Value", DataKind.Single, 2), new TextLoader.Column("Features", DataKind.Single, 3, 6),
        ], separatorChar: ',');

        public static string Train(MLContext context, NetworkKind kind, IDataView rows, int threads)
        {
            IEstimator<ITransformer> label = kind switch
            {
                NetworkKind.Binary => context.Transforms.CopyColumns("Label", "Flag"),
                NetworkKind.Multiclass => context.Transforms.Conversion.MapValueToKey("Label", "Class"),
                _ => context.Transforms.CopyColumns("Label", "Value"),
            };
            ITransformer model = label.Append(NetworkExamples.Quick(context, kind, options =>
            {
                // Wide enough to keep several threads busy, odd enough to leave remainders everywhere.
                options.HiddenUnits = [83, 37];
                options.BatchSize = 450;
                options.MaximumNumberOfEpochs = 2;
                options.NumberOfThreads = threads;
                options.NumberOfInputPieces = 5;
                options.NumberOfEnsembleMembers = kind == NetworkKind.Regression ? 2 : 1;
                options.Statistics = kind == NetworkKind.Binary
                    ? BatchNormalizationStatistics.PopulationPooled
                    : BatchNormalizationStatistics.RunningAverage;
            })).Fit(rows);
            return ModelFile.Contents(context, model, rows.Schema);
        }
    }
}
