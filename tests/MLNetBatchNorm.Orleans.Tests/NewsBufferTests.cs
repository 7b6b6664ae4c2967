using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>News come out whole and once, however they are cut, and however often the same piece is asked for.</summary>
[TestClass]
public sealed class NewsBufferTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    [DataRow(7)]
    [DataRow(1000)]
    public void Read_InPieces_SomeTwice_GivesEachNewsOnce(int pieceBytes)
    {
        var random = new Random(pieceBytes);
        byte[][] sent = [.. Enumerable.Range(0, 20).Select(_ => new byte[random.Next(0, 30)])];
        foreach (byte[] news in sent)
            random.NextBytes(news);
        var buffer = new NewsBuffer();
        var stream = new NewsStream();
        var received = new List<byte[]>();
        int added = 0;
        while (received.Count < sent.Length)
        {
            if (added < sent.Length)
                buffer.Add(sent[added++]);
            byte[] lost = buffer.Read(stream.Offset, pieceBytes), piece = buffer.Read(stream.Offset, pieceBytes);
            CollectionAssert.AreEqual(lost, piece, "an answer that was lost is given again");
            received.AddRange(stream.Add(piece));
        }

        for (int i = 0; i < sent.Length; i++)
            CollectionAssert.AreEqual(sent[i], received[i]);
        Assert.IsFalse(buffer.HasMore(stream.Offset));
    }

    [TestMethod]
    public void Add_NegativeLength_IsRefused() =>
        Assert.ThrowsExactly<InvalidDataException>(() => new NewsStream().Add([0xFF, 0xFF, 0xFF, 0xFF]));
}
