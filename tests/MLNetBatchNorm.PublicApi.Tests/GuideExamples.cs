using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>The C# of docs/guide.md; see <see cref="ReadmeTests"/>.</summary>
[TestClass]
public sealed class GuideExamples
{
    [TestMethod]
    public void Pipeline_IsTrainedSavedAndScored()
    {
        (MLContext mlContext, IDataView rows, IDataView features) = Table();

        #region GuideColumns
        var pipeline = mlContext.Transforms.Categorical.OneHotEncoding("City")
            .Append(mlContext.Transforms.Concatenate("Features", "Age", "Income", "City"))
            .Append(mlContext.Transforms.Conversion.MapValueToKey("Label", "Product"))
            .Append(mlContext.MulticlassClassification.Trainers.BatchNormNetwork())
            .Append(mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
        ITransformer model = pipeline.Fit(rows);
        #endregion

        Assert.IsGreaterThan(0.9, mlContext.MulticlassClassification.Evaluate(model.Transform(rows)).MicroAccuracy);
        try
        {
            #region GuideSaving
            mlContext.Model.Save(model, rows.Schema, "products.zip");
            ITransformer loaded = new MLContext().Model.Load("products.zip", out DataViewSchema inputs);
            #endregion

            Assert.IsNotNull(inputs.GetColumnOrNull("City"));
            CollectionAssert.AreEqual(Scores(model), Scores(loaded));
        }
        finally
        {
            File.Delete("products.zip");
        }

        IDataView block = features;
        BatchNormNetworkRegressionModelParameters network =
            mlContext.Regression.Trainers.BatchNormNetwork(labelColumnName: "Income", maximumNumberOfEpochs: 3).Fit(features).Model;

        #region GuideScoring
        var engine = mlContext.Model.CreatePredictionEngine<Customer, ProductPrediction>(model);
        ProductPrediction one = engine.Predict(new Customer { Age = 41, Income = float.NaN, City = "Bern" });

        float[] values = [.. block.GetColumn<float[]>("Features").SelectMany(row => row)];
        float[] scores = new float[values.Length / network.NumberOfFeatures];
        network.Score(values, scores.Length, scores);
        #endregion

        #region GuideClassNames
        IReadOnlyList<string> classes = model.GetClassNames(rows.Schema);              // classes[i] is the class of Score[i]
        foreach (ProductPrediction prediction in mlContext.Data.CreateEnumerable<ProductPrediction>(
            model.Transform(rows), reuseRowObject: false).Take(3))
        {
            IEnumerable<string> scored = classes.Zip(prediction.Score, (name, score) => $"{name} {score:P0}");
            Console.WriteLine($"{prediction.PredictedLabel}: {string.Join(", ", scored)}");
        }
        #endregion

        CollectionAssert.AreEquivalent(new[] { "tent", "chair" }, classes.ToArray());
        Assert.AreEqual(one.PredictedLabel, classes[Array.IndexOf(one.Score, one.Score.Max())]);
        Assert.AreEqual("tent", one.PredictedLabel);
        Assert.HasCount(300, scores);

        float[] Scores(ITransformer scorer) => [.. scorer.Transform(rows).GetColumn<float[]>("Score").SelectMany(score => score)];
    }

    [TestMethod]
    public void Contributions_AddUpToTheScore()
    {
        (MLContext mlContext, _, IDataView features) = Table();

        #region GuideContributions
        var scorer = mlContext.BinaryClassification.Trainers.BatchNormNetwork("Bought").Fit(features);
        BatchNormNetworkBinaryModelParameters network = scorer.Model.SubModel;
        var explainer = mlContext.Transforms.CalculateFeatureContribution(
            scorer, numberOfPositiveContributions: network.NumberOfFeatures, numberOfNegativeContributions: network.NumberOfFeatures,
            normalize: false).Fit(features);
        IDataView explained = explainer.Transform(scorer.Transform(features));
        float[] first = explained.GetColumn<float[]>("FeatureContributions").First();

        Console.WriteLine($"where nothing is known: {network.FeatureContributionBase[0]:F2}");
        foreach (ColumnContribution column in network.Network.Encoder.SumByColumn(first))          // by column
            Console.WriteLine($"{column.Name}: {column.Contribution:+0.00;-0.00}");
        Console.WriteLine($"logit of this row: {explained.GetColumn<float>("Score").First():F2}");
        #endregion

        Assert.AreEqual(explained.GetColumn<float>("Score").First(), network.FeatureContributionBase[0] + first.Sum(), 1e-5f);
        CollectionAssert.AreEqual(
            new[] { "Age", "Year" }, network.Network.Encoder.SumByColumn(first).Select(column => column.Name).ToArray());

        IDataView keyed = mlContext.Transforms.Conversion.MapValueToKey("Label", "Product").Fit(features).Transform(features);
        BatchNormNetworkMulticlassModelParameters classifier =
            mlContext.MulticlassClassification.Trainers.BatchNormNetwork(maximumNumberOfEpochs: 3).Fit(keyed).Model;
        float[] row = features.GetColumn<float[]>("Features").First(), block = [.. row, .. row];
        const int rowCount = 2;

        #region GuideClassContributions
        float[,] ofRow = classifier.GetFeatureContributions(row);                                  // [class, slot]
        float[] ofBlock = new float[rowCount * classifier.NumberOfClasses * classifier.NumberOfFeatures];
        classifier.GetFeatureContributions(block, rowCount, ofBlock, Environment.ProcessorCount);  // [row, class, slot]
        #endregion

        CollectionAssert.AreEqual(ofRow.Cast<float>().Concat(ofRow.Cast<float>()).ToArray(), ofBlock);
    }

    [TestMethod]
    public void Options_AreTaken()
    {
        (MLContext mlContext, _, IDataView features) = Table();

        #region GuideOptions
        using var timeout = new CancellationTokenSource(TimeSpan.FromMinutes(10));
        var trainer = mlContext.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            LabelColumnName = "Income",
            HiddenUnits = [64, 32],
            Activation = ActivationFunction.GELU,
            Optimizer = new AdamWOptimizer { WeightDecay = 0.001 },
            Loss = new HuberLoss(),                           // outliers among the labels count less
            CancellationToken = timeout.Token,                // Fit then throws OperationCanceledException
        });
        #endregion

        Assert.AreEqual(64, trainer.Fit(features).Model.Network.Members[0].Layers[0].Outputs);
        timeout.Cancel();
        Assert.Throws<OperationCanceledException>(() => trainer.Fit(features));
    }

    [TestMethod]
    public void Trials_AreShown()
    {
        (MLContext mlContext, _, IDataView features) = Table();

        #region GuideTrials
        var model = mlContext.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            LabelColumnName = "Income",
            NumberOfTrials = 8,
            Activation = ActivationFunction.ReLU,             // stays
            SearchSpace = new SearchSpace { NumberOfUnits = [64, 128], DropoutRate = [0.1, 0.3, 0.5] },
        }).Fit(features);
        foreach (BatchNormNetworkTrial trial in model.Model.Network.Trials.OrderBy(trial => trial.Score).Take(5))
            Console.WriteLine($"trial {trial.Number}: loss {trial.Score}, rate {trial.LearningRate}, weight {trial.Weight}");
        #endregion

        Assert.HasCount(8, model.Model.Network.Trials);
    }

    [TestMethod]
    public void ValidationRows_AreUsed()
    {
        (MLContext mlContext, _, IDataView features) = Table();

        #region GuideValidation
        IDataView before = mlContext.Data.FilterRowsByColumn(features, "Year", upperBound: 2024);
        IDataView after = mlContext.Data.FilterRowsByColumn(features, "Year", lowerBound: 2024);
        var model = mlContext.Regression.Trainers.BatchNormNetwork(labelColumnName: "Income").Fit(before, after);
        #endregion

        #region GuideTargets
        IDataView table = mlContext.Transforms.Concatenate("Targets", "Income", "Year").Fit(features).Transform(features);
        var several = mlContext.Regression.Trainers.BatchNormNetworkMultiOutput("Targets").Fit(table);
        MultiOutputRegressionMetrics metrics = mlContext.Regression.EvaluateMultiOutput(several.Transform(table), "Targets");
        foreach (MultiOutputRegressionTargetMetrics target in metrics.Targets)
            Console.WriteLine($"{target.Name}: R2 {target.RSquared:F3}, deviation {target.RootMeanSquaredError:F1}");
        Console.WriteLine($"mean R2 {metrics.RSquared:F3}");
        #endregion

        CollectionAssert.AreEqual(new[] { "Income", "Year" }, metrics.Targets.Select(target => target.Name).ToArray());

        #region GuideSamplingKey
        var split = mlContext.Data.TrainTestSplit(features, testFraction: 0.2, samplingKeyColumnName: "Household");
        var trainer = mlContext.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            LabelColumnName = "Income",
            SamplingKeyColumnName = "Household",              // text, numbers, times, keys; without one a row is a group of its own
        });
        var grouped = trainer.Fit(split.TrainSet);
        #endregion

        Assert.IsNotEmpty(grouped.Model.Network.Members[0].TrainingHistory.Epochs);
        Assert.HasCount(200, before.GetColumn<float>("Year").ToArray());
        Assert.HasCount(100, after.GetColumn<float>("Year").ToArray());
        Assert.IsNotNull(model.Model.Network.Members[0].TrainingHistory.Epochs[0].ValidationLoss);
    }

    [TestMethod]
    public void Weights_RaiseTheProbabilityOfTheRareClass_AndTheThresholdTheNumberOfDecisions()
    {
        (MLContext mlContext, _, IDataView features) = Table();

        #region GuideWeights
        var trainer = mlContext.BinaryClassification.Trainers.BatchNormNetwork(new BatchNormNetworkBinaryTrainer.Options
        {
            LabelColumnName = "Bought",
            UnbalancedSets = true,                            // or ClassWeights = [1, 9]
        });
        #endregion

        #region GuideThreshold
        var model = mlContext.BinaryClassification.Trainers.BatchNormNetwork("Bought").Fit(features);
        var eager = mlContext.BinaryClassification.ChangeModelThreshold(model, threshold: -1.5f);      // of the logit: probability 0.18
        #endregion

        Assert.AreEqual(0.18, 1 / (1 + Math.Exp(1.5)), 0.005);
        Assert.IsGreaterThan(MeanProbability(model), MeanProbability(trainer.Fit(features)));
        Assert.IsGreaterThanOrEqualTo(Decisions(model), Decisions(eager));

        double MeanProbability(ITransformer scorer) => scorer.Transform(features).GetColumn<float>("Probability").Average();
        int Decisions(ITransformer scorer) => scorer.Transform(features).GetColumn<bool>("PredictedLabel").Count(decision => decision);
    }

    [TestMethod]
    public void Priors_PutProbabilitiesBack()
    {
        (MLContext mlContext, _, IDataView features) = Table();

        #region GuidePriors
        var trainer = mlContext.BinaryClassification.Trainers.BatchNormNetwork(new BatchNormNetworkBinaryTrainer.Options
        {
            LabelColumnName = "Bought",
            UnbalancedSets = true,
            ClassPriors = [0.9, 0.1],                         // false and true; [900, 100] says the same
        });
        #endregion

        double said = trainer.Fit(features).Transform(features).GetColumn<float>("Probability").Average();
        Assert.AreEqual(features.GetColumn<bool>("Bought").Count(bought => bought) / 300.0, said, 0.05);
    }

    [TestMethod]
    public void Threshold_IsFoundByCosts()
    {
        (MLContext mlContext, _, IDataView features) = Table();

        #region GuideCosts
        var parts = mlContext.Data.TrainTestSplit(features, testFraction: 0.3);
        var model = mlContext.BinaryClassification.Trainers.BatchNormNetwork("Bought").Fit(parts.TrainSet);
        var found = mlContext.BinaryClassification.FindDecisionThreshold(
            model.Transform(parts.TestSet), falsePositiveCost: 1, falseNegativeCost: 9, labelColumnName: "Bought");
        var cheap = mlContext.BinaryClassification.ChangeModelThreshold(model, found.Threshold);
        Console.WriteLine($"a row costs {found.MeanCost:F3}, with the threshold of one half {found.MeanCostAtZero:F3}");
        #endregion

        double cost = cheap.Transform(parts.TestSet).GetColumn<bool>("PredictedLabel").Zip(
            parts.TestSet.GetColumn<bool>("Bought"), (said, bought) => said == bought ? 0 : said ? 1 : 9.0).Average();
        Assert.AreEqual(found.MeanCost, cost, 1e-9);
        Assert.IsLessThanOrEqualTo(found.MeanCostAtZero, found.MeanCost);
    }

    [TestMethod]
    public void Counts_AreLearnedAsRates()
    {
        var mlContext = new MLContext(1);
        var random = new Random(1);
        IDataView policies = mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, 600).Select(_ =>
        {
            float age = random.NextSingle(), years = 0.2f + random.NextSingle();
            return new Policy
            {
                Features = [age, random.NextSingle()], Years = years, Claims = random.NextDouble() < 0.4 * age * years ? 1 : 0,
            };
        }).ToArray());

        #region GuideCounts
        var frequency = mlContext.Transforms
            .Expression("ClaimsPerYear", "(claims, years) => claims / years", "Claims", "Years")
            .Append(mlContext.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
            {
                LabelColumnName = "ClaimsPerYear",
                ExampleWeightColumnName = "Years",
                Loss = new PoissonLoss(),
            }));
        #endregion

        IDataView scored = frequency.Fit(policies).Transform(policies);
        double expected = scored.GetColumn<float>("Score").Zip(scored.GetColumn<float>("Years"), (rate, years) => rate * years).Sum();
        Assert.AreEqual(1, expected / scored.GetColumn<float>("Claims").Sum(), 0.05);
    }

    [TestMethod]
    public void Pictures_AreTrained()
    {
        var mlContext = new MLContext(seed: 1);

        #region GuidePictures
        var digits = mlContext.MulticlassClassification.Trainers.BatchNormNetwork(new BatchNormNetworkMulticlassTrainer.Options
        {
            InputShape = new ImageShape(8, 8, 1),
            Convolutions =
            [
                new ConvolutionLayer(16, 3),
                new ConvolutionLayer(32, 3) { Pooling = PoolingKind.Maximum },
            ],
            HiddenUnits = [64],
        });
        #endregion

        // A bright row or a bright column, somewhere.
        var random = new Random(1);
        SmallPicture[] rows = [.. Enumerable.Range(0, 400).Select(n =>
        {
            int place = random.Next(8);
            return new SmallPicture
            {
                Features = [.. Enumerable.Range(0, 64).Select(i => (n % 2 == 0 ? i / 8 : i % 8) == place ? 1 : random.NextSingle() / 2)],
                Class = n % 2 == 0 ? "row" : "column",
            };
        })];
        IDataView pictures = mlContext.Data.LoadFromEnumerable(rows);
        var key = mlContext.Transforms.Conversion.MapValueToKey("Label", "Class");
        IDataView scored = key.Append(digits).Fit(pictures).Transform(pictures);
        Assert.IsGreaterThan(0.95, mlContext.MulticlassClassification.Evaluate(scored).MicroAccuracy);
    }

    private sealed class SmallPicture
    {
        [VectorType(64)]
        public float[] Features { get; set; } = [];

        public string Class { get; set; } = "";
    }

    private sealed class Policy
    {
        [VectorType(2)]
        public float[] Features { get; set; } = [];

        public float Claims { get; set; }

        public float Years { get; set; }
    }

    [TestMethod]
    public void Intervals_HoldTheirPart()
    {
        (MLContext mlContext, _, IDataView features) = Table();

        #region GuideIntervals
        var trainer = mlContext.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            LabelColumnName = "Income",
            IntervalLevels = [0.8, 0.95],
        });
        var model = trainer.Fit(features);
        var bounds = model.Transform(features).GetColumn<float[]>("ScoreUpperBound");    // of each row that of 0.8, then that of 0.95
        #endregion

        float[] incomes = [.. features.GetColumn<float>("Income")];
        Assert.IsGreaterThan(0.9, bounds.Zip(incomes, (upper, income) => income <= upper[1]).Count(below =>
            below) / (double)incomes.Length);
    }

    [TestMethod]
    public void CrossValidation_Runs()
    {
        (MLContext mlContext, _, IDataView features) = Table();

        #region GuideCrossValidation
        var trainer = mlContext.Regression.Trainers.BatchNormNetwork(labelColumnName: "Income");
        var folds = mlContext.Regression.CrossValidate(features, trainer, numberOfFolds: 3, labelColumnName: "Income");
        Console.WriteLine(
            $"R2 {folds.Average(fold => fold.Metrics.RSquared):F3}, from {folds.Min(fold => fold.Metrics.RSquared):F3} to "
            + $"{folds.Max(fold => fold.Metrics.RSquared):F3}");
        #endregion

        Assert.IsGreaterThan(0.9, folds.Min(fold => fold.Metrics.RSquared));
    }

    [TestMethod]
    public void WarmStart_GoesOn()
    {
        (MLContext mlContext, _, IDataView features) = Table();

        #region GuideWarmStart
        var trainer = mlContext.Regression.Trainers.BatchNormNetwork(
            labelColumnName: "Income", learningRate: 0.0005, maximumNumberOfEpochs: 10);
        var first = trainer.Fit(features);
        var second = trainer.Fit(features, modelParameters: first.Model);
        #endregion

        Assert.IsLessThan(
            first.Model.Network.Members[0].TrainingHistory.Epochs[0].TrainingLoss,
            second.Model.Network.Members[0].TrainingHistory.Epochs[0].TrainingLoss);
    }

    private static (MLContext MLContext, IDataView Rows, IDataView Features) Table()
    {
        var mlContext = new MLContext(seed: 1);
        var random = new Random(2);
        IDataView rows = mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, 300).Select(i =>
        {
            float age = 20 + random.Next(50);
            return new Customer
            {
                Age = age,
                Income = 1000 + 100 * age + 500 * random.NextSingle(),
                City = i % 3 == 0 ? "Bern" : "Basel",
                Year = 2020 + i % 6,
                Household = $"{i / 3}",
                Product = age < 45 ? "tent" : "chair",
                Bought = random.Next(10) == 0,
            };
        }).ToArray());
        return (mlContext, rows, mlContext.Transforms.Concatenate("Features", "Age", "Year").Fit(rows).Transform(rows));
    }

    internal sealed class Customer
    {
        public float Age { get; set; }

        public float Income { get; set; }

        public string City { get; set; } = "";

        public float Year { get; set; }

        public string Household { get; set; } = "";

        public string Product { get; set; } = "";

        public bool Bought { get; set; }
    }

    internal sealed class ProductPrediction
    {
        public string PredictedLabel { get; set; } = "";

        public float[] Score { get; set; } = [];
    }
}
