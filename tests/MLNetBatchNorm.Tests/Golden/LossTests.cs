using System.Text.Json;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Tests.Fixtures;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>Losses, their gradients and probabilities against PyTorch, through what training and validation call.</summary>
[TestClass]
public sealed class LossTests
{
    private const string Kind = "losses";

    public TestContext TestContext { get; set; } = null!;

    public static IEnumerable<object[]> Files => FixtureFile.NamesOfKind(Kind);

    [TestMethod]
    [DynamicData(nameof(Files))]
    public void LossAndGradient_AgreeWithPyTorch(string name) => Compare(FixtureFile.Read(name), null)!.AssertAgrees(name, TestContext);

    [TestMethod]
    [DataRow("no label smoothing")]
    [DataRow("delta doubled")]
    [DataRow("weights ignored")]
    [DataRow("Huber for squared error")]
    [DataRow("targets turned around")]
    public void LossAndGradient_OneConventionWrong_IsNoticed(string wrong)
        => NegativeControl.MustBeNoticed(Kind, wrong, file => Compare(file, wrong));

    /// <summary>Null if something is to be got wrong that no case of the file depends on.</summary>
    private static Comparison? Compare(FixtureFile file, string? wrong)
    {
        var comparison = new Comparison();
        bool touched = wrong is null;
        foreach (JsonElement example in file["cases"].EnumerateArray())
        {
            Objective loss = Trajectory.LossOf(example.GetProperty("loss").GetString()!);
            double smoothing = example.NumberOrNull("label_smoothing") ?? 0, delta = example.NumberOrNull("delta") ?? 1;
            bool classes = loss is SoftmaxCrossEntropy;
            float[] targets = classes ? example.Vector("targets").ToSingle() : [.. example.Matrix("targets").SelectMany(r => r.ToSingle())];
            float[] weights = example.GetProperty("w").ValueKind == JsonValueKind.Null ? [] : example.Vector("w").ToSingle();
            switch (wrong)
            {
                case "no label smoothing" when smoothing > 0: smoothing = 0; touched = true; break;
                case "delta doubled" when loss is HuberLoss: delta *= 2; touched = true; break;
                case "weights ignored" when weights.Length > 0: weights = []; touched = true; break;
                case "Huber for squared error" when loss is SquaredLoss: loss = KnownObjectives.Huber; touched = true; break;
                case "targets turned around" when loss is BinaryCrossEntropy:
                    targets = [.. targets.Select(y => 1 - y)];
                    touched = true;
                    break;
            }
            var settings = new TrainingSettings { Objective = loss.With(smoothing, delta) };
            Add(comparison, example, settings, targets, weights);
        }
        return touched ? comparison : null;
    }

    private static void Add(Comparison comparison, JsonElement example, TrainingSettings settings, float[] targets, float[] weights)
    {
        JsonElement expected = example.GetProperty("expected");
        PanelMatrix outputs = Panels.Of(example.Matrix("outputs"));
        int rows = outputs.RowCapacity;
        var gradient = new PanelMatrix(rows, outputs.Columns);
        gradient.Span.Fill(float.NaN);                 // everything must be written, padding columns too
        var rowLoss = new float[rows];
        double sumOfWeights = weights.Length == 0 ? rows : weights.Sum(w => (double)w);
        settings.Objective.Compute(outputs, targets, weights, (float)(1 / sumOfWeights), gradient, rowLoss, 0, rows);
        (double sum, double weight) = RowLosses.Sum(rowLoss, weights);
        double[] computedGradient = [.. Panels.Rows(gradient).SelectMany(r => r)];
        CollectionAssert.DoesNotContain(gradient.Span.ToArray(), float.NaN);

        // Row losses without weights: a row of weight 0 has one too, which the weighted computation does not spend time on.
        settings.Objective.Compute(outputs, targets, default, 1f / rows, gradient, rowLoss, 0, rows);
        double[] perSample = [.. rowLoss.Select(l => (double)l)];

        string label = example.GetProperty("label").GetString()!;
        Check("per_sample", expected.Vector("per_sample"), perSample);
        Check("unweighted_mean", [expected.Number("unweighted_mean")], [RowLosses.Sum(rowLoss, default).Loss / rows]);
        Check("loss", [expected.Number("loss")], [sum / weight]);
        Check("weighted_sum", [expected.Number("weighted_sum")], [sum]);
        Check("gradient", [.. expected.Matrix("gradient").SelectMany(r => r)], computedGradient);
        if (expected.TryGetProperty("probabilities", out JsonElement probabilities))
        {
            double[][] ours = TrajectoryRun.ProbabilitiesOf(settings.Objective, example.Matrix("outputs")) ?? [];
            Check("probabilities", [.. probabilities.Matrix().SelectMany(r => r)], [.. ours.SelectMany(r => r)]);
        }

        // The README's tolerance for losses in float32, entry by entry.
        void Check(string what, double[] expectedNumbers, double[] numbers)
            => comparison.Elementwise($"{label} {what}", expectedNumbers, numbers, 1e-6, 1e-6);
    }
}
