using System.Collections;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Every option survives JSON: written with System.Text.Json's defaults and read again, it is what it was.</summary>
[TestClass]
public sealed class OptionsJsonTests
{
    private readonly MLContext _context = new(1);

    public static IEnumerable<object[]> Options => NetworkOptionRows.All.Select(row => new object[] { row.Name });

    public static IEnumerable<object[]> Parts => new[] { typeof(Optimizer), typeof(LearningRateSchedule), typeof(RegressionLoss) }
        .SelectMany(OtherValue.Derived).Select(type => new object[] { type });

    [TestMethod]
    [DynamicData(nameof(Options))]
    public void Options_OneThatIsNotItsDefault_SurvivesJson(string option)
    {
        OptionRow row = NetworkOptionRows.Named(option);
        BatchNormNetworkOptions options = NetworkOptionRows.OptionsWith(row);
        object other = OtherValue.Than(row.Read(options), row.Type, row.Range);
        NetworkOptionRows.Set(options, row, other);

        string json = JsonSerializer.Serialize(options, options.GetType());
        var read = (BatchNormNetworkOptions)JsonSerializer.Deserialize(json, options.GetType())!;

        AssertSame(other, row.Read(read), option);
        Assert.AreEqual(json, JsonSerializer.Serialize(read, read.GetType()), "All others are what they were as well.");
        // It is this text that brings it back: without it, it is the default.
        JsonNode without = JsonNode.Parse(json)!;
        string[] path = option.Split('.');
        Assert.IsTrue((path.Length == 1 ? without : without[path[0]])!.AsObject().Remove(path[^1]));
        read = (BatchNormNetworkOptions)without.Deserialize(options.GetType())!;
        Assert.ThrowsExactly<AssertFailedException>(() => AssertSame(other, row.Read(read), option));
    }

    [TestMethod]
    [DynamicData(nameof(Parts))]
    public void Options_OptimizersSchedulesAndLosses_SurviveJson(Type type)
    {
        object part = OtherValue.Filled(type);
        var options = new BatchNormNetworkRegressionTrainer.Options();
        PropertyInfo property = options.GetType().GetProperties()
            .Single(p => p.PropertyType.IsAssignableFrom(type) && p.PropertyType != typeof(object));
        property.SetValue(options, part);

        string json = JsonSerializer.Serialize(options);

        AssertSame(part, property.GetValue(JsonSerializer.Deserialize<BatchNormNetworkRegressionTrainer.Options>(json)), type.Name);
    }

    /// <summary>A class that is not known to JSON would be written without its type, and could not be read.</summary>
    [TestMethod]
    [DataRow(typeof(Optimizer))]
    [DataRow(typeof(LearningRateSchedule))]
    [DataRow(typeof(RegressionLoss))]
    public void Options_AllOptimizersSchedulesAndLosses_AreKnownToJson(Type type) =>
        CollectionAssert.AreEquivalent(
            type.Assembly.GetTypes().Where(other => other.IsSubclassOf(type) && !other.IsAbstract).ToArray(),
            OtherValue.Derived(type).ToArray());

    [TestMethod]
    public void Options_WhatIsNoValue_StaysOut()
    {
        var options = new BatchNormNetworkBinaryTrainer.Options
        {
            ValidationSet = NetworkExamples.View(_context, NetworkKind.Binary, NetworkExamples.Rows(3)),
            Progress = new Progress<TrainingProgress>(),
            CancellationToken = new CancellationToken(true),
        };
        JsonObject json = JsonSerializer.SerializeToNode(options)!.AsObject();

        string[] expected = [.. OptionRow.Of(options.GetType()).Select(row => row.Name.Split('.')[0]).Distinct()];
        CollectionAssert.AreEquivalent(expected, json.Select(property => property.Key).ToArray());
    }

    /// <summary>Names, not numbers: the text is for people as well.</summary>
    [TestMethod]
    public void Options_Enumerations_AreWrittenByName()
    {
        var options = new BatchNormNetworkBinaryTrainer.Options
        {
            Activation = ActivationFunction.GELU, Placement = BatchNormalizationPlacement.None,
        };
        JsonObject json = JsonSerializer.SerializeToNode(options)!.AsObject();

        Assert.AreEqual(
            ("GELU", "None", "RunningAverage", "Managed"),
            ((string?)json["Activation"], (string?)json["Placement"], (string?)json["Statistics"], (string?)json["MatrixMultiplication"]));
    }

    /// <summary>The whole way: a trainer made with options that were JSON in between trains the same model.</summary>
    [TestMethod]
    public void Fit_WithOptionsFromJson_IsTheSameModel()
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(60));
        var options = NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(o =>
            (o.Loss, o.Optimizer, o.LearningRateSchedule) =
                (new HuberLoss { Delta = 0.5 }, new RmsPropOptimizer(), new StepSchedule { Milestones = [2, 4] }));
        var read = JsonSerializer.Deserialize<BatchNormNetworkRegressionTrainer.Options>(JsonSerializer.Serialize(options))!;

        float[] expected = _context.Regression.Trainers.BatchNormNetwork(options).Fit(view).Transform(view).Scalars<float>("Score");
        CollectionAssert.AreEqual(
            expected, _context.Regression.Trainers.BatchNormNetwork(read).Fit(view).Transform(view).Scalars<float>("Score"));
    }

    [TestMethod]
    public void BatchNormalizeOptions_Others_SurviveJson()
    {
        var options = new BatchNormalizeEstimator.Options();
        foreach (PropertyInfo property in options.GetType().GetProperties())
        {
            property.SetValue(options, property.Name == nameof(options.Columns)
                ? new[]
                {
                    new BatchNormalizeEstimator.ColumnOptions("A", "B", [1, 2], [3, 4]), new BatchNormalizeEstimator.ColumnOptions("C"),
                }
                : OtherValue.Than(property.GetValue(options), property.PropertyType, null));
        }

        var read = JsonSerializer.Deserialize<BatchNormalizeEstimator.Options>(JsonSerializer.Serialize(options))!;

        foreach (PropertyInfo property in options.GetType().GetProperties())
            AssertSame(property.GetValue(options), property.GetValue(read), property.Name);
    }

    /// <summary>The same values of the same types, all the way down.</summary>
    private static void AssertSame(object? expected, object? found, string what)
    {
        if (expected is IEnumerable elements and not string)
        {
            object[] all = [.. elements.Cast<object>()], others = [.. (found as IEnumerable ?? Array.Empty<object>()).Cast<object>()];
            Assert.HasCount(all.Length, others, what);
            for (int i = 0; i < all.Length; i++)
                AssertSame(all[i], others[i], $"{what}[{i}]");
        }
        else if (expected is not null and not IConvertible)
        {
            Assert.AreEqual(expected.GetType(), found?.GetType(), what);
            foreach (PropertyInfo property in expected.GetType().GetProperties())
                AssertSame(property.GetValue(expected), property.GetValue(found), $"{what}.{property.Name}");
        }
        else
        {
            Assert.AreEqual(expected, found, what);
        }
    }
}
