using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>What candidates count for: against a plain reference in double precision, and where the right answer is known.</summary>
[TestClass]
public sealed class GreedySelectionTests
{
    private const int Rows = 200;

    /// <summary>Weights are those of the rule as the documentation has it, computed here once more.</summary>
    [TestMethod]
    [DataRow(2)]
    [DataRow(3)]
    [DataRow(7)]
    public void Select_Squares_IsThatOfTheReference(int most)
    {
        for (ulong seed = 1; seed <= 5; seed++)
        {
            (float[] targets, float[] weights, float[][] candidates, ulong[] hashes) = Sample(seed, candidates: 7);
            double[] actual = Select(new SquaredLoss(), targets, weights, 1, candidates, hashes, most);
            double[] expected = Reference(targets, weights, candidates, hashes, most);
            for (int i = 0; i < expected.Length; i++)
                Assert.AreEqual(expected[i], actual[i], 1e-9, $"seed {seed}, candidate {i}");
            Assert.AreEqual(1, actual.Sum(), 1e-9);
            Assert.IsInRange(1, most, actual.Count(weight => weight > 0));
            // The reference notices another rule: one that forgets what rows weigh.
            double[] unweighted = Select(new SquaredLoss(), targets, [], 1, candidates, hashes, most);
            Assert.IsFalse(unweighted.SequenceEqual(actual));
        }
    }

    /// <summary>Two candidates whose errors cancel are each half of the model, though each alone is worse than the defaults.</summary>
    [TestMethod]
    public void Select_ErrorsThatCancel_AreBothChosen()
    {
        var random = new RandomStream(3, 1);
        float[] targets = new float[Rows], usual = new float[Rows], high = new float[Rows], low = new float[Rows];
        ulong[] hashes = new ulong[Rows];
        for (int row = 0; row < Rows; row++)
        {
            (targets[row], hashes[row]) = ((float)random.NextDouble(), random.NextUInt64());
            float error = (float)(random.NextDouble() - 0.5);
            (usual[row], high[row], low[row]) = (targets[row] + 0.8f * error, targets[row] + error, targets[row] - error);
        }

        double[] weights = Select(new SquaredLoss(), targets, [], 1, [usual, high, low], hashes, 3);
        Assert.IsGreaterThan(0.3, weights[2]);
        Assert.AreEqual(1, weights.Sum(), 1e-9);
        double mixed = Enumerable.Range(0, Rows).Average(
            row => Math.Pow(weights[0] * usual[row] + weights[1] * high[row] + weights[2] * low[row] - targets[row], 2));
        double alone = Enumerable.Range(0, Rows).Average(row => Math.Pow(usual[row] - targets[row], 2));
        Assert.IsLessThan(alone / 50, mixed);
    }

    /// <summary>
    /// Of candidates that are as good as the defaults but for chance, none takes their place alone, and they count for little.
    /// </summary>
    [TestMethod]
    public void Select_OneOfMany_IsTheDefaultsUnlessClearlyBetter()
    {
        int taken = 0;
        for (ulong seed = 1; seed <= 20; seed++)
        {
            (float[] targets, _, float[][] candidates, ulong[] hashes) = Sample(seed, candidates: 2);
            taken += Select(new SquaredLoss(), targets, [], 1, candidates, hashes, 1)[0] == 1 ? 0 : 1;
            float[] better = [.. candidates[0].Zip(targets, (said, target) => target + 0.5f * (said - target))];
            Assert.AreEqual(1, Select(new SquaredLoss(), targets, [], 1, [candidates[0], better], hashes, 1)[1], $"seed {seed}");
        }

        Assert.IsLessThan(8, taken, "chance alone is noticed in a sixth");
    }

    /// <summary>Means of a loss with a logarithm are averaged as means, logits as logits.</summary>
    [TestMethod]
    public void Loss_OfMixtures_IsThatOfTheObjective()
    {
        float[] targets = [0, 3, 1], means = [0.5f, 2, 4];
        var poisson = new MixtureLoss(new TrainingSettings { Objective = new PoissonLoss() }, targets, [1, 2, 0], 1);
        float[] losses = new float[3];
        poisson.Compute(means, losses);
        double[] expected = [2 * 0.5, 2 * (3 * Math.Log(3 / 2.0) - (3 - 2))];
        Assert.AreEqual((expected[0] + 2 * expected[1]) / 3, poisson.Mean(losses), 1e-6);

        var classes = new MixtureLoss(new TrainingSettings { Objective = new SoftmaxCrossEntropy() }, [1, 0], [], 3);
        classes.Compute([1, 2, 3, 0, 0, 0], losses);
        double first = Math.Log(Math.Exp(1) + Math.Exp(2) + Math.Exp(3)) - 2;
        Assert.AreEqual((first + Math.Log(3)) / 2, classes.Mean(losses.AsSpan(0, 2)), 1e-6);
        Assert.AreEqual(first, classes.Mean(losses.AsSpan(0, 2), [true, false]), 1e-6);
    }

    /// <summary>What is no number is not chosen, though it be the defaults; the rest is as if it had not been there.</summary>
    [TestMethod]
    [DataRow(0)]
    [DataRow(2)]
    public void Select_LossesThatAreNoNumbers_ComeLast(int broken)
    {
        (float[] targets, float[] weights, float[][] candidates, ulong[] hashes) = Sample(1, candidates: 5);
        candidates[broken] = [.. candidates[broken].Select((said, row) => row == 4 ? float.NaN : said)];
        foreach (int most in new[] { 1, 3 })
        {
            double[] chosen = Select(new SquaredLoss(), targets, weights, 1, candidates, hashes, most);
            Assert.AreEqual(0, chosen[broken]);
            float[][] others = [.. candidates.Where((_, i) => i != broken)];
            CollectionAssert.AreEqual(
                Select(new SquaredLoss(), targets, weights, 1, others, hashes, most), chosen.Where((_, i) => i != broken).ToArray());
        }
    }

    /// <summary>A mean below all floats has a loss that is large and finite.</summary>
    [TestMethod]
    public void Loss_OfAMeanOfZero_IsFinite()
    {
        var poisson = new MixtureLoss(new TrainingSettings { Objective = new PoissonLoss() }, [0, 3], [], 1);
        float[] losses = new float[2];
        poisson.Compute([0, 0], losses);
        Assert.AreEqual(0, losses[0], 1e-6);
        Assert.AreEqual(2 * (3 * (Math.Log(3) - Math.Log(1.17549435e-38)) - 3), losses[1], 1e-2);
    }

    private static double[] Select(
        Objective objective, float[] targets, float[] weights, int outputs, float[][] candidates, ulong[] hashes, int most) =>
        GreedySelection.Select(
            new MixtureLoss(new TrainingSettings { Objective = objective }, targets, weights, outputs), candidates, hashes, most,
            CancellationToken.None);

    private static (float[] Targets, float[] Weights, float[][] Candidates, ulong[] Hashes) Sample(ulong seed, int candidates)
    {
        var random = new RandomStream(seed, 7);
        float[] targets = new float[Rows], weights = new float[Rows];
        ulong[] hashes = new ulong[Rows];
        float[][] said = [.. Enumerable.Range(0, candidates).Select(_ => new float[Rows])];
        for (int row = 0; row < Rows; row++)
        {
            (targets[row], weights[row], hashes[row]) = ((float)random.NextDouble(), row % 3, random.NextUInt64());
            for (int i = 0; i < candidates; i++)
                said[i][row] = targets[row] + (float)(random.NextDouble() - 0.5);
        }

        return (targets, weights, said, hashes);
    }

    /// <summary>
    /// Eight halves of the rows; candidate 0 counted twice; up to twelve steps while the loss falls; the largest counts stay.
    /// </summary>
    private static double[] Reference(float[] targets, float[] weights, float[][] candidates, ulong[] hashes, int most)
    {
        double[] all = new double[candidates.Length];
        for (int bag = 0; bag < 8; bag++)
        {
            ulong key = RandomStream.Mix(RandomPurpose.SelectionBag + ((ulong)bag << 32));
            int[] rows = [.. Enumerable.Range(0, Rows).Where(row => (RandomStream.Mix(hashes[row] ^ key) & 1) == 0)];
            Assert.IsInRange(Rows / 4, 3 * Rows / 4, rows.Length);
            var chosen = new List<int> { 0, 0 };
            for (int step = 0; step < 12; step++)
            {
                (double Loss, int Candidate) best = Enumerable.Range(0, candidates.Length).Select(i => (Loss([.. chosen, i]), i)).Min();
                if (best.Loss >= Loss(chosen))
                    break;
                chosen.Add(best.Candidate);
            }

            foreach (int candidate in chosen)
                all[candidate] += 1.0 / chosen.Count;

            double Loss(List<int> mixture) =>
                rows.Sum(row => weights[row] * Math.Pow(mixture.Average(i => candidates[i][row]) - targets[row], 2))
                / rows.Sum(row => weights[row]);
        }

        int[] kept = [.. Enumerable.Range(0, all.Length).OrderByDescending(i => all[i]).Take(most)];
        double sum = kept.Sum(i => all[i]);
        return [.. all.Select((count, i) => kept.Contains(i) ? count / sum : 0)];
    }
}
