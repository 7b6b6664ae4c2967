using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// Data that cannot be learned from ends in ML.NET's kind of exception, whose message names the culprit, what was found and what is needed.
/// </summary>
[TestClass]
public sealed class NetworkBadDataTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary), "Boolean")]
    [DataRow(nameof(NetworkKind.Multiclass), "Key<UInt32>")]
    [DataRow(nameof(NetworkKind.Regression), "Single")]
    public void Fit_LabelOfEveryWrongType_IsRefused(string kindName, string needed)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        IDataView wrong = _context.Data.LoadFromEnumerable(Enumerable.Range(0, 9).Select(i => new WrongLabels
        {
            Features = [i, 1, 2, 3],
            Boolean = i % 2 == 0,
            Single = i,
            Double = i,
            Int32 = i,
            Text = "a",
            Vector = [1, 2],
            SmallKey = (byte)(1 + i % 3),
            Key = (uint)(1 + i % 3),
        }));
        int refused = 0;
        foreach (string column in new[]
        {
            nameof(WrongLabels.Boolean), nameof(WrongLabels.Single), nameof(WrongLabels.Double), nameof(WrongLabels.Int32),
            nameof(WrongLabels.Text), nameof(WrongLabels.Vector), nameof(WrongLabels.SmallKey), nameof(WrongLabels.Key),
        })
        {
            if (column == needed || (column == nameof(WrongLabels.Key) && kind == NetworkKind.Multiclass))
                continue;
            IEstimator<ITransformer> trainer = NetworkExamples.Quick(_context, kind, options => options.LabelColumnName = column);
            string message = Refusal<ArgumentOutOfRangeException>(() => trainer.Fit(wrong));
            Assert.Contains($"'{column}'", message);
            Assert.Contains(needed, message);
            Refusal<ArgumentOutOfRangeException>(() => trainer.GetOutputSchema(SchemaShape.Create(wrong.Schema)));
            refused++;
        }

        Assert.AreEqual(7, refused);
    }

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Fit_FeaturesOrWeightOfAWrongTypeOrAbsent_AreRefused(string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        IDataView view = NetworkExamples.View(_context, kind, NetworkExamples.Rows(20));
        IDataView data = _context.Transforms.CopyColumns("Scalar", "Weight")
            .Append(_context.Transforms.Conversion.ConvertType("Doubles", "Features", DataKind.Double))
            .Append(_context.Transforms.Conversion.ConvertType("DoubleWeight", "Weight", DataKind.Double))
            .Append(_context.Transforms.CustomMapping<Empty, Ragged>((_, ragged) => ragged.Variable = [1, 2], null)).Fit(view)
            .Transform(view);

        foreach ((string column, string needed) in new[]
        {
            ("Scalar", "Vector<Single>"), ("Doubles", "Vector<Single>"), ("Variable", "Vector<Single>"), ("Nowhere", ""),
        })
        {
            string message = Refusal<ArgumentOutOfRangeException>(
                () => NetworkExamples.Quick(_context, kind, options => options.FeatureColumnName = column).Fit(data));
            Assert.Contains($"'{column}'", message);
            Assert.Contains(needed, message);
        }

        foreach ((string column, string needed) in new[] { ("DoubleWeight", "Single"), ("Features", "Single"), ("Nowhere", "") })
        {
            string message = Refusal<ArgumentOutOfRangeException>(
                () => NetworkExamples.Quick(_context, kind, options => options.ExampleWeightColumnName = column).Fit(data));
            Assert.Contains($"'{column}'", message);
            Assert.Contains(needed, message);
        }

        Assert.Contains(
            "'Nowhere'",
            Refusal<ArgumentOutOfRangeException>(
                () => NetworkExamples.Quick(_context, kind, options => options.LabelColumnName = "Nowhere").Fit(data)));
    }

    [TestMethod]
    public void Transform_VectorsOfAnotherWidth_AreRefused()
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Binary, NetworkExamples.Rows(30));
        IDataView wider = _context.Transforms.Concatenate("Features", "Features", "Weight").Fit(view).Transform(view);
        ITransformer model = NetworkExamples.Quick(_context, NetworkKind.Binary).Fit(view);

        Assert.Contains("Incompatible features column type", Refusal<InvalidOperationException>(() => model.Transform(wider)));
    }

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Fit_NoRows_IsRefused(string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        string message =
            Refusal<InvalidOperationException>(() => NetworkExamples.Quick(_context, kind).Fit(NetworkExamples.View(_context, kind, [])));

        Assert.Contains("The training set has no row to learn from", message);
        Assert.Contains("At least one row with a label and a positive weight is needed", message);
    }

    [TestMethod]
    public void Fit_NoUsableRow_SaysWhyEachWasLeftOut()
    {
        List<Example> rows = NetworkExamples.Rows(6);
        rows[0].Value = rows[1].Value = rows[2].Value = float.NaN;
        rows[3].Weight = rows[4].Weight = 0;
        rows[5].Weight = -2;

        string message = RefusalOfFit(NetworkKind.Regression, rows, options => options.ExampleWeightColumnName = "Weight");

        Assert.Contains("3 rows have no value in label column 'Label', 2 have weight 0, 1 have a negative weight", message);
    }

    [TestMethod]
    public void Fit_OneRow_IsRefused()
    {
        string message = RefusalOfFit(NetworkKind.Regression, NetworkExamples.Rows(1));

        Assert.Contains("1 row", message);
        Assert.Contains("at least 2", message);
        Assert.Contains("Give more rows, or set Placement to None", message);
    }

    /// <summary>What the message advises helps; with a fraction of 0 alone, which it once advised, the row is still alone.</summary>
    [TestMethod]
    public void Fit_OneRow_PlacementNoneHelpsAndNoValidationDoesNot()
    {
        List<Example> rows = NetworkExamples.Rows(1);
        RefusalOfFit(NetworkKind.Regression, rows, options => options.ValidationFraction = 0);

        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, rows);
        IEstimator<ITransformer> trainer =
            NetworkExamples.Quick(_context, NetworkKind.Regression, options => options.Placement = BatchNormalizationPlacement.None);
        float score = trainer.Fit(view).Transform(view).GetColumn<float>("Score").Single();

        Assert.IsTrue(float.IsFinite(score), $"{score}");
    }

    [TestMethod]
    public void Fit_SingleClassOfSeveral_IsRefused()
    {
        List<Example> rows = NetworkExamples.Rows(30);
        foreach (Example row in rows)
            row.Class = "ant";

        Assert.Contains(
            "Label column 'Label' is class 2 of 3 in all 30 rows of the training set. Rows of at least two classes are needed.",
            RefusalOfFit(NetworkKind.Multiclass, rows));
    }

    /// <summary>Not a rate that is too high, as the loss would have it that comes of them.</summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary), 1e-42f, "1.001E-42", "small", "dense")]
    [DataRow(nameof(NetworkKind.Multiclass), 1e-42f, "1.001E-42", "small", "sparse")]
    [DataRow(nameof(NetworkKind.Regression), 1e-32f, "1E-32", "small", "dense")]
    [DataRow(nameof(NetworkKind.Regression), 3e38f, "3E+38", "large", "dense")]
    [DataRow(nameof(NetworkKind.Binary), 1e31f, "1E+31", "large", "spilled")]
    public void Fit_WeightsOutOfTheRangeOfSinglePrecision_AreRefused(string kindName, float weight, string shown, string size, string what)
    {
        NetworkKind kind = Enum.Parse<NetworkKind>(kindName);
        List<Example> rows = NetworkExamples.Rows(what == "spilled" ? 50_000 : 60);
        IDataView view = NetworkExamples.View(_context, kind, rows);
        IEstimator<ITransformer> trainer = NetworkExamples.Quick(
            _context, kind, options => (options.ExampleWeightColumnName, options.MemoryBudgetInMegabytes) = ("Weight", 1));
        var spill = new SpillLog(_context);
        NetworkExamples.Quick(
            _context, kind, options => (options.MaximumNumberOfEpochs, options.MemoryBudgetInMegabytes) = (1, 1)).Fit(view);
        Assert.AreEqual(what == "spilled", spill.HasSpilled, "with weights that are 1");
        foreach (Example row in rows)
            row.Weight = weight;
        string message = Refusal<InvalidOperationException>(() => trainer.Fit(what == "sparse" ? new SparseView(view, "Features") : view));
        Assert.Contains(
            $"Weight column 'Weight' is {shown} in the mean of the training set, which is too {size} to compute with in single precision",
            message);
        Assert.Contains("Multiply all weights by the same factor", message);
    }

    /// <summary>Rows that count for next to nothing among others: a batch of nothing else does no harm.</summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Fit_SomeWeightsNextToNothing_Trains(string kindName)
    {
        NetworkKind kind = Enum.Parse<NetworkKind>(kindName);
        List<Example> rows = NetworkExamples.Rows(200);
        for (int i = 20; i < rows.Count; i++)
            rows[i].Weight = 1e-42f;
        IDataView view = NetworkExamples.View(_context, kind, rows);
        IDataView scored = NetworkExamples.Quick(
            _context, kind, options => (options.ExampleWeightColumnName, options.BatchSize) = ("Weight", 4))
            .Fit(view).Transform(view);
        float[] scores = kind == NetworkKind.Multiclass
            ? [.. scored.Vectors<float>("Score").SelectMany(x => x)]
            : scored.Scalars<float>("Score");
        Assert.IsTrue(scores.All(float.IsFinite));
    }

    [TestMethod]
    public void Fit_KeyOfOneValue_IsRefused()
    {
        IDataView rows = _context.Data.LoadFromEnumerable(
            NetworkExamples.Rows(9).Select(row => new Example { Features = row.Features, Class = "a" }));
        IDataView keyed = _context.Transforms.Conversion.MapValueToKey("Label", nameof(Example.Class)).Fit(rows).Transform(rows);

        string message = Refusal<InvalidOperationException>(() => NetworkExamples.Quick(_context, NetworkKind.Multiclass).Fit(keyed));

        Assert.Contains("'Label'", message);
        Assert.Contains("a key of 1 values. A key of 2 to", message);
    }

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Fit_NoSlotWithAnyValue_IsRefused(string kindName)
    {
        List<Example> rows = NetworkExamples.Rows(30);
        foreach (Example row in rows)
            row.Features.AsSpan().Fill(float.NaN);

        Assert.Contains(
            "Feature column 'Features' has no value (only NaN) in all 30 rows of the training set. At least one slot",
            RefusalOfFit(Enum.Parse<NetworkKind>(kindName), rows));
    }

    [TestMethod]
    [DataRow(float.PositiveInfinity, "infinity")]
    [DataRow(float.NegativeInfinity, "-infinity")]
    public void Fit_InfiniteFeature_NamesRowAndSlot(float value, string shown)
    {
        List<Example> rows = NetworkExamples.Rows(30);
        rows[3].Features[0] = float.NaN;
        rows[17].Features[2] = value;

        Assert.Contains(
            $"Feature column 'Features' is {shown} in row 17, slot 2. A feature must be finite, or NaN where it is missing.",
            RefusalOfFit(NetworkKind.Multiclass, rows));
        IDataView scalars = _context.Data.LoadFromEnumerable(
            rows.Select(row => new { Left = row.Features[1], Height = row.Features[2], Label = row.Value }));
        IDataView named = _context.Transforms.Concatenate("Features", "Left", "Height").Fit(scalars).Transform(scalars);
        Assert.Contains(
            "row 17, slot 1 ('Height')",
            Refusal<InvalidOperationException>(() => NetworkExamples.Quick(_context, NetworkKind.Regression).Fit(named)));
    }

    /// <summary>ML.NET takes any array for a row, whatever its column's type says; null comes as one without slots.</summary>
    [TestMethod]
    [DataRow(3, false)]
    [DataRow(5, false)]
    [DataRow(0, false)]
    [DataRow(-1, false)]
    [DataRow(3, true)]
    [DataRow(5, true)]
    public void Fit_RowOfAnotherNumberOfFeatures_NamesRow(int slots, bool sparse)
    {
        List<Example> rows = NetworkExamples.Rows(30);
        rows[17].Features = slots < 0 ? null! : [.. Enumerable.Range(1, slots).Select(i => i % 2 == 0 ? 0f : i)];
        foreach (NetworkKind kind in Enum.GetValues<NetworkKind>())
        {
            IDataView view = NetworkExamples.View(_context, kind, rows), good = NetworkExamples.View(_context, kind, rows[..17]);
            view = sparse ? new SparseView(view, "Features") : view;
            IEstimator<ITransformer> validated = NetworkExamples.Quick(_context, kind, options => options.ValidationSet = view);
            string needed = $"Feature column 'Features' has {Math.Max(0, slots)} slots in row 17; its type says 4. Every row needs the "
                + "same slots, NaN where a value is missing.";
            Assert.Contains(needed, Refusal<InvalidOperationException>(() => NetworkExamples.Quick(_context, kind).Fit(view)));
            Assert.Contains(needed, Refusal<InvalidOperationException>(() => validated.Fit(good)));
        }
    }

    [TestMethod]
    [DataRow(float.NaN, "NaN")]
    [DataRow(float.PositiveInfinity, "infinity")]
    public void Fit_WeightThatIsNotFinite_NamesRow(float weight, string shown)
    {
        List<Example> rows = NetworkExamples.Rows(30);
        rows[5].Weight = weight;

        Assert.Contains(
            $"Weight column 'Weight' is {shown} in row 5. A weight must be a finite number; use 0 to leave a row out.",
            RefusalOfFit(NetworkKind.Binary, rows, options => options.ExampleWeightColumnName = "Weight"));
    }

    [TestMethod]
    public void Fit_InfiniteLabel_NamesRow()
    {
        List<Example> rows = NetworkExamples.Rows(30);
        rows[8].Value = float.PositiveInfinity;

        Assert.Contains(
            "Label column 'Label' is infinity in row 8. A label must be a finite number; use NaN for a missing label.",
            RefusalOfFit(NetworkKind.Regression, rows));
    }

    [TestMethod]
    public void Fit_ValidationSetThatDoesNotFit_IsRefused()
    {
        List<Example> rows = NetworkExamples.Rows(40);
        IDataView view = NetworkExamples.View(_context, NetworkKind.Multiclass, rows);
        IDataView wider = _context.Transforms.Concatenate("Features", "Features", "Weight").Fit(view).Transform(view);
        IDataView unlabelled = NetworkExamples.Unlabelled(_context, rows);
        IDataView raw = _context.Data.LoadFromEnumerable(rows.Take(2));
        IDataView otherKeys = _context.Transforms.Conversion.MapValueToKey("Label", nameof(Example.Class)).Fit(raw).Transform(raw);
        var trainer = (BatchNormNetworkMulticlassTrainer)NetworkExamples.Quick(_context, NetworkKind.Multiclass);

        Assert.Contains("'Features'", Refusal<ArgumentOutOfRangeException>(() => trainer.Fit(view, wider)));
        Assert.Contains("'Label'", Refusal<ArgumentOutOfRangeException>(() => trainer.Fit(view, unlabelled)));
        Assert.Contains("'Label'", Refusal<ArgumentOutOfRangeException>(() => trainer.Fit(view, otherKeys)));
        Assert.Contains("The validation set has no row to learn from", Refusal<InvalidOperationException>(
            () => trainer.Fit(view, NetworkExamples.View(_context, NetworkKind.Multiclass, []))));
        var withOption = (BatchNormNetworkMulticlassTrainer)NetworkExamples.Quick(
            _context, NetworkKind.Multiclass, options => options.ValidationSet = unlabelled);
        Assert.Contains("'Label'", Refusal<ArgumentOutOfRangeException>(() => withOption.Fit(view)));
    }

    [TestMethod]
    public void Fit_InitialModelOfAnotherShape_IsRefused()
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(40));
        IDataView wider = _context.Transforms.Concatenate("Features", "Features", "Weight").Fit(view).Transform(view);
        var trainer = (BatchNormNetworkRegressionTrainer)NetworkExamples.Quick(_context, NetworkKind.Regression);
        BatchNormNetworkRegressionModelParameters model = trainer.Fit(view).Model;

        Assert.Contains(
            "feature slots 4, the training asks for 5",
            Refusal<ArgumentOutOfRangeException>(() => trainer.Fit(wider, modelParameters: model)));
        CheckRefused("HiddenUnits 16, 8, the training asks for 16", options => options.HiddenUnits = [16]);
        CheckRefused("Activation ReLU, the training asks for Tanh", options => options.Activation = ActivationFunction.Tanh);
        CheckRefused(
            "Placement BeforeActivation, the training asks for AfterActivation",
            options => options.Placement = BatchNormalizationPlacement.AfterActivation);

        // What is left open is the network's own.
        var open = (BatchNormNetworkRegressionTrainer)NetworkExamples.Quick(
            _context, NetworkKind.Regression, options => options.HiddenUnits = null);
        Assert.AreEqual(16, open.Fit(view, null, model).Model.Network.Members[0].Layers[0].Outputs);

        void CheckRefused(string expected, Action<BatchNormNetworkOptions> change)
        {
            var other = (BatchNormNetworkRegressionTrainer)NetworkExamples.Quick(_context, NetworkKind.Regression, change);
            Assert.Contains(expected, Refusal<ArgumentOutOfRangeException>(() => other.Fit(view, modelParameters: model)));
        }
    }

    /// <summary>A rate far too high without normalization: the message says what to change, and no model comes out.</summary>
    [TestMethod]
    public void Fit_ThatDiverges_SaysSo()
    {
        string message = RefusalOfFit(NetworkKind.Regression, NetworkExamples.Rows(100), options =>
        {
            options.Placement = BatchNormalizationPlacement.None;
            options.LearningRate = 100;
            options.Optimizer = new SgdOptimizer();
            options.MaximumNumberOfEpochs = 50;
        });

        Assert.Contains("Training diverged", message);
        Assert.Contains("Lower LearningRate (it is 100)", message);
    }

    [TestMethod]
    public void Fit_NoData_IsRefused()
    {
        Assert.ThrowsExactly<ArgumentNullException>(
            () => ((BatchNormNetworkBinaryTrainer)NetworkExamples.Quick(_context, NetworkKind.Binary)).Fit(null!));
        Assert.ThrowsExactly<ArgumentNullException>(
            () => _context.BinaryClassification.Trainers.BatchNormNetwork((BatchNormNetworkBinaryTrainer.Options)null!));
    }

    private string RefusalOfFit(NetworkKind kind, List<Example> rows, Action<BatchNormNetworkOptions>? change = null) =>
        Refusal<InvalidOperationException>(
            () => NetworkExamples.Quick(_context, kind, change).Fit(NetworkExamples.View(_context, kind, rows)));

    private static string Refusal<TException>(Action action)
        where TException : Exception
    {
        TException exception = Assert.ThrowsExactly<TException>(action);
        Assert.IsTrue(exception.IsMarked(), $"The exception lacks ML.NET's mark: {exception}");
        return exception.Message;
    }

    private sealed class Empty
    {
    }

    private sealed class Ragged
    {
        public float[] Variable { get; set; } = [];
    }

    private sealed class WrongLabels
    {
        [VectorType(4)]
        public float[] Features { get; set; } = [];

        public bool Boolean { get; set; }

        public float Single { get; set; }

        public double Double { get; set; }

        public int Int32 { get; set; }

        public string Text { get; set; } = "";

        [VectorType(2)]
        public float[] Vector { get; set; } = [];

        [KeyType(3)]
        public byte SmallKey { get; set; }

        [KeyType(3)]
        public uint Key { get; set; }
    }
}
