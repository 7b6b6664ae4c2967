using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Distribution;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Distribution;

/// <summary>All that decides what a training comes to travels with it, also what is added one day.</summary>
[TestClass]
public sealed class SettingsBytesTests
{
    /// <summary>One of each objective, with every setting that it has off its default.</summary>
    private static readonly Objective[] s_objectives =
    [
        .. KnownObjectives.All.Select(objective => objective.With(labelSmoothing: 0.1, delta: 0.7, scalesTemperature: true)),
    ];

    [TestMethod]
    public void Objective_ThereAndBack_HasItsSettings()
    {
        foreach (Objective objective in s_objectives)
        {
            using var stream = new MemoryStream();
            objective.Write(new BinaryWriter(stream));
            stream.Position = 0;
            Objective back = Objective.Read(new BinaryReader(stream));
            Assert.AreEqual(stream.Length, stream.Position);
            Assert.AreEqual(objective.GetType(), back.GetType());
            Assert.AreEqual(FitFingerprint.TextOf(objective), FitFingerprint.TextOf(back));
            Assert.AreEqual(objective.ScalesTemperature, back.ScalesTemperature);
        }

        Assert.HasCount(
            typeof(Objective).Assembly.GetTypes().Count(type => type.IsSubclassOf(typeof(Objective)) && !type.IsAbstract), s_objectives);
    }

    [TestMethod]
    public void Settings_ThereAndBack_AreTheSame_EachProperty()
    {
        var settings = new TrainingSettings
        {
            Objective = new SoftmaxCrossEntropy(0.2, true), ClassWeights = [1, 0.1f, float.Epsilon], TargetWeights = [0.1f, 3],
            BatchSize = 31, MaximumEpochs = 7, Rungs = 3, AveragedEpochs = 0.3, LearningRate = 0.1 + 0.2,
            Optimizer = new RmsPropOptimizer { Centered = true, Epsilon = 1e-300 },
            Schedule = new StepSchedule { Milestones = [1, 1L << 40], Factor = 1 / 3.0 }, Shuffle = false, EarlyStoppingPatience = 5,
            RandomShift = 2, RandomHorizontalFlip = true, KeepsVarianceOfConstants = true, Seed = ulong.MaxValue - 1,
        };
        var usual = new TrainingSettings { Objective = new SquaredLoss() };
        foreach (PropertyInfo property in typeof(TrainingSettings).GetProperties().Where(p => !p.IsDefined(typeof(JsonIgnoreAttribute))))
        {
            Assert.AreNotEqual(
                property.GetValue(usual), property.GetValue(settings), $"{property.Name} is at its default here, which proves nothing");
        }

        string json = JsonSerializer.Serialize(settings, SettingsJson.Default.TrainingSettings);
        TrainingSettings back = JsonSerializer.Deserialize(json, SettingsJson.Default.TrainingSettings)!;
        Assert.AreEqual(FitFingerprint.TextOf(settings), FitFingerprint.TextOf(back));
        Assert.AreEqual(settings.EpochsOfAllRungs, back.EpochsOfAllRungs);
        Assert.AreNotEqual(FitFingerprint.TextOf(settings), FitFingerprint.TextOf(back with { Seed = 1 }));
    }
}
