using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Filters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Parameters;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>BenchmarkDotNet over the kernels, with their share of what the core can do.</summary>
/// <remarks>
/// peak GFLOP/s; kernel NAME SHAPE microseconds GFLOP/s SHARE GB/s, with "-" where a figure says nothing: a product of matrices is bound by
/// arithmetic, everything else by memory. BenchmarkDotNet's own report goes to standard error.
/// </remarks>
internal static class KernelCommand
{
    private static readonly Type[] Benchmarks = [typeof(MatrixBenchmarks), typeof(LayerBenchmarks), typeof(OptimizerBenchmarks)];

    public static int Run(string[] args)
    {
        // Names, or parts of them, restrict the run to these kernels; "quick" makes it short and coarse.
        bool quick = args.Contains("quick");
        string[] filters = [.. args.Where(a => a != "quick")];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"peak\t{FmaPeak.GigaflopsPerCore:F1}"));

        // In this process: the peak and the kernels are then measured under the same conditions,
        // and no project has to be generated and built.
        Job job = (quick ? Job.ShortRun : Job.Default).WithToolchain(InProcessEmitToolchain.Instance);
        var config = ManualConfig.CreateEmpty()
            .AddJob(job)
            .AddLogger(new StandardErrorLogger())
            .AddColumnProvider(DefaultColumnProviders.Descriptor, DefaultColumnProviders.Params, DefaultColumnProviders.Statistics)
            .AddColumn(new WorkColumn("GFLOP/s", Gigaflops), new WorkColumn("of peak", ShareOfPeak), new WorkColumn("GB/s", Gigabytes));
        if (filters.Length > 0)
        {
            config.AddFilter(
                new SimpleFilter(c => filters.Any(f => c.Descriptor.WorkloadMethod.Name.Contains(f, StringComparison.OrdinalIgnoreCase))));
        }
        bool complete = true;
        foreach (Summary summary in BenchmarkRunner.Run(Benchmarks, config))
        {
            complete &= !summary.HasCriticalValidationErrors;
            foreach (BenchmarkReport report in summary.Reports)
            {
                if (report.ResultStatistics is not { } statistics)
                {
                    complete = false;
                    continue;
                }
                BenchmarkCase benchmark = report.BenchmarkCase;
                Console.WriteLine(string.Join('\t',
                    "kernel", benchmark.Descriptor.WorkloadMethod.Name, WorkOf(benchmark).Shape,
                    (statistics.Median / 1000).ToString("F3", CultureInfo.InvariantCulture),
                    Gigaflops(benchmark, statistics.Median), ShareOfPeak(benchmark, statistics.Median),
                    Gigabytes(benchmark, statistics.Median)));
            }
        }
        return complete ? 0 : 1;
    }

    private static string Gigaflops(BenchmarkCase benchmark, double nanoseconds) =>
        Show(WorkOf(benchmark).Operations(benchmark.Descriptor.WorkloadMethod.Name) / nanoseconds, "F1");

    private static string ShareOfPeak(BenchmarkCase benchmark, double nanoseconds) =>
        Show(WorkOf(benchmark).Operations(benchmark.Descriptor.WorkloadMethod.Name) / nanoseconds / FmaPeak.GigaflopsPerCore, "P0");

    private static string Gigabytes(BenchmarkCase benchmark, double nanoseconds) =>
        Show(WorkOf(benchmark).Bytes(benchmark.Descriptor.WorkloadMethod.Name) / nanoseconds, "F1");

    private static string Show(double value, string format) => value == 0 ? "-" : value.ToString(format, CultureInfo.InvariantCulture);

    /// <summary>An instance with the case's parameters, which knows the work of a call.</summary>
    private static IKernelWork WorkOf(BenchmarkCase benchmark)
    {
        object instance = Activator.CreateInstance(benchmark.Descriptor.Type)!;
        foreach (ParameterInstance parameter in benchmark.Parameters.Items)
            benchmark.Descriptor.Type.GetProperty(parameter.Name)!.SetValue(instance, parameter.Value);
        return (IKernelWork)instance;
    }

    private sealed class WorkColumn(string name, Func<BenchmarkCase, double, string> value) : IColumn
    {
        public string Id => name;

        public string ColumnName => name;

        public bool AlwaysShow => true;

        public ColumnCategory Category => ColumnCategory.Custom;

        public int PriorityInCategory => 0;

        public bool IsNumeric => true;

        public UnitType UnitType => UnitType.Dimensionless;

        public string Legend => $"{name}, from the median";

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase) =>
            summary[benchmarkCase]?.ResultStatistics is { } statistics ? value(benchmarkCase, statistics.Median) : "-";

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

        public bool IsAvailable(Summary summary) => true;

        public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;
    }

    private sealed class StandardErrorLogger : ILogger
    {
        public string Id => nameof(StandardErrorLogger);

        public int Priority => 0;

        public void Write(LogKind logKind, string text) => Console.Error.Write(text);

        public void WriteLine() => Console.Error.WriteLine();

        public void WriteLine(LogKind logKind, string text) => Console.Error.WriteLine(text);

        public void Flush() => Console.Error.Flush();
    }
}
