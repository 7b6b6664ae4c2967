using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Stress;

namespace MLNetBatchNorm.Tests.Persistence;

/// <summary>
/// The same mutated inputs in every run, made and judged by the sources of build/Stress; build/fuzz.sh goes on where these stop.
/// </summary>
[TestClass]
public sealed class FuzzTests
{
    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    [DataRow("network", 20_000, 250)]
    [DataRow("checkpoint", 10_000, 500)]
    [DataRow("model entry", 150, 5)]
    [DataRow("model zip", 50, 5)]
    public void Read_MutatedInputs_EndAsDocumented(string name, int inputs, int readAtLeast)
    {
        FuzzTarget target = new FuzzTarget[] { new NetworkTarget(), new CheckpointTarget(), new EntryTarget(), new ZipTarget() }.Single(
            t => t.Name == name);
        var fuzzer = new Fuzzer(target, seed: 7);
        fuzzer.Run(inputs, hung => Environment.FailFast($"{name}: this input takes too long: {Convert.ToHexString(hung)}"));

        TestContext.WriteLine(
            $"{fuzzer.Signatures.GetValueOrDefault("read")} read, {fuzzer.Signatures.Count} endings, at most {fuzzer.LargestAllocation:P0} "
            + "of the allowed allocations");
        Assert.IsEmpty(
            fuzzer.Faults, fuzzer.Faults.Count == 0 ? "" : $"{fuzzer.Faults[0].Fault}\n{Convert.ToHexString(fuzzer.Faults[0].Input)}");
        Assert.IsGreaterThan(
            readAtLeast, fuzzer.Signatures.GetValueOrDefault("read"), "mutations that are read show that the inputs get far");
        Assert.IsGreaterThan(5, fuzzer.Signatures.Count);
    }

    /// <summary>A reader that believes a count, and one that forgets a check, are found.</summary>
    [TestMethod]
    [DataRow(true, "bytes were allocated")]
    [DataRow(false, "undocumented System.IndexOutOfRangeException")]
    public void Run_ReaderWithAMistake_FindsIt(bool believesACount, string expected)
    {
        var fuzzer = new Fuzzer(new Mistaken(believesACount), seed: 7);
        fuzzer.Run(2_000, _ => { });
        Assert.IsNotEmpty(fuzzer.Faults);
        Assert.Contains(expected, fuzzer.Faults[0].Fault);
    }

    /// <summary>Reads a count, so many bytes, and the number of one of them.</summary>
    private sealed class Mistaken(bool believesACount) : FuzzTarget
    {
        public override string Name => "mistaken";

        public override IReadOnlyList<byte[]> Seeds => [[4, 0, 1, 2, 3, 4, 2]];

        public override void Read(byte[] input)
        {
            if (input.Length < 3)
                throw new FormatException("too short");
            int count = input[0] + 256 * input[1];
            if (!believesACount && count > input.Length - 3)
                throw new FormatException("too many");
            byte[] copy = new byte[count];
            Array.Copy(input, 2, copy, 0, Math.Min(count, input.Length - 3));
            if (!believesACount)
                _ = copy[input[^1]];
        }

        public override bool IsDocumented(Exception exception) => exception is FormatException;

        public override long AllowedBytes(int length) => 20_000 + 10L * length;
    }
}
