using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

[TestClass]
public sealed class TransposeWeightsTests
{
    [TestMethod]
    public void TransposeWeights_SizesFrom0To67_MovesEveryWeightAndClearsThePadding()
    {
        for (int inputs = 0; inputs <= 67; inputs++)
            for (int outputs = 0; outputs <= 67; outputs += inputs % 16 is 0 or 1 or 15 ? 1 : 11)
            {
                float[] w = Weights(inputs, outputs);
                Check(w, inputs, outputs, 0, PanelLayout.PanelCount(outputs));
            }
    }

    [TestMethod]
    public void TransposeWeights_PartsOfThePanels_WriteTheRowsOfTheirOutputsOnly()
    {
        float[] w = Weights(37, 100);
        for (int first = 0; first <= 7; first++)
            for (int end = first; end <= 7; end++)
                Check(w, 37, 100, first, end);
    }

    [TestMethod]
    public void TransposeWeights_Twice_GivesTheWeightsBack()
    {
        float[] w = Weights(33, 50), wt = new float[PanelLayout.Length(50, 33)], back = new float[w.Length];
        MatrixMultiply.TransposeWeights(w, 33, 50, wt, 0, 4);
        MatrixMultiply.TransposeWeights(wt, 50, 33, back, 0, 3);
        Assert.AreEqual(-1, MatrixOracle.FirstDifference(w, back));
    }

    [TestMethod]
    public void TransposeWeights_UnalignedSpansAndSpecialValues_KeepTheirBits()
    {
        float[] w = Weights(32, 32);
        w[5] = float.NegativeZero;
        w[6] = float.Epsilon;
        w[7] = float.NegativeInfinity;
        float[] shifted = [0f, .. w], wt = new float[w.Length + 3];
        MatrixMultiply.TransposeWeights(shifted.AsSpan(1), 32, 32, wt.AsSpan(3), 0, 2);
        for (int i = 0; i < 32; i++)
            for (int o = 0; o < 32; o++)
                Assert.AreEqual(BitConverter.SingleToInt32Bits(w[PanelLayout.WeightIndex(i, o, 32)]),
                    BitConverter.SingleToInt32Bits(wt[3 + PanelLayout.WeightIndex(o, i, 32)]));
    }

    [TestMethod]
    public void TransposeWeights_ArgumentsThatDoNotFit_AreRefused()
    {
        float[] w = Weights(20, 40), wt = new float[PanelLayout.Length(40, 20)];
        void Refused(
            float[]? source = null, int inputs = 20, int outputs = 40, float[]? target = null, int firstPanel = 0, int endPanel = 3)
            => Assert.Throws<ArgumentException>(
                () => MatrixMultiply.TransposeWeights(source ?? w, inputs, outputs, target ?? wt, firstPanel, endPanel));

        Refused(source: w[1..]);
        Refused(target: wt[1..]);
        Refused(inputs: -1);
        Refused(inputs: 21);
        Refused(outputs: -1);
        Refused(outputs: 41);
        Refused(firstPanel: -1);
        Refused(firstPanel: 4);
        Refused(endPanel: 4);
    }

    private static void Check(float[] w, int inputs, int outputs, int firstPanel, int endPanel)
    {
        float[] wt = MatrixOracle.Filled(PanelLayout.Length(outputs, inputs));
        MatrixMultiply.TransposeWeights(w, inputs, outputs, wt, firstPanel, endPanel);

        double[] expected = new double[wt.Length];
        Array.Fill(expected, MatrixOracle.Untouched);
        NaiveMatrixMultiply.TransposeWeights(w, inputs, outputs, expected, firstPanel, endPanel);
        CollectionAssert.AreEqual(
            expected, Array.ConvertAll(wt, x => (double)x), $"{inputs} x {outputs}, panels {firstPanel} to {endPanel}");
    }

    /// <summary>All different, so that no exchange goes unseen; 0 in the padding.</summary>
    private static float[] Weights(int inputs, int outputs)
    {
        var w = new float[PanelLayout.Length(inputs, outputs)];
        for (int i = 0; i < inputs; i++)
            for (int o = 0; o < outputs; o++)
                w[PanelLayout.WeightIndex(i, o, inputs)] = 1 + i * outputs + o;
        return w;
    }
}
