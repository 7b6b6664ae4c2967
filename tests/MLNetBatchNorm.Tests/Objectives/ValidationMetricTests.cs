using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Objectives;

/// <summary>The metrics shown beside the validation loss, against their definitions written out.</summary>
[TestClass]
public sealed class ValidationMetricTests
{
    private const double Tolerance = 1e-12;

    [TestMethod]
    [DataRow(false, 1)]
    [DataRow(true, 2)]
    [DataRow(true, 3)]
    public void AreaUnderRocCurve_IsTheShareOfPairsInOrder(bool weighted, int seed)
    {
        var random = new Random(seed);
        // Few different scores, so that many are equal; some labels between 0 and 1; some weights 0.
        float[] scores = [.. Enumerable.Range(0, 300).Select(_ => MathF.Round(20 * (float)random.NextDouble() - 10) / 4)];
        float[] labels = [.. scores.Select((score, i) => i % 9 == 4 ? 0.25f : score + 4 * random.NextDouble() - 2 > 0 ? 1 : 0)];
        float[] weights = weighted ? [.. scores.Select((_, i) => i % 6 == 5 ? 0 : 0.25f + (float)random.NextDouble())] : [];

        double area = Area(scores, labels, weights);

        Assert.AreEqual(AreaByPairs(scores, labels, weights), area, Tolerance);
        Assert.IsTrue(area is > 0.6 and < 0.99, $"{area}");
        // The other way round it is the rest; any rising function of the scores changes nothing, and moving one score does.
        Assert.AreEqual(1 - area, Area([.. scores.Select(s => -s)], labels, weights), Tolerance);
        Assert.AreEqual(area, Area([.. scores.Select(s => MathF.Exp(s) * 1e-20f)], labels, weights));
        float[] moved = [.. scores];
        moved[0] = labels[0] > 0.5 ? -100 : 100;
        Assert.AreNotEqual(area, Area(moved, labels, weights));
    }

    /// <summary>
    /// Many rows are sorted in another way: the area is that of the sum of the ranks (Mann and
    /// Whitney), and the same whatever the order of the rows.
    /// </summary>
    [TestMethod]
    public void AreaUnderRocCurve_OfManyRows_IsThatOfTheirRanks()
    {
        const int rows = 10_000;
        var random = new Random(5);
        float[] scores = [.. Enumerable.Range(0, rows)
            .Select(i => i % 3 == 0 ? MathF.Round(random.NextSingle(), 2) - 0.5f : (random.NextSingle() - 0.5f) * MathF.Pow(
                10, random.Next(-30, 30)))];
        float[] labels = [.. scores.Select(score => random.NextDouble() < (score > 0 ? 0.7 : 0.4) ? 1f : 0f)];

        double positives = labels.Sum(), ranks = 0, below = 0;
        foreach (var equal in Enumerable.Range(0, rows).GroupBy(i => scores[i]).OrderBy(group => group.Key))
        {
            ranks += equal.Sum(i => labels[i]) * (below + (equal.Count() + 1) / 2.0);
            below += equal.Count();
        }

        double expected = (ranks - positives * (positives + 1) / 2) / (positives * (rows - positives));
        Assert.AreEqual(expected, Area(scores, labels), Tolerance);
        Assert.AreEqual(Area(scores, labels), Area([.. scores.Reverse()], [.. labels.Reverse()]));
        Assert.AreNotEqual(expected, Area(scores, [.. labels.Reverse()]), 0.01);
    }

    [TestMethod]
    public void AreaUnderRocCurve_OfExtremeScores()
    {
        Assert.AreEqual(1, Area(
            [float.NegativeInfinity, float.MinValue, -float.Epsilon, 0, float.Epsilon, float.MaxValue, float.PositiveInfinity],
            [0, 0, 0, 1, 1, 1, 1]));
        Assert.AreEqual(0.5, Area([0f, -0f], [1, 0]), "both zeros are one score");
        Assert.AreEqual(0.5, Area([3, 3, 3, 3], [1, 0, 1, 1]));
        Assert.IsTrue(double.IsNaN(Area([1, 2], [1, 1])), "no false row");
        Assert.IsTrue(double.IsNaN(Area([1, 2], [0, 1], [0, 1])), "a false row of weight 0 only");
        Assert.IsTrue(double.IsNaN(Area([], [])), "no row");
        Assert.IsTrue(double.IsNaN(Area([1, float.NaN, 3], [0, 1, 1])), "a score that is not a number");
        Assert.AreEqual(1, Area([1, float.NaN, 3], [0, float.NaN, 1], [1, 0, 1]), "a row of weight 0 may hold anything");
    }

    [TestMethod]
    public void Accuracy_IsTheWeightedShareOfRecognizedRows()
    {
        var metric = new Accuracy(5);
        var outputs = new PanelMatrix(8, 20);
        (int Row, int Column, float Value)[] entries = [(0, 3, 1), (1, 18, 2), (1, 3, 1), (2, 19, float.NaN), (3, 0, -1), (4, 17, 5)];
        foreach ((int row, int column, float value) in entries)
            outputs.Rows(column / 16, row, 1)[column % 16] = value;
        // Of row 3 all but the first are 0, of which the first counts. The padding behind 20 columns is no output.
        outputs.Rows(1, 4, 1)[15] = 100;
        float[] classes = [3, 18, 19, 1, 2];
        metric.Take(outputs, classes, 0, 5);

        Assert.AreEqual(3.0 / 5, metric.Compute(classes, []), Tolerance);
        Assert.AreEqual(3.0 / 13, metric.Compute(classes, [1, 0, 2, 2, 8]), Tolerance);
        Assert.IsTrue(double.IsNaN(metric.Compute(classes, new float[5])));
    }

    [TestMethod]
    public void RSquared_IsThePartOfTheVarianceThatIsExplained()
    {
        float[] targets = [1, 2, 4, 9, float.NaN], outputs = [1.5f, 2, 3, 8, 7], weights = [1, 2, 1, 3, 0];
        double mean = (1 + 4 + 4 + 27) / 7.0;
        double total = Math.Pow(1 - mean, 2) + 2 * Math.Pow(2 - mean, 2) + Math.Pow(4 - mean, 2) + 3 * Math.Pow(9 - mean, 2);

        Assert.AreEqual(1 - (0.25 + 1 + 3) / total, RSquared(outputs, targets, weights), Tolerance);
        Assert.AreEqual(0, RSquared([4, 4, 4, 4], targets[..4], []), Tolerance, "the mean explains nothing");
        Assert.AreEqual(1, RSquared(targets[..4], targets[..4], []), Tolerance);
        Assert.IsTrue(double.IsNaN(RSquared([1, 2, 3], [0.1f, 0.1f, 0.1f], [0.1f, 0.3f, 0.7f])), "labels that are all equal");
        Assert.IsTrue(double.IsNaN(RSquared([1, float.NaN], [1, 2], [])));
        Assert.IsTrue(double.IsNaN(RSquared([1, 2], [1, 2], [0, 0])));
    }

    [TestMethod]
    public void DevianceExplained_IsThePartOfTheDevianceOfTheBestConstant()
    {
        float[] targets = [0, 2, 4, 9, float.NaN], outputs = [-1, 0.5f, 1.5f, 2, 7], weights = [1, 2, 1, 3, 0];
        double mean = (4 + 4 + 27) / 7.0;
        double Poisson(double t, double m) => 2 * ((t == 0 ? 0 : t * Math.Log(t / m)) - t + m);
        double total = Poisson(0, mean) + 2 * Poisson(2, mean) + Poisson(4, mean) + 3 * Poisson(9, mean);
        double left = Poisson(0, Math.Exp(-1)) + 2 * Poisson(2, Math.Exp(0.5)) + Poisson(4, Math.Exp(1.5)) + 3 * Poisson(9, Math.Exp(2));

        Assert.AreEqual(1 - left / total, D2(new PoissonLoss(), outputs, targets, weights), Tolerance);
        float constant = (float)Math.Log(15 / 4.0);
        Assert.AreEqual(0, D2(new PoissonLoss(), [constant, constant, constant, constant], targets[..4], []), 1e-6);
        Assert.AreEqual(0, D2(new TweedieLoss(), [constant, constant, constant, constant], targets[..4], []), 1e-6);
        float[] logarithms = [-60, MathF.Log(2), MathF.Log(4), MathF.Log(9)];
        Assert.AreEqual(1, D2(new PoissonLoss(), logarithms, targets[..4], []), 1e-6);
        Assert.AreEqual(1, D2(new TweedieLoss(), logarithms, targets[..4], []), 1e-6);

        // Of weights 1, 2, 1, 3 a quarter, 1.75, is reached at 2. Losses of a constant 2 are 0.75 * 2, 0, 0.25 * 2, 0.25 * 7 * 3.
        double quantileTotal = 1.5 + 0.5 + 5.25, quantileLeft = 0.25 * 1 + 0 + 0.75 * 1 + 0.25 * 3 * 3;
        Assert.AreEqual(
            1 - quantileLeft / quantileTotal, D2(new QuantileLoss { Level = 0.25 }, [-1, 2, 5, 6], targets[..4], weights[..4]), Tolerance);
        Assert.IsTrue(double.IsNaN(D2(new PoissonLoss(), [1, 2], [3, 3], [])), "labels that are all equal");
        Assert.IsTrue(double.IsNaN(D2(new PoissonLoss(), [1, float.NaN], [1, 2], [])));
        Assert.IsTrue(double.IsNaN(D2(new QuantileLoss(), [1, 2], [1, 2], [0, 0])));
    }

    private static double D2(RegressionLoss loss, float[] outputs, float[] targets, float[] weights)
    {
        ValidationMetric metric = loss.CreateMetric(targets.Length, 1);
        metric.Take(Panels.Of([.. outputs[..targets.Length].Select(output => new double[] { output })]), targets, 0, targets.Length);
        return metric.Compute(targets, weights);
    }

    /// <summary>Each target's rows are those that have it; a target of equal values is left out of the mean.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void MeanOverTargets_IsTheMeanOfEachOfItsOwnRows(bool weighted)
    {
        float[][] targets = [[1, 0, 5], [2, float.NaN, 5], [4, 1, float.NaN], [float.NaN, 1, 5], [9, 0, 5]];
        float[][] outputs = [[1.5f, -1, 0], [2, 9, 1], [3, 0.5f, 2], [8, -2, 3], [8, 0, 4]];
        float[] weights = weighted ? [1, 2, 1, 3, 0.5f] : [];
        bool Has(int row, int target) => !float.IsNaN(targets[row][target]);
        float[] Column(float[][] of, int target) => [.. of.Where((_, row) => Has(row, target)).Select(row => row[target])];
        float[] Weights(int target) => weighted ? [.. weights.Where((_, row) => Has(row, target))] : [];
        var panels = new PanelMatrix(8, 3);
        for (int i = 0; i < 15; i++)
            panels.Rows(0, i / 3, 1)[i % 3] = outputs[i / 3][i % 3];
        float[] flat = [.. targets.SelectMany(row => row)];
        double Compute(Objective objective, float firstWeight = 1)
        {
            var metric = new MeanOverTargets(5, 3, (ITargetwiseLoss)objective, [firstWeight, 2, 1]);
            metric.Take(panels, flat, 0, 5);
            return metric.Compute(flat, weights);
        }

        double first = RSquared(Column(outputs, 0), Column(targets, 0), Weights(0));
        double second = RSquared(Column(outputs, 1), Column(targets, 1), Weights(1));
        Assert.AreEqual((first + second) / 2, Compute(new SquaredLoss()), Tolerance);
        Assert.AreEqual((first + second) / 2, Compute(new HuberLoss()), Tolerance);
        Assert.AreEqual(second, Compute(new SquaredLoss(), firstWeight: 0), Tolerance, "a target that is not learned");
        for (int i = 0; i < 15; i++)
            flat[i] = i % 3 == 1 ? flat[i] : float.NaN;
        Assert.AreEqual(Area(Column(outputs, 1), Column(targets, 1), Weights(1)), Compute(new BinaryCrossEntropy()), Tolerance);
        Array.Fill(flat, float.NaN);
        Assert.IsTrue(double.IsNaN(Compute(new SquaredLoss())), "no target at all");
    }

    /// <summary>
    /// The metric belongs to the outputs that the loss belongs to: those of the network in
    /// prediction mode after the epoch, computed again here.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(KnownObjectives.SoftmaxCrossEntropy), 3, false)]
    [DataRow(nameof(KnownObjectives.BinaryCrossEntropy), 1, true)]
    [DataRow(nameof(KnownObjectives.BinaryCrossEntropy), 2, true)]
    [DataRow(nameof(KnownObjectives.Huber), 2, true)]
    public void Train_ReportsTheMetricOfTheEpoch(string lossName, int outputs, bool weighted)
    {
        var loss = KnownObjectives.Named(lossName);
        var settings = new TrainingSettings { Objective = loss, BatchSize = 32, MaximumEpochs = 30, LearningRate = 0.01 };
        NetworkParameters parameters = Initialization.Create(new NetworkDefinition { Inputs = 5, HiddenUnits = [8], Outputs = outputs }, 1);
        double[][] x = Generated.Rows(250, 5, 8), y = Generated.Targets(loss, x, outputs, 8);
        double[]? w = weighted ? Generated.Weights(250, 8) : null;
        var validation = new EncodedRows(Generated.Table(x, y, w));
        TrainingHistory history = TrainingLoop.Train(
            parameters, Generated.Data(loss, 200, 5, outputs, seed: 7), validation, settings, null, CancellationToken.None);

        FoldedNetwork folded = FoldedNetwork.Create(InputEncoder.Identity(5), parameters);
        float[] scores = new float[250 * outputs];
        folded.Score([.. x.SelectMany(row => row.Select(v => (float)v))], 250, scores, folded.CreateScratch());
        double[] weights = w ?? [.. Enumerable.Repeat(1.0, 250)];
        double expected = loss switch
        {
            SoftmaxCrossEntropy => Enumerable.Range(0, 250)
                .Average(r => Enumerable.Range(0, outputs).MaxBy(k => scores[r * outputs + k]) == y[r][0] ? 1.0 : 0.0),
            BinaryCrossEntropy => AreaByPairs(
                scores, [.. y.SelectMany(row => row.Select(v => (float)v))],
                [.. weights.SelectMany(v => Enumerable.Repeat((float)v, outputs))]),
            _ => RSquaredByDefinition(scores, y, weights),
        };
        Assert.AreEqual(expected, history.Epochs[history.BestEpoch - 1].ValidationMetric!.Value, 1e-6);
        Assert.IsTrue(expected is > 0.3 and < 1, $"{expected}");
        Assert.IsGreaterThan(5, history.Epochs.Select(e => e.ValidationMetric).Distinct().Count(), "the epochs differ");
    }

    /// <summary>Any number of threads hands over the outputs; the metric has the same bits.</summary>
    [TestMethod]
    [DataRow(nameof(KnownObjectives.SoftmaxCrossEntropy), 3)]
    [DataRow(nameof(KnownObjectives.BinaryCrossEntropy), 1)]
    [DataRow(nameof(KnownObjectives.SquaredError), 1)]
    public void Train_WithAnyNumberOfThreads_ReportsTheSameMetric(string lossName, int outputs)
    {
        var loss = KnownObjectives.Named(lossName);
        EpochRecord[] Epochs(int threads, ulong seed)
        {
            using var team = new WorkerTeam(threads);
            NetworkParameters parameters = Initialization.Create(
                new NetworkDefinition { Inputs = 5, HiddenUnits = [8], Outputs = outputs }, 1);
            var settings = new TrainingSettings { Objective = loss, BatchSize = 32, MaximumEpochs = 3, LearningRate = 0.01 };
            return [.. TrainingLoop.Train(
                team, parameters, Generated.Data(loss, 200, 5, outputs, seed),
                Generated.Data(loss, 3000, 5, outputs, seed: 8, weighted: true), settings, null, CancellationToken.None).Epochs];
        }

        EpochRecord[] expected = Epochs(1, seed: 7);
        Assert.IsTrue(expected.All(epoch => double.IsFinite(epoch.ValidationMetric!.Value)));
        CollectionAssert.AreEqual(expected, Epochs(2, seed: 7));
        CollectionAssert.AreEqual(expected, Epochs(5, seed: 7));
        Assert.AreNotEqual(expected[0].ValidationMetric, Epochs(1, seed: 6)[0].ValidationMetric);
    }

    [TestMethod]
    public void Train_WithoutValidationRows_HasNoMetric()
    {
        var settings = new TrainingSettings { Objective = KnownObjectives.SquaredError, MaximumEpochs = 1 };
        NetworkParameters parameters = Initialization.Create(new NetworkDefinition { Inputs = 5, HiddenUnits = [8], Outputs = 1 }, 1);
        TrainingHistory history = TrainingLoop.Train(
            parameters, Generated.Data(KnownObjectives.SquaredError, 50, 5, 1, seed: 7), null, settings, null, CancellationToken.None);

        Assert.IsNull(history.Epochs[0].ValidationMetric);
    }

    private static double Area(float[] scores, float[] labels, float[]? weights = null) =>
        AreaUnderRocCurve.Of(scores, labels, weights ?? [], new ulong[2 * scores.Length]);

    private static double AreaByPairs(float[] scores, float[] labels, float[] weights)
    {
        double right = 0, all = 0;
        for (int i = 0; i < scores.Length; i++)
        {
            for (int j = 0; j < scores.Length; j++)
            {
                double pair = (weights.Length == 0 ? 1.0 : weights[i] * (double)weights[j]) * labels[i] * (1 - labels[j]);
                all += pair;
                right += scores[i] > scores[j] ? pair : scores[i] == scores[j] ? pair / 2 : 0;
            }
        }

        return right / all;
    }

    private static double RSquared(float[] outputs, float[] targets, float[] weights)
    {
        var metric = new RSquared(outputs.Length, 1);
        var block = new PanelMatrix(2, 1);
        for (int first = 0; first < outputs.Length; first += 2)
        {
            int count = Math.Min(2, outputs.Length - first);
            for (int row = 0; row < count; row++)
                block.Rows(0, row, 1)[0] = outputs[first + row];
            metric.Take(block, targets.AsSpan(first, count), first, count);
        }

        return metric.Compute(targets, weights);
    }

    private static double RSquaredByDefinition(float[] scores, double[][] targets, double[] weights)
    {
        int outputs = targets[0].Length;
        double residual = 0, total = 0;
        for (int k = 0; k < outputs; k++)
        {
            double mean = targets.Select((row, r) => weights[r] * row[k]).Sum() / weights.Sum();
            residual += targets.Select((row, r) => weights[r] * Math.Pow(row[k] - scores[r * outputs + k], 2)).Sum();
            total += targets.Select((row, r) => weights[r] * Math.Pow(row[k] - mean, 2)).Sum();
        }

        return 1 - residual / total;
    }
}
