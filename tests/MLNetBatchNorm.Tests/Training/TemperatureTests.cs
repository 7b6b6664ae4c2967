using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>
/// The temperature of the validation loss: the smallest loss over T, found again by a naive sum in
/// double, and taken over by the trained network.
/// </summary>
[TestClass]
public sealed class TemperatureTests
{
    private const int Rows = 250;

    [TestMethod]
    [DataRow(nameof(KnownObjectives.SoftmaxCrossEntropy), 5, false)]
    [DataRow(nameof(KnownObjectives.SoftmaxCrossEntropy), 20, true)]
    [DataRow(nameof(KnownObjectives.BinaryCrossEntropy), 1, false)]
    [DataRow(nameof(KnownObjectives.BinaryCrossEntropy), 1, true)]
    public void Evaluate_OfATooCertainNetwork_IsTheSmallestOverTheTemperature(string lossName, int outputs, bool weighted)
    {
        Objective loss = KnownObjectives.Named(lossName);
        Case c = new(loss, outputs, weighted, bestTemperature: 2.6);
        (double found, double temperature) = c.Measure(scales: true, threads: 1);

        Assert.AreEqual(2.6, temperature, 0.3);
        Assert.AreEqual(c.NaiveLoss(temperature), found, 1e-5);
        // The temperatures lie 9% apart; no other one, however near, is better by more than that can cost.
        double best = Enumerable.Range(0, 1400).Min(i => c.NaiveLoss(1 + i / 400.0));
        Assert.AreEqual(best, found, 0.002 * best);

        // The control: the plain loss is another number, and is what an evaluation without temperatures gives.
        (double plain, double none) = c.Measure(scales: false, threads: 1);
        Assert.AreEqual(c.NaiveLoss(1), plain, 1e-5 * plain);
        Assert.AreEqual(1, none);
        Assert.IsTrue(plain > 1.05 * found, $"{plain} and {found} are too near for the test to show anything");
    }

    [TestMethod]
    [DataRow(nameof(KnownObjectives.SoftmaxCrossEntropy), 5)]
    [DataRow(nameof(KnownObjectives.BinaryCrossEntropy), 1)]
    public void Evaluate_OfATimidNetwork_IsThePlainOne(string lossName, int outputs)
    {
        Objective loss = KnownObjectives.Named(lossName);
        Case c = new(loss, outputs, weighted: false, bestTemperature: 0.4);
        Assert.IsTrue(c.NaiveLoss(0.5) < c.NaiveLoss(1), "a temperature below 1 would be better, and must not be taken");
        Assert.AreEqual((c.Measure(scales: false, threads: 1).Loss, 1.0), c.Measure(scales: true, threads: 1));
    }

    [TestMethod]
    public void Evaluate_OnAnyNumberOfThreads_HasTheSameBits()
    {
        Case c = new(KnownObjectives.SoftmaxCrossEntropy, 5, weighted: true, bestTemperature: 2.6);
        (double, double) one = c.Measure(scales: true, threads: 1);
        Assert.AreEqual(one, c.Measure(scales: true, threads: 2));
        Assert.AreEqual(one, c.Measure(scales: true, threads: 3));
    }

    /// <summary>With labels that are half noise a network of many weights becomes too sure of the rows it knows.</summary>
    [TestMethod]
    [DataRow(nameof(KnownObjectives.SoftmaxCrossEntropy), 4)]
    [DataRow(nameof(KnownObjectives.BinaryCrossEntropy), 1)]
    public void Train_WithTemperatures_GivesTheNetworkWhoseLossTheHistoryTells(string lossName, int outputs)
    {
        Objective loss = KnownObjectives.Named(lossName);
        EncodedRows training = Generated.Data(loss, 200, 6, outputs, seed: 1), validation = Generated.Data(loss, 150, 6, outputs, seed: 2);
        TrainingSettings settings = Settings(loss, scales: true), plain = Settings(loss, scales: false);
        NetworkParameters parameters = Network(outputs);
        TrainingHistory history = TrainingLoop.Train(parameters, training, validation, settings, null, CancellationToken.None);

        using var team = new WorkerTeam(1);
        double told = history.Epochs[history.BestEpoch - 1].ValidationLoss!.Value;
        Assert.AreEqual(history.Epochs.Min(epoch => epoch.ValidationLoss), told);
        Assert.AreEqual(
            told, new Evaluator(validation, parameters, plain, team).Evaluate(parameters, CancellationToken.None).Loss, 1e-5 * told);

        // The control: without temperatures training is the same, and the validation loss is
        // higher wherever the network was too sure of itself.
        TrainingHistory without = TrainingLoop.Train(
            Network(outputs), Generated.Data(loss, 200, 6, outputs, seed: 1), validation, plain, null, CancellationToken.None);
        CollectionAssert.AreEqual(
            without.Epochs.Select(epoch => epoch.TrainingLoss).ToArray(), history.Epochs.Select(epoch => epoch.TrainingLoss).ToArray());
        double[] ratios = [.. without.Epochs.Zip(history.Epochs, (a, b) => a.ValidationLoss!.Value / b.ValidationLoss!.Value)];
        Assert.IsGreaterThanOrEqualTo(1, ratios.Min(), "no epoch's loss may be larger with a temperature than without");
        Assert.IsTrue(ratios.Max() > 1.1, "no epoch was too sure of itself; the test shows nothing");
    }

    private static NetworkParameters Network(int outputs) => Initialization.Create(
        new NetworkDefinition
        {
            Inputs = 6, HiddenUnits = [32], Outputs = outputs, Activation = ActivationFunction.ReLU,
            Placement = BatchNormalizationPlacement.BeforeActivation,
        },
        seed: 5);

    private static TrainingSettings Settings(Objective loss, bool scales) => new()
    {
        Objective = loss.With(scalesTemperature: scales),
        BatchSize = 32,
        MaximumEpochs = 30,
        LearningRate = 0.03,
    };

    /// <summary>
    /// A linear map that is right more often than not and whose best temperature is known, and the rows it is measured on.
    /// </summary>
    private sealed class Case
    {
        private readonly double[][] _rows;
        private readonly double[][] _targets;
        private readonly double[]? _weights;
        private readonly NetworkParameters _parameters;
        private readonly Objective _loss;

        public Case(Objective loss, int outputs, bool weighted, double bestTemperature)
        {
            _loss = loss;
            _rows = Generated.Rows(Rows, 6, 3);
            _targets = Generated.Targets(loss, _rows, outputs, 3);
            _weights = weighted ? Generated.Weights(Rows, 3) : null;
            _parameters = Initialization.Create(
                new NetworkDefinition
                {
                    Inputs = 6, HiddenUnits = [], Outputs = outputs, Activation = ActivationFunction.ReLU,
                    Placement = BatchNormalizationPlacement.None,
                },
                seed: 4);
            FollowLabels();
            double best = Enumerable.Range(-100, 201).Select(i => Math.Pow(1.05, i)).MinBy(NaiveLoss);
            _parameters.Linear[0].DivideBy(best / bestTemperature);
        }

        public (double Loss, double Temperature) Measure(bool scales, int threads)
        {
            using var team = new WorkerTeam(threads);
            var data = new EncodedRows(Generated.Table(_rows, _targets, _weights));
            var evaluator = new Evaluator(
                data, _parameters, new TrainingSettings { Objective = _loss.With(scalesTemperature: scales) }, team);
            return (evaluator.Evaluate(_parameters, CancellationToken.None).Loss, evaluator.Temperature);
        }

        /// <summary>The loss by its definition, in double.</summary>
        public double NaiveLoss(double temperature)
        {
            double sum = 0, weight = 0;
            for (int r = 0; r < Rows; r++)
            {
                double[] z = Outputs(_rows[r], temperature);
                double w = _weights?[r] ?? 1;
                weight += w;
                double y = _targets[r][0];
                sum += w * (_loss is BinaryCrossEntropy
                    ? Math.Max(z[0], 0) + Math.Log(1 + Math.Exp(-Math.Abs(z[0]))) - y * z[0]
                    : Math.Log(z.Sum(Math.Exp)) - z[(int)y]);
            }

            return sum / weight;
        }

        /// <summary>Some steps of gradient descent from zero.</summary>
        private void FollowLabels()
        {
            LinearParameters map = _parameters.Linear[0];
            map.Weights.Span.Clear();
            for (int step = 0; step < 30; step++)
            {
                double[][] outputs = [.. _rows.Select(row => Outputs(row, 1))];
                for (int r = 0; r < Rows; r++)
                {
                    for (int k = 0; k < map.Outputs; k++)
                    {
                        double error = _loss is BinaryCrossEntropy
                            ? _targets[r][0] - 1 / (1 + Math.Exp(-outputs[r][0]))
                            : ((int)_targets[r][0] == k ? 1 : 0) - Math.Exp(outputs[r][k]) / outputs[r].Sum(Math.Exp);
                        for (int i = 0; i < 6; i++)
                            map.Weight(k, i) += (float)(0.05 * error * _rows[r][i] / Rows);
                    }
                }
            }
        }

        private double[] Outputs(double[] row, double temperature)
        {
            LinearParameters map = _parameters.Linear[0];
            return [.. Enumerable.Range(0, map.Outputs)
                .Select(k => (map.Bias!.Span[k] + row.Select((x, i) => x * map.Weight(k, i)).Sum()) / temperature)];
        }
    }
}
