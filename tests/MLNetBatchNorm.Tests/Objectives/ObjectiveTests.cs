using System.Reflection;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Tests.Objectives;

/// <summary>What every objective has, and that no two have the same.</summary>
[TestClass]
public sealed class ObjectiveTests
{
    private const int Rows = 23;

    public static IEnumerable<object[]> Names =>
    [
        [nameof(KnownObjectives.SoftmaxCrossEntropy)], [nameof(KnownObjectives.BinaryCrossEntropy)], [nameof(KnownObjectives.SquaredError)],
        [nameof(KnownObjectives.Huber)], [nameof(KnownObjectives.Poisson)], [nameof(KnownObjectives.Tweedie)],
        [nameof(KnownObjectives.Quantile)],
    ];

    [TestMethod]
    public void Objectives_ThereAre_AreTestedAndUnlikeEachOther()
    {
        string?[] found =
        [
            .. typeof(Objective).Assembly.GetTypes()
                .Where(type => type.IsSubclassOf(typeof(Objective)) && !type.IsAbstract).Select(type => type.FullName).Order(),
        ];

        CollectionAssert.AreEqual(found, KnownObjectives.All.Select(objective => objective.GetType().FullName).Order().ToArray());
        CollectionAssert.AllItemsAreUnique(KnownObjectives.All.Select(objective => objective.Name).ToArray());
        CollectionAssert.AllItemsAreUnique(KnownObjectives.All.Select(objective => objective.Number).ToArray());
        Assert.IsTrue(KnownObjectives.All.All(objective => objective.Name.Length > 0));
    }

    /// <summary>Numbers are in models: they never change.</summary>
    [TestMethod]
    public void Numbers_AreFrozen()
    {
        Assert.AreEqual(1, KnownObjectives.BinaryCrossEntropy.Number);
        Assert.AreEqual(2, KnownObjectives.SoftmaxCrossEntropy.Number);
        Assert.AreEqual(3, KnownObjectives.SquaredError.Number);
        Assert.AreEqual(4, KnownObjectives.Huber.Number);
        Assert.AreEqual(5, KnownObjectives.Poisson.Number);
        Assert.AreEqual(6, KnownObjectives.Tweedie.Number);
        Assert.AreEqual(7, KnownObjectives.Quantile.Number);
    }

    [TestMethod]
    public void Find_ANumber_IsItsObjectiveOrNone()
    {
        foreach (Objective objective in KnownObjectives.All)
            Assert.AreEqual(objective.GetType(), Objective.Find(objective.Number)!.GetType());
        foreach (int unknown in Enumerable.Range(-1, 258).Except(KnownObjectives.All.Select(objective => (int)objective.Number)))
            Assert.IsNull(Objective.Find(unknown));
    }

    [TestMethod]
    public void Metrics_HaveNamesOfTheirOwn()
    {
        Type[] metrics = [.. typeof(Objective).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(ValidationMetric)))];
        string[] names =
            [.. metrics.Select(type => (string)type.GetField("Name", BindingFlags.Public | BindingFlags.Static)!.GetValue(null)!)];

        CollectionAssert.AllItemsAreUnique(names);
        foreach (Objective objective in KnownObjectives.All)
            Assert.AreEqual(names[Array.IndexOf(metrics, objective.CreateMetric(3, 1).GetType())], objective.MetricName);
    }

    [TestMethod]
    public void Labels_ThatCanBeLearned()
    {
        float[] labels = [0, -0f, 1, 2, 0.5f, -1, 3e38f, float.PositiveInfinity, float.NegativeInfinity, float.NaN];
        string Allowed(Objective objective) => string.Concat(labels.Select(label => objective.Labels.Contains(label) ? '1' : '0'));

        Assert.AreEqual("1110000000", Allowed(KnownObjectives.BinaryCrossEntropy));
        Assert.AreEqual("1111001100", Allowed(KnownObjectives.SoftmaxCrossEntropy), "an infinite key there is not");
        Assert.AreEqual("1111111000", Allowed(KnownObjectives.SquaredError));
        Assert.AreEqual("1111111000", Allowed(KnownObjectives.Huber));
        Assert.AreEqual("1111111000", Allowed(KnownObjectives.Quantile));
        Assert.AreEqual("1111101000", Allowed(KnownObjectives.Poisson), "nothing happens less than never");
        Assert.AreEqual("1111101000", Allowed(KnownObjectives.Tweedie));
    }

    [TestMethod]
    public void Faces_AreThoseOfTheTask()
    {
        foreach ((Objective objective, LabelKind kind, int classes, int outputs, OutputLink? link) in new (Objective, LabelKind, int, int,
            OutputLink?)[]
        {
            (KnownObjectives.BinaryCrossEntropy, LabelKind.Binary, 2, 1, OutputLink.Sigmoid),
            (KnownObjectives.SoftmaxCrossEntropy, LabelKind.Class, 5, 5, OutputLink.Softmax),
            (KnownObjectives.SquaredError, LabelKind.Number, 1, 1, OutputLink.Identity),
            (KnownObjectives.Huber, LabelKind.Number, 1, 1, OutputLink.Identity),
            (KnownObjectives.Quantile, LabelKind.Number, 1, 1, OutputLink.Identity),
            (KnownObjectives.Poisson, LabelKind.Number, 1, 1, null),
            (KnownObjectives.Tweedie, LabelKind.Number, 1, 1, null),
        })
        {
            Assert.AreEqual(kind, objective.Labels.Kind);
            Assert.AreEqual(outputs, objective.Outputs(classes));
            Assert.AreEqual(link is null, objective.PredictsLogarithm);
            if (link is null)
                Assert.IsInstanceOfType<LogLink>(objective.LinkOf(null));
            else
                Assert.AreSame(link, objective.LinkOf(null));
            OutputLink scaled = objective.LinkOf(new TargetScale(1, 2));
            Assert.AreEqual(kind == LabelKind.Number, scaled is ScaledLink or LogLink);
            Assert.AreEqual(link is null, scaled is LogLink);
            Assert.IsFalse(objective.ScalesTemperature);
            // Dividing logits by a temperature is a matter of probabilities: only of classes.
            Assert.AreEqual(kind != LabelKind.Number, objective.With(scalesTemperature: true).ScalesTemperature);
        }
    }

    /// <summary>
    /// Numbers are standardized, so that a loss and its parameters mean the same in any unit; classes stay what they are.
    /// </summary>
    [TestMethod]
    public void Scale_IsThatOfNumbersOnly()
    {
        foreach (Objective objective in KnownObjectives.All)
        {
            TargetScale? scale = objective.ScaleOf(mean: 100, variance: 16);
            bool isNumber = objective.Labels.Kind == LabelKind.Number;
            if (objective.PredictsLogarithm)
            {
                // Nothing is subtracted: a logarithm needs 0 to stay 0. A deviance grows with the unit, to 2 less the power.
                Assert.AreEqual(new TargetScale(0, 100), scale);
                Assert.AreEqual(objective is PoissonLoss ? 200 : 20, objective.RestoreLoss(2, scale), 1e-12);
                Assert.AreEqual(new TargetScale(0, 0), objective.ScaleOf(mean: 0, variance: 0));
                continue;
            }
            Assert.AreEqual(isNumber ? new TargetScale(100, 4) : null, scale);
            // In label units a distance is four times as long, and a square sixteen times as large.
            Assert.AreEqual(isNumber ? objective is QuantileLoss ? 8 : 32 : 2, objective.RestoreLoss(2, scale));
        }
    }

    /// <summary>The mean loss of the rows in label units is the loss of the labels themselves, whatever the unit.</summary>
    [TestMethod]
    [DataRow(nameof(KnownObjectives.SquaredError), 1.0)]
    [DataRow(nameof(KnownObjectives.Huber), 0.5)]
    public void RestoreLoss_IsTheLossInLabelUnits(string name, double delta)
    {
        Objective objective = KnownObjectives.Named(name).With(delta: delta);
        var scale = new TargetScale(50, 8);
        (double loss, _) = Compute(objective, [[0.25], [-2]], [[1], [0.5]], []);
        Objective inUnits = KnownObjectives.Named(name).With(delta: delta * scale.Deviation);
        (double expected, _) = Compute(inUnits, [[52], [34]], [[58], [54]], []);

        Assert.AreEqual(expected, objective.RestoreLoss(loss, scale), 1e-5 * expected);
    }

    /// <summary>
    /// Losses against the formula in double, gradients against differences of it, with and without weights; a wrong formula is noticed.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Compute_IsTheFormula_AndTheGradientItsSlope(string name)
    {
        foreach (int outputs in new[] { 1, 3, 19 })
        {
            Objective objective = KnownObjectives.Named(name).With(labelSmoothing: 0.1, delta: 0.7);
            if (objective is SoftmaxCrossEntropy && outputs == 1)
                continue;
            double[][] z = [.. Generated.Rows(Rows, outputs, 5).Select(row => row.Select(v => (double)(float)(v / 2)).ToArray())];
            double[][] y = Generated.Targets(objective, Generated.Rows(Rows, 4, 6), outputs, 6);
            foreach (double[] weights in new[] { [], Generated.Weights(Rows, 7) })
            {
                (double loss, double[][] gradient) = Compute(objective, z, y, weights);
                double Weight(int row) => weights.Length == 0 ? 1 : weights[row];
                double total = Enumerable.Range(0, Rows).Sum(Weight);
                double Mean(Objective of) => Enumerable.Range(0, Rows).Sum(row => Weight(row) * Formula(of, z[row], y[row])) / total;
                double expected = Mean(objective);
                Assert.AreEqual(expected, loss, 1e-6 * Math.Abs(expected));
                if (objective is not (BinaryCrossEntropy or SquaredLoss or PoissonLoss))
                {
                    Assert.AreNotEqual(
                        Mean(KnownObjectives.Named(name)), loss, 1e-4 * Math.Abs(expected),
                        "the parameter makes no difference; the test shows nothing");
                }
                for (int row = 0; row < Rows; row++)
                {
                    for (int k = 0; k < outputs; k++)
                    {
                        Assert.AreEqual(
                            Slope(objective, z[row], y[row], k) * Weight(row) / total, gradient[row][k], 2e-7,
                            $"{name}, row {row}, output {k}");
                    }
                }
            }
        }
    }

    private static double Slope(Objective objective, double[] z, double[] y, int output)
    {
        const double step = 1e-5;
        double[] above = [.. z], below = [.. z];
        above[output] += step;
        below[output] -= step;
        return (Formula(objective, above, y) - Formula(objective, below, y)) / (2 * step);
    }

    private static double Formula(Objective objective, double[] z, double[] y)
    {
        switch (objective)
        {
            case SoftmaxCrossEntropy { LabelSmoothing: double smoothing }:
                double logSum = Math.Log(z.Sum(Math.Exp));
                return z.Select((v, k) => ((k == (int)y[0] ? 1 - smoothing : 0) + smoothing / z.Length) * (logSum - v)).Sum();
            case BinaryCrossEntropy:
                return z.Zip(y, (v, t) => -t * Math.Log(1 / (1 + Math.Exp(-v))) - (1 - t) * Math.Log(1 / (1 + Math.Exp(v)))).Average();
            case SquaredLoss:
                return z.Zip(y, (v, t) => Math.Pow(v - t, 2)).Average();
            case HuberLoss { Delta: double delta }:
                return z.Zip(y, (v, t) => Math.Abs(v - t) <= delta ? Math.Pow(v - t, 2) / 2 : delta * (Math.Abs(v - t) - delta / 2))
                    .Average();
            case PoissonLoss:
                return z.Zip(y, (v, t) => 2 * ((t == 0 ? 0 : t * Math.Log(t / Math.Exp(v))) - t + Math.Exp(v))).Average();
            case TweedieLoss { Power: double p }:
                return z.Zip(y, (v, t) => 2 * (Math.Pow(t, 2 - p) / ((1 - p) * (2 - p)) - t * Math.Exp(v * (1 - p)) / (1 - p)
                    + Math.Exp(v * (2 - p)) / (2 - p))).Average();
            case QuantileLoss { Level: double level }:
                return z.Zip(y, (v, t) => Math.Max(level * (t - v), (level - 1) * (t - v))).Average();
            default:
                throw new ArgumentException($"No formula for {objective.Name}.", nameof(objective));
        }
    }

    private static (double Loss, double[][] Gradient) Compute(Objective objective, double[][] z, double[][] y, double[] weights)
    {
        PanelMatrix outputs = Panels.Of(z);
        var gradient = new PanelMatrix(z.Length, z[0].Length);
        var rowLoss = new float[z.Length];
        float[] targets = [.. y.SelectMany(row => row.Select(v => (float)v))];
        double total = weights.Length == 0 ? z.Length : weights.Sum();
        objective.Compute(outputs, targets, [.. weights.Select(w => (float)w)], (float)(1 / total), gradient, rowLoss, 0, z.Length);
        double loss = rowLoss.Select((value, row) => (weights.Length == 0 ? 1 : weights[row]) * value).Sum() / total;
        return (loss, Panels.Rows(gradient));
    }
}
