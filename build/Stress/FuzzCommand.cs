using System.Diagnostics;
using System.Globalization;

namespace MLNetBatchNorm.Stress;

/// <summary>fuzz [inputs] [seed] [folder]: mutated inputs for every reader; fuzz again TARGET FILE: one that was kept.</summary>
internal static class FuzzCommand
{
#if COVERAGE
    // Before anything else: instrumented code writes into the table without asking whether it is there.
    private static readonly BranchTable s_branches = new();
#endif

    public static int Run(string[] arguments)
    {
#if COVERAGE
        s_branches.Forget();
#endif
        if (arguments is ["again", string name, string path])
            return Again(name, path);
        long inputs = arguments.Length > 0 ? long.Parse(arguments[0], CultureInfo.InvariantCulture) : 1_000_000;
        ulong seed = arguments.Length > 1 ? ulong.Parse(arguments[1], CultureInfo.InvariantCulture) : 1;
        string folder = arguments.Length > 2 ? arguments[2] : "artifacts/fuzz";

        // A whole model takes a hundred times as long as a block, nearly all of it in ML.NET.
        double[] shares = [0.61, 0.36, 0.025, 0.005];
        int faults = Targets().Zip(shares, (target, share) => Run(target, (long)(inputs * share), seed, folder)).Sum();
        Console.WriteLine(faults == 0 ? "no fault" : $"{faults} faults");
        return faults == 0 ? 0 : 1;
    }

    private static FuzzTarget[] Targets() => [new NetworkTarget(), new CheckpointTarget(), new EntryTarget(), new ZipTarget()];

    /// <summary>fuzz again TARGET FILE: reads one kept input, to see what it comes to.</summary>
    private static int Again(string name, string path)
    {
        FuzzTarget target = Targets().Single(t => t.Name.Replace(' ', '-') == name);
        FuzzResult result = FuzzResult.Of(target, File.ReadAllBytes(path));
        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"{result.Signature}: {result.Allocated} bytes allocated. {result.Fault}"));
        return result.Fault is null ? 0 : 1;
    }

    private static int Run(FuzzTarget target, long inputs, ulong seed, string folder)
    {
        var watch = Stopwatch.StartNew();
#if COVERAGE
        BranchTable branches = s_branches;
        branches.Forget();
        Func<string> describe = () => string.Create(CultureInfo.InvariantCulture, $", {branches.Seen} pairs of branches");
        var fuzzer = new Fuzzer(target, seed, branches);
#else
        Func<string> describe = () => "";
        var fuzzer = new Fuzzer(target, seed);
#endif
        fuzzer.Run(inputs, hung =>
        {
            Console.WriteLine($"{target.Name}: an input of {hung.Length} bytes takes too long: {Keep(target, hung, "hung", folder)}");
            Environment.Exit(3);
        });
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{target.Name}: {inputs} inputs, {fuzzer.Signatures.GetValueOrDefault("read")} read, {fuzzer.Signatures.Count} different "
            + $"endings{describe()}, {fuzzer.Inputs} starting points, largest allocation {fuzzer.LargestAllocation:P0} of what is allowed, "
            + $"{fuzzer.Faults.Count} faults, {watch.Elapsed.TotalSeconds:0} s"));
        foreach ((string signature, long count) in fuzzer.Signatures.OrderByDescending(s => s.Value).Take(12))
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {count,9} {signature}"));
        for (int i = 0; i < fuzzer.Faults.Count; i++)
            Console.WriteLine($"  FAULT {Keep(target, fuzzer.Faults[i].Input, $"{i}", folder)}: {fuzzer.Faults[i].Fault}");
        return fuzzer.Faults.Count;
    }

    private static string Keep(FuzzTarget target, byte[] input, string name, string folder)
    {
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, $"{target.Name.Replace(' ', '-')}-{name}.bin");
        File.WriteAllBytes(path, input);
        return path;
    }
}
