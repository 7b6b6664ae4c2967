using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>What is chosen where options are left open follows from the size of the data by the documented rule, and what is set stays.</summary>
[TestClass]
public sealed class AutomaticOptionsTests
{
    private const double UsualWeights = 100_000;

    [TestMethod]
    [DataRow(3, 32)]
    [DataRow(1_000, 32)]
    [DataRow(4_500, 32)]
    [DataRow(4_600, 64)]
    [DataRow(12_000, 128)]
    [DataRow(60_000, 256)]
    [DataRow(100_000_000, 256)]
    public void Choose_BatchSize_IsThePowerOfTwoNearestToAHundredthOfTheRows(int rows, int expected)
    {
        Assert.AreEqual(expected, Choose(new(), rows).BatchSize);
        Assert.AreEqual(100, Choose(new() { BatchSize = 100 }, rows).BatchSize);
        Assert.AreEqual(512, Choose(new() { VirtualBatchSize = 512 }, rows).BatchSize, "A virtual batch is a part of a batch.");
    }

    [TestMethod]
    public void Choose_SmallTables_GetTheUsualNumbers()
    {
        AutomaticOptions chosen = Choose(new(), 20_000);
        Assert.AreEqual(AutomaticOptions.UsualEpochs, chosen.Epochs);
        Assert.AreEqual(AutomaticOptions.UsualMembers, chosen.Members);
    }

    /// <summary>Epochs go first, then networks; the work stays within the bound until both are at their least.</summary>
    [TestMethod]
    public void Choose_GrowingTables_SaveEpochsThenNetworks()
    {
        int lastEpochs = int.MaxValue, lastMembers = int.MaxValue;
        foreach (long rows in new[] { 10_000L, 50_000, 100_000, 200_000, 500_000, 1_000_000, 10_000_000, 1_000_000_000_000 })
        {
            AutomaticOptions chosen = Choose(new(), rows);
            Assert.IsLessThanOrEqualTo(lastEpochs, chosen.Epochs);
            Assert.IsLessThanOrEqualTo(lastMembers, chosen.Members);
            Assert.IsTrue(chosen.Members == AutomaticOptions.UsualMembers || chosen.Epochs == AutomaticOptions.FewestEpochs, "Epochs are saved before networks.");
            double work = 6.0 * UsualWeights * rows * 0.8 * chosen.Epochs * chosen.Members;
            Assert.IsTrue(work <= AutomaticOptions.LargestWork || (chosen.Epochs == AutomaticOptions.FewestEpochs && chosen.Members == 1), $"{rows} rows: {work}");
            (lastEpochs, lastMembers) = (chosen.Epochs, chosen.Members);
        }

        Assert.AreEqual((AutomaticOptions.FewestEpochs, 1), (lastEpochs, lastMembers));
    }

    [TestMethod]
    public void Choose_WhatIsSet_Stays()
    {
        AutomaticOptions chosen = Choose(new() { MaximumNumberOfEpochs = 77, NumberOfEnsembleMembers = 3 }, 1_000_000_000);
        Assert.AreEqual((77, 3), (chosen.Epochs, chosen.Members));
        Assert.AreEqual(1, AutomaticOptions.Choose(new BatchNormNetworkBinaryTrainer.Options(), 1000, UsualWeights, isSingle: true, start: null).Members);
    }

    [TestMethod]
    [DataRow(1, 32)]
    [DataRow(32, 32)]
    [DataRow(64, 16)]
    [DataRow(256, 4)]
    [DataRow(257, 0)]
    [DataRow(100_000, 0)]
    [DataRow(0, 32)]
    public void ChoosePieces_SharesThePiecesAmongTheNumericSlots(int numericSlots, int expected)
    {
        var options = new BatchNormNetworkBinaryTrainer.Options();
        Assert.AreEqual(expected, AutomaticOptions.ChoosePieces(options, numericSlots, none: false));
        Assert.AreEqual(0, AutomaticOptions.ChoosePieces(options, numericSlots, none: true));
        options.NumberOfInputPieces = 7;
        Assert.AreEqual(7, AutomaticOptions.ChoosePieces(options, numericSlots, none: false));
    }

    /// <summary>The whole way: with nothing set, a fit has the networks, epochs and pieces of the rule; going on from it keeps them.</summary>
    [TestMethod]
    public void Fit_WithNothingSet_FollowsTheRule()
    {
        var context = new MLContext(1);
        IDataView view = NetworkExamples.View(context, NetworkKind.Regression, NetworkExamples.Rows(200));
        var trainer = context.Regression.Trainers.BatchNormNetwork(hiddenUnits: [8]);
        BatchNormNetworkRegressionModelParameters model = trainer.Fit(view).Model;
        TrainedNetwork network = ((INetworkModel)model).Network;

        Assert.HasCount(AutomaticOptions.UsualMembers, model.Members);
        Assert.HasCount(AutomaticOptions.UsualEpochs, model.TrainingHistory.Epochs);
        Assert.IsInRange(4 + 3 * AutomaticOptions.UsualPieces / 2, 4 + 3 * AutomaticOptions.UsualPieces, network.Encoder.EncodedInputs);
        var shorter = context.Regression.Trainers.BatchNormNetwork(hiddenUnits: [8], maximumNumberOfEpochs: 1);
        Assert.HasCount(AutomaticOptions.UsualMembers, shorter.Fit(view, model).Model.Members);
    }

    private static AutomaticOptions Choose(BatchNormNetworkBinaryTrainer.Options options, long rows) =>
        AutomaticOptions.Choose(options, rows, UsualWeights, isSingle: false, start: null);
}
