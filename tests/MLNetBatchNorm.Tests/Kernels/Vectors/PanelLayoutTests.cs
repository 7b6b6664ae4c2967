using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

[TestClass]
public sealed class PanelLayoutTests
{
    [TestMethod]
    [DataRow(0, 0)]
    [DataRow(1, 1)]
    [DataRow(16, 1)]
    [DataRow(17, 2)]
    [DataRow(100, 7)]
    [DataRow(int.MaxValue, 1 << 27)]
    public void PanelCount_Columns_RoundsUp(int columns, int panels) => Assert.AreEqual(panels, PanelLayout.PanelCount(columns));

    [TestMethod]
    public void Index_WorkedByHand()
    {
        // Capacity 10: a panel is 160 floats. Column 37 is lane 5 of panel 2; row 3 starts 48 floats into it.
        Assert.AreEqual(2 * 160 + 3 * 16 + 5, PanelLayout.Index(3, 37, 10));
        Assert.AreEqual(PanelLayout.Index(3, 37, 10), PanelLayout.WeightIndex(3, 37, 10));
        Assert.AreEqual(3L * 160, PanelLayout.Length(10, 37));
    }

    [TestMethod]
    public void Pack_Unpack_RestoresTheMatrixAndClearsThePadding()
    {
        for (int rows = 0; rows <= 5; rows++)
            for (int columns = 0; columns <= 50; columns++)
            {
                float[] matrix = MatrixOracle.Random(rows * columns, 1), back = new float[matrix.Length];
                float[] panels = MatrixOracle.Filled(PanelLayout.Length(7, columns));
                PanelLayout.Pack(matrix, rows, columns, panels, 7);
                for (int c = 0; c < PanelLayout.PanelCount(columns) * 16; c++)
                    for (int r = 0; r < 7; r++)
                    {
                        float expected = r >= rows ? MatrixOracle.Untouched : c >= columns ? 0f : matrix[r * columns + c];
                        Assert.AreEqual(expected, panels[PanelLayout.Index(r, c, 7)]);
                    }

                PanelLayout.Unpack(panels, 7, rows, columns, back);
                CollectionAssert.AreEqual(matrix, back);
            }
    }

    [TestMethod]
    public void Pack_Unpack_ArgumentsThatDoNotFit_AreRefused()
    {
        Assert.Throws<ArgumentException>(() => PanelLayout.Pack(new float[11], 3, 4, new float[48], 3));
        Assert.Throws<ArgumentException>(() => PanelLayout.Pack(new float[12], 3, 4, new float[47], 3));
        Assert.Throws<ArgumentException>(() => PanelLayout.Pack(new float[12], 3, 4, new float[48], 2));
        Assert.Throws<ArgumentException>(() => PanelLayout.Pack([], -1, 4, new float[48], 3));
        Assert.Throws<ArgumentException>(() => PanelLayout.Unpack(new float[48], 3, 3, 4, new float[11]));
        Assert.Throws<ArgumentException>(() => PanelLayout.Unpack(new float[47], 3, 3, 4, new float[12]));
    }
}
