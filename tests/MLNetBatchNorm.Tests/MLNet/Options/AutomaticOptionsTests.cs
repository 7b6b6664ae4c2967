using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// What is chosen where options are left open follows from the size of the data by the documented rule, and what is set stays.
/// </summary>
[TestClass]
public sealed class AutomaticOptionsTests
{
    private const double UsualWeights = 100_000;

    /// <summary>Twice the epochs of those who teach; of small tables, which train long, as many.</summary>
    [TestMethod]
    [DataRow(null, 24, 100_000, false, 48)]
    [DataRow(null, 72, 5_000, false, 72)]
    [DataRow(null, 40, 18_000, false, 48)]
    [DataRow(null, 48, 20_000, true, 96)]
    [DataRow(null, 8, 10_000_000, false, 16)]
    [DataRow(72, 72, 5_000, false, 144)]
    public void ChooseEpochsOfCompact_AreTwiceTheUsualOnes(int? set, int taughtBy, int rows, bool severalClasses, int expected)
    {
        var options = new BatchNormNetworkRegressionTrainer.Options { MaximumNumberOfEpochs = set };
        Assert.AreEqual(expected, AutomaticOptions.ChooseEpochsOfCompact(options, taughtBy, rows, severalClasses));
    }

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
    [DataRow(0, 72)]
    [DataRow(1_000, 72)]
    [DataRow(9_999, 72)]
    [DataRow(10_000, 72)]
    [DataRow(15_000, 48)]
    [DataRow(20_000, 36)]
    [DataRow(30_000, 24)]
    [DataRow(31_000, 24)]
    public void Choose_TablesThatCostLittle_VisitAsManyRowsAsOneOf10000(int rows, int epochs)
    {
        AutomaticOptions chosen = Choose(new(), rows);
        Assert.AreEqual(epochs, chosen.Epochs);
        Assert.AreEqual(8, chosen.Members);
        var options = new BatchNormNetworkMulticlassTrainer.Options();
        Assert.AreEqual(
            rows >= 10_000 ? Math.Max(48, epochs) : epochs,
            AutomaticOptions
                .Choose(options, rows, UsualWeights, parameters: 10_000, start: null, severalClasses: true).Epochs);
        int fewer = rows >= 10_000 ? 48 : 24;
        Assert.AreEqual(
            (24, fewer),
            (AutomaticOptions.Choose(new BatchNormNetworkBinaryTrainer.Options(), rows, UsualWeights, 10_000, null, sparse: true).Epochs,
                AutomaticOptions.Choose(options, rows, UsualWeights, 10_000, null, severalClasses: true, largestMap: 64).Epochs),
            "words, and pictures");
    }

    /// <summary>Epochs beyond the usual ones are had for time that is left: a table that is small but wide keeps its networks.</summary>
    [TestMethod]
    [DataRow(500_000, 8, 72)]
    [DataRow(1_000_000, 8, 46)]
    [DataRow(3_000_000, 5, 25)]
    [DataRow(100_000_000, 1, 8)]
    public void Choose_SmallButWideTables_SaveEpochsBeyondTheUsualOnesFirst(int weights, int members, int epochs)
    {
        AutomaticOptions chosen = AutomaticOptions.Choose(
            new BatchNormNetworkBinaryTrainer.Options(), rows: 2_000, weights, parameters: 10_000, start: null);
        Assert.AreEqual((members, epochs), (chosen.Members, chosen.Epochs), "3.6e12 / (6 * 1,600 * weights) of all epochs");
    }

    /// <summary>0.006 at 128 rows, and half or twice the variance of a step at half or twice the rows.</summary>
    [TestMethod]
    [DataRow(32, 0.003)]
    [DataRow(128, 0.006)]
    [DataRow(256, 0.00848528)]
    [DataRow(2, 0.00075)]
    [DataRow(100_000, 0.01)]
    public void Choose_LearningRate_FollowsTheSquareRootOfTheBatch(int batch, double expected)
    {
        Assert.AreEqual(expected, Choose(new() { BatchSize = batch }, 20_000).LearningRate, 1e-7);
        Assert.AreEqual(0.5, Choose(new() { BatchSize = batch, LearningRate = 0.5 }, 20_000).LearningRate);
    }

    [TestMethod]
    [DataRow(3, 0.2)]
    [DataRow(10_000, 0.2)]
    [DataRow(16_000, 0.125)]
    [DataRow(20_000, 0.1)]
    [DataRow(1_000_000_000, 0.1)]
    public void Choose_ValidationFraction_IsAFifthAndOfSeveralClassesTwoThousandRowsOrATenth(int rows, double expected)
    {
        Assert.AreEqual(0.2, Choose(new(), rows).ValidationFraction);
        var options = new BatchNormNetworkMulticlassTrainer.Options();
        AutomaticOptions chosen = AutomaticOptions.Choose(
            options, rows, UsualWeights, parameters: 10_000, start: null, severalClasses: true);
        Assert.AreEqual(expected, chosen.ValidationFraction, 1e-12);
        Assert.AreEqual(0.0, Choose(new() { ValidationFraction = 0 }, rows).ValidationFraction);
    }

    /// <summary>
    /// Six of the eight networks go first, then epochs, then the other networks; the work stays within the bound until all are at their
    /// least.
    /// </summary>
    [TestMethod]
    public void Choose_GrowingTables_SaveNetworksThenEpochsThenNetworks()
    {
        int lastEpochs = int.MaxValue, lastMembers = int.MaxValue;
        foreach (long rows in new[] { 10_000L, 50_000, 70_000, 100_000, 200_000, 500_000, 1_000_000, 10_000_000, 1_000_000_000_000 })
        {
            AutomaticOptions chosen = Choose(new(), rows);
            Assert.IsLessThanOrEqualTo(lastEpochs, chosen.Epochs);
            Assert.IsLessThanOrEqualTo(lastMembers, chosen.Members);
            Assert.IsTrue(chosen.Members <= 2 || chosen.Epochs >= 24, "No usual epoch is saved while there are more than two networks.");
            Assert.IsTrue(
                chosen.Members >= 2 || chosen.Epochs == 8, "The last two networks are saved only when there is no epoch left to save.");
            double work = 6.0 * UsualWeights * rows * (1 - chosen.ValidationFraction) * chosen.Epochs * chosen.Members;
            Assert.IsTrue(work <= EffortRule.Balanced.LargestWork || (chosen.Epochs == 8 && chosen.Members == 1), $"{rows} rows: {work}");
            (lastEpochs, lastMembers) = (chosen.Epochs, chosen.Members);
        }

        Assert.AreEqual((8, 1), (lastEpochs, lastMembers));
        Assert.AreEqual((24, 5), (Choose(new(), 60_000).Epochs, Choose(new(), 60_000).Members), "3.6e12 / (6 * 1e5 * 48,000 * 24) = 5.2");
    }

    [TestMethod]
    [DataRow(24, false, false, 1.0)]
    [DataRow(48, false, false, 1.0)]
    [DataRow(6, false, false, 0.25)]
    [DataRow(24, true, false, 0.0)]
    [DataRow(24, false, true, 0.0)]
    public void ChooseAveraging_FollowsTheEpochsAndTheRows(int epochs, bool numbers, bool sparse, double expected)
    {
        var options = new BatchNormNetworkBinaryTrainer.Options();
        Assert.AreEqual(expected, AutomaticOptions.ChooseAveraging(options, epochs, numbers, sparse));
        options.WeightAveragingEpochs = 3;
        Assert.AreEqual(3, AutomaticOptions.ChooseAveraging(options, epochs, numbers, sparse));
    }

    [TestMethod]
    public void Choose_WhatIsSet_Stays()
    {
        AutomaticOptions chosen = Choose(new() { MaximumNumberOfEpochs = 77, NumberOfEnsembleMembers = 3 }, 1_000_000_000);
        Assert.AreEqual((77, 3), (chosen.Epochs, chosen.Members));
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
        Assert.AreEqual(expected, AutomaticOptions.ChoosePieces(options).Of(numericSlots));
        options.NumberOfInputPieces = 7;
        Assert.AreEqual(7, AutomaticOptions.ChoosePieces(options).Of(numericSlots));
    }

    /// <summary>
    /// The whole way: with nothing set, a fit has the networks, epochs and pieces of the rule; going on from it keeps them.
    /// </summary>
    [TestMethod]
    public void Fit_WithNothingSet_FollowsTheRule()
    {
        var context = new MLContext(1);
        IDataView view = NetworkExamples.View(context, NetworkKind.Regression, NetworkExamples.Rows(200));
        var trainer = context.Regression.Trainers.BatchNormNetwork(hiddenUnits: [8]);
        BatchNormNetworkRegressionModelParameters model = trainer.Fit(view).Model;
        TrainedNetwork network = ((INetworkModel)model).Network;

        Assert.HasCount(EffortRule.Balanced.Members, model.Network.Members);
        Assert.AreEqual(EffortRule.Balanced.EpochsOfSmallTables, model.Network.ChosenSettings!.MaximumNumberOfEpochs);
        Assert.IsInRange(4 + 3 * AutomaticOptions.UsualPieces / 2, 4 + 3 * AutomaticOptions.UsualPieces, network.Encoder.EncodedInputs);
        var shorter = context.Regression.Trainers.BatchNormNetwork(hiddenUnits: [8], maximumNumberOfEpochs: 1);
        Assert.HasCount(EffortRule.Balanced.Members, shorter.Fit(view, modelParameters: model).Model.Network.Members);
    }

    [TestMethod]
    public void Fit_OfEffortFast_TrainsFourSmallNetworks()
    {
        var context = new MLContext(1);
        IDataView view = NetworkExamples.View(context, NetworkKind.Multiclass, NetworkExamples.Rows(200));
        var options = new BatchNormNetworkMulticlassTrainer.Options { Effort = TrainingEffort.Fast, Seed = 1 };
        BatchNormNetwork network = context.MulticlassClassification.Trainers.BatchNormNetwork(options).Fit(view).Model.Network;

        Assert.HasCount(4, network.Members);
        CollectionAssert.AreEqual(new[] { 128, 128, 128, 3 }, network.Members[0].Layers.Select(layer => layer.Outputs).ToArray());
        Assert.AreEqual(16, network.ChosenSettings!.MaximumNumberOfEpochs);
    }

    /// <summary>Wide tables get fewer networks, one after the other, so that no model explodes.</summary>
    [TestMethod]
    [DataRow(10_000, 8)]
    [DataRow(1 << 18, 8)]
    [DataRow((1 << 21) / 5, 5)]
    [DataRow(1 << 20, 4)]
    [DataRow(1 << 21, 4)]
    [DataRow((1 << 23) / 3, 3)]
    [DataRow(1 << 23, 1)]
    [DataRow(1 << 27, 1)]
    public void Choose_OfManyParameters_SavesNetworks(int parameters, int members)
    {
        var options = new BatchNormNetworkBinaryTrainer.Options();
        Assert.AreEqual(members, AutomaticOptions.Choose(options, 1000, UsualWeights, parameters, start: null).Members);
    }

    /// <summary>What each effort comes to; what is set stays.</summary>
    [TestMethod]
    [DataRow(nameof(TrainingEffort.Fast), 16, 16, 4, "64, 64", "64, 64", "128, 128, 128")]
    [DataRow(nameof(TrainingEffort.Balanced), 24, 72, 8, "256, 128", "128, 64", "256, 256, 256")]
    [DataRow(nameof(TrainingEffort.Best), 36, 72, 16, "256, 128", "256, 128", "256, 256, 256")]
    public void Choose_OfAnEffort_FollowsItsRule(
        string name, int epochs, int epochsOfFewRows, int members, string few, string many, string classes)
    {
        var options = new BatchNormNetworkBinaryTrainer.Options { Effort = Enum.Parse<TrainingEffort>(name) };
        AutomaticOptions chosen = Choose(options, 30_000);
        Assert.AreEqual((epochs, members), (chosen.Epochs, chosen.Members));
        Assert.AreEqual(epochsOfFewRows, Choose(options, 10_000).Epochs);
        Assert.AreEqual(members, AutomaticOptions.MostMembers(options, null));
        Assert.AreEqual(few, Units(9_999, false));
        Assert.AreEqual(many, Units(10_000, false));
        Assert.AreEqual(classes, Units(10, true));
        Assert.IsLessThanOrEqualTo(
            EffortRule.Of(options.Effort).LargestWork,
            6.0 * UsualWeights * 80_000 * Choose(options, 100_000).Epochs * Choose(options, 100_000).Members);

        options.NumberOfEnsembleMembers = 3;
        options.HiddenUnits = [7];
        options.MaximumNumberOfEpochs = 5;
        Assert.AreEqual((5, 3), (Choose(options, 20_000).Epochs, Choose(options, 20_000).Members));
        Assert.AreEqual("7", Units(10_000, true));

        string Units(long rows, bool severalClasses) =>
            string.Join(", ", AutomaticOptions.ChooseHiddenUnits(options, null, rows, severalClasses));
    }

    /// <summary>Only the highest effort tries configurations, where there are rows to judge by and time; what is set stays.</summary>
    [TestMethod]
    public void ChooseTrials_FollowsEffortAndSize()
    {
        var options = new BatchNormNetworkBinaryTrainer.Options();
        Assert.AreEqual(1, Trials(20_000));
        options.Effort = TrainingEffort.Best;
        Assert.AreEqual((16, 16, 1), (Trials(20_000), Trials(3_000), Trials(2_999)));
        Assert.IsInRange(2, 15, Trials(150_000));
        Assert.AreEqual(1, Trials(100_000_000));
        Assert.AreEqual(1, Trials(20_000, canJudge: false));
        Assert.AreEqual(64, TrialOptions.MostTrainings(options));
        options.NumberOfRestarts = 1;
        Assert.AreEqual((1, 0), (Trials(20_000), TrialOptions.MostTrainings(options)));
        (options.NumberOfRestarts, options.NumberOfEnsembleMembers) = (0, 3);
        Assert.AreEqual((1, 0), (Trials(20_000), TrialOptions.MostTrainings(options)));
        options.NumberOfTrials = 40;
        Assert.AreEqual((40, 40), (Trials(100), Trials(100_000_000)));

        int Trials(long rows, bool canJudge = true) =>
            AutomaticOptions.ChooseTrials(options, rows, UsualWeights, Choose(options, rows), canJudge);
    }

    /// <summary>What projects has a bound of its own, four times 2^22 and not a part of 2^23, with trials as without.</summary>
    [TestMethod]
    public void ChooseMembersOfTrials_ProjectedParameters_HaveABoundOfTheirOwn()
    {
        var options = new BatchNormNetworkBinaryTrainer.Options { Effort = TrainingEffort.Best };
        Assert.AreEqual(16, AutomaticOptions.ChooseMembersOfTrials(options, 1 << 19, projected: 0));
        Assert.AreEqual(2, AutomaticOptions.ChooseMembersOfTrials(options, 1 << 22, projected: 0));
        Assert.AreEqual(4, AutomaticOptions.ChooseMembersOfTrials(options, (1 << 22) + 1000, projected: 1 << 22));
        options.NumberOfEnsembleMembers = 7;
        Assert.AreEqual(7, AutomaticOptions.ChooseMembersOfTrials(options, 1 << 22, projected: 0));
    }

    [TestMethod]
    [DataRow(1, 8, 8)]
    [DataRow(20, 8, 8)]
    [DataRow(24, 10, 10)]
    [DataRow(36, 15, 15)]
    [DataRow(48, 20, 20)]
    [DataRow(72, 20, 29)]
    [DataRow(1_000, 20, 30)]
    public void ChoosePatience_IsTwoFifthsOfTheEpochs(int epochs, int ofClasses, int ofNumbers)
    {
        var options = new BatchNormNetworkBinaryTrainer.Options();
        Assert.AreEqual(ofClasses, AutomaticOptions.ChoosePatience(options, epochs, numbers: false));
        Assert.AreEqual(ofNumbers, AutomaticOptions.ChoosePatience(options, epochs, numbers: true));
        options.EarlyStoppingPatience = 0;
        Assert.AreEqual(0, AutomaticOptions.ChoosePatience(options, epochs, numbers: true));
    }

    /// <summary>
    /// Pictures may take forty times the work: 40 * 3.6e12 / (6 * 18.7e6 * 54,000) = 23.8 epochs of one network of the usual layers for
    /// 28 x 28.
    /// </summary>
    [TestMethod]
    [DataRow(60_000, 2, 11)]
    [DataRow(200_000, 1, 8)]
    [DataRow(2_000, 4, 24)]
    public void Choose_Pictures_TakeMoreWork(int rows, int members, int epochs)
    {
        AutomaticOptions chosen = AutomaticOptions.Choose(
            new BatchNormNetworkMulticlassTrainer.Options(), rows, weights: 18.7e6, parameters: 467_000, start: null, severalClasses: true,
            largestMap: 784 * 32);
        Assert.AreEqual((members, epochs), (chosen.Members, chosen.Epochs));
    }

    /// <summary>Large pictures are taken fewer at a time.</summary>
    [TestMethod]
    [DataRow(784 * 32, 256)]
    [DataRow(1 << 20, 128)]
    [DataRow(1 << 24, 8)]
    public void Choose_LargePictures_SmallerBatches(int largestMap, int batch) => Assert.AreEqual(
        batch,
        AutomaticOptions.Choose(
            new BatchNormNetworkBinaryTrainer.Options(), 100_000, UsualWeights, parameters: 10_000, start: null, largestMap: largestMap)
            .BatchSize);

    /// <summary>
    /// Classes of pictures whose sides are long enough, and not too unlike, are moved by a pixel; places, signals and tables stay.
    /// </summary>
    [TestMethod]
    [DataRow(28, 28, true, 1)]
    [DataRow(12, 48, true, 1)]
    [DataRow(12, 49, true, 0)]
    [DataRow(1000, 12, true, 0)]
    [DataRow(11, 40, true, 0)]
    [DataRow(1, 128, true, 0)]
    [DataRow(28, 28, false, 0)]
    [DataRow(0, 0, true, 0)]
    public void ChooseShift_FollowsTheLabelAndTheSize(int height, int width, bool classes, int expected)
    {
        var options = new BatchNormNetworkMulticlassTrainer.Options();
        MapShape? picture = height == 0 ? null : new MapShape(height, width, 3);
        Assert.AreEqual(expected, AutomaticOptions.ChooseShift(options, picture, classes));
        options.RandomShift = 3;
        Assert.AreEqual(3, AutomaticOptions.ChooseShift(options, picture, classes));
        options.RandomShift = 0;
        Assert.AreEqual(0, AutomaticOptions.ChooseShift(options, picture, classes));
    }

    /// <summary>A network that is taught by narrower ones is as wide as those of small tables, unless layers were said.</summary>
    [TestMethod]
    public void ChooseHiddenUnitsOfCompact_IsNeverNarrowerThanTheOthers()
    {
        var options = new BatchNormNetworkRegressionTrainer.Options();
        double share = 0.33;
        int[] Units(params int[] taughtBy) => AutomaticOptions.ChooseHiddenUnitsOfCompact(options, start: null, taughtBy, units => share);
        CollectionAssert.AreEqual(new[] { 256, 128 }, Units(128, 64));
        CollectionAssert.AreEqual(new[] { 256, 128 }, Units(256, 128));
        CollectionAssert.AreEqual(new[] { 512, 128 }, Units(512, 128));
        CollectionAssert.AreEqual(new[] { 256, 256, 256 }, Units(256, 256, 256), "several classes");
        share = 0.34;
        CollectionAssert.AreEqual(new[] { 128, 64 }, Units(128, 64), "more than a third of all that teach");
        share = 0;
        options.Effort = TrainingEffort.Fast;
        CollectionAssert.AreEqual(new[] { 64, 64 }, Units(64, 64));
        options.Effort = TrainingEffort.Balanced;
        options.HiddenUnits = [128, 64];
        CollectionAssert.AreEqual(new[] { 128, 64 }, Units(128, 64), "what is set stays");
    }

    private static AutomaticOptions Choose(BatchNormNetworkBinaryTrainer.Options options, long rows) =>
        AutomaticOptions.Choose(options, rows, UsualWeights, parameters: 10_000, start: null);
}
