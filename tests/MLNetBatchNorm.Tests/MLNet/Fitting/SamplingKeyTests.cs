using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// Rows of the same sampling key never stand on both sides of the validation split, so that what is learned by heart does not count.
/// </summary>
[TestClass]
public sealed class SamplingKeyTests
{
    private readonly MLContext _context = new(1);

    /// <summary>
    /// Every group has features of its own, and a label that has nothing to do with them: who knows some of its rows knows them all, and
    /// nobody can know a new group. With rows drawn one by one validation finds the network nearly perfect; with groups it finds out.
    /// </summary>
    [TestMethod]
    [DataRow("Binary", "memory")]
    [DataRow("Multiclass", "memory")]
    [DataRow("Regression", "memory")]
    [DataRow("Binary", "spilled")]
    [DataRow("Multiclass", "spilled")]
    [DataRow("Regression", "spilled")]
    public void Fit_TableThatLeaks_IsSeenThroughWithKeys(string kindName, string where)
    {
        NetworkKind kind = Enum.Parse<NetworkKind>(kindName);
        bool spilled = where == "spilled";
        IDataView rows = Label(kind, _context.Data.LoadFromEnumerable(Rows(groups: spilled ? 150 : 60, rowsOfGroup: spilled ? 120 : 12)));

        var spill = new SpillLog(_context);
        (double byRow, string trainedByRow) = Validated(null);
        (double byGroup, string trainedByGroup) = Validated(nameof(Row.Patient));

        Assert.AreEqual(spilled, spill.HasSpilled);
        // Area under the curve, accuracy of three classes, R squared: what chance comes to.
        double chance = kind switch { NetworkKind.Binary => 0.5, NetworkKind.Multiclass => 1 / 3.0, _ => 0 };
        Assert.IsGreaterThan(chance + 0.8 * (1 - chance), byRow, "The table does not leak.");
        Assert.IsLessThan(chance + 0.45 * (1 - chance), byGroup, "It leaks all the same.");
        Assert.AreNotEqual(trainedByRow, trainedByGroup);

        (double, string) Validated(string? key)
        {
            ITransformer model = NetworkExamples.Quick(_context, kind, options =>
            {
                options.SamplingKeyColumnName = key;
                options.HiddenUnits = [64];
                options.MaximumNumberOfEpochs = spilled ? 10 : 40;
                options.DropoutRate = 0;
                options.LearningRate = 0.01;
                options.MemoryBudgetInMegabytes = spilled ? 1 : 2048;
            }).Fit(rows);
            TrainingHistory history = History(kind, model);
            return (history.Epochs[history.BestEpoch - 1].ValidationMetric!.Value, string.Join(
                ' ', history.Epochs.Select(epoch => epoch.TrainingLoss)));
        }
    }

    public static IEnumerable<object[]> Columns =>
    [
        [nameof(Keys.Text)], [nameof(Keys.Flag)], [nameof(Keys.Whole)], [nameof(Keys.Long)], [nameof(Keys.Byte)], [nameof(Keys.Single)],
        [nameof(Keys.Double)],
        [nameof(Keys.Time)], [nameof(Keys.Moment)], [nameof(Keys.Offset)], [nameof(Keys.Short)], [nameof(Keys.ByteKey)], [nameof(Keys.Key)],
        [nameof(Keys.LongKey)],
        [nameof(Keys.Id)],
    ];

    /// <summary>
    /// Of every type: equal keys are one group, unlike ones are others, and a missing key is a group of its own in every row.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Columns))]
    public void Read_KeysOfAnyType_GiveTheSameNumberToTheSameKey(string column)
    {
        IDataView rows = _context.Data.LoadFromEnumerable(new[] { new Keys(1), new Keys(0), new Keys(1), new Keys(0) });
        DataViewSchema.Column key = rows.Schema[column];
        var read = new List<uint?>();
        using (DataViewRowCursor cursor = rows.GetRowCursor([key]))
        {
            var reader = new SamplingKeyReader(cursor, key);
            while (cursor.MoveNext())
                read.Add(reader.Read());
        }

        Assert.IsNotNull(read[0]);
        Assert.AreEqual(read[0], read[2]);
        Assert.AreEqual(read[1], read[3]);
        Assert.AreNotEqual(read[0], read[1]);
        bool canBeMissing = column is nameof(Keys.Text) or nameof(Keys.Single) or nameof(Keys.Double)
            || column.EndsWith("Key", StringComparison.Ordinal);
        Assert.AreEqual(canBeMissing, read[1] is null);
        Assert.AreNotEqual(SamplingKeyReader.Alone(1), SamplingKeyReader.Alone(3));
    }

    [TestMethod]
    [DataRow("Nowhere")]
    [DataRow("Features")]
    public void Fit_ColumnThatCannotBeAKey_IsRefusedBeforeAnyRowIsRead(string column)
    {
        foreach (NetworkKind kind in Enum.GetValues<NetworkKind>())
        {
            IDataView rows = NetworkExamples.View(_context, kind, NetworkExamples.Rows(20));
            var counting = new CountingView(rows);
            IEstimator<ITransformer> trainer = NetworkExamples.Quick(_context, kind, options => options.SamplingKeyColumnName = column);

            foreach (Action refused in new Action[]
            {
                () => trainer.Fit(counting), () => trainer.GetOutputSchema(SchemaShape.Create(rows.Schema)),
            })
            {
                ArgumentOutOfRangeException exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(refused);
                Assert.IsTrue(exception.IsMarked());
                Assert.Contains($"'{column}'", exception.Message);
            }

            Assert.AreEqual(0, counting.Rows);
        }
    }

    /// <summary>Where validation rows are given there is nothing to keep together, and they need no key.</summary>
    [TestMethod]
    public void Fit_ValidationRowsGiven_NeedNoKey()
    {
        IDataView rows = Label(NetworkKind.Regression, _context.Data.LoadFromEnumerable(Rows(20, 4)));
        IDataView validation = _context.Transforms.SelectColumns("Features", "Label").Fit(rows).Transform(rows);
        float[] expected = Scores(null, validation);

        CollectionAssert.AreEqual(expected, Scores(nameof(Row.Patient), validation));
        CollectionAssert.AreNotEqual(Scores(null, null), Scores(nameof(Row.Patient), null));

        float[] Scores(string? key, IDataView? given) => NetworkExamples.Quick(_context, NetworkKind.Regression, options =>
        {
            options.SamplingKeyColumnName = key;
            options.ValidationSet = given;
        }).Fit(rows).Transform(rows).Scalars<float>("Score");
    }

    /// <summary>A checkpoint of rows that were grouped otherwise is another training's.</summary>
    [TestMethod]
    public void Fingerprint_OfOtherGroups_IsAnother()
    {
        using FitFingerprint one = new(), same = new(), other = new();
        foreach ((FitFingerprint fingerprint, uint group) in new[] { (one, 5u), (same, 5u), (other, 6u) })
            fingerprint.AddGroup(group);

        CollectionAssert.AreEqual(one.Rows, same.Rows);
        CollectionAssert.AreNotEqual(one.Rows, other.Rows);
    }

    private static TrainingHistory History(NetworkKind kind, ITransformer model) => kind switch
    {
        NetworkKind.Binary => ((BinaryPredictionTransformer<Microsoft.ML.Calibrators.CalibratedModelParametersBase<
            BatchNormNetworkBinaryModelParameters, Microsoft.ML.Calibrators.PlattCalibrator>>)model)
        .Model.SubModel.Network.Members[0].TrainingHistory,
        NetworkKind.Multiclass =>
            ((MulticlassPredictionTransformer<BatchNormNetworkMulticlassModelParameters>)model).Model.Network.Members[0].TrainingHistory,
        _ => ((RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters>)model).Model.Network.Members[0].TrainingHistory,
    };

    private IDataView Label(NetworkKind kind, IDataView rows)
    {
        IEstimator<ITransformer> label = kind switch
        {
            NetworkKind.Binary => _context.Transforms.CopyColumns("Label", nameof(Row.Positive)),
            NetworkKind.Multiclass => _context.Transforms.Conversion.MapValueToKey("Label", nameof(Row.Class)),
            _ => _context.Transforms.CopyColumns("Label", nameof(Row.Value)),
        };
        return label.Fit(rows).Transform(rows);
    }

    private static Row[] Rows(int groups, int rowsOfGroup)
    {
        var random = new Random(3);
        var rows = new List<Row>();
        for (int group = 0; group < groups; group++)
        {
            float[] centre = [.. Enumerable.Range(0, Row.Slots).Select(_ => random.NextSingle() - 0.5f)];
            // The labels of the groups in turns, so that as many are of each.
            for (int i = 0; i < rowsOfGroup; i++)
            {
                rows.Add(new Row
                {
                    Features = [.. centre.Select(value => value + 0.02f * (random.NextSingle() - 0.5f))],
                    Patient = $"patient {group}",
                    Positive = group % 2 == 0,
                    Class = $"{group % 3}",
                    Value = group % 5,
                });
            }
        }

        // So that neighbours are not of one group.
        Row[] mixed = [.. rows];
        random.Shuffle(mixed);
        return mixed;
    }

    private sealed class Row
    {
        public const int Slots = 16;

        [VectorType(Slots)]
        public float[] Features { get; set; } = [];

        public string Patient { get; set; } = "";

        public bool Positive { get; set; }

        public string Class { get; set; } = "";

        public float Value { get; set; }
    }

    /// <summary>The same key in every type; 0 is missing where a type has that.</summary>
    private sealed class Keys(int key)
    {
        public string Text { get; set; } = key == 0 ? "" : $"key {key}";

        public bool Flag { get; set; } = key > 0;

        public int Whole { get; set; } = -key;

        public long Long { get; set; } = -key;

        public byte Byte { get; set; } = (byte)key;

        public float Single { get; set; } = key == 0 ? float.NaN : key;

        public double Double { get; set; } = key == 0 ? double.NaN : key;

        public TimeSpan Time { get; set; } = TimeSpan.FromSeconds(key);

        public DateTime Moment { get; set; } = new DateTime(2026, 1, 1).AddDays(key);

        public DateTimeOffset Offset { get; set; } = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero).AddDays(key);

        public ushort Short { get; set; } = (ushort)key;

        // ML.NET makes a key of a number below the count, and a missing one of any other.
        [KeyType(10)]
        public byte ByteKey { get; set; } = (byte)(key == 0 ? 10 : key);

        [KeyType(10)]
        public uint Key { get; set; } = key == 0 ? 10 : (uint)key;

        [KeyType(10)]
        public ulong LongKey { get; set; } = key == 0 ? 10 : (ulong)key;

        public DataViewRowId Id { get; set; } = new((ulong)key, 7);
    }
}
