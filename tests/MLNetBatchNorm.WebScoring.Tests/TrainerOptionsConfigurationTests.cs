using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.WebScoring.Tests;

/// <summary>Options of trainers are bound to configuration as those of any service are, and validated with their own ranges.</summary>
[TestClass]
public sealed class TrainerOptionsConfigurationTests
{
    [TestMethod]
    public void Options_BoundToConfiguration_HaveItsValues()
    {
        IConfiguration configuration = Configuration(new()
        {
            ["Trainer:LabelColumnName"] = "Price",
            ["Trainer:HiddenUnits:0"] = "64",
            ["Trainer:HiddenUnits:1"] = "32",
            ["Trainer:Activation"] = "GELU",
            ["Trainer:DropoutRate"] = "0.25",
            ["Trainer:Shuffle"] = "false",
            ["Trainer:ClassWeights:0"] = "1",
            ["Trainer:ClassWeights:1"] = "9.5",
            ["Trainer:Checkpoint:Path"] = "training.checkpoint",
            ["Trainer:Checkpoint:IntervalInEpochs"] = "5",
        });

        var options = configuration.GetSection("Trainer").Get<BatchNormNetworkBinaryTrainer.Options>()!;

        Assert.AreEqual("Price", options.LabelColumnName);
        CollectionAssert.AreEqual(new[] { 64, 32 }, options.HiddenUnits);
        Assert.AreEqual(ActivationFunction.GELU, options.Activation);
        Assert.AreEqual(0.25, options.DropoutRate);
        Assert.IsFalse(options.Shuffle);
        CollectionAssert.AreEqual(new[] { 1, 9.5 }, options.ClassWeights);
        Assert.AreEqual(
            ("training.checkpoint", 5, 60.0),
            (options.Checkpoint?.Path, options.Checkpoint?.IntervalInEpochs, options.Checkpoint?.IntervalInSeconds));
        // What the configuration does not name is as it was.
        Assert.AreEqual(
            ("Features", null, 1e-5, true), (options.FeatureColumnName, options.BatchSize, options.Epsilon, options.TemperatureScaling));
        Assert.IsNull(options.Optimizer);
        Assert.IsNull(options.ValidationSet);
    }

    [TestMethod]
    public void Options_ValidatedWithDataAnnotations_SayWhatIsWrong()
    {
        IServiceCollection services = new ServiceCollection();
        services.AddOptions<BatchNormNetworkRegressionTrainer.Options>()
            .Bind(Configuration(new() { ["DropoutRate"] = "1.5", ["HiddenUnits:0"] = "0" }))
            .ValidateDataAnnotations();
        using ServiceProvider provider = services.BuildServiceProvider();

        var exception = Assert.ThrowsExactly<OptionsValidationException>(
            () => _ = provider.GetRequiredService<IOptions<BatchNormNetworkRegressionTrainer.Options>>().Value);

        Assert.Contains(
            "DropoutRate is 1.5; it must be in [0, 1). It is the share of hidden units dropped, not kept; set 0 to drop none.",
            exception.Message);
        Assert.Contains("HiddenUnits[0] is 0; it must be in [1, 65536].", exception.Message);
    }

    private static IConfiguration Configuration(Dictionary<string, string?> values) =>
        new ConfigurationBuilder().AddInMemoryCollection(values).Build();
}
