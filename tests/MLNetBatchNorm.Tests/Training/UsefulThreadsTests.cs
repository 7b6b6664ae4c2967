using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>A small network is trained by one thread, a large one by as many as have something to do.</summary>
[TestClass]
public sealed class UsefulThreadsTests
{
    /// <summary>1,000 multiply-adds a row, so that 1,500 rows are worth a thread.</summary>
    [TestMethod]
    [DataRow(2, 8, 1)]
    [DataRow(2_999, 8, 1)]
    [DataRow(3_000, 8, 2)]
    [DataRow(4_499, 8, 2)]
    [DataRow(4_500, 8, 3)]
    [DataRow(100_000, 8, 8)]
    [DataRow(100_000, 1, 1)]
    public void Of_RowsOfABatch_AThreadForEach1500(int batch, int threads, int expected)
    {
        var definition = new NetworkDefinition { Inputs = 100, HiddenUnits = [], Outputs = 10 };
        Assert.AreEqual(expected, UsefulThreads.Of(definition, InputEncoder.Identity(100), batch, threads));
    }

    /// <summary>The network and batch that are chosen for 150 rows of 4 columns, which once got three threads of eight.</summary>
    [TestMethod]
    public void Of_DefaultNetworkOfAFewRows_One()
    {
        InputEncoder encoder = WithPieces(slots: 4, pieces: 30);
        var definition = new NetworkDefinition { Inputs = encoder.EncodedInputs, HiddenUnits = [256, 128], Outputs = 1 };
        Assert.AreEqual(1, UsefulThreads.Of(definition, encoder, batch: 32, threads: 8));
    }

    /// <summary>A row reads its 4 slots and 2 of the 400 pieces of each: 12 columns times 200 units, and 200 times 3, make 3,000.</summary>
    [TestMethod]
    [DataRow(999, 1)]
    [DataRow(1_000, 2)]
    public void Of_Pieces_CountsThoseThatARowReads(int batch, int expected)
    {
        InputEncoder encoder = WithPieces(slots: 4, pieces: 400);
        var definition = new NetworkDefinition { Inputs = encoder.EncodedInputs, HiddenUnits = [200], Outputs = 3 };
        Assert.AreEqual(expected, UsefulThreads.Of(definition, encoder, batch, threads: 8));
    }

    /// <summary>Six networks that speak of every batch, forward only, are twice the work of the one that learns from them.</summary>
    [TestMethod]
    [DataRow(999, 1)]
    [DataRow(1_000, 2)]
    [DataRow(1_500, 3)]
    public void Of_TeachersThatSpeakAnew_CountsTheirWayForward(int batch, int expected)
    {
        var definition = new NetworkDefinition { Inputs = 100, HiddenUnits = [], Outputs = 10 };
        InputEncoder encoder = InputEncoder.Identity(100);
        var teacher = new Teacher(encoder, [.. Enumerable.Range(1, 6).Select(seed => Generated.Network(definition, (ulong)seed))]);
        Assert.AreEqual(expected, UsefulThreads.Of(definition, encoder, batch, threads: 8, teacher));
        Assert.AreEqual(1, UsefulThreads.Of(definition, encoder, batch, threads: 8));
    }

    private static InputEncoder WithPieces(int slots, int pieces) => new(slots,
    [
        new UntouchedSlots(slots),
        new Pieces([.. Enumerable.Range(0, slots * pieces).Select(p => new InputPiece(p / pieces, p % pieces, 1, Missing: 0.5f))]),
    ]);
}
