using System.Reflection;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Stress;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Persistence;

/// <summary>
/// The same mutated inputs in every run, made and judged by the sources of build/Stress; build/fuzz.sh goes on where these stop.
/// </summary>
[TestClass]
public sealed class FuzzTests
{
    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    [DataRow("network", 60_000, 3_000)]
    [DataRow("checkpoint", 10_000, 500)]
    [DataRow("model entry", 300, 10)]
    [DataRow("model zip", 100, 10)]
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

    /// <summary>
    /// A check that is forgotten in any of the sections is found, of inputs made from the blocks that have it: mended headers lead there,
    /// also into blocks inside of sections, and what was changed stays.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(ForgottenChecks))]
    public void Run_NetworksWithAMistakeFarBehind_FindIt(string check)
    {
        (string section, Func<TrainedNetwork, bool> isForgotten) = s_forgottenChecks[check];
        const int mostRuns = 10;
        List<(byte[] Input, string Fault)> faults = [];
        for (ulong run = 0; run < mostRuns && faults.Count == 0; run++)
        {
            var fuzzer = new Fuzzer(new Forgetful(section, isForgotten), seed: 7 + run);
            fuzzer.Run(20_000, _ => { });
            faults = fuzzer.Faults;
        }

        Assert.IsNotEmpty(faults);
        Assert.Contains("undocumented System.IndexOutOfRangeException", faults[0].Fault);
    }

    /// <summary>No section of the format is missing in the networks that inputs are made from.</summary>
    [TestMethod]
    public void Seeds_HoldEverySection()
    {
        string[] known = [.. typeof(NetworkFormat).Assembly.GetTypes().SelectMany(type => type.GetFields(
            BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            .Where(field => field.IsLiteral && field.FieldType == typeof(string) && field.Name.EndsWith("Tag", StringComparison.Ordinal))
            .Select(field => (string)field.GetRawConstantValue()!).Where(tag => tag.Length == 4).Append(Sections.End).Distinct().Order()];
        CollectionAssert.IsSubsetOf(new[] { "DEFI", "PICT", "HALF", "INTV", "CATN" }, known, "fields are found");

        string[] held = [.. new NetworkTarget().Seeds.Where(block => block[4] == NetworkFormat.CurrentVersion)
            .SelectMany(block => new SectionLayout(block).Tags).Distinct().Order()];
        CollectionAssert.AreEqual(known, held);
    }

    /// <summary>The sections of the network inside of the intervals are walked as well, to the last one.</summary>
    [TestMethod]
    public void Tags_OfIntervals_AreThoseOfTheSpreadToo()
    {
        byte[] block = new NetworkTarget().Seeds.First(seed => seed.AsSpan().IndexOf("INTV"u8) >= 0);
        string[] tags = [.. new SectionLayout(block).Tags];
        Assert.AreEqual(2, tags.Count(tag => tag == "DEFI"));
        // Each of two encoders, the spread and the whole have a last one.
        Assert.AreEqual(4, tags.Count(tag => tag == Sections.End));
        Assert.AreEqual(Sections.End, tags[^1]);
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

    /// <summary>Numbers that a reader might forget to check, each in a section of its own.</summary>
    private static readonly Dictionary<string, (string Section, Func<TrainedNetwork, bool> IsForgotten)> s_forgottenChecks = new()
    {
        ["what was chosen"] = ("CHOS", network => network.Chosen?.ValidationFraction is > 0 and < 0.09),
        ["levels of intervals"] = ("INTV", network => network.Intervals?.Levels[0].Level is > 0.81 or < 0.79),
        ["scale of the spread"] = ("INTV", network => network.Intervals?.Spread?.Scale?.Deviation is > 0.31 or < 0.29),
        ["epochs of the spread"] = ("INTV", network =>
            network.Intervals?.Spread?.Members[1].History.Epochs[0].TrainingLoss is > 0.71 or < 0.69),
        ["pictures"] = ("PICT", network => network.Parameters.Definition.Convolutions is [{ DropoutRate: > 0.11 or < 0.09 }, ..]),
        ["weights of kernels"] = ("PICT", network =>
            network.Parameters.OthersOf(1).OfType<ConvolutionParameters>().Single().Weights.Span.ContainsAnyInRange(50, 1e38f)),
        ["scales of targets"] = ("TSCA", network => network.Scales?[2].Deviation is > 3.01 or < 2.99),
        ["names of targets"] = ("TNAM", network => network.TargetNames?[0] is { } name && name != "Price"),
        ["names of classes"] = ("CNAM", network => network.ClassNames?[2] is { } name && name != "tall"),
        ["shifts of outputs"] = ("SHIF", network => network.OutputShifts?[1] is not (null or -1f)),
        ["networks that have taught"] = ("TAUG", network => network.Teachers is not (0 or 8)),
        ["weights of half precision"] = ("HALF", network => network.Parameters.Linear[1].Weights.Span.ContainsAnyInRange(50, 1e38f)),
        ["categories"] = ("CATN", network => network.Encoder.Part<Categories>()!.TrustOf(0, 1) is not 0.5f),
        ["words"] = ("SPAR", network => network.Encoder.Part<SparseSlots>()!.ScaleOf(5) is not 1f),
        ["numbers beside words"] = ("SCAS", network => network.Encoder.Part<ScaleAndClip>()!.Scale[2] is not 2f),
        ["trials"] = ("TRIA", network => network.Trials[1].BatchSize != 32),
        ["networks of another trial"] = ("TRIA", network =>
            network.Others.Count == 1 && network.Others[0].Networks[1].Linear[1].Weights.Span.ContainsAnyInRange(50, 1e38f)),
        ["ranges of slots"] = ("RANG", network => network.SlotRanges is { } ranges && ranges[0] != (1, 3)),
    };

    public static IEnumerable<object[]> ForgottenChecks => s_forgottenChecks.Keys.Select(check => new object[] { check });

    /// <summary>Reads networks, and forgets one check.</summary>
    private sealed class Forgetful(string section, Func<TrainedNetwork, bool> isForgotten) : FuzzTarget
    {
        private readonly NetworkTarget _target = new();

        public override string Name => "forgetful";

        public override IReadOnlyList<byte[]> Seeds { get; } = [.. new NetworkTarget().Seeds.Where(
            block => block[4] == NetworkFormat.CurrentVersion && new SectionLayout(block).Tags.Contains(section))];

        public override byte[] Mend(byte[] input) => _target.Mend(input);

        public override void Read(byte[] input)
        {
            using var reader = new BinaryReader(new MemoryStream(input));
            if (isForgotten(NetworkFormat.Read(reader)))
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
