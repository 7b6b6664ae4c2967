using System.Numerics;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Tests.Network;

/// <summary>Shapley values of games that are given as tables of numbers.</summary>
[TestClass]
public sealed class ShapleyPlanTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(5)]
    [DataRow(ShapleyPlan.MostPlayersOfAll)]
    public void Values_OfFewPlayers_AreExact(int players)
    {
        double[] game = Enumerable.Range(0, 1 << players).Select(subset => new Random(subset).NextDouble()).ToArray();
        double[] values = Solve(players, subset => game[(int)subset]);
        for (int player = 0; player < players; player++)
        {
            // The mean over all orders, as the mean over sizes of the mean over subsets of a size.
            double expected = Enumerable.Range(0, players).Average(size => Enumerable.Range(0, 1 << players)
                .Where(subset => BitOperations.PopCount((uint)subset) == size && (subset >> player & 1) == 0)
                .Average(subset => game[subset | 1 << player] - game[subset]));
            Assert.AreEqual(expected, values[player], 1e-12);
        }
    }

    [TestMethod]
    [DataRow(ShapleyPlan.MostPlayersOfAll + 1)]
    [DataRow(40)]
    [DataRow(300)]
    public void Values_OfManyPlayers_AreExactWhereTwoActTogether_AndAddUpInAnyCase(int players)
    {
        var random = new Random(1);
        double[] own = [.. Enumerable.Range(0, players).Select(_ => random.NextDouble())];
        (int A, int B, double Effect)[] pairs = [.. Enumerable.Range(0, 3 * players).Select(
            _ => (random.Next(players), random.Next(players), random.NextDouble() - 0.5))];
        double Two(BigInteger subset) => own.Select((value, player) => Has(subset, player) ? value : 0).Sum()
            + pairs.Sum(pair => Has(subset, pair.A) && Has(subset, pair.B) ? pair.Effect : 0);
        double[] values = Solve(players, Two);
        for (int player = 0; player < players; player++)
        {
            double expected = own[player] + pairs.Sum(
                pair => pair.A == pair.B ? (pair.A == player ? pair.Effect : 0)
                    : pair.A == player || pair.B == player ? pair.Effect / 2 : 0);
            Assert.AreEqual(expected, values[player], 1e-9);
        }

        // Three at once: a third each, which orders only come near to.
        double Three(BigInteger subset) => Has(subset, 0) && Has(subset, 1) && Has(subset, 2) ? 1 : 0;
        double[] ofThree = Solve(players, Three);
        Assert.AreEqual(1, ofThree.Sum(), 1e-12);
        Assert.AreEqual(1, ofThree[0] + ofThree[1] + ofThree[2], 1e-12);
        Assert.IsTrue(ofThree.Take(3).Any(value => Math.Abs(value - 1.0 / 3) > 1e-6), "A share that is wrong is seen.");
        CollectionAssert.AreEqual(ofThree, Solve(players, Three));
    }

    private static bool Has(BigInteger subset, int player) => !(subset >> player).IsEven;

    private static double[] Solve(int players, Func<BigInteger, double> game)
    {
        var plan = new ShapleyPlan();
        plan.Prepare(players);
        double[] scores = new double[plan.Steps.Length], values = new double[players];
        BigInteger subset = 0;
        for (int i = 0; i < scores.Length; i++)
        {
            ContributionStep step = plan.Steps[i];
            if (step.FromBase)
                subset = 0;
            Assert.AreEqual(step.Removes, Has(subset, step.Player));
            subset ^= BigInteger.One << step.Player;
            scores[i] = game(subset);
        }
        plan.Solve([game(0)], scores, [game((BigInteger.One << players) - 1)], values);
        return values;
    }
}
