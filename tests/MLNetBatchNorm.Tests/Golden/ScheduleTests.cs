using System.Text.Json;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.Fixtures;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>Learning rates step by step against PyTorch.</summary>
[TestClass]
public sealed class ScheduleTests
{
    private const string Kind = "lr_schedules";

    public TestContext TestContext { get; set; } = null!;

    public static IEnumerable<object[]> Files => FixtureFile.NamesOfKind(Kind);

    [TestMethod]
    [DynamicData(nameof(Files))]
    public void Rate_EveryStep_AgreesWithPyTorch(string name) =>
        Compare(FixtureFile.Read(name), step => step, _ => true).AssertAgrees(name, TestContext);

    [TestMethod]
    [DataRow("one_cycle")]
    [DataRow("cosine_annealing")]
    [DataRow("warmup_cosine")]
    [DataRow("step")]
    [DataRow("multi_step")]
    [DataRow("exponential")]
    public void Rate_OneStepLate_IsNoticed(string schedule)
        => NegativeControl.MustBeNoticed(Kind, $"{schedule} one step late", file =>
            Cases(file).Any(c => Kindred(c, schedule)) ? Compare(file, step => Math.Max(0, step - 1), c => Kindred(c, schedule)) : null);

    /// <summary>
    /// Rates are computed in double precision: the README's tolerance for that, 1e-9 of the largest entry, instead of float32's 1e-6.
    /// </summary>
    private static Comparison Compare(FixtureFile file, Func<long, long> shift, Func<JsonElement, bool> chosen)
    {
        var comparison = new Comparison();
        foreach (JsonElement example in Cases(file).Where(chosen))
        {
            double[] expected = example.Vector("lr");
            long total = (long)(example.NumberOrNull("total_steps") ?? expected.Length);
            double reference = example.NumberOrNull("base_lr") ?? example.Number("max_lr");
            LearningRateSchedule schedule = ScheduleOf(example);
            schedule.Validate();
            double[] rates = [.. Enumerable.Range(0, expected.Length).Select(step => schedule.Rate(shift(step), total, reference))];
            comparison.Relative(example.GetProperty("label").GetString()!, expected, rates, 1e-9);
        }
        return comparison;
    }

    private static LearningRateSchedule ScheduleOf(JsonElement example)
    {
        switch (example.GetProperty("schedule").GetString())
        {
            case "constant":
                return new ConstantSchedule();
            case "one_cycle":
                if (example.TryGetProperty("three_phase", out JsonElement phases) && phases.GetBoolean())
                    Assert.Inconclusive("A cycle of three phases is not one of our schedules.");
                return new OneCycleSchedule
                {
                    PeakFraction = example.Number("pct_start"),
                    InitialDivisor = example.Number("div_factor"),
                    FinalDivisor = example.Number("final_div_factor"),
                    Linear = example.GetProperty("anneal").GetString() == "linear",
                };
            case "cosine_annealing":
                return new CosineSchedule { Period = (long)example.Number("T_max"), MinimumRate = example.Number("eta_min") };
            case "warmup_cosine":
                return new WarmupCosineSchedule
                {
                    WarmupSteps = (long)example.Number("warmup_steps"),
                    StartFactor = example.Number("start_factor"),
                    MinimumRate = example.Number("eta_min"),
                };
            case "step":
                return new StepSchedule { StepSize = (long)example.Number("step_size"), Factor = example.Number("gamma") };
            case "multi_step":
                return new StepSchedule
                {
                    Milestones = [.. example.Vector("milestones").Select(m => (long)m)], Factor = example.Number("gamma"),
                };
            case "exponential":
                return new StepSchedule { StepSize = 1, Factor = example.Number("gamma") };
            case var other:
                throw new InvalidOperationException($"Unknown schedule '{other}'.");
        }
    }

    private static IEnumerable<JsonElement> Cases(FixtureFile file) => file["cases"].EnumerateArray();

    private static bool Kindred(JsonElement example, string schedule) => example.GetProperty("schedule").GetString() == schedule;
}
