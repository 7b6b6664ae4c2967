using System.Runtime.InteropServices;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>Encoding, sums and gradients have the same bits in processes where wider instructions are turned off.</summary>
[TestClass]
public sealed class TableInstructionSetTests
{
    [TestMethod]
    [DataRow("DOTNET_EnableAVX512")]
    [DataRow("DOTNET_EnableAVX2")]
    [DataRow("DOTNET_EnableHWIntrinsic")]
    public void WithoutWiderInstructions_SameBits(string turnedOff)
    {
        string found = FreshProcess.Run<Hash>(new Dictionary<string, string> { [turnedOff] = "0" }).Trim();
        Assert.AreEqual(Compute(0.5f), found);
    }

    [TestMethod]
    public void OneValueMovedALittle_IsNoticed() => Assert.AreNotEqual(Compute(0.5f), Compute(0.50001f));

    private static string Compute(float value)
    {
        const int Slots = 11, Rows = 37;
        var random = new Random(4);
        var tableSlots = new TableSlot[Slots];
        var pieceSlots = new PieceSlot[Slots];
        int weight = 0;
        for (int s = 0; s < Slots; s++)
        {
            tableSlots[s] = new TableSlot(weight, 1 + 5 * s, 1);
            weight += tableSlots[s].WeightRows;
        }
        var layout = new TableLayout(tableSlots);
        for (int s = 0; s < Slots; s++)
        {
            float[] borders = [.. Enumerable.Range(0, 2 + 5 * s).Select(k => k / 8f)];
            pieceSlots[s] = new PieceSlot(s, layout.BorderRow(s, 0), layout.PlainRow(s, 0), borders);
        }

        var encoder = new PieceEncoder(pieceSlots);
        int[] indices = new int[Rows * Slots];
        float[] fractions = new float[Rows * Slots], raw = new float[Slots];
        for (int r = 0; r < Rows; r++)
        {
            for (int s = 0; s < Slots; s++)
                raw[s] = random.Next(20) == 0 ? float.NaN : random.NextSingle() * 8 - 1;
            raw[0] = value / 8;
            encoder.Encode(raw, indices.AsSpan(r * Slots), fractions.AsSpan(r * Slots));
        }

        const int Panels = 7, Lanes = Panels * 16;
        float[] weights = MatrixOracle.Random(Lanes * weight, 1), bias = MatrixOracle.Random(Lanes, 2);
        float[] g = MatrixOracle.Random(Lanes * Rows, 3);
        float[] table = new float[Lanes * layout.Rows], gradient = new float[weights.Length];
        float[] c = new float[Lanes * Rows], trained = new float[c.Length];
        var batch = new TableBatch(indices, fractions, Rows, Slots, Slots);
        var order = new TableOrder(layout);
        order.Sort(batch);
        TableSums.RunningSums(layout, weights, weight, table, 0, Panels);
        TableSums.Forward(batch, table, layout.Rows, bias, c, Rows, 0, Rows, 0, Panels);
        TableSums.ForwardFromWeights(order, weights, weight, bias, trained, Rows, 0, Panels);
        TableSums.WeightGradient(order, g, Rows, gradient, weight, 0, Panels);
        ulong hash = 14695981039346656037;      // FNV-1a
        foreach (byte b in MemoryMarshal.AsBytes(indices.AsSpan()))
            hash = (hash ^ b) * 1099511628211;
        foreach (float[] values in new[] { fractions, table, c, trained, gradient })
        {
            foreach (byte b in MemoryMarshal.AsBytes(values.AsSpan()))
                hash = (hash ^ b) * 1099511628211;
        }
        return $"{hash:X16}";
    }

    internal sealed class Hash : IFreshProcessTask
    {
        public static void Run(string[] arguments, TextWriter output) => output.WriteLine(Compute(0.5f));
    }
}
