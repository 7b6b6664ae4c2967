using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>Losses of several targets of a row, some of which are missing, against the formula in double.</summary>
[TestClass]
public sealed class TargetLossTests
{
    private const float Scale = 0.61f;
    private const float Untouched = -77f;

    /// <summary>Targets 1..20 and past the 256 outputs of a chunk; row counts on both sides of a chunk's edge; ranges of rows.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void SquaredError_EveryShape_IsTheMeanOfTheTargetsThereAre(bool weighted)
    {
        foreach (int outputs in Enumerable.Range(1, 20).Concat([255, 256, 257, 300, 520]))
        {
            foreach (int rows in new[] { 1, 2, 19, outputs < 6 ? 300 : 33 })
                new Case(outputs, rows, weighted).Check(rows / 4, rows - rows / 9);
        }
    }

    [TestMethod]
    public void AnotherWeight_IsNoticed()
    {
        var row = new Case(5, 19, weighted: false);
        row.TargetWeights[1] += 0.01f;
        (float[] gradient, float[] loss) = row.Run(0, 19);
        row.TargetWeights[1] -= 0.01f;
        Assert.Throws<AssertFailedException>(() => row.Check(gradient, loss, 0, 19));
    }

    /// <summary>
    /// What the output of a missing target is makes no difference, NaN included; an output of a target that is there does.
    /// </summary>
    [TestMethod]
    public void MissingTarget_ItsOutputMayBeAnything()
    {
        var data = new Case(5, 19, weighted: false);
        (float[] gradient, float[] loss) = data.Run(0, 19);
        int missing = Enumerable.Range(0, 95).First(i => float.IsNaN(data.Targets[i]) && !float.IsNaN(data.Targets[i / 5 * 5]));
        data.Z[PanelLayout.Index(missing / 5, missing % 5, 19)] = float.NaN;
        (float[] again, float[] lossAgain) = data.Run(0, 19);
        KernelTesting.AssertSameBits(gradient, again, "gradient");
        KernelTesting.AssertSameBits(loss, lossAgain, "loss");

        data.Z[PanelLayout.Index(missing / 5, 0, 19)] = float.NaN;
        Assert.IsTrue(float.IsNaN(data.Run(0, 19).Loss[missing / 5]));
    }

    /// <summary>A target of weight 0 is as one that is missing: nothing keeps its output from running away.</summary>
    [TestMethod]
    public void TargetOfWeight0_ItsOutputMayBeAnything()
    {
        var data = new Case(5, 19, weighted: false);
        data.TargetWeights[2] = 0;
        (float[] gradient, float[] loss) = data.Run(0, 19);
        foreach (float wild in new[] { 3e38f, float.PositiveInfinity, float.NaN })
        {
            for (int row = 0; row < 19; row++)
                data.Z[PanelLayout.Index(row, 2, 19)] = wild;
            (float[] again, float[] lossAgain) = data.Run(0, 19);
            KernelTesting.AssertSameBits(gradient, again, "gradient");
            KernelTesting.AssertSameBits(loss, lossAgain, "loss");
        }

        Assert.IsTrue(loss.All(float.IsFinite));
        data.TargetWeights[2] = 1e-3f;
        Assert.IsTrue(data.Run(0, 19).Loss.Any(float.IsNaN));
    }

    [TestMethod]
    public void InPlace_GivesTheSameBits()
    {
        foreach (int outputs in new[] { 1, 6, 300 })
        {
            var data = new Case(outputs, 11, weighted: true);
            (float[] gradient, float[] loss) = data.Run(0, 11);
            var rowLoss = new float[11];
            Losses.OfTargets<SquaredErrorLoss>(
                data.Z, 11, outputs, data.Targets, data.TargetWeights, data.Weights, Scale, 0, data.Z, rowLoss, 0, 11);
            KernelTesting.AssertSameBits(loss, rowLoss, "loss");
            KernelTesting.AssertSameBits(gradient, data.Z, "gradient");
        }
    }

    [TestMethod]
    public void WrongLengths_AreRefused()
    {
        var z = new float[64];
        var n = new float[4];
        Assert.Throws<ArgumentException>(
            () => Losses.OfTargets<SquaredErrorLoss>(z, 4, 3, new float[12], new float[2], [], 1, 0, z, n, 0, 4));
        Assert.Throws<ArgumentException>(
            () => Losses.OfTargets<SquaredErrorLoss>(z, 4, 3, new float[11], new float[3], [], 1, 0, z, n, 0, 4));
        Assert.Throws<ArgumentException>(
            () => Losses.OfTargets<SquaredErrorLoss>(z, 4, 3, new float[12], new float[3], new float[3], 1, 0, z, n, 0, 4));
    }

    /// <summary>Rows of which one has no target at all, and others lack some.</summary>
    private sealed class Case
    {
        private readonly int _outputs;
        private readonly int _rows;

        public Case(int outputs, int rows, bool weighted)
        {
            _outputs = outputs;
            _rows = rows;
            var random = new Random(outputs + 1000 * rows);
            Z = new float[(outputs + 15) / 16 * 16 * rows];
            Array.Fill(Z, 55.5f);
            for (int i = 0; i < rows * outputs; i++)
                Z[PanelLayout.Index(i / outputs, i % outputs, rows)] = (float)(4 * random.NextDouble() - 2);
            Targets = KernelTesting.Normal(random, rows * outputs);
            for (int i = 0; i < Targets.Length; i++)
            {
                if (i / outputs == 3 || (outputs > 1 && i % 7 is 1 or 4))
                    Targets[i] = float.NaN;
            }

            TargetWeights = [.. Enumerable.Range(0, outputs).Select(k => 0.5f + k % 4)];
            Weights = weighted ? [.. Enumerable.Range(0, rows).Select(row => row % 5 == 1 ? 0f : 0.5f + row % 3)] : [];
        }

        public float[] Z { get; }

        public float[] Targets { get; }

        public float[] TargetWeights { get; }

        public float[] Weights { get; }

        public (float[] Gradient, float[] Loss) Run(int first, int end)
        {
            float[] gradient = new float[Z.Length], loss = new float[_rows];
            Array.Fill(gradient, Untouched);
            Array.Fill(loss, Untouched);
            Losses.OfTargets<SquaredErrorLoss>(Z, _rows, _outputs, Targets, TargetWeights, Weights, Scale, 0, gradient, loss, first, end);
            return (gradient, loss);
        }

        public void Check(int first, int end)
        {
            (float[] gradient, float[] loss) = Run(first, end);
            Check(gradient, loss, first, end);
        }

        public void Check(float[] gradient, float[] loss, int first, int end)
        {
            for (int row = 0; row < _rows; row++)
            {
                bool inside = row >= first && row < end;
                double weight = Weights.Length == 0 ? 1 : Weights[row], present = 0, sum = 0;
                for (int k = 0; k < _outputs; k++)
                    present += IsMissing(row, k) ? 0 : TargetWeights[k];
                for (int k = 0; k < (_outputs + 15) / 16 * 16; k++)
                {
                    float found = gradient[PanelLayout.Index(row, k, _rows)];
                    if (!inside || k >= _outputs || IsMissing(row, k) || weight == 0)
                    {
                        Assert.AreEqual(inside ? 0f : Untouched, found, $"{_outputs} targets, row {row}, target {k}");
                        continue;
                    }

                    double distance = (double)Z[PanelLayout.Index(row, k, _rows)] - Targets[row * _outputs + k];
                    double expected = weight * Scale * TargetWeights[k] / present * 2 * distance;
                    Assert.AreEqual(expected, found, 1e-6 * Math.Abs(expected) + 1e-7, $"{_outputs} targets, row {row}, target {k}");
                    sum += TargetWeights[k] * distance * distance;
                }

                double mean = present > 0 && weight > 0 ? sum / present : 0;
                Assert.AreEqual(inside ? mean : Untouched, loss[row], 1e-6 * mean + 1e-7, $"{_outputs} targets, loss of row {row}");
            }
        }

        private bool IsMissing(int row, int target) => float.IsNaN(Targets[row * _outputs + target]);
    }
}
