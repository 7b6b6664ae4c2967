using System.Runtime.CompilerServices;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

[TestClass]
public sealed class AlignedBufferTests
{
    [TestMethod]
    public unsafe void Span_EveryLength_IsAlignedZeroedAndStaysInPlace()
    {
        var buffers = new List<(AlignedBuffer Buffer, nuint Address)>();
        for (int length = 1; length <= 100; length++)
        {
            var buffer = new AlignedBuffer(length);
            Assert.AreEqual(length, buffer.Length);
            Assert.AreEqual(length, buffer.Span.Length);
            Assert.IsFalse(buffer.Span.ContainsAnyExcept(0f));
            nuint address = (nuint)Unsafe.AsPointer(ref buffer.Span[0]);
            Assert.AreEqual((nuint)0, address % 64);
            buffers.Add((buffer, address));
        }

        GC.Collect(2, GCCollectionMode.Forced, blocking: true, compacting: true);
        foreach ((AlignedBuffer buffer, nuint address) in buffers)
            Assert.AreEqual(address, (nuint)Unsafe.AsPointer(ref buffer.Span[0]));
    }

    [TestMethod]
    public void Constructor_LengthZero_IsEmpty() => Assert.IsTrue(new AlignedBuffer(0).Span.IsEmpty);

    [TestMethod]
    [DataRow(-1L)]
    [DataRow((long)int.MaxValue)]
    [DataRow(long.MaxValue)]
    public void Constructor_LengthOutOfRange_IsRefused(long length)
        => Assert.Throws<ArgumentOutOfRangeException>(() => new AlignedBuffer(length));
}
