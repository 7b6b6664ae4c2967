using MLNetBatchNorm.Benchmarks;

// Plain commands; tab-separated lines on standard output and nothing else. See README.md, "Speed".
string[] rest = args.Length > 1 ? args[1..] : [];
switch (args.Length > 0 ? args[0] : "")
{
    case "throughput":
        return Throughput.Run(rest);
    default:
        Console.Error.WriteLine(
            """
            usage:
              throughput [threads] [seconds]   training and scoring speed of four networks, data in memory
            """);
        return 2;
}
