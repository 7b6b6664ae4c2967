using System.Buffers.Binary;
using System.Security.Cryptography;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Persistence;

/// <summary>The bytes of a checkpoint: damage is noticed, forgery does no harm, and another training's is refused by name.</summary>
[TestClass]
public sealed class CheckpointFormatTests
{
    private const int ChecksumPosition = 20;
    private const int BodyPosition = ChecksumPosition + 32;

    private static readonly NetworkDefinition s_definition = new() { Inputs = 3, HiddenUnits = [4], Outputs = 2 };

    private static readonly CheckpointOwner s_owner = Owner(1, 2, 3);

    [TestMethod]
    public void Read_WhatWasWritten_IsTheSame()
    {
        TrainingState written = State();
        (TrainingState? read, NetworkMember? finished) = Read(Write(written));

        Assert.IsNull(finished);
        Assert.AreEqual(Generated.Hash(written.Parameters), Generated.Hash(read!.Parameters));
        Assert.AreEqual(Generated.Hash(written.Average!), Generated.Hash(read.Average!));
        Assert.AreEqual(Generated.Hash(written.Best!), Generated.Hash(read.Best!));
        CollectionAssert.AreEqual(written.Epochs, read.Epochs);
        Assert.AreEqual((2, 2), (written.BestEpoch, read.BestEpoch));
        Assert.IsTrue(read.HasShapeOf(written));
        for (int i = 0; i < written.OptimizerMemory.Count; i++)
            CollectionAssert.AreEqual(written.OptimizerMemory[i].Span.ToArray(), read.OptimizerMemory[i].Span.ToArray());
    }

    [TestMethod]
    public void Read_FinishedNetwork_IsTheSame()
    {
        var written = new NetworkMember(
            Generated.Network(s_definition, 4), new TrainingHistory { Epochs = [Generated.Epoch(1, 0.1, 0.7, 0.6, 0.9)], BestEpoch = 1 });
        using var stream = new MemoryStream();
        CheckpointFormat.Write(stream, s_owner, written);
        (TrainingState? state, NetworkMember? read) = Read(stream.ToArray());

        Assert.IsNull(state);
        Assert.AreEqual(Generated.Hash(written.Parameters), Generated.Hash(read!.Parameters));
        CollectionAssert.AreEqual(written.History.Epochs.ToArray(), read.History.Epochs.ToArray());
    }

    [TestMethod]
    public void Read_OfAnotherTraining_SaysWhatIsDifferent()
    {
        byte[] bytes = Write(State());
        foreach ((CheckpointOwner owner, string expected) in new[]
        {
            (Owner(9, 2, 3), "it was written by another build of this library"),
            (Owner(1, 9, 3), "its training or validation rows are others"),
            (Owner(1, 2, 9), "its options, seed or initial network are others"),
        })
        {
            ForeignCheckpointException refusal = Assert.ThrowsExactly<ForeignCheckpointException>(
                () => CheckpointFormat.Read(new MemoryStream(bytes), owner, s_definition));
            Assert.AreEqual(expected, refusal.Difference);
        }

        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), 5);
        Assert.Contains("version 5", Assert.ThrowsExactly<ForeignCheckpointException>(() => Read(bytes)).Message);
    }

    /// <summary>No bit of a checkpoint can change, and no byte be lost or added, without being noticed.</summary>
    [TestMethod]
    public void Read_Damaged_IsRefused()
    {
        byte[] bytes = Write(State());
        for (int offset = 0; offset < bytes.Length; offset++)
        {
            byte[] changed = (byte[])bytes.Clone();
            changed[offset] ^= (byte)(1 << offset % 8);
            if (offset is >= 8 and < 12)               // the version, which a later library may change
                Assert.ThrowsExactly<ForeignCheckpointException>(() => Read(changed));
            else
                Assert.ThrowsExactly<NetworkFormatException>(() => Read(changed), $"byte {offset}");
        }

        for (int length = 0; length < bytes.Length; length += length < 100 ? 1 : 13)
            Assert.ThrowsExactly<NetworkFormatException>(() => Read(bytes[..length]), $"{length} bytes");
        Assert.ThrowsExactly<NetworkFormatException>(() => Read([.. bytes, 0]));
    }

    /// <summary>Somebody who mends the checksum can change numbers, and nothing else: no other exception, no large allocation.</summary>
    [TestMethod]
    public void Read_ForgedBody_IsReadOrRefusedWithoutLargeAllocations()
    {
        byte[] bytes = Write(State());
        int read = 0, refused = 0;
        for (int offset = BodyPosition + 96; offset < bytes.Length; offset++)
        {
            foreach (byte mask in new byte[] { 1, 64, 128, 255 })
            {
                byte[] changed = (byte[])bytes.Clone();
                changed[offset] ^= mask;
                Mend(changed);
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

                Assert.IsLessThan(
                    20_000 + 10L * bytes.Length, GC.GetAllocatedBytesForCurrentThread() - before, $"byte {offset}, bits {mask}");
            }
        }

        Assert.IsGreaterThan(100, read);
        Assert.IsGreaterThan(100, refused);
    }

    [TestMethod]
    public void IsCheckpoint_TellsFilesApart()
    {
        Assert.IsTrue(CheckpointFormat.IsCheckpoint(new MemoryStream(Write(State()))));
        Assert.IsTrue(CheckpointFormat.IsCheckpoint(new MemoryStream()), "an empty file holds nothing to lose");
        Assert.IsTrue(CheckpointFormat.IsCheckpoint(new MemoryStream("MNB"u8.ToArray())), "cut short");
        Assert.IsFalse(CheckpointFormat.IsCheckpoint(new MemoryStream("PK\u0003\u0004, a model"u8.ToArray())));
    }

    /// <summary>The checksum of changed bytes.</summary>
    private static void Mend(byte[] bytes) => SHA256.HashData(bytes.AsSpan(BodyPosition)).CopyTo(bytes, ChecksumPosition);

    /// <summary>Three epochs of which the second, whose parameters are set aside, was the best and the third was not a number.</summary>
    private static TrainingState State()
    {
        AlignedBuffer[] memory = [new(48), new(16)];
        for (int i = 0; i < 48; i++)
            memory[0].Span[i] = 0.5f * i;
        memory[1].Span[3] = -7;
        var state = new TrainingState(Generated.Network(s_definition, 1), memory) { Average = Generated.Network(s_definition, 3) };
        state.Add(Generated.Epoch(1, 0.1, 0.9, 0.8, double.NaN));
        state.Add(Generated.Epoch(2, 0.2, 0.7, 0.6, 0.75));
        state.KeepAsBest(Generated.Network(s_definition, 2));
        state.Add(Generated.Epoch(3, 0.3, 0.5, double.NaN));
        return state;
    }

    private static CheckpointOwner Owner(byte build, byte rows, byte settings) =>
        new([.. Enumerable.Repeat(build, 32)], [.. Enumerable.Repeat(rows, 32)], [.. Enumerable.Repeat(settings, 32)]);

    private static byte[] Write(TrainingState state)
    {
        using var stream = new MemoryStream();
        CheckpointFormat.Write(stream, s_owner, state);
        return stream.ToArray();
    }

    private static (TrainingState? State, NetworkMember? Finished) Read(byte[] bytes) =>
        CheckpointFormat.Read(new MemoryStream(bytes), s_owner, s_definition);
}
