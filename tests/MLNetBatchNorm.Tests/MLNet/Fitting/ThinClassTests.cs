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

    private readonly MLContext _context = new(1);
    private readonly List<string> _warnings = [];

    public ThinClassTests() => _context.Log += (_, e) =>
    {
        if (e.Kind >= ChannelMessageKind.Warning)
            _warnings.Add(e.RawMessage);
    };

    [TestMethod]
    [DataRow("dense", true)]
    [DataRow("sparse", true)]
    [DataRow("weighted", false)]
    public void Fit_ClassesOfOneRow_AreRecognized(string what, bool text)
    {
        const int classes = 60;
        List<Row> rows = [.. Enumerable.Range(0, classes).Select(c => Near(c, seed: 1))];
        IDataView training = _context.Data.LoadFromEnumerable(rows),
            test = _context.Data.LoadFromEnumerable(Enumerable.Range(0, classes).Select(c => Near(c, seed: 2)));
        ITransformer keys = _context.Transforms.Conversion.MapValueToKey("Label", text ? nameof(Row.Name) : nameof(Row.Number))
            .Fit(training);
        IDataView keyed = keys.Transform(training);
        var trainer = Trainer(options => options.ExampleWeightColumnName = what == "weighted" ? nameof(Row.Weight) : null);
        var model = trainer.Fit(what == "sparse" ? new SparseView(keyed, "Features") : keyed);

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
    [DataRow(1)]
    [DataRow(2)]
    public void Fit_AFewThinClasses_AreRecognized(int rowsOfThin)
    {
        const int thick = 4, thin = 12;
        IEnumerable<Row> rows = Enumerable.Range(0, 400).Select(i => Near(i % thick, seed: 10 + i))
            .Concat(Enumerable.Range(0, thin * rowsOfThin).Select(i => Near(thick + i % thin, seed: 1000 + i)));
        IDataView training = _context.Data.LoadFromEnumerable(rows.ToList()),
            test = _context.Data.LoadFromEnumerable(Enumerable.Range(thick, thin).Select(c => Near(c, seed: 2)));
        ITransformer keys = _context.Transforms.Conversion.MapValueToKey("Label", nameof(Row.Name)).Fit(training);
        // So that a class of one row counts for as much as one of a hundred; else what is measured is how fast it is learned.
        var model = Trainer(options => options.UnbalancedSets = true).Fit(keys.Transform(training));

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
