using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Persistence;

/// <summary>The bytes of trials: read as they were written, and refused wherever they are not what they may be.</summary>
[TestClass]
public sealed class TrialsFormatTests
{
    private const int OneMegabyte = 1 << 20;

    [TestMethod]
    public void Read_WhatWasWritten_IsTheSame()
    {
        byte[] bytes = Write(Sample());
        TrainedNetwork read = Read(bytes);

        CollectionAssert.AreEqual(bytes, Write(read));
        Assert.HasCount(3, read.Trials);
        Assert.AreEqual((2, 0.75), (read.Trial, read.Share));
        Assert.AreEqual((0, 0.25), (read.Others[0].Trial, read.Others[0].Share));
        Assert.HasCount(2, read.Others[0].Members);
        CollectionAssert.AreEqual(new[] { 3 }, read.Others[0].Parameters.Definition.HiddenUnits);
        CollectionAssert.AreEqual(new[] { 0.25, 0, 0.75 }, read.Trials.Select(trial => trial.Weight).ToArray());
        BatchNormNetworkTrial last = read.Trials[2];
        CollectionAssert.AreEqual(new[] { 5, 4 }, last.HiddenUnits.ToArray());
        Assert.AreEqual(
            (2, ActivationFunction.Mish, BatchNormalizationPlacement.AfterActivation, 0.2, 64, 20, 0.01, 0.3, 8, 0.1, 4, -1.5),
            (last.Number, last.Activation, last.Placement, last.DropoutRate, last.BatchSize, last.MaximumNumberOfEpochs, last.LearningRate,
                last.WeightDecay, last.NumberOfInputPieces, last.LabelSmoothing, last.NumberOfTrainedNetworks, last.Score));
        Assert.IsNull(read.Trials[1].Score);
        Assert.IsNull(read.Trials[1].WeightDecay);
    }

    [TestMethod]
    public void Read_BytesThatEndTooEarly_AreRefusedWherever()
    {
        byte[] bytes = Write(Sample());
        for (int length = 0; length < bytes.Length; length++)
            Assert.ThrowsExactly<NetworkFormatException>(() => Read(bytes[..length]), $"{length} of {bytes.Length} bytes");
    }

    [TestMethod]
    public void Read_AnyByteChanged_IsReadOrRefusedWithoutLargeAllocations()
    {
        byte[] bytes = Write(Sample());
        int read = 0, refused = 0;
        for (int offset = bytes.AsSpan().IndexOf("TRIA"u8); offset < bytes.Length; offset++)
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
    [DataRow("weights", "The weights of the trials add up to 1.5; they must add up to 1.")]
    [DataRow("twice", "Trial 2 is in the model twice.")]
    [DataRow("outputs", "The networks of a trial have 2 outputs, those of another 1.")]
    [DataRow("slots", "The networks of a trial read 5 slots, those of another 4.")]
    [DataRow("nested", "A trial of the model has a section 'TRIA' itself.")]
    [DataRow("taught", "There is a section 'TAUG' of the networks of several trials.")]
    [DataRow("another is taught", "A trial of the model has a section 'TAUG' itself.")]
    public void Read_TrialsThatDoNotGoTogether_SaysWhy(string what, string expected)
    {
        TrainedNetwork wrong = what switch
        {
            "weights" => Sample(otherShare: 0.75),
            "twice" => Sample(otherTrial: 2),
            "outputs" => Sample(otherOutputs: 2),
            "slots" => Sample(otherSlots: 5),
            "nested" => Sample(nested: true),
            "taught" => Sample(teachers: 8),
            _ => Sample(otherMembers: 1, otherTeachers: 8),
        };

        Assert.Contains(expected, Assert.ThrowsExactly<NetworkFormatException>(() => Read(Write(wrong))).Message);
    }

    /// <summary>
    /// What is free to a file is free to it once: networks of many small layers, each block of which would pass alone, are refused
    /// together, before there are more of them than may be.
    /// </summary>
    [TestMethod]
    public void Read_ManyBlocksOfSmallLayers_AreHeldAgainstOneBound()
    {
        const int layers = 1000, few = 4, many = 60;
        byte[] bytes = Write(OfSmallLayers(layers, many)), one = Write(OfSmallLayers(layers, 1));
        Assert.HasCount(few - 1, Read(Write(OfSmallLayers(layers, few))).Others);

        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("The networks would take", Assert.ThrowsExactly<NetworkFormatException>(() => Read(bytes)).Message);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.IsLessThan(2L * NetworkFormat.SmallNetworks, allocated);
        // It can fail: a block alone takes so much that all of them would be far beyond.
        before = GC.GetAllocatedBytesForCurrentThread();
        Read(one);
        Assert.IsGreaterThan(2L * NetworkFormat.SmallNetworks, many * (GC.GetAllocatedBytesForCurrentThread() - before));
    }

    /// <summary>Each trial has one network, of that many layers of one unit.</summary>
    private static TrainedNetwork OfSmallLayers(int layers, int blocks)
    {
        int[] units = [.. Enumerable.Repeat(1, layers)];
        BatchNormNetworkTrial[] trials =
        [
            .. Enumerable.Range(0, blocks).Select(
                number => new BatchNormNetworkTrial { Number = number, HiddenUnits = [1], BatchSize = 32, MaximumNumberOfEpochs = 10 }),
        ];
        NetworkMember[] members = Members(1, units, 1, 1);
        return new TrainedNetwork(InputEncoder.Identity(1), members)
        {
            Trials = trials, Trial = 0, Share = 1.0 / blocks,
            Others =
            [
                .. Enumerable.Range(1, blocks - 1).Select(
                    number => new TrainedNetwork(InputEncoder.Identity(1), members) { Trial = number, Share = 1.0 / blocks }),
            ],
        };
    }

    private static TrainedNetwork Sample(
        double otherShare = 0.25, int otherTrial = 0, int otherOutputs = 1, int otherSlots = 4, bool nested = false, int otherMembers = 2,
        int otherTeachers = 0, int teachers = 0)
    {
        BatchNormNetworkTrial[] trials =
        [
            new() { Number = 0, HiddenUnits = [3], BatchSize = 32, MaximumNumberOfEpochs = 10, WeightDecay = 0.01, Score = 0.7 },
            new() { Number = 1, HiddenUnits = [], BatchSize = 32, MaximumNumberOfEpochs = 10, NumberOfTrainedNetworks = 1 },
            new()
            {
                Number = 2, HiddenUnits = [5, 4], Activation = ActivationFunction.Mish,
                Placement = BatchNormalizationPlacement.AfterActivation, DropoutRate = 0.2, BatchSize = 64, MaximumNumberOfEpochs = 20,
                LearningRate = 0.01, WeightDecay = 0.3, NumberOfInputPieces = 8, LabelSmoothing = 0.1, NumberOfTrainedNetworks = 4,
                Score = -1.5,
            },
        ];
        var other = new TrainedNetwork(InputEncoder.Identity(otherSlots), Members(otherSlots, [3], otherOutputs, otherMembers))
        {
            Trial = otherTrial, Share = otherShare, Trials = nested ? trials : [], Teachers = otherTeachers,
        };
        return new TrainedNetwork(InputEncoder.Identity(4), Members(4, [5, 4], 1, 1))
        {
            Trials = trials, Trial = 2, Share = 0.75, Others = [other], Teachers = teachers,
        };
    }

    private static NetworkMember[] Members(int inputs, int[] units, int outputs, int count)
    {
        var definition = new NetworkDefinition { Inputs = inputs, HiddenUnits = units, Outputs = outputs };
        var only = new EpochRecord { Epoch = 1, TrainingLoss = 1 };
        return
        [
            .. Enumerable.Range(1, count).Select(seed => new NetworkMember(
                Initialization.Create(definition, (ulong)seed), new TrainingHistory { Epochs = [only], BestEpoch = 1 })),
        ];
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
}
