using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Persistence;
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
    [DataRow("network", 20_000, 1_000)]
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

    /// <summary>A check that is forgotten in the last sections is found: mended headers lead there, and what was changed stays.</summary>
    [TestMethod]
    public void Run_NetworksWithAMistakeFarBehind_FindIt()
    {
        var fuzzer = new Fuzzer(new Forgetful(), seed: 7);
        fuzzer.Run(20_000, _ => { });
        Assert.IsNotEmpty(fuzzer.Faults);
        Assert.Contains("undocumented System.IndexOutOfRangeException", fuzzer.Faults[0].Fault);
    }

    /// <summary>Damaged headers come back, one way or the other, and nothing else does.</summary>
    [TestMethod]
    [DataRow(true, 0, 0)]
    [DataRow(true, 5, 5)]
    [DataRow(true, -5, -5)]
    [DataRow(false, 0, 0)]
    [DataRow(false, 5, 0)]
    [DataRow(false, -5, 0)]
    public void LayOver_DamagedHeaders_PutsThemBack(bool keepsLength, int change, int expectedChange)
    {
        byte[] block = new NetworkTarget().Seeds[0];
        var layout = new SectionLayout(block);
        int missing = block.AsSpan().IndexOf("MISS"u8), networks = block.AsSpan().IndexOf("NETS"u8);
        const int header = Sections.HeaderBytes, lengthAt = header - sizeof(long);
        int inMissing = missing + header + 1;
        byte[] damaged = change >= 0
            ? [.. block[..inMissing], .. Enumerable.Repeat((byte)99, change), .. block[inMissing..]]
            : [.. block[..inMissing], .. block[(inMissing - change)..]];
        damaged[inMissing] = 98;                    // so that this is where it differs first
        damaged[^1] ^= 1;
        int moved = networks + change;
        damaged.AsSpan(moved, header).Fill(7);
        int weight = moved + header + 40;
        damaged[weight] ^= 1;

        byte[] mended = layout.LayOver(damaged, keepsLength);
        Assert.HasCount(block.Length + expectedChange, mended);
        Assert.AreEqual(Length(block, missing) + expectedChange, Length(mended, missing));
        int encoder = block.AsSpan().IndexOf("ENCO"u8);
        Assert.AreEqual(Length(block, encoder) + expectedChange, Length(mended, encoder), "the section around it");
        int where = networks + expectedChange;
        CollectionAssert.AreEqual(block[networks..(networks + header)], mended[where..(where + header)]);
        Assert.AreEqual(damaged[weight], mended[weight - change + expectedChange]);
        Assert.AreNotEqual(block[networks + header + 40], mended[weight - change + expectedChange], "what was changed in a section stays");

        static long Length(byte[] bytes, int at) => BitConverter.ToInt64(bytes, at + lengthAt);
    }

    /// <summary>A quarter keeps damaged headers; damage of nothing but a header is never undone.</summary>
    [TestMethod]
    public void Mend_DamagedHeaders_AreTriedAsWell()
    {
        var target = new NetworkTarget();
        byte[] block = target.Seeds[0];
        int networks = block.AsSpan().IndexOf("NETS"u8), kept = 0;
        for (int value = 0; value < 256; value++)
        {
            byte[] onlyHeader = (byte[])block.Clone();
            onlyHeader[networks] = (byte)value;
            CollectionAssert.AreEqual(onlyHeader, target.Mend(onlyHeader));
            onlyHeader[networks + Sections.HeaderBytes + 40] ^= 3;
            kept += target.Mend(onlyHeader)[networks] == 'N' ? 0 : 1;
        }

        Assert.AreEqual(64, kept, 1.0);
    }

    /// <summary>Reads networks, and forgets one check of a number of the last but one section.</summary>
    private sealed class Forgetful : FuzzTarget
    {
        private readonly NetworkTarget _target = new();

        public override string Name => "forgetful";

        public override IReadOnlyList<byte[]> Seeds => _target.Seeds;

        public override byte[] Mend(byte[] input) => _target.Mend(input);

        public override void Read(byte[] input)
        {
            using var reader = new BinaryReader(new MemoryStream(input));
            if (NetworkFormat.Read(reader).Chosen?.ValidationFraction is > 0 and < 0.09)
                throw new IndexOutOfRangeException();
        }

        public override bool IsDocumented(Exception exception) => _target.IsDocumented(exception);

        public override long AllowedBytes(int length) => _target.AllowedBytes(length);
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
