using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.MLNet;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>An exported network gives in ONNX Runtime what it gives in ML.NET.</summary>
[TestClass]
public sealed class ExportParityTests
{
    public TestContext TestContext { get; set; } = null!;

    /// <summary>Every placement with every activation for every task, folded and explicit; the opsets take turns.</summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary), BatchNormalizationPlacement.None, false)]
    [DataRow(nameof(NetworkKind.Binary), BatchNormalizationPlacement.BeforeActivation, false)]
    [DataRow(nameof(NetworkKind.Binary), BatchNormalizationPlacement.AfterActivation, false)]
    [DataRow(nameof(NetworkKind.Binary), BatchNormalizationPlacement.LayerInput, false)]
    [DataRow(nameof(NetworkKind.Binary), BatchNormalizationPlacement.LayerInput, true)]
    [DataRow(nameof(NetworkKind.Multiclass), BatchNormalizationPlacement.None, false)]
    [DataRow(nameof(NetworkKind.Multiclass), BatchNormalizationPlacement.BeforeActivation, false)]
    [DataRow(nameof(NetworkKind.Multiclass), BatchNormalizationPlacement.AfterActivation, false)]
    [DataRow(nameof(NetworkKind.Multiclass), BatchNormalizationPlacement.LayerInput, false)]
    [DataRow(nameof(NetworkKind.Multiclass), BatchNormalizationPlacement.LayerInput, true)]
    [DataRow(nameof(NetworkKind.Regression), BatchNormalizationPlacement.None, false)]
    [DataRow(nameof(NetworkKind.Regression), BatchNormalizationPlacement.BeforeActivation, false)]
    [DataRow(nameof(NetworkKind.Regression), BatchNormalizationPlacement.AfterActivation, false)]
    [DataRow(nameof(NetworkKind.Regression), BatchNormalizationPlacement.LayerInput, false)]
    [DataRow(nameof(NetworkKind.Regression), BatchNormalizationPlacement.LayerInput, true)]
    public void Export_PlacementAndActivation_AgreesWithModel(string kindName, BatchNormalizationPlacement placement, bool normalizeOutput)
    {
        var context = new MLContext(1);
        float[][] rows = TinyNetworks.TestRows();
        int opSet = 12;
        foreach (ActivationFunction activation in Enum.GetValues<ActivationFunction>())
        {
            ITransformer transformer = TinyNetworks.Train(context, Enum.Parse<NetworkKind>(kindName), options =>
            {
                options.Placement = placement;
                options.NormalizeOutputLayerInput = normalizeOutput;
                options.Activation = activation;
            });
            foreach (bool fold in new[] { true, false })
            {
                OnnxModel model = OnnxModel.Of(context, transformer, opSet, fold);
                int normalizations = placement == BatchNormalizationPlacement.None || fold ? 0 : normalizeOutput ? 3 : 2;
                Assert.AreEqual(normalizations, model.Operations.Count(o => o == "BatchNormalization"));
                Parity.Check(model, context, transformer, rows, $"{activation}, opset {opSet}, fold {fold}");
                opSet = opSet == 17 ? 12 : opSet + 1;
            }
        }

        TestContext.WriteLine($"Largest deviation so far: {Parity.Worst:G3}");
    }

    /// <summary>A slot that was constant says nothing, and infinity in it says nothing either: no NaN comes of it.</summary>
    [TestMethod]
    [DataRow(0)]
    [DataRow(4)]
    public void Export_ConstantSlot_TakesNoNoticeOfIt(int pieces)
    {
        const int slot = 1;
        var context = new MLContext(1);
        List<Example> training = NetworkExamples.Rows(120);
        training.ForEach(example => example.Features[slot] = 7);
        ITransformer transformer = TinyNetworks.Trainer(
            context, NetworkKind.Regression, options => options.NumberOfInputPieces = pieces)
            .Fit(NetworkExamples.View(context, NetworkKind.Regression, training));
        float[][] With(float value) =>
            [.. NetworkExamples.Rows(40, seed: 2).Select(row => row.Features.Select((v, i) => i == slot ? value : v).ToArray())];
        foreach (bool fold in new[] { true, false })
        {
            OnnxModel model = OnnxModel.Of(context, transformer, fold: fold);
            var expected = (float[])model.Run(With(7))["Score"];
            Assert.IsGreaterThan(10, expected.Distinct().Count());
            foreach (float value in new[] { -1e6f, float.PositiveInfinity, float.NegativeInfinity })
            {
                CollectionAssert.AreEqual(expected, (float[])model.Run(With(value))["Score"], $"fold {fold}, {value}");
                Parity.Check(model, context, transformer, With(value), $"fold {fold}, {value}");
            }
        }
    }

    /// <summary>A slot that no training row has makes no difference to the graph either, whatever it holds.</summary>
    [TestMethod]
    [DataRow(0, true)]
    [DataRow(16, true)]
    [DataRow(0, false)]
    public void Export_SlotWithoutAnyValueInTraining_AgreesWithModel(int pieces, bool scales)
    {
        const int slot = 2;
        var context = new MLContext(1);
        List<Example> training = TinyNetworks.TrainingRows();
        training.ForEach(example => example.Features[slot] = float.NaN);
        ITransformer transformer = TinyNetworks.Trainer(
            context, NetworkKind.Multiclass, options => (options.NumberOfInputPieces, options.ScaleInputs) = (pieces, scales))
            .Fit(NetworkExamples.View(context, NetworkKind.Multiclass, training));
        float[][] rows = [.. NetworkExamples.Rows(40, seed: 2).Select(example => example.Features)];
        foreach (bool fold in new[] { true, false })
        {
            OnnxModel model = OnnxModel.Of(context, transformer, fold: fold);
            var expected = (float[])model.Run(With(float.NaN))["Score"];
            foreach (float value in new[] { float.NaN, 0, 0.02f, -3e30f })
            {
                Parity.Check(model, context, transformer, With(value), $"fold {fold}, {value}");
                CollectionAssert.AreEqual(expected, (float[])model.Run(With(value))["Score"], $"fold {fold}, {value}");
            }
        }

        float[][] With(float value) => [.. rows.Select(row => row.Select((v, i) => i == slot ? value : v).ToArray())];
    }

    /// <summary>Networks of several trials, of other shapes behind other encoders, with weights of their own.</summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Export_SeveralTrials_AgreesWithModel(string kindName)
    {
        var context = new MLContext(1);
        float[][] rows = TinyNetworks.TestRows();
        ITransformer transformer = TinyNetworks.Train(context, Enum.Parse<NetworkKind>(kindName), options =>
        {
            (options.NumberOfTrials, options.NumberOfEnsembleMembers, options.NumberOfInputPieces) = (8, 8, null);
            options.SearchSpace = new SearchSpace { NumberOfInputPieces = [2, 4], Activation = [ActivationFunction.Mish] };
        });
        foreach (bool fold in new[] { true, false })
        {
            OnnxModel model = OnnxModel.Of(context, transformer, 12, fold);
            Assert.Contains("Sum", model.Operations, "one trial alone shows nothing");
            Parity.Check(model, context, transformer, rows, $"fold {fold}");
        }
    }

    /// <summary>
    /// A category of so many values that it is projected beside one that is not: those of training, one that was never seen, none, several,
    /// another value than 1, and a missing one.
    /// </summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Export_CategoriesOfManyAndFewValues_AgreeWithModel(bool fold)
    {
        const int many = 2200, few = 3, slots = 2 + many + 1 + few;
        var context = new MLContext(1);
        var random = new Random(1);
        float[] Row(int number)
        {
            var row = new float[slots];
            (row[0], row[^1]) = (random.NextSingle(), random.NextSingle());
            row[1 + number % many] = 1;
            row[2 + many + number % few] = 1;
            return row;
        }
        CategoryRow[] training = [.. Enumerable.Range(0, 2600).Select(i => new CategoryRow { Features = Row(i), Label = i % 7 })];
        SchemaDefinition schema = SchemaDefinition.Create(typeof(CategoryRow));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, slots);
        int[] ranges = [1, many + 1, many + 2, many + 1 + few];
        schema["Features"].AddAnnotation(
            "CategoricalSlotRanges", new VBuffer<int>(4, ranges), new VectorDataViewType(NumberDataViewType.Int32, 4));
        ITransformer transformer = context.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            Seed = 1, HiddenUnits = [24, 8], MaximumNumberOfEpochs = 3, NumberOfEnsembleMembers = 2,
        }).Fit(context.Data.LoadFromEnumerable(training, schema));
        float[][] rows = [.. Enumerable.Range(0, 12).Select(Row)];
        (rows[1][1 + 1], rows[1][1 + many]) = (0, 1);
        rows[2][1 + 2] = 0;
        rows[3][1 + 7] = 1;
        rows[4][1 + 4] = 0.5f;
        rows[5][1 + 9] = float.NaN;
        rows[6][2 + many + 1] = 1;
        rows[7][0] = float.NaN;
        OnnxModel model = OnnxModel.Of(context, transformer, fold: fold);
        Parity.Check(model, context, transformer, rows, $"fold {fold}");
    }

    /// <summary>Words that are projected beside two numbers: those of training, another one, more of them, and missing ones.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Export_VeryManyWords_AgreesWithModel(bool fold)
    {
        const int words = 2600, slots = words + 2;
        var context = new MLContext(1);
        var random = new Random(1);
        float[] Row(int number)
        {
            var row = new float[slots];
            (row[0], row[^1]) = (random.NextSingle(), random.NextSingle());
            for (int word = 0; word < 9; word++)
                row[1 + (number * 9 + word * 31) % (words - 1)] = random.NextSingle();
            return row;
        }
        CategoryRow[] training = [.. Enumerable.Range(0, 1200).Select(i => new CategoryRow { Features = Row(i), Label = i % 7 })];
        SchemaDefinition schema = SchemaDefinition.Create(typeof(CategoryRow));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, slots);
        ITransformer transformer = context.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            Seed = 1, HiddenUnits = [24, 8], MaximumNumberOfEpochs = 3, NumberOfEnsembleMembers = 2,
        }).Fit(context.Data.LoadFromEnumerable(training, schema));
        float[][] rows = [.. Enumerable.Range(0, 12).Select(Row)];
        rows[1][words] = 1;
        rows[2].AsSpan(20, 60).Fill(1);
        (rows[3][7], rows[4][0], rows[5][words]) = (float.NaN, float.NaN, float.NaN);
        OnnxModel model = OnnxModel.Of(context, transformer, fold: fold);
        Assert.Contains("MatMul", model.Operations);
        Parity.Check(model, context, transformer, rows, $"fold {fold}");
    }

    /// <summary>Losses whose outputs are logarithms, and averaged as predictions; and one whose outputs are labels.</summary>
    [TestMethod]
    [DataRow("poisson")]
    [DataRow("tweedie")]
    [DataRow("quantile")]
    public void Export_LossesOfCountsAndQuantiles_AgreeWithModel(string name)
    {
        var context = new MLContext(1);
        List<Example> training = TinyNetworks.TrainingRows();
        foreach (Example row in training)
            row.Value = Math.Max(0, MathF.Round(row.Value));
        RegressionLoss loss = name switch
        {
            "poisson" => new PoissonLoss(),
            "tweedie" => new TweedieLoss(),
            _ => new QuantileLoss { Level = 0.8 },
        };
        foreach (int members in new[] { 1, 3 })
        {
            IEstimator<ITransformer> trainer = TinyNetworks.Trainer(context, NetworkKind.Regression, options =>
            {
                ((BatchNormNetworkRegressionTrainer.Options)options).Loss = loss;
                options.NumberOfEnsembleMembers = members;
            });
            ITransformer transformer = trainer.Fit(NetworkExamples.View(context, NetworkKind.Regression, training));
            // Far from the training rows an exponential is nothing to compare to within a part of its range.
            float[][] rows = TinyNetworks.TestRows()[..25];
            foreach (bool fold in new[] { true, false })
                Parity.Check(OnnxModel.Of(context, transformer, 12, fold), context, transformer, rows,
                    $"{name}, {members} networks, fold {fold}");
        }
    }

    /// <summary>Every opset for every task, with ensembles, pieces and every kind of input column.</summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Export_OpSets_AgreeWithModel(string kindName)
    {
        var context = new MLContext(1);
        ITransformer transformer = TinyNetworks.Train(context, Enum.Parse<NetworkKind>(kindName), options =>
        {
            options.NumberOfEnsembleMembers = 3;
            options.NumberOfInputPieces = 4;
            options.Activation = ActivationFunction.GELU;
        });
        float[][] rows = TinyNetworks.TestRows();
        for (int opSet = 12; opSet <= 17; opSet++)
        {
            foreach (bool fold in new[] { true, false })
            {
                OnnxModel model = OnnxModel.Of(context, transformer, opSet, fold);
                Assert.AreEqual(opSet, model.Content.OpsetImport.Single().Version);
                Assert.Contains("Mean", model.Operations);
                Parity.Check(model, context, transformer, rows, $"opset {opSet}, fold {fold}");
            }
        }
    }

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Export_RowsOneByOne_AgreeWithModel(string kindName)
    {
        var context = new MLContext(1);
        ITransformer transformer = TinyNetworks.Train(context, Enum.Parse<NetworkKind>(kindName));
        Parity.Check(OnnxModel.Of(context, transformer), context, transformer, TinyNetworks.TestRows(), "one by one", oneByOne: true);
    }

    /// <summary>Columns that are not scaled, alone and beside columns that are.</summary>
    [TestMethod]
    public void Export_UnscaledColumns_AgreeWithModel()
    {
        var context = new MLContext(1);
        float[][] rows = [.. TinyNetworks.TestRows().Select(r => r.Select(v => float.IsNaN(v) ? v : Math.Clamp(v, -2000, 2000)).ToArray())];
        ITransformer unscaled = TinyNetworks.Train(context, NetworkKind.Regression, options => options.ScaleInputs = false);
        OnnxModel model = OnnxModel.Of(context, unscaled);
        Assert.DoesNotContain("Sqrt", model.Operations);
        Parity.Check(model, context, unscaled, rows, "unscaled");

        IDataView view = NetworkExamples.View(context, NetworkKind.Binary, TinyNetworks.TrainingRows());
        var oneHot = context.Transforms.Conversion.MapValueToKey("Category", "Weight")
            .Append(context.Transforms.Conversion.MapKeyToVector("Category"))
            .Append(context.Transforms.Concatenate("Features", "Features", "Category"));
        IDataView mixedView = oneHot.Fit(view).Transform(view);
        ITransformer mixed = TinyNetworks.Trainer(context, NetworkKind.Binary).Fit(mixedView);
        OnnxModel mixedModel = OnnxModel.Of(context, mixed);
        Assert.HasCount(3, mixedModel.Operations.Where(o => o == "Where"), "two for missing values, one for columns that are not scaled");
        float[][] wider = [.. TinyNetworks.TestRows()
            .Select((r, i) => (float[])[.. r, i % 3 == 0 ? 1 : 0, i % 3 == 1 ? 1 : 0, i % 3 == 2 ? float.NaN : 0])];
        Parity.Check(mixedModel, context, mixed, wider, "mixed");
    }

    /// <summary>A variance and an epsilon below the smallest float: the nodes must not divide by zero.</summary>
    [TestMethod]
    public void Export_ConstantColumnAndTinyEpsilon_AgreesWithModel()
    {
        var context = new MLContext(1);
        List<Example> examples = NetworkExamples.Rows(120);
        foreach (Example example in examples)
            example.Features[3] = 0;
        ITransformer transformer = TinyNetworks.Trainer(context, NetworkKind.Regression, options =>
        {
            options.ScaleInputs = false;
            options.Placement = BatchNormalizationPlacement.LayerInput;
            options.Statistics = BatchNormalizationStatistics.PopulationPooled;
            options.Activation = ActivationFunction.Tanh;
            options.Epsilon = 1e-60;
        }).Fit(NetworkExamples.View(context, NetworkKind.Regression, examples));
        OnnxModel model = OnnxModel.Of(context, transformer, fold: false);
        Assert.HasCount(1, model.Operations.Where(o => o == "BatchNormalization"), "The first normalization becomes a product and a sum.");
        Parity.Check(model, context, transformer, [.. examples.Select(e => e.Features)], "constant column");
    }

    /// <summary>The label depends on a threshold that ML.NET lets users change.</summary>
    [TestMethod]
    public void Export_ChangedThreshold_IsKept()
    {
        var context = new MLContext(1);
        var options = NetworkExamples.QuickOptions<BatchNormNetworkBinaryTrainer.Options>();
        var transformer = context.BinaryClassification.Trainers.BatchNormNetwork(options).Fit(
            NetworkExamples.View(context, NetworkKind.Binary, TinyNetworks.TrainingRows()));
        var changed = context.BinaryClassification.ChangeModelThreshold(transformer, 0.4f);
        float[][] rows = TinyNetworks.TestRows();
        OnnxModel model = OnnxModel.Of(context, changed);
        Parity.Check(model, context, changed, rows, "changed threshold");
        CollectionAssert.AreNotEqual(OnnxModel.Of(context, transformer).Run(rows)["PredictedLabel"], model.Run(rows)["PredictedLabel"]);
    }

    /// <summary>Changing any constant of the file must be noticed, or the comparisons above would prove nothing.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Export_AnyConstantChanged_IsNoticed(bool fold)
    {
        var context = new MLContext(1);
        ITransformer transformer = TinyNetworks.Train(context, NetworkKind.Binary, options =>
        {
            options.Activation = ActivationFunction.GELU;
            options.NumberOfInputPieces = 3;
            options.NumberOfEnsembleMembers = 2;
        });
        float[][] rows = TinyNetworks.TestRows();
        OnnxModel model = OnnxModel.Of(context, transformer, fold: fold);
        Assert.IsNull(Parity.Difference(model.Run(rows), context, transformer, rows));
        string[] constants = [.. model.Content.Graph.Initializer.Where(t => t.DataType == OnnxProtocol.TensorProto.Types.ElementType.Float)
            .Select(t => t.Name)];
        Assert.IsGreaterThan(20, constants.Length);
        foreach (string name in constants)
        {
            OnnxModel changed = model.Clone();
            float[] values = changed.Initializer(name);
            // The bounds of the clip are far outside all values, and so they stay unless they become small.
            bool isBound = name.StartsWith("input.bounded", StringComparison.Ordinal);
            changed.SetInitializer(name, [.. values.Select(v => isBound ? v * 1e-18f : v * 1.02f + 0.01f)]);
            Assert.IsNotNull(Parity.Difference(changed.Run(rows), context, transformer, rows), $"{name} was changed and nothing differs.");
        }
    }

    private sealed class CategoryRow
    {
        public float[] Features { get; set; } = [];

        public float Label { get; set; }
    }
}
