using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>The C# of README.md: each region is one of its blocks, letter by letter (<see cref="ReadmeTests"/>), and runs here.</summary>
[TestClass]
public sealed class ReadmeExamples
{
    private string _directory = "";

    /// <summary>The examples read and write beside them, as a program started in the root of the repository would.</summary>
    [TestInitialize]
    public void EnterFolderOfSamples()
    {
        _directory = Environment.CurrentDirectory;
        Environment.CurrentDirectory = AppContext.BaseDirectory;
    }

    [TestCleanup]
    public void LeaveFolderOfSamples()
    {
        File.Delete("tumours.zip");
        Environment.CurrentDirectory = _directory;
    }

    [TestMethod]
    public void FirstModel_Runs_AndKeepsItsPromise()
    {
        #region FirstModel
        var mlContext = new MLContext(seed: 42);
        IDataView table = mlContext.Data.LoadFromTextFile(
            "samples/data/breast_cancer.csv",
            [new TextLoader.Column("Features", DataKind.Single, 0, 29), new TextLoader.Column("Label", DataKind.Boolean, 30)],
            separatorChar: ',', hasHeader: true);
        var split = mlContext.Data.TrainTestSplit(table, testFraction: 0.2);

        // Raw columns, no options: scaling, validation rows and early stopping are inside.
        var model = mlContext.BinaryClassification.Trainers.BatchNormNetwork().Fit(split.TrainSet);

        var metrics = mlContext.BinaryClassification.Evaluate(model.Transform(split.TestSet));
        Console.WriteLine($"area under the ROC curve: {metrics.AreaUnderRocCurve:F3}");            // above 0.99
        BatchNormNetwork network = model.Model.SubModel.Network;
        Console.WriteLine($"{network.Members.Count} networks, the first with {network.Members[0].Layers.Count} layers");

        // ML.NET's own format: any process that has the package loads it, no registration call.
        mlContext.Model.Save(model, table.Schema, "tumours.zip");
        ITransformer loaded = mlContext.Model.Load("tumours.zip", out _);
        Console.WriteLine(loaded.Transform(split.TestSet).Preview(maxRows: 3));
        #endregion

        Assert.IsGreaterThan(0.99, metrics.AreaUnderRocCurve);
        Assert.HasCount(3, loaded.Transform(split.TestSet).Preview(maxRows: 3).RowView);
    }

    [TestMethod]
    public void Options_Run()
    {
        var mlContext = new MLContext(seed: 1);
        IDataView table = SampleTables.Tumours(mlContext);
        var reports = new List<TrainingProgress>();
        IProgress<TrainingProgress> progress = new Recorder(reports);

        #region Options
        var trainer = mlContext.BinaryClassification.Trainers.BatchNormNetwork(new BatchNormNetworkBinaryTrainer.Options
        {
            HiddenUnits = [128, 64],
            Statistics = BatchNormalizationStatistics.Population,
            LearningRateSchedule = new WarmupCosineSchedule(),
            MaximumNumberOfEpochs = 30,
            Progress = progress,                    // an IProgress<TrainingProgress>, told about every epoch
            CancellationToken = CancellationToken.None,
        });
        #endregion

        trainer.Fit(table);
        Assert.IsNotEmpty(reports);
    }

    [TestMethod]
    public void Layers_Run_AndGiveBackWhatTheModelComputes()
    {
        var mlContext = new MLContext(seed: 1);
        IDataView table = SampleTables.Tumours(mlContext);
        var output = new StringWriter();
        TextWriter console = Console.Out;
        Console.SetOut(output);
        try
        {
            var model = mlContext.BinaryClassification.Trainers.BatchNormNetwork(hiddenUnits: [8], maximumNumberOfEpochs: 3).Fit(table);

            #region Layers
            BatchNormNetwork network = model.Model.SubModel.Network;    // multiclass and regression: model.Model.Network
            Console.WriteLine($"{network.Members.Count} networks, whose outputs are averaged; of the first:");
            BatchNormNetworkMember member = network.Members[0];
            foreach (BatchNormNetworkLayer layer in member.Layers)
            {
                Console.WriteLine($"{layer.Inputs} -> {layer.Outputs}");
                if (layer.BatchNormalization is { } bn)
                {
                    Console.WriteLine(
                        $"  gamma {bn.Gamma[0]}, beta {bn.Beta[0]}, mean {bn.RunningMean[0]}, "
                        + $"variance {bn.RunningVariance[0]}, epsilon {bn.Epsilon}");
                }
            }

            // The first layer reads parts of slots: the scaled value, whether it is missing, pieces of its range.
            var first = (BatchNormNetworkInputLayer)member.Layers[0];
            foreach (BatchNormNetworkSlotPart part in network.Encoder.Slots[0].Parts)
                Console.WriteLine($"{part}: weight {first[0, part]} in unit 0");

            EpochRecord best = member.TrainingHistory.Epochs[member.TrainingHistory.BestEpoch - 1];
            Console.WriteLine(
                $"epoch {best.Epoch}: training loss {best.TrainingLoss:F4}, validation loss {best.ValidationLoss:F4}, "
                + $"AUC {best.ValidationMetric:F4}");
            #endregion
        }
        finally
        {
            Console.SetOut(console);
        }

        StringAssert.StartsWith(output.ToString(), "8 networks, whose outputs are averaged; of the first:");
        StringAssert.Contains(output.ToString(), " -> 8");
        StringAssert.Contains(output.ToString(), "value of slot 0: weight ");
    }

    [TestMethod]
    public void Pipeline_Runs()
    {
        var mlContext = new MLContext(seed: 1);
        IDataView table = mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, 60).Select(i => new Fare
        {
            Distance = i % 7, Hour = i % 5 == 0 ? float.NaN : i % 24, Payment = i % 2 == 0 ? "cash" : "card", Amount = i % 7 * 2 + 3,
        }));

        #region Pipeline
        var pipeline = mlContext.Transforms.Categorical.OneHotEncoding("Payment")
            .Append(mlContext.Transforms.Concatenate("Features", "Distance", "Hour", "Payment"))
            .Append(mlContext.Regression.Trainers.BatchNormNetwork(labelColumnName: "Amount"));
        #endregion

        Assert.IsTrue(pipeline.Fit(table).Transform(table).GetColumn<float>("Score").All(float.IsFinite));
    }

    [TestMethod]
    public void Transform_Runs()
    {
        var mlContext = new MLContext(seed: 1);
        IDataView table = SampleTables.Tumours(mlContext);

        #region Transform
        var pipeline = mlContext.Transforms.BatchNormalize("Features")
            .Append(mlContext.BinaryClassification.Trainers.LbfgsLogisticRegression());
        #endregion

        Assert.IsGreaterThan(0.98, mlContext.BinaryClassification.Evaluate(pipeline.Fit(table).Transform(table)).AreaUnderRocCurve);
    }

    private sealed class Fare
    {
        public float Distance { get; set; }

        public float Hour { get; set; }

        public string Payment { get; set; } = "";

        public float Amount { get; set; }
    }

    private sealed class Recorder(List<TrainingProgress> reports) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => reports.Add(value);
    }
}
