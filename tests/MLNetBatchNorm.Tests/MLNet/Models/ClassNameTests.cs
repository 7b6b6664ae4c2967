using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>The names of the classes stand in the order of the scores, whatever type the labels had, before and after saving.</summary>
[TestClass]
public sealed class ClassNameTests
{
    private readonly MLContext _context = new(1);

    public static IEnumerable<object[]> Labels =>
    [
        ["Text", new[] { "wasp", "ant", "bee" }],
        ["Number", new[] { "30", "-7", "5" }],
        ["Fraction", new[] { "0.5", "-1.25", "2E+20" }],
        ["Flag", new[] { "True", "False" }],
        ["Time", new[] { "03:00:00", "01:00:00", "02:00:00" }],
    ];

    [TestMethod]
    [DynamicData(nameof(Labels))]
    public void GetClassNames_LabelsOfAnyType_AreInTheOrderOfTheScores(string label, string[] names)
    {
        IDataView rows = Rows();
        ITransformer model = _context.Transforms.Conversion.MapValueToKey("Label", label).Append(Trainer()).Fit(rows);
        IDataView scored = model.Transform(rows);

        // Keys are given in the order in which the labels come.
        CollectionAssert.AreEqual(names, scored.Schema.GetClassNames().ToArray());
        CollectionAssert.AreEqual(names, model.GetClassNames(rows.Schema).ToArray());
        CollectionAssert.AreEqual(names, scored.Schema["Label"].GetClassNames().ToArray());
        CollectionAssert.AreEqual(names, scored.Schema["PredictedLabel"].GetClassNames().ToArray());
        Assert.IsTrue(scored.Schema["Score"].HasClassNames());
        using var saved = new MemoryStream();
        _context.Model.Save(model, rows.Schema, saved);
        saved.Position = 0;
        ITransformer loaded = new MLContext().Model.Load(saved, out DataViewSchema schema);
        CollectionAssert.AreEqual(names, loaded.GetClassNames(schema).ToArray());
    }

    /// <summary>
    /// The class of the largest score is the predicted one, row by row; also where the predicted key has become a value again.
    /// </summary>
    [TestMethod]
    public void GetClassNames_OfTheLargestScore_IsThePredictedLabel()
    {
        IDataView rows = Rows();
        ITransformer model = _context.Transforms.Conversion.MapValueToKey("Label", "Text").Append(Trainer())
            .Append(_context.Transforms.Conversion.MapKeyToValue("PredictedLabel")).Fit(rows);
        IDataView scored = model.Transform(rows);
        IReadOnlyList<string> names = scored.Schema.GetClassNames();

        string[] expected = [.. scored.GetColumn<string>("PredictedLabel")];
        string[] byScore = [.. scored.GetColumn<float[]>("Score").Select(score => names[Array.IndexOf(score, score.Max())])];
        Assert.IsGreaterThan(1, expected.Distinct().Count());
        CollectionAssert.AreEqual(expected, byScore);
    }

    /// <summary>A column that was a key from the start may stand for nothing; then the keys are the names.</summary>
    [TestMethod]
    public void GetClassNames_KeysWithoutValues_AreTheKeys()
    {
        IDataView rows = Rows();
        ITransformer model = _context.Transforms.CopyColumns("Label", "Key").Append(Trainer()).Fit(rows);

        CollectionAssert.AreEqual(new[] { "1", "2", "3" }, model.GetClassNames(rows.Schema).ToArray());
        CollectionAssert.AreEqual(new[] { "1", "2", "3" }, rows.Schema["Key"].GetClassNames().ToArray());
        Assert.IsFalse(model.GetOutputSchema(rows.Schema)["Score"].HasClassNames());
    }

    /// <summary>
    /// An annotation that anybody wrote, of more values than there are keys or fewer: it says nothing, and the model can be saved.
    /// </summary>
    [TestMethod]
    public void GetClassNames_MoreOrFewerValuesThanKeys_AreNone()
    {
        BatchNormNetworkMulticlassModelParameters? before = null;
        foreach (string[] names in new string[][] { ["x", "y"], ["a", "b", "c", "d"], ["p", "q", "r"] })
        {
            SchemaDefinition definition = SchemaDefinition.Create(typeof(Row));
            definition[nameof(Row.Key)].AddAnnotation(
                "KeyValues", new VBuffer<ReadOnlyMemory<char>>(names.Length, [.. names.Select(name => name.AsMemory())]),
                new VectorDataViewType(TextDataViewType.Instance, names.Length));
            IDataView rows = _context.Data.LoadFromEnumerable(Examples(), definition);
            string[] expected = names.Length == 3 ? names : ["1", "2", "3"];
            var trainer = (BatchNormNetworkMulticlassTrainer)NetworkExamples.Quick(
                _context, NetworkKind.Multiclass, options => options.LabelColumnName = nameof(Row.Key));
            var model = trainer.Fit(rows, rows, before);
            before = model.Model;
            using var saved = new MemoryStream();
            _context.Model.Save(model, rows.Schema, saved);
            saved.Position = 0;
            ITransformer loaded = new MLContext().Model.Load(saved, out _);
            CollectionAssert.AreEqual(expected, loaded.GetClassNames(rows.Schema).ToArray());
            CollectionAssert.AreEqual(expected, rows.Schema[nameof(Row.Key)].GetClassNames().ToArray());
        }
    }

    [TestMethod]
    public void GetClassNames_OtherTrainers_HaveThemAsWell()
    {
        IDataView rows = Rows();
        foreach (string label in new[] { "Text", "Number" })
        {
            string[] names = (string[])Labels.Single(given => (string)given[0] == label)[1];
            IEstimator<ITransformer>[] trainers =
            [
                _context.MulticlassClassification.Trainers.LbfgsMaximumEntropy(),
                _context.MulticlassClassification.Trainers.OneVersusAll(_context.BinaryClassification.Trainers.LbfgsLogisticRegression()),
            ];
            foreach (IEstimator<ITransformer> trainer in trainers)
            {
                ITransformer model = _context.Transforms.Conversion.MapValueToKey("Label", label).Append(trainer).Fit(rows);
                CollectionAssert.AreEqual(names, model.GetClassNames(rows.Schema).ToArray(), $"{trainer} {label}");
            }
        }
    }

    [TestMethod]
    public void GetClassNames_WhereThereAreNone_SaysWhy()
    {
        IDataView rows = Rows();
        ITransformer binary = NetworkExamples.Quick(_context, NetworkKind.Binary, options => options.LabelColumnName = "Flag").Fit(rows);

        Assert.Contains("'Score' is of type Single", Refusal(() => binary.GetClassNames(rows.Schema)));
        Assert.Contains("There is no column 'Score': found Features, ", Refusal(() => rows.Schema.GetClassNames()));
        Assert.Contains("There is no column 'Other'", Refusal(() => binary.GetClassNames(rows.Schema, "Other")));
    }

    private static string Refusal(Action action)
    {
        ArgumentOutOfRangeException exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(action);
        Assert.IsTrue(exception.IsMarked());
        return exception.Message;
    }

    private IEstimator<ITransformer> Trainer() => NetworkExamples.Quick(_context, NetworkKind.Multiclass);

    private IDataView Rows() => _context.Data.LoadFromEnumerable(Examples());

    private static Row[] Examples()
    {
        string[] texts = ["wasp", "ant", "bee"];
        int[] numbers = [30, -7, 5];
        double[] fractions = [0.5, -1.25, 2e20];
        int[] hours = [3, 1, 2];
        var random = new Random(1);
        return [.. Enumerable.Range(0, 60).Select(i => new Row
        {
            Features = [i % 3 + 0.3f * random.NextSingle(), random.NextSingle()],
            Text = texts[i % 3],
            Number = numbers[i % 3],
            Fraction = fractions[i % 3],
            Flag = i % 3 != 1,
            Time = TimeSpan.FromHours(hours[i % 3]),
            Key = (uint)(i % 3),               // ML.NET makes keys of it, 1 to 3
        })];
    }

    private sealed class Row
    {
        [VectorType(2)]
        public float[] Features { get; set; } = [];

        public string Text { get; set; } = "";

        public int Number { get; set; }

        public double Fraction { get; set; }

        public bool Flag { get; set; }

        public TimeSpan Time { get; set; }

        [KeyType(3)]
        public uint Key { get; set; }
    }
}
