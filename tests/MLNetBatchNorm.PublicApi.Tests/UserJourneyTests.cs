using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>The package as its users see it: every public option and result, with nothing but public names.</summary>
[TestClass]
public sealed class UserJourneyTests
{
    private readonly MLContext _mlContext = new(seed: 1);

    [TestMethod]
    public void BinaryClassification_WithNoOptionSet_Learns()
    {
        DataOperationsCatalog.TrainTestData split = _mlContext.Data.TrainTestSplit(Passengers(600), testFraction: 0.2);
        var pipeline = _mlContext.Transforms.Categorical.OneHotEncoding("Deck")
            .Append(_mlContext.Transforms.Concatenate("Features", "Age", "Fare", "Deck"))
            .Append(_mlContext.BinaryClassification.Trainers.BatchNormNetwork(labelColumnName: "Survived"));

        var model = pipeline.Fit(split.TrainSet);
        CalibratedBinaryClassificationMetrics metrics = _mlContext.BinaryClassification.Evaluate(
            model.Transform(split.TestSet), "Survived");

        Assert.IsGreaterThan(0.9, metrics.AreaUnderRocCurve);
        BatchNormNetwork network = model.LastTransformer.Model.SubModel.Network;
        Assert.HasCount(3, network.Members[0].Layers);
        Assert.AreEqual(256, network.Members[0].Layers[0].BatchNormalization!.Gamma.Length);
        PredictionEngine<Passenger, Prediction> engine = _mlContext.Model.CreatePredictionEngine<Passenger, Prediction>(model);
        Assert.IsInRange(0, 1, engine.Predict(new Passenger { Age = 30, Fare = float.NaN, Deck = "A" }).Probability);
    }

    [TestMethod]
    public void MulticlassClassification_WithEveryOption_TrainsSavesAndLoads()
    {
        IDataView rows = Passengers(200);
        var reports = new List<TrainingProgress>();
        var options = new BatchNormNetworkMulticlassTrainer.Options
        {
            LabelColumnName = "Label",
            FeatureColumnName = "Features",
            ExampleWeightColumnName = "Weight",
            HiddenUnits = [12, 6],
            Activation = ActivationFunction.SiLU,
            Placement = BatchNormalizationPlacement.LayerInput,
            NormalizeOutputLayerInput = true,
            Statistics = BatchNormalizationStatistics.Population,
            Epsilon = 1e-4,
            RunningStatisticsMomentum = 0.2,
            VirtualBatchSize = 16,
            InitialGamma = 0.9,
            DropoutRate = 0.05,
            BatchSize = 32,
            MaximumNumberOfEpochs = 3,
            LearningRate = 0.01,
            Optimizer = new SgdOptimizer { OptimizerMomentum = 0.9, UseNesterov = true },
            LearningRateSchedule = new CosineSchedule { MinimumRate = 1e-4 },
            Shuffle = true,
            ValidationFraction = 0.25,
            EarlyStoppingPatience = 2,
            ScaleInputs = true,
            Seed = 3,
            NumberOfThreads = 1,
            LabelSmoothing = 0.05,
            Progress = new Collector(reports),
            CancellationToken = CancellationToken.None,
        };
        var pipeline = _mlContext.Transforms.Conversion.MapValueToKey("Label", "Deck")
            .Append(_mlContext.Transforms.Concatenate("Features", "Age", "Fare"))
            .Append(_mlContext.MulticlassClassification.Trainers.BatchNormNetwork(options))
            .Append(_mlContext.Transforms.Conversion.MapKeyToValue("PredictedDeck", "PredictedLabel"));

        ITransformer model = pipeline.Fit(rows);
        using var stream = new MemoryStream();
        _mlContext.Model.Save(model, rows.Schema, stream);
        stream.Position = 0;
        ITransformer loaded = new MLContext().Model.Load(stream, out _);

        Assert.IsNotEmpty(reports);
        CollectionAssert.AreEqual(
            model.Transform(rows).GetColumn<string>("PredictedDeck").ToArray(),
            loaded.Transform(rows).GetColumn<string>("PredictedDeck").ToArray());
    }

    [TestMethod]
    public void Regression_WithValidationSetAndWarmStart_ScoresBlocks()
    {
        IDataView rows = _mlContext.Transforms.Concatenate("Features", "Age", "Fare")
            .Append(_mlContext.Transforms.CopyColumns("Label", "Weight")).Fit(Passengers(10)).Transform(Passengers(300));
        BatchNormNetworkRegressionTrainer trainer =
            _mlContext.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
            {
                HiddenUnits = [8],
                MaximumNumberOfEpochs = 3,
                Loss = new HuberLoss { Delta = 1 },
            });

        RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters> first = trainer.Fit(rows, validationData: rows);
        RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters> second = trainer.Fit(rows, null, first.Model);
        RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters> third = trainer.Fit(rows, modelParameters: first.Model);
        float[] scores = new float[2];
        third.Model.Score([20, 7, 40, float.NaN], rows: 2, scores);

        Assert.IsTrue(scores.All(float.IsFinite));
        Assert.AreEqual(2, third.Model.NumberOfFeatures);
        Assert.IsNotNull(first.Model.Network.Members[0].TrainingHistory.Epochs[0].ValidationLoss);
        Assert.IsNotNull(second.Model.Network.Members[0].TrainingHistory.Epochs[0].ValidationLoss);
    }

    /// <summary>The model types can be named by users: after a cast, a loaded model is as good as the one that was trained.</summary>
    [TestMethod]
    public void LoadedModel_CastToItsPublicType_GivesItsParameters()
    {
        IDataView rows = _mlContext.Transforms.Concatenate("Features", "Age", "Fare").Fit(Passengers(10)).Transform(Passengers(100));
        var model =
            _mlContext.BinaryClassification.Trainers.BatchNormNetwork("Survived", hiddenUnits: [4], maximumNumberOfEpochs: 2).Fit(rows);
        using var stream = new MemoryStream();
        _mlContext.Model.Save(model, rows.Schema, stream);
        stream.Position = 0;

        var loaded = (BinaryPredictionTransformer<CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator>>)
            new MLContext().Model.Load(stream, out _);

        var expected = (BatchNormNetworkInputLayer)model.Model.SubModel.Network.Members[0].Layers[0];
        var first = (BatchNormNetworkInputLayer)loaded.Model.SubModel.Network.Members[0].Layers[0];
        foreach (BatchNormNetworkSlotPart part in expected.Encoder.Parts)
            CollectionAssert.AreEqual(expected.GetWeights(part).ToArray(), first.GetWeights(part).ToArray(), $"{part}");
        Assert.IsNull(first.Bias);
        Assert.AreEqual(BatchNormalizationPlacement.BeforeActivation, first.BatchNormalization!.Placement);
    }

    [TestMethod]
    public void Transform_BatchNormalize_StandsInAPipelineWithOtherTrainers()
    {
        var pipeline = _mlContext.Transforms.Concatenate("Features", "Age", "Fare")
            .Append(_mlContext.Transforms.ReplaceMissingValues("Features"))
            .Append(_mlContext.Transforms.BatchNormalize("Features"))
            .Append(_mlContext.BinaryClassification.Trainers.LbfgsLogisticRegression("Survived"));

        IDataView rows = Passengers(300);
        Assert.IsGreaterThan(
            0.6, _mlContext.BinaryClassification.Evaluate(pipeline.Fit(rows).Transform(rows), "Survived").AreaUnderRocCurve);
    }

    private IDataView Passengers(int count)
    {
        var random = new Random(7);
        return _mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(_ =>
        {
            float age = random.Next(1, 80);
            float fare = MathF.Exp(2 + (3 * random.NextSingle()));
            string deck = new[] { "A", "B", "C" }[random.Next(3)];
            return new Passenger
            {
                Age = random.Next(10) == 0 ? float.NaN : age,
                Fare = fare,
                Deck = deck,
                Survived = fare > 40 || (deck == "A" && fare > 15),
                Weight = 1 + random.NextSingle(),
            };
        }).ToList());
    }

    private sealed class Passenger
    {
        public float Age { get; set; }

        public float Fare { get; set; }

        public string Deck { get; set; } = "";

        public bool Survived { get; set; }

        public float Weight { get; set; }
    }

    private sealed class Prediction
    {
        public float Probability { get; set; }
    }

    private sealed class Collector(List<TrainingProgress> reports) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => reports.Add(value);
    }
}
