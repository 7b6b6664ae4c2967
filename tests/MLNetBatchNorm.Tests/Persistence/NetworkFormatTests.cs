using System.Buffers.Binary;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Persistence;

// Length: a table of every field of the format with what is said when it is wrong.
/// <summary>
/// The bytes of a network: what is written comes back, and damaged bytes end in one kind of
/// exception, quickly and without large allocations.
/// </summary>
[TestClass]
public sealed class NetworkFormatTests
{
    private const long OneMegabyte = 1 << 20;

    /// <summary>What makes a weight one that half precision cannot hold.</summary>
    private const float Fraction = 1f / (1 << 12);

    [TestMethod]
    [DataRow(BatchNormalizationPlacement.None, false)]
    [DataRow(BatchNormalizationPlacement.BeforeActivation, false)]
    [DataRow(BatchNormalizationPlacement.AfterActivation, false)]
    [DataRow(BatchNormalizationPlacement.LayerInput, false)]
    [DataRow(BatchNormalizationPlacement.LayerInput, true)]
    public void Read_WhatWasWritten_IsTheSame(BatchNormalizationPlacement placement, bool normalizeOutputLayerInput)
    {
        TrainedNetwork written = Sample(placement, normalizeOutputLayerInput, members: 2);
        byte[] bytes = Write(written);
        TrainedNetwork read = Read(bytes);

        CollectionAssert.AreEqual(bytes, Write(read));
        NetworkDefinition expected = written.Parameters.Definition, actual = read.Parameters.Definition;
        Assert.AreEqual(expected.Inputs, actual.Inputs);
        CollectionAssert.AreEqual(expected.HiddenUnits, actual.HiddenUnits);
        Assert.AreEqual(
            (expected.Outputs, expected.Activation, expected.Placement, expected.Statistics, expected.NormalizeOutputLayerInput,
                expected.Epsilon, expected.RunningStatisticsMomentum, expected.InitialGamma, expected.DropoutRate,
                expected.VirtualBatchSize),
            (actual.Outputs, actual.Activation, actual.Placement, actual.Statistics, actual.NormalizeOutputLayerInput,
                actual.Epsilon, actual.RunningStatisticsMomentum, actual.InitialGamma, actual.DropoutRate, actual.VirtualBatchSize));
        ScaleAndClip readScaling = read.Encoder.Part<ScaleAndClip>()!;
        CollectionAssert.AreEqual(written.Encoder.Part<ScaleAndClip>()!.Center.ToArray(), readScaling.Center.ToArray());
        CollectionAssert.AreEqual(written.Encoder.Part<ScaleAndClip>()!.Scale.ToArray(), readScaling.Scale.ToArray());
        CollectionAssert.AreEqual(written.Encoder.Describe().ToArray(), read.Encoder.Describe().ToArray());
        CollectionAssert.AreEqual(written.Encoder.Part<Pieces>()!.All.ToArray(), read.Encoder.Part<Pieces>()!.All.ToArray());
        Assert.IsTrue(readScaling.IsClipped(0));
        Assert.IsFalse(readScaling.IsClipped(1));
        Assert.HasCount(2, read.Members);
        for (int member = 0; member < 2; member++)
        {
            CheckSame(written.Members[member].Parameters, read.Members[member].Parameters);
            CollectionAssert.AreEqual(written.Members[member].History.Epochs.ToArray(), read.Members[member].History.Epochs.ToArray());
            Assert.AreEqual(written.Members[member].History.BestEpoch, read.Members[member].History.BestEpoch);
            Assert.AreEqual(written.Members[member].History.StopReason, read.Members[member].History.StopReason);
        }
    }

    [TestMethod]
    public void Read_AnEncoderThatChangesNothing_IsTheSame()
    {
        var definition = new NetworkDefinition { Inputs = 3, HiddenUnits = [], Outputs = 2, Placement = BatchNormalizationPlacement.None };
        var network = new TrainedNetwork(
            InputEncoder.Identity(3), [new NetworkMember(Fill(new NetworkParameters(definition), 1), History())]);
        TrainedNetwork read = Read(Write(network));

        Assert.IsTrue(read.Encoder is { IsIdentity: true, RawInputs: 3 });
    }

    /// <summary>The layout itself, number by number, written here once more by hand.</summary>
    [TestMethod]
    public void Write_ASmallNetwork_GivesTheDocumentedBytes() =>
        CollectionAssert.AreEqual(
            InSections(DocumentedBytes(version: 2), s_chosenBytes), Write(Sample(BatchNormalizationPlacement.BeforeActivation)));

    /// <summary>What an earlier version kept is read, and written again as the present one.</summary>
    [TestMethod]
    public void Read_Version2_IsTheSameWithoutWhatWasChosen()
    {
        TrainedNetwork read = Read(DocumentedBytes(version: 2)), written = Sample(BatchNormalizationPlacement.BeforeActivation);

        CheckSame(written.Parameters, read.Parameters);
        CollectionAssert.AreEqual(written.History.Epochs.ToArray(), read.History.Epochs.ToArray());
        Assert.IsNull(read.Chosen);
        CollectionAssert.AreEqual(InSections(DocumentedBytes(version: 2), null), Write(read));
    }

    [TestMethod]
    public void Read_WhatWasChosen_IsTheSame()
    {
        ChosenSettings chosen = Read(Write(Sample(BatchNormalizationPlacement.None))).Chosen!;

        Assert.AreEqual((64, 24, 0.006, 0.2, -5, 7_000_000_000L, "0.1.0"), (
            chosen.BatchSize, chosen.MaximumNumberOfEpochs, chosen.LearningRate, chosen.ValidationFraction, chosen.Seed,
            chosen.NumberOfTrainingRows, chosen.LibraryVersion));
    }

    [TestMethod]
    public void Read_NamesOfSlots_AreTheSame()
    {
        TrainedNetwork sample = Sample(BatchNormalizationPlacement.None);
        SlotNames names = SlotNames.Create(2, ["Größe".AsMemory(), default], out _)!;
        byte[] bytes = Write(new TrainedNetwork(sample.Encoder, sample.Members, sample.Chosen) { SlotNames = names });
        SlotNames read = Read(bytes).SlotNames!;

        Assert.AreEqual(("Größe", null), (read[0], read[1]));
        byte[] section = Section("SLOT", [7, 0, 0, 0, .. "Größe"u8]);
        CollectionAssert.AreEqual(section, bytes[^(section.Length + Sections.HeaderBytes)..^Sections.HeaderBytes]);
        Assert.IsNull(Read(Write(sample)).SlotNames);
        Assert.IsNull(Read(DocumentedBytes(version: 2)).SlotNames);
        // In front of the encoder, the number of slots is not known.
        byte[] early =
            [.. bytes[..8], .. section, .. bytes[8..^(section.Length + Sections.HeaderBytes)], .. bytes[^Sections.HeaderBytes..]];
        Assert.Contains("no section 'ENCO'", Assert.ThrowsExactly<NetworkFormatException>(() => Read(early)).Message);
        for (int length = bytes.Length - section.Length; length < bytes.Length; length++)
            Assert.ThrowsExactly<NetworkFormatException>(() => Read(bytes[..length]), $"{length} bytes");
    }

    /// <summary>Weights of half precision, written here once more by hand: an exponent, all low bytes, all high bytes.</summary>
    [TestMethod]
    public void Write_WeightsOfHalfPrecision_GivesTheDocumentedBytes()
    {
        byte[] flat = DocumentedBytes(version: 2), bytes = InHalf();
        TrainedNetwork read = Read(bytes);

        CollectionAssert.AreEqual(bytes, Write(read));
        // All else is what it was.
        TrainedNetwork whole = Read(flat);
        foreach (LinearParameters linear in whole.Parameters.Linear)
            HalfWeights.Round(linear);
        CheckSame(whole.Parameters, read.Parameters);
        CollectionAssert.AreEqual(bytes, Write(whole));
        Assert.AreEqual(1f, read.Parameters.Linear[0].Weight(0, 0));
        Assert.AreEqual(8f, read.Parameters.Linear[0].Weight(1, 3));
        Assert.AreEqual(19f, read.Parameters.Linear[1].Weight(0, 1));
        // One weight that needs more keeps all as they are.
        read.Parameters.Linear[1].Weight(0, 1) += Fraction;
        TrainedNetwork again = Read(Write(read));
        CheckSame(read.Parameters, again.Parameters);
        Assert.IsGreaterThan(0, Write(read).AsSpan().IndexOf("NETS"u8));
        for (int length = bytes.Length - 1; length > 0; length--)
            Assert.ThrowsExactly<NetworkFormatException>(() => Read(bytes[..length]), $"{length} bytes");
    }

    [TestMethod]
    [DataRow("no number", "A weight is NaN; it must be finite.")]
    [DataRow("exponent", "The exponent of the weights is 113; it must be in [-100, 112].")]
    [DataRow("both", "has a section 'NETS' and a section 'HALF'")]
    public void Read_WeightsOfHalfPrecisionThatAreNone_SaysWhy(string what, string expected)
    {
        byte[] bytes = InHalf();
        int weights = bytes.AsSpan().IndexOf("HALF"u8) + Sections.HeaderBytes + sizeof(int);
        if (what == "exponent")
            Int(113).CopyTo(bytes, weights);
        else if (what == "no number")
            (bytes[weights + 4], bytes[weights + 12]) = (1, 0x7C);
        else
            bytes = [.. bytes[..^Sections.HeaderBytes], .. Section("NETS", []), .. bytes[^Sections.HeaderBytes..]];

        Assert.Contains(expected, Assert.ThrowsExactly<NetworkFormatException>(() => Read(bytes)).Message);
    }

    /// <summary>The documented network with weights of half precision.</summary>
    private static byte[] InHalf()
    {
        byte[] flat = DocumentedBytes(version: 2), floats = flat[s_parts[2]..s_parts[3]];
        // 1 to 8 times 2^11, and 18 and 19 times 2^10: an exponent, 15 more than it is, in front of 10 bits of fraction.
        ushort[] first = [0x6800, 0x6C00, 0x6E00, 0x7000, 0x7100, 0x7200, 0x7300, 0x7400], second = [0x7480, 0x74C0];
        byte[] half =
        [
            .. floats[..4], .. Int(-11), .. Planes(first), .. floats[(4 + 8 * sizeof(float))..^14],
            .. Int(-10), .. Planes(second), .. floats[^6..],
        ];
        byte[] bytes = InSections(flat, null), nets = Section("NETS", floats);
        int at = bytes.AsSpan().IndexOf(nets);
        return [.. bytes[..at], .. Section("HALF", half), .. bytes[(at + nets.Length)..]];

        static byte[] Planes(ushort[] halves) => [.. halves.Select(h => (byte)h), .. halves.Select(h => (byte)(h >> 8))];
    }

    [TestMethod]
    public void Read_ScalesAndNamesOfTargets_AreTheSame()
    {
        const int outputs = 3;
        TrainedNetwork sample = Sample(BatchNormalizationPlacement.None, outputs: outputs);
        var scales = new TargetScales(Enumerable.Range(0, outputs).Select(k => new TargetScale(k * 1e7, k + 0.5)));
        SlotNames names = SlotNames.Create(outputs, Enumerable.Range(0, outputs).Select(k => $"Größe {k}".AsMemory()), out _)!;
        byte[] bytes = Write(new TrainedNetwork(sample.Encoder, sample.Members, sample.Chosen)
        {
            Objective = new SquaredLoss(), Scales = scales, TargetNames = names, ClassNames = names,
        });
        TrainedNetwork read = Read(bytes);

        Assert.AreEqual(scales, read.Scales);
        Assert.IsNull(read.Scale, "there is no scale of a single target");
        Assert.AreEqual($"Größe {outputs - 1}", read.TargetNames![outputs - 1]);
        Assert.AreEqual("Größe 1", read.ClassNames![1]);
        Assert.IsInstanceOfType<ScaledTargetsLink>(read.ScoreLink);
        CollectionAssert.AreEqual(bytes, Write(read));
        Assert.AreNotEqual(scales, new TargetScales(scales.Reverse()));
    }

    /// <summary>The metrics of targets stand in a section of their own, written here once more by hand; other models have none.</summary>
    [TestMethod]
    public void Read_MetricsOfTargets_AreTheSame()
    {
        TrainedNetwork sample = Sample(BatchNormalizationPlacement.None, outputs: 2);
        TrainingHistory history = History() with
        {
            Epochs = [History().Epochs[0] with { TargetValidationMetrics = [0.75, double.NaN] }, History().Epochs[1]],
        };
        byte[] bytes = Write(new TrainedNetwork(
            sample.Encoder, [new NetworkMember(sample.Parameters, history), new NetworkMember(sample.Parameters, History())], null));
        TrainedNetwork read = Read(bytes);

        byte[] section = Section("TMET", [.. Int(2), .. Double(0.75), .. Double(double.NaN), .. Int(0)]);
        CollectionAssert.AreEqual(section, bytes[^(section.Length + Sections.HeaderBytes)..^Sections.HeaderBytes]);
        CollectionAssert.AreEqual(history.Epochs.ToArray(), read.Members[0].History.Epochs.ToArray());
        CollectionAssert.AreEqual(History().Epochs.ToArray(), read.Members[1].History.Epochs.ToArray());
        CollectionAssert.AreNotEqual(history.Epochs.ToArray(), History().Epochs.ToArray());
        CollectionAssert.AreEqual(bytes, Write(read));
        Assert.AreEqual(-1, Write(sample).AsSpan().IndexOf("TMET"u8));
        for (int length = bytes.Length - section.Length; length < bytes.Length; length++)
            Assert.ThrowsExactly<NetworkFormatException>(() => Read(bytes[..length]), $"{length} bytes");
    }

    public static IEnumerable<object[]> WrongSections =>
    [
        ["unknown", (byte[])[.. Section("NEW1", [1, 2])], "section 'NEW1' in the data of the network that this version"],
        ["no letters", (byte[])[.. Section("\u0007\u0001'x", [])], "section '???x'"],
        ["twice", (byte[])[.. Section("CHOS", s_chosenBytes), .. Section("CHOS", s_chosenBytes)],
            "Section 'CHOS' of the data of the network is there twice"],
        ["too long", (byte[])[.. Section("CHOS", [.. s_chosenBytes, 9])],
            "Section 'CHOS' of the data of the network is 1 bytes longer than"],
        ["too short", (byte[])[.. Section("CHOS", s_chosenBytes[..^1])], "bytes are left"],
        ["negative length", (byte[])[.. "CHOS"u8, .. BitConverter.GetBytes(-1L)], "has -1 bytes"],
        ["length of a file", (byte[])[.. "CHOS"u8, .. BitConverter.GetBytes(long.MaxValue)], "has 9223372036854775807 bytes"],
        ["end with something", (byte[])[.. "END "u8, .. BitConverter.GetBytes(3L), 1, 2, 3],
            "The last section of the data of the network has 3 bytes"],
        ["seed only", (byte[])[.. Section("CHOS", Int(-1))], "number of rows of a step is -1"],
        ["objective of no kind", Section("OBJE", [99]), "objective has number 99, which is not known"],
        ["objective of two bytes", Section("OBJE", [3, 3]), "Section 'OBJE' of the data of the network is 1 bytes longer than"],
        ["mean of nonsense", Section("SCAL", [.. Double(double.NaN), .. Double(1)]), "mean of the labels is NaN"],
        ["deviation below zero", Section("SCAL", [.. Double(3), .. Double(-1)]), "is -1; it must be finite and not negative"],
        ["deviation without end", Section("SCAL", [.. Double(3), .. Double(double.PositiveInfinity)]), "deviation of the labels is"],
        ["scales of fewer targets than outputs", Section("TSCA", [.. Double(3)]),
            "number of means and deviations of targets is"],
        ["scales twice", (byte[])[.. Section("SCAL", [.. Double(3), .. Double(1)]), .. Section("TSCA", [.. Double(3), .. Double(1)])],
            "has both a section 'SCAL' and a section 'TSCA'"],
        ["metrics of more targets than outputs", Section("TMET", [.. Int(2), .. Double(0.5), .. Double(0.5)]),
            "The number of validation metrics of targets is 2; it must be in [0, 1]."],
        ["metrics that are not there", Section("TMET", [.. Int(1)]), "number of validation metrics of targets is 1, but only 0 bytes"],
        ["metrics of no network", Section("TMET", []), "ends too early"],
        ["fewer names than targets", Section("TNAM", []), "number of names of targets is"],
        ["fewer names than classes", Section("CNAM", []), "number of names of classes is"],
        ["fewer shifts than outputs", Section("SHIF", [0, 0]), "number of shifts of outputs is 1, but only 2 bytes are left"],
        ["more shifts than outputs", Section("SHIF", new byte[8]), "Section 'SHIF' of the data of the network is 4 bytes longer than"],
        ["a shift of nonsense", Section("SHIF", BitConverter.GetBytes(float.NaN)), "A shift of an output is NaN; it must be finite."],
        ["one teacher", Section("TAUG", Int(1)), "The number of networks that have taught the only one is 1; it must be in [2, "],
        ["half a number of teachers", Section("TAUG", [2, 0]), "ends too early"],
        ["fewer names than slots", Section("SLOT", [3]), "number of names of feature slots is 2, but only 1 bytes"],
        ["names without an end", Section("SLOT", [3, 0, 2, 0, 65, 66, 67]),
            "number of bytes in the names of feature slots is 5, but only 3"],
        ["more than names", Section("SLOT", [1, 0, 1, 0, 65, 66, 67]), "Section 'SLOT' of the data of the network is 1 bytes longer than"],
        ["a name that is no text", Section("SLOT", [1, 0, 2, 0, 65, 0xC3, 0x28]), "name of feature slot 1 is not a text in UTF-8"],
        ["half a letter in each name", Section("SLOT", [1, 0, 1, 0, 0xC3, 0xA4]), "name of feature slot 0 is not a text in UTF-8"],
        ["no ranges", Section("RANG", [0, 0, 0, 0]), "number of ranges of feature slots is 0"],
        ["a range of slots that there are not", Section("RANG", [1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]),
            "Range 0 has 2 feature slots from 1 on; ranges must rise within the 2 slots."],
        ["ranges that overlap", Section("RANG", [2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]),
            "Range 1 has 1 feature slots from 1 on; ranges must rise within the 2 slots."],
        ["an empty range", Section("RANG", [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "Range 0 has 0 feature slots"],
        ["names of nonsense length", Section("SLOT", new byte[SlotNames.MaximumBytes + 1]),
            "feature slots take 16777217 bytes; at most 16777216"],
        ["version of nonsense", (byte[])[.. Section("CHOS", [.. s_chosenBytes[..^5], 0xFF, 0xFE, 0xFF, 0xFE, 0xFF])],
            "not a text in UTF-8"],
    ];

    /// <summary>
    /// What was minimized, and the scale of the labels, in the order in which they are written; and absent, as in old models.
    /// </summary>
    [TestMethod]
    public void Read_ObjectiveAndScale_AreWrittenBack()
    {
        byte[] without = InSections(DocumentedBytes(version: 2), s_chosenBytes);
        int chosen = without.Length - Section("CHOS", s_chosenBytes).Length - Sections.HeaderBytes;
        byte[] scale = Section("SCAL", [.. Double(1e7), .. Double(12.5)]);
        byte[] bytes = [.. without[..chosen], .. Section("OBJE", [4]), .. scale, .. without[chosen..]];
        TrainedNetwork read = Read(bytes);

        Assert.IsInstanceOfType<HuberLoss>(read.Objective);
        Assert.AreEqual(new TargetScale(1e7, 12.5), read.Scale);
        CollectionAssert.AreEqual(bytes, Write(read));
        Assert.IsNull(Read(without).Objective);
        Assert.IsNull(Read(without).Scale);
        Assert.IsNull(Read(DocumentedBytes(version: 2)).Scale);
    }

    /// <summary>What priors of classes have added is known of a model that was read; of others nothing is said.</summary>
    [TestMethod]
    public void Read_ShiftsOfOutputs_AreWrittenBack()
    {
        TrainedNetwork sample = Sample(BatchNormalizationPlacement.None);
        int outputs = sample.Parameters.Definition.Outputs;
        float[] shifts = [.. Enumerable.Range(1, outputs).Select(output => output - 0.375f)];
        byte[] bytes = Write(new TrainedNetwork(sample.Encoder, sample.Members) { OutputShifts = shifts });
        TrainedNetwork read = Read(bytes);

        CollectionAssert.AreEqual(shifts, read.OutputShifts!.ToArray());
        CollectionAssert.AreEqual(bytes, Write(read));
        Assert.AreEqual(-1, Write(sample).AsSpan().IndexOf("SHIF"u8));
        Assert.IsNull(Read(Write(sample)).OutputShifts);
    }

    /// <summary>A network that others have taught is known when it was read; of several there is none.</summary>
    [TestMethod]
    public void Read_Teachers_AreWrittenBack()
    {
        TrainedNetwork sample = Sample(BatchNormalizationPlacement.None);
        byte[] bytes = Write(new TrainedNetwork(sample.Encoder, [sample.Members[0]]) { Teachers = 8 });
        Assert.AreEqual(8, Read(bytes).Teachers);
        CollectionAssert.AreEqual(bytes, Write(Read(bytes)));
        Assert.AreEqual(-1, Write(sample).AsSpan().IndexOf("TAUG"u8));
        Assert.AreEqual(0, Read(Write(sample)).Teachers);
        byte[] several = Write(new TrainedNetwork(sample.Encoder, [sample.Members[0], sample.Members[0]]) { Teachers = 8 });
        Assert.Contains("section 'TAUG' of 2 networks", Assert.ThrowsExactly<NetworkFormatException>(() => Read(several)).Message);
    }

    /// <summary>Sections behind those that a model must have.</summary>
    [TestMethod]
    [DynamicData(nameof(WrongSections))]
    public void Read_WrongSection_SaysWhichAndWhy(string what, byte[] sections, string expected)
    {
        byte[] bytes = InSections(DocumentedBytes(version: 2), null);
        byte[] wrong = [.. bytes[..^Sections.HeaderBytes], .. sections, .. bytes[^Sections.HeaderBytes..]];

        Assert.Contains(expected, Assert.ThrowsExactly<NetworkFormatException>(() => Read(wrong)).Message, what);
    }

    [TestMethod]
    [DataRow("DEFI", "no section 'DEFI'")]
    [DataRow("ENCO", "no section 'ENCO'")]
    [DataRow("NETS", "no section 'NETS'")]
    [DataRow("HIST", "no section 'HIST'")]
    public void Read_SectionThatIsMissing_IsNamed(string tag, string expected)
    {
        byte[] bytes = InSections(DocumentedBytes(version: 2), null);
        int at = bytes.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(tag));
        int length = Sections.HeaderBytes + (int)BitConverter.ToInt64(bytes, at + 4);

        Assert.Contains(
            expected, Assert.ThrowsExactly<NetworkFormatException>(() => Read([.. bytes[..at], .. bytes[(at + length)..]])).Message);
    }

    // Where the parts of DocumentedBytes begin: definition, encoding, networks, history.
    private static readonly int[] s_parts = [8, 64, 103, 211];

    private static readonly byte[] s_chosenBytes =
    [
        .. Int(64), .. Int(24), .. Double(0.006), .. Double(0.2), .. Int(-5), .. BitConverter.GetBytes(7_000_000_000L), .. Int(5),
        .. "0.1.0"u8,
    ];

    private static byte[] Section(string tag, byte[] body) =>
        [.. System.Text.Encoding.ASCII.GetBytes(tag), .. BitConverter.GetBytes((long)body.Length), .. body];

    /// <summary>The bytes of version 3 from those of version 2 of one network.</summary>
    private static byte[] InSections(byte[] flat, byte[]? chosen) =>
    [
        .. "MNBN"u8, .. Int(3),
        .. Section("DEFI", flat[s_parts[0]..s_parts[1]]), .. Section("ENCO", EncoderSections(flat)),
        .. Section("NETS", flat[s_parts[2]..s_parts[3]]), .. Section("HIST", flat[s_parts[3]..]),
        .. chosen is null ? [] : Section("CHOS", chosen), .. Section("END ", []),
    ];

    private static byte[] EncoderSections(byte[] flat) =>
    [
        .. flat[64..68], .. Section("SCAL", [.. flat[69..85], .. new byte[8], 1, 0]), .. Section("MISS", [.. Int(1), .. Int(0)]),
        .. Section("PIEC", [.. flat[87..103], .. Single(0)]), .. Section("END ", []),
    ];

    /// <summary>Where a byte of version 2 stands in version 3; not of the encoding.</summary>
    private static int InSections(int offset) => offset + Sections.HeaderBytes * s_parts.Count(first => offset >= first)
        + (offset < s_parts[2] ? 0 : EncoderSections(DocumentedBytes(version: 2)).Length - (s_parts[2] - s_parts[1]));

    /// <summary>The first version had no metrics.</summary>
    [TestMethod]
    public void Read_Version1_HasNoMetrics()
    {
        TrainedNetwork read = Read(DocumentedBytes(version: 1)), written = Sample(BatchNormalizationPlacement.BeforeActivation);

        CheckSame(written.Parameters, read.Parameters);
        CollectionAssert.AreEqual(
            written.History.Epochs.Select(epoch => epoch with { ValidationMetric = null }).ToArray(), read.History.Epochs.ToArray());
        CollectionAssert.AreEqual(read.History.Epochs.ToArray(), Read(Write(read)).History.Epochs.ToArray());
        // The same bytes are no version 2.
        byte[] mixed = DocumentedBytes(version: 1);
        mixed[4] = 2;
        Assert.ThrowsExactly<NetworkFormatException>(() => Read(mixed));
    }

    private static byte[] DocumentedBytes(int version)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write("MNBN"u8);
        writer.Write(version);
        writer.Write(4);                                  // inputs: two slots, one missing effect, one piece
        writer.Write(1);
        writer.Write(2);                                  // hidden units
        writer.Write(1);                                  // outputs
        writer.Write((byte)ActivationFunction.Tanh);
        writer.Write((byte)1);                            // before the activation
        writer.Write((byte)3);                            // pooled population statistics
        writer.Write((byte)0);
        writer.Write(1e-3);
        writer.Write(0.25);
        writer.Write(0.5);
        writer.Write(0.125);
        writer.Write(16);
        writer.Write(2);                                  // feature slots
        writer.Write((byte)0);
        foreach (float value in new[] { 10f, 0f, 0.5f, 1f })
            writer.Write(value);
        writer.Write((byte)3);
        writer.Write((byte)0);
        writer.Write(1);                                  // pieces
        writer.Write(0);
        writer.Write(8f);
        writer.Write(0.25f);
        writer.Write(1);                                  // networks
        for (int i = 0; i < 8; i++)
            writer.Write(1f + i + Fraction);
        writer.Write((byte)0);
        writer.Write((byte)1);
        foreach (float value in new[] { 9f, 10f, 11f, 12f })
            writer.Write(value);
        foreach (double value in new[] { 13.0, 14.0, 15.0, 16.0 })
            writer.Write(value);
        writer.Write(17L);
        writer.Write(18f + Fraction);
        writer.Write(19f + Fraction);
        writer.Write((byte)1);
        writer.Write(20f);
        writer.Write((byte)0);
        writer.Write(2);                                  // epochs
        writer.Write(1);
        writer.Write((byte)1);
        foreach ((int epoch, double rate, double training, double? validation,
            double? metric) in new (int, double, double, double?, double?)[] { (1, 0.01, 0.7, 0.6, 0.875), (2, 0.02, 0.5, null, null) })
        {
            writer.Write(epoch);
            writer.Write(rate);
            writer.Write(training);
            writer.Write((byte)(validation is null ? 0 : 1));
            writer.Write(validation ?? 0);
            if (version == 1)
                continue;
            writer.Write((byte)(metric is null ? 0 : 1));
            writer.Write(metric ?? 0);
        }

        return stream.ToArray();
    }

    public static IEnumerable<object[]> WrongFields =>
    [
        // Offsets follow the layout of version 2 above.
        ["magic", 0, Int(7), "begins with 0x00000007"],
        ["version", 4, Int(4), "has version 4; this library reads versions 1 to 3"],
        ["version", 4, Int(0), "has version 0; this library reads versions 1 to 3"],
        ["inputs", 8, Int(0), "number of inputs is 0"],
        ["inputs", 8, Int(5), "The encoding gives 4 columns, but the first layer has 5 inputs"],
        ["inputs", 8, Int(int.MaxValue), "number of inputs is 2147483647"],
        ["hidden layers", 12, Int(-1), "number of hidden layers is -1"],
        ["hidden layers", 12, Int(1000), "number of hidden layers is 1000, but only"],
        ["units", 16, Int(0), "number of units of hidden layer 1 is 0"],
        ["units", 16, Int(1 << 20), "bytes of parameters, but only"],
        ["outputs", 20, Int(-5), "number of outputs is -5"],
        ["outputs", 20, Int(1 << 20), "bytes of parameters, but only"],
        ["activation", 24, (byte[])[99], "activation has number 99"],
        ["placement", 25, (byte[])[9], "placement of batch normalization has number 9"],
        ["placement", 25, (byte[])[0], "lacks the bias its placement demands"],
        ["statistics", 26, (byte[])[9], "kind of statistics has number 9"],
        ["output normalization", 27, (byte[])[2], "flag of the normalization in front of the output layer is 2"],
        ["epsilon", 28, Double(0), "epsilon is 0; it must be positive"],
        ["epsilon", 28, Double(double.NaN), "epsilon is NaN"],
        ["momentum", 36, Double(1.5), "running statistics momentum is 1.5"],
        ["initial gamma", 44, Double(double.PositiveInfinity), "initial gamma is Infinity"],
        ["dropout rate", 52, Double(1), "dropout rate is 1; it must be in [0, 1)"],
        ["virtual batch size", 60, Int(1), "virtual batch size is 1"],
        ["slots", 64, Int(0), "number of feature slots is 0"],
        ["slots", 64, Int(1 << 24), "number of feature slots is 16777216, but only"],
        ["identity", 68, (byte[])[7], "flag of untouched features is 7"],
        ["centre", 69, Single(float.NaN), "centre of a feature slot is NaN"],
        ["scale", 77, Single(float.NegativeInfinity), "scale of a feature slot is -Infinity"],
        ["flags", 85, (byte[])[4], "flags of feature slot 0 are 0x04"],
        ["flags", 86, (byte[])[2], "The encoding gives 5 columns"],
        ["pieces", 87, Int(-1), "number of pieces is -1"],
        ["pieces", 87, Int(1 << 24), "number of pieces is 16777216, but only"],
        ["piece slot", 91, Int(2), "Piece 0 belongs to feature slot 2 of 2"],
        ["piece start", 95, Single(float.NaN), "start, scale or missing value of a piece is NaN"],
        ["piece scale", 99, Single(0), "scale of piece 0 is 0; it must be positive"],
        ["networks", 103, Int(0), "number of networks is 0"],
        ["networks", 103, Int(2), "needs 92 bytes of parameters, but only"],
        ["weight", 107, Single(float.NaN), "A weight is NaN"],
        ["bias", 139, (byte[])[1], "Linear map 0 has a bias its placement forbids"],
        ["normalization", 140, (byte[])[0], "Layer 0 lacks the batch normalization its placement demands"],
        ["gamma", 141, Single(float.NaN), "A gamma is NaN"],
        ["beta", 149, Single(float.NaN), "A beta is NaN"],
        ["running mean", 157, Double(double.NaN), "running mean is NaN"],
        ["running variance", 173, Double(-1e-9), "running variance is -1E-09; it must be not negative"],
        ["batches", 189, (byte[])[0, 0, 0, 0, 0, 0, 0, 0x80], "number of batches tracked is -9223372036854775808"],
        ["output bias", 205, (byte[])[0], "Linear map 1 lacks the bias its placement demands"],
        ["output bias", 206, Single(float.NaN), "A bias is NaN"],
        ["output normalization", 210, (byte[])[1], "Layer 1 has a batch normalization its placement forbids"],
        ["epochs", 211, Int(1 << 24), "number of epochs is 16777216, but only"],
        ["best epoch", 215, Int(3), "best epoch is 3 of 2"],
        ["stop reason", 219, (byte[])[8], "reason of the end of training has number 8"],
        ["epoch", 220, Int(2), "Epoch 1 of the history has number 2"],
        ["learning rate", 224, Double(-1), "learning rate is -1"],
        ["training loss", 232, Double(double.NaN), "training loss is NaN"],
        ["validated", 240, (byte[])[3], "flag of a validation loss is 3"],
        ["measured", 249, (byte[])[4], "flag of a validation metric is 4"],
    ];

    [TestMethod]
    [DynamicData(nameof(WrongFields))]
    public void Read_WrongField_SaysWhichAndWhy(string field, int offset, byte[] value, string expected)
    {
        byte[] flat = DocumentedBytes(version: 2), inSections = InSections(flat, s_chosenBytes);
        value.CopyTo(flat, offset);

        Assert.Contains(expected, Assert.ThrowsExactly<NetworkFormatException>(() => Read(flat)).Message, $"{field}, version 2");
        // The encoding has sections of its own from version 3 on: EncoderFormatTests.
        if (offset < s_parts[1] || offset >= s_parts[2])
        {
            value.CopyTo(inSections, InSections(offset));
            Assert.Contains(expected, Assert.ThrowsExactly<NetworkFormatException>(() => Read(inSections)).Message, $"{field}, version 3");
        }
    }

    /// <summary>The loss of an epoch that was not the best may be anything: such a model was trained, saved, and must load.</summary>
    [TestMethod]
    [DataRow(double.NaN)]
    [DataRow(double.PositiveInfinity)]
    public void Read_ValidationLossThatIsNotFinite_IsRead(double loss)
    {
        byte[] bytes = Write(Sample(BatchNormalizationPlacement.BeforeActivation));
        Double(loss).CopyTo(bytes, InSections(241));
        Double(loss).CopyTo(bytes, InSections(250));

        Assert.AreEqual(loss, Read(bytes).History.Epochs[0].ValidationLoss);
        Assert.AreEqual(loss, Read(bytes).History.Epochs[0].ValidationMetric);
    }

    /// <summary>
    /// Networks of few outputs and many inputs, one or more of them: what grows most where outputs are padded to
    /// sixteen. Read and folded for scoring, all together.
    /// </summary>
    [TestMethod]
    [DataRow(1, 1, 100_000, true)]
    [DataRow(1, 8, 20_000, true)]
    [DataRow(1, 8, 20_000, false)]
    [DataRow(1, 100, 700, true)]
    [DataRow(2, 1, 100_000, true)]
    [DataRow(2, 8, 20_000, true)]
    [DataRow(2, 8, 20_000, false)]
    [DataRow(3, 8, 20_000, true)]
    [DataRow(17, 2, 10_000, true)]
    public void Read_NarrowMaps_AllocatesTenTimesTheDataAtMost(int outputs, int members, int inputs, bool identity)
    {
        var scaling = new ScaleAndClip(new float[inputs], new float[inputs], new bool[inputs]);
        InputEncoder encoder = identity
            ? InputEncoder.Identity(inputs)
            : new InputEncoder(inputs, [scaling, new Pieces([new InputPiece(1, 0, 1)])]);
        foreach (NetworkDefinition definition in new[]
        {
            new NetworkDefinition
            {
                Inputs = encoder.EncodedInputs, HiddenUnits = [], Outputs = outputs, Placement = BatchNormalizationPlacement.None,
            },
            new NetworkDefinition { Inputs = encoder.EncodedInputs, HiddenUnits = [outputs], Outputs = 1 },
            new NetworkDefinition
            {
                Inputs = encoder.EncodedInputs, HiddenUnits = [outputs], Outputs = 1, Placement = BatchNormalizationPlacement.LayerInput,
            },
        })
        {
            var network = new TrainedNetwork(
                encoder,
                [.. Enumerable.Range(0, members).Select(m => new NetworkMember(Generated.Network(definition, (ulong)m), History()))]);
            byte[] bytes = Write(network);

            long before = GC.GetAllocatedBytesForCurrentThread();
            TrainedNetwork read = Read(bytes);
            FoldedNetwork folded = FoldedNetwork.Create(read.Encoder, read.Networks);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

            Assert.IsLessThan(10L * bytes.Length, allocated);
            CheckSameScores(FoldedNetwork.Create(network.Encoder, network.Networks), folded);
            // The oracle: the networks as they are trained are padded, and take more.
            if (outputs == 1 && definition.Placement != BatchNormalizationPlacement.LayerInput)
                Assert.IsGreaterThan(10L * bytes.Length / 2, network.Members.Sum(m => m.Parameters.Linear.Sum(l => l.Weights.Length * 4L)));
        }
    }

    private static void CheckSameScores(FoldedNetwork expected, FoldedNetwork actual)
    {
        const int rows = 5;
        var random = new Random(1);
        float[] x = [.. Enumerable.Range(0, rows * expected.RawInputs).Select(_ => random.Next(3) == 0 ? 0 : random.NextSingle() - 0.5f)];
        float[] block = new float[rows * expected.Outputs], other = new float[block.Length];
        expected.Score(x, rows, block, expected.CreateScratch());
        actual.Score(x, rows, other, actual.CreateScratch());
        CollectionAssert.AreEqual(block, other);
        Assert.IsGreaterThan(1, block.Distinct().Count());
        // Row by row, and as sparse rows.
        ScoringScratch scratch = actual.CreateScratch(1);
        for (int row = 0; row < rows; row++)
        {
            Span<float> values = x.AsSpan(row * actual.RawInputs, actual.RawInputs),
                wanted = block.AsSpan(row * actual.Outputs, actual.Outputs), scores = new float[16 + actual.Outputs];
            actual.Score(values, 1, scores, scratch);
            CollectionAssert.AreEqual(wanted.ToArray(), scores[..actual.Outputs].ToArray());
            if (!actual.TakesSparse)
                continue;
            int[] indices = [.. Enumerable.Range(0, values.Length).Where(i => x[row * actual.RawInputs + i] != 0)];
            actual.ScoreSparse(indices, [.. indices.Select(i => x[row * actual.RawInputs + i])], scores, scratch);
            CollectionAssert.AreEqual(wanted.ToArray(), scores[..actual.Outputs].ToArray());
        }
    }

    /// <summary>A layer takes memory however small it is: many of the smallest are refused before there is one of them.</summary>
    [TestMethod]
    public void Read_VeryManySmallLayers_IsRefusedBeforeTheyAreMade()
    {
        var definition = new NetworkDefinition { Inputs = 1, HiddenUnits = [.. Enumerable.Repeat(1, 1000)], Outputs = 1 };
        byte[] few = Write(new TrainedNetwork(
            InputEncoder.Identity(1),
            [.. Enumerable.Range(0, 5).Select(_ => new NetworkMember(new NetworkParameters(definition), History()))]));
        byte[] many = Write(new TrainedNetwork(
            InputEncoder.Identity(1),
            [.. Enumerable.Range(0, 20).Select(_ => new NetworkMember(new NetworkParameters(definition), History()))]));
        Assert.HasCount(5, Read(few).Members);

        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("The networks would take", Assert.ThrowsExactly<NetworkFormatException>(() => Read(many)).Message);
        Assert.IsLessThan(50_000, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [TestMethod]
    public void Read_BytesThatEndTooEarly_AreRefusedWherever()
    {
        byte[] bytes = Write(Sample(BatchNormalizationPlacement.LayerInput, normalizeOutputLayerInput: true, members: 2));
        for (int length = 0; length < bytes.Length; length++)
            Assert.ThrowsExactly<NetworkFormatException>(() => Read(bytes[..length]), $"{length} of {bytes.Length} bytes");
        Read(bytes);
    }

    [TestMethod]
    [DataRow(BatchNormalizationPlacement.BeforeActivation)]
    [DataRow(BatchNormalizationPlacement.LayerInput)]
    public void Read_AnyByteChanged_IsReadOrRefusedWithoutLargeAllocations(BatchNormalizationPlacement placement)
    {
        byte[] bytes = Write(Sample(placement));
        int read = 0, refused = 0;
        for (int offset = 0; offset < bytes.Length; offset++)
        {
            foreach (byte mask in new byte[] { 1, 2, 4, 8, 16, 32, 64, 128, 255 })
            {
                byte[] changed = (byte[])bytes.Clone();
                changed[offset] ^= mask;
                long before = GC.GetAllocatedBytesForCurrentThread();
                try
                {
                    Read(changed);
                    read++;
                }
                catch (NetworkFormatException)
                {
                    refused++;
                }

                Assert.IsLessThan(OneMegabyte, GC.GetAllocatedBytesForCurrentThread() - before, $"byte {offset}, bits {mask}");
            }
        }

        Assert.IsGreaterThan(100, read);
        Assert.IsGreaterThan(100, refused);
    }

    [TestMethod]
    public void Read_FromAStreamThatCannotSeek_IsRefused()
    {
        using var reader = new BinaryReader(new Forward(Write(Sample(BatchNormalizationPlacement.None))));
        Assert.Contains("seekable", Assert.ThrowsExactly<NetworkFormatException>(() => NetworkFormat.Read(reader)).Message);
    }

    [TestMethod]
    public void Read_LeavesThePositionBehindTheLastByte()
    {
        byte[] bytes = [1, 2, 3, .. Write(Sample(BatchNormalizationPlacement.AfterActivation)), 4, 5];
        using var reader = new BinaryReader(new MemoryStream(bytes) { Position = 3 });
        NetworkFormat.Read(reader);

        Assert.AreEqual(4, reader.ReadByte());
    }

    /// <summary>The numbers of the enumerations are in saved models; they may be added to, never changed.</summary>
    [TestMethod]
    public void Enumerations_Numbers_AreFrozen()
    {
        Assert.AreEqual("ReLU 0, LeakyReLU 1, ELU 2, SELU 3, GELU 4, SiLU 5, Mish 6, Tanh 7, Sigmoid 8", Numbers<ActivationFunction>());
        Assert.AreEqual("None 0, BeforeActivation 1, AfterActivation 2, LayerInput 3", Numbers<BatchNormalizationPlacement>());
        Assert.AreEqual("RunningAverage 0, Cumulative 1, Population 2, PopulationPooled 3", Numbers<BatchNormalizationStatistics>());
        Assert.AreEqual("AllEpochsDone 0, ValidationLossStoppedImproving 1", Numbers<TrainingStopReason>());

        static string Numbers<T>()
            where T : struct, Enum => string.Join(", ", Enum.GetValues<T>().Select(value => $"{value} {value:D}"));
    }

    private static TrainedNetwork Sample(
        BatchNormalizationPlacement placement, bool normalizeOutputLayerInput = false, int members = 1, int outputs = 1)
    {
        var definition = new NetworkDefinition
        {
            Inputs = 4,
            HiddenUnits = [2],
            Outputs = outputs,
            Activation = ActivationFunction.Tanh,
            Placement = placement,
            NormalizeOutputLayerInput = normalizeOutputLayerInput,
            Epsilon = 1e-3,
            RunningStatisticsMomentum = 0.25,
            Statistics = BatchNormalizationStatistics.PopulationPooled,
            VirtualBatchSize = 16,
            InitialGamma = 0.5,
            DropoutRate = 0.125,
        };
        var scaling = new ScaleAndClip([10, 0], [0.5f, 1], [true, false]);
        var encoder = new InputEncoder(2, [scaling, new MissingColumns([0]), new Pieces([new InputPiece(0, 8, 0.25f)])]);
        var chosen = new ChosenSettings
        {
            BatchSize = 64,
            MaximumNumberOfEpochs = 24,
            LearningRate = 0.006,
            ValidationFraction = 0.2,
            Seed = -5,
            NumberOfTrainingRows = 7_000_000_000,
            LibraryVersion = "0.1.0",
        };
        NetworkMember[] networks = [.. Enumerable.Range(0, members)
            .Select(m => new NetworkMember(Fill(new NetworkParameters(definition), 1 + (100 * m)), History()))];
        return new TrainedNetwork(encoder, networks, chosen);
    }

    private static TrainingHistory History() => new()
    {
        Epochs = [Generated.Epoch(1, 0.01, 0.7, 0.6, 0.875), Generated.Epoch(2, 0.02, 0.5, null)],
        BestEpoch = 1,
        StopReason = TrainingStopReason.ValidationLossStoppedImproving,
    };

    /// <summary>Every number different, in the order of the layout.</summary>
    private static NetworkParameters Fill(NetworkParameters parameters, int next)
    {
        for (int layer = 0; layer < parameters.Linear.Length; layer++)
        {
            LinearParameters linear = parameters.Linear[layer];
            for (int output = 0; output < linear.Outputs; output++)
            {
                for (int input = 0; input < linear.Inputs; input++)
                    linear.Weight(output, input) = next++ + Fraction;
            }

            for (int output = 0; linear.Bias is not null && output < linear.Outputs; output++)
                linear.Bias.Span[output] = next++;
            if (parameters.BatchNormalization[layer] is not { } normalization)
                continue;
            for (int column = 0; column < normalization.Columns; column++)
                normalization.Gamma.Span[column] = next++;
            for (int column = 0; column < normalization.Columns; column++)
                normalization.Beta.Span[column] = next++;
            for (int column = 0; column < normalization.Columns; column++)
                normalization.RunningMean[column] = next++;
            for (int column = 0; column < normalization.Columns; column++)
                normalization.RunningVariance[column] = next++;
            normalization.BatchesTracked = next++;
        }

        return parameters;
    }

    private static void CheckSame(NetworkParameters expected, NetworkParameters actual)
    {
        for (int layer = 0; layer < expected.Linear.Length; layer++)
        {
            for (int output = 0; output < expected.Linear[layer].Outputs; output++)
            {
                for (int input = 0; input < expected.Linear[layer].Inputs; input++)
                    Assert.AreEqual(expected.Linear[layer].Weight(output, input), actual.Linear[layer].Weight(output, input));
            }

            CollectionAssert.AreEqual(expected.Linear[layer].Bias?.Span.ToArray(), actual.Linear[layer].Bias?.Span.ToArray());
            BatchNormalizationParameters? a = expected.BatchNormalization[layer], b = actual.BatchNormalization[layer];
            Assert.AreEqual(a is null, b is null);
            if (a is null || b is null)
                continue;
            CollectionAssert.AreEqual(a.Gamma.Span.ToArray(), b.Gamma.Span.ToArray());
            CollectionAssert.AreEqual(a.Beta.Span.ToArray(), b.Beta.Span.ToArray());
            CollectionAssert.AreEqual(a.RunningMean, b.RunningMean);
            CollectionAssert.AreEqual(a.RunningVariance, b.RunningVariance);
            Assert.AreEqual(a.BatchesTracked, b.BatchesTracked);
        }
    }

    private static byte[] Write(TrainedNetwork network)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        NetworkFormat.Write(writer, network);
        writer.Flush();
        return stream.ToArray();
    }

    private static TrainedNetwork Read(byte[] bytes)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes));
        return NetworkFormat.Read(reader);
    }

    private static byte[] Int(int value)
    {
        byte[] bytes = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        return bytes;
    }

    private static byte[] Single(float value)
    {
        byte[] bytes = new byte[sizeof(float)];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        return bytes;
    }

    private static byte[] Double(double value)
    {
        byte[] bytes = new byte[sizeof(double)];
        BinaryPrimitives.WriteDoubleLittleEndian(bytes, value);
        return bytes;
    }

    private sealed class Forward(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
