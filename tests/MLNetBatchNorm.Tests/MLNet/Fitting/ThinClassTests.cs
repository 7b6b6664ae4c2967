using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// Classes of one row or two are learned by every network, and the log says once that there is little to measure them by.
/// </summary>
[TestClass]
public sealed class ThinClassTests
{
    private const int Slots = 8;

    /// <summary>From 1,024 slots on sparse rows are kept as such.</summary>
    private const int ManySlots = 1100;

    private readonly MLContext _context = new(1);
    private readonly SpillLog _spill;
    private readonly LogLines _warnings;

    public ThinClassTests()
    {
        _spill = new SpillLog(_context);
        _warnings = new LogLines(_context, ChannelMessageKind.Warning);
    }

    [TestMethod]
    [DataRow("dense", true)]
    [DataRow("sparse", true)]
    [DataRow("sparse storage", true)]
    [DataRow("weighted", false)]
    [DataRow("spilled", true)]
    public void Fit_ClassesOfOneRow_AreRecognized(string what, bool text)
    {
        const int classes = 60;
        IDataView training = View(what, Enumerable.Range(0, classes).Select(c => Near(c, seed: 1)), copies: 600),
            test = View(what, Enumerable.Range(0, classes).Select(c => Near(c, seed: 2)), copies: 600);
        ITransformer keys = _context.Transforms.Conversion.MapValueToKey("Label", text ? nameof(Row.Name) : nameof(Row.Number))
            .Fit(training);
        IDataView keyed = keys.Transform(training);
        var trainer = Trainer(options =>
        {
            options.ExampleWeightColumnName = what == "weighted" ? nameof(Row.Weight) : null;
            options.MemoryBudgetInMegabytes = what == "spilled" ? 1 : 64;
        });
        var model = trainer.Fit(keyed);

        Assert.AreEqual(what == "spilled", _spill.HasSpilled);
        Assert.AreEqual(1, _context.MulticlassClassification.Evaluate(model.Transform(keys.Transform(test))).MicroAccuracy);
        Assert.HasCount(1, _warnings.Where(warning => warning.StartsWith(
            "60 of 60 classes have fewer than 5 rows, so that not every network has one of theirs set aside for validation. "
            + "60 of them have a single row, which every network learns",
            StringComparison.Ordinal)).ToArray(), string.Join('\n', _warnings));
        Assert.HasCount(
            1, _warnings.Where(warning => warning == "No row can be set aside for validation; all of them train.").ToArray(),
            string.Join('\n', _warnings));
        Assert.IsTrue(model.Model.Network.Members.All(member => member.TrainingHistory.Epochs.All(epoch => epoch.ValidationLoss is null)));
    }

    /// <summary>Among classes of many rows.</summary>
    [TestMethod]
    [DataRow("dense", 1)]
    [DataRow("dense", 2)]
    [DataRow("sparse", 1)]
    [DataRow("sparse", 2)]
    [DataRow("sparse storage", 1)]
    [DataRow("sparse storage", 2)]
    [DataRow("spilled", 1)]
    [DataRow("spilled", 2)]
    public void Fit_AFewThinClasses_AreRecognized(string what, int rowsOfThin)
    {
        const int thick = 4, thin = 12;
        IEnumerable<Row> rows = Enumerable.Range(0, 400).Select(i => Near(i % thick, seed: 10 + i))
            .Concat(Enumerable.Range(0, thin * rowsOfThin).Select(i => Near(thick + i % thin, seed: 1000 + i)));
        IDataView training = View(what, rows, copies: 100),
            test = View(what, Enumerable.Range(thick, thin).Select(c => Near(c, seed: 2)), copies: 100);
        ITransformer keys = _context.Transforms.Conversion.MapValueToKey("Label", nameof(Row.Name)).Fit(training);
        // So that a class of one row counts for as much as one of a hundred; else what is measured is how fast it is learned.
        var model = Trainer(options => (options.UnbalancedSets, options.MemoryBudgetInMegabytes) = (true, what == "spilled" ? 1 : 64))
            .Fit(keys.Transform(training));

        Assert.AreEqual(what == "spilled", _spill.HasSpilled);
        Assert.AreEqual(1, _context.MulticlassClassification.Evaluate(model.Transform(keys.Transform(test))).MicroAccuracy);
        string single = rowsOfThin == 1 ? " 12 of them have a single row" : "";
        Assert.HasCount(
            1,
            _warnings.Where(warning => warning.StartsWith("12 of 16 classes have fewer than 5 rows", StringComparison.Ordinal)).ToArray(),
            string.Join('\n', _warnings));
        Assert.IsTrue(_warnings.Single().Contains(single, StringComparison.Ordinal), _warnings.Single());
        Assert.IsNotNull(model.Model.Network.Members[0].TrainingHistory.Epochs[0].ValidationLoss);
    }

    [TestMethod]
    public void Fit_NoThinClasses_OrValidationRowsOfItsOwn_SaysNothing()
    {
        List<Row> many = [.. Enumerable.Range(0, 60).Select(i => Near(i % 3, seed: i))];
        IDataView keyed = Keyed([.. many, Near(3, 1)]);
        BatchNormNetworkMulticlassTrainer trainer = Trainer(options => options.MaximumNumberOfEpochs = 1);
        trainer.Fit(Keyed(many));
        trainer.Fit(keyed, keyed);
        Trainer(options => (options.MaximumNumberOfEpochs, options.ValidationFraction) = (1, 0)).Fit(keyed);
        Assert.IsEmpty(_warnings);
        trainer.Fit(keyed);
        Assert.HasCount(1, _warnings);
    }

    private BatchNormNetworkMulticlassTrainer Trainer(Action<BatchNormNetworkMulticlassTrainer.Options> change)
    {
        var options = new BatchNormNetworkMulticlassTrainer.Options
        {
            HiddenUnits = [64], NumberOfInputPieces = 0, Seed = 1, MaximumNumberOfEpochs = 40, NumberOfEnsembleMembers = 5,
        };
        change(options);
        return _context.MulticlassClassification.Trainers.BatchNormNetwork(options);
    }

    /// <summary>
    /// The rows in a form: sparse ones have no noise where the centre is 0 (and are kept as such where there are many more slots), and
    /// spilled ones have each slot so often that few rows are more than a megabyte.
    /// </summary>
    private IDataView View(string what, IEnumerable<Row> rows, int copies)
    {
        if (what is "sparse" or "sparse storage")
        {
            int slots = what == "sparse" ? Slots : ManySlots;
            SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
            schema[nameof(Row.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, slots);
            List<Row> quiet = [.. rows.Select(row => WithoutNoiseAtZero(row, slots))];
            var sparse = new SparseView(_context.Data.LoadFromEnumerable(quiet, schema), nameof(Row.Features));
            Assert.IsFalse(sparse.GetColumn<VBuffer<float>>(nameof(Row.Features)).Any(row => row.IsDense));
            return sparse;
        }

        IDataView view = _context.Data.LoadFromEnumerable(rows.ToList());
        return what != "spilled" ? view : _context.Transforms.Concatenate(
            nameof(Row.Features), [.. Enumerable.Repeat(nameof(Row.Features), copies)]).Fit(view).Transform(view);
    }

    private static Row WithoutNoiseAtZero(Row row, int slots)
    {
        row.Features = [.. row.Features.Select(value => value > 1 ? value : 0), .. new float[slots - Slots]];
        return row;
    }

    private IDataView Keyed(List<Row> rows)
    {
        IDataView view = _context.Data.LoadFromEnumerable(rows);
        return _context.Transforms.Conversion.MapValueToKey("Label", nameof(Row.Name)).Fit(view).Transform(view);
    }

    /// <summary>A row near the centre of a class; the centres are corners of a cube, far apart.</summary>
    private static Row Near(int c, int seed)
    {
        var random = new Random(1000 * seed + c);
        return new Row
        {
            Features = [.. Enumerable.Range(0, Slots)
                .Select(slot => 5 * ((c * 37 + 11) % 251 >> slot & 1) + 0.2f * (random.NextSingle() - 0.5f))],
            Name = "class " + c, Number = 500 - c, Weight = 2,
        };
    }

    private sealed class Row
    {
        [VectorType(Slots)]
        public float[] Features { get; set; } = [];

        public string Name { get; set; } = "";

        public int Number { get; set; }

        public float Weight { get; set; }
    }
}
