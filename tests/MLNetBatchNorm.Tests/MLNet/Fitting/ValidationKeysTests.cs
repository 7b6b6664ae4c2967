using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// A validation set, or a model to go on from, whose keys stand for other classes than those of the training set is refused, even where
/// they are as many.
/// </summary>
[TestClass]
public sealed class ValidationKeysTests
{
    private readonly MLContext _context = new(1);

    public static IEnumerable<object[]> Columns =>
        [[nameof(Labelled.Text)], [nameof(Labelled.Whole)], [nameof(Labelled.Number)], [nameof(Labelled.Flag)]];

    [TestMethod]
    [DynamicData(nameof(Columns))]
    public void Fit_ValidationKeysInAnotherOrder_IsRefused(string column)
    {
        IDataView training = Rows(60, first: 0), validation = Rows(40, first: 1);
        ITransformer ofTraining = Keys(column).Fit(training), ofValidation = Keys(column).Fit(validation);
        BatchNormNetworkMulticlassTrainer trainer = Trainer();

        MulticlassPredictionTransformer<BatchNormNetworkMulticlassModelParameters> model =
            trainer.Fit(ofTraining.Transform(training), ofTraining.Transform(validation));
        Assert.IsNotNull(model.Model.Network.Members[0].TrainingHistory.Epochs[0].ValidationLoss);

        (string one, string two) = (Shown(column, 0), Shown(column, 1));
        string expected = $"Key 1 of label column 'Label' is '{two}' in the validation set, and '{one}' in the training set.";
        string argument = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => trainer.Fit(ofTraining.Transform(training), ofValidation.Transform(validation))).Message;
        Assert.Contains(expected, argument);
        BatchNormNetworkMulticlassTrainer withOption = Trainer(options => options.ValidationSet = ofValidation.Transform(validation));
        Assert.Contains(
            expected, Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => withOption.Fit(ofTraining.Transform(training))).Message);
    }

    /// <summary>A model that was trained with other keys would take its classes for each other, loaded as well.</summary>
    [TestMethod]
    [DynamicData(nameof(Columns))]
    public void Fit_FromAModelOfKeysInAnotherOrder_IsRefused(string column)
    {
        IDataView before = Rows(60, first: 0), after = Rows(40, first: 1);
        ITransformer ofBefore = Keys(column).Fit(before), ofAfter = Keys(column).Fit(after);
        var fitted = Trainer().Fit(ofBefore.Transform(before));
        using var stream = new MemoryStream();
        _context.Model.Save(fitted, ofBefore.Transform(before).Schema, stream);
        stream.Position = 0;
        var loaded = (MulticlassPredictionTransformer<BatchNormNetworkMulticlassModelParameters>)new MLContext().Model.Load(stream, out _);

        foreach (BatchNormNetworkMulticlassModelParameters model in new[] { fitted.Model, loaded.Model })
        {
            var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Trainer().Fit(ofAfter.Transform(after), null, model));
            Assert.Contains(
                $"Key 1 of label column 'Label' is '{Shown(column, 0)}' in the initial model, and '{Shown(column, 1)}' in the training set",
                error.Message);
            Assert.AreEqual("modelParameters", error.ParamName);
            // With the right keys it goes on, and knows them from then on.
            var second = Trainer().Fit(ofBefore.Transform(after), null, model);
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Trainer().Fit(ofAfter.Transform(after), null, second.Model));
        }
    }

    /// <summary>Keys that say nothing are only numbers; a model that was trained with them knows no more after that.</summary>
    [TestMethod]
    public void Fit_FromAModelOfKeysWithoutValues_IsAccepted()
    {
        IDataView training = Rows(60, first: 0), keys = Keys(nameof(Labelled.Text)).Fit(training).Transform(training);
        var named = Trainer().Fit(keys);
        var bare = Trainer().Fit(Bares());
        Assert.IsNotNull(Trainer().Fit(keys, null, bare.Model));
        var stillNamed = Trainer().Fit(Bares(), null, named.Model);
        IDataView others = Rows(40, first: 1);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => Trainer().Fit(Keys(nameof(Labelled.Text)).Fit(others).Transform(others), null, stillNamed.Model));
    }

    /// <summary>The same classes in the same order, whichever view they were learned from and however they were read.</summary>
    [TestMethod]
    [DataRow(nameof(Labelled.Text), nameof(Labelled.Text))]
    [DataRow(nameof(Labelled.Whole), nameof(Labelled.Number))]
    public void Fit_ValidationKeysOfTheirOwnInTheSameOrder_IsAccepted(string column, string validationColumn)
    {
        IDataView training = Rows(60, first: 0), validation = Rows(40, first: 0);
        MulticlassPredictionTransformer<BatchNormNetworkMulticlassModelParameters> model =
            Trainer().Fit(Keys(column).Fit(training).Transform(training), Keys(validationColumn).Fit(validation).Transform(validation));
        Assert.IsNotNull(model.Model.Network.Members[0].TrainingHistory.Epochs[0].ValidationLoss);
    }

    /// <summary>Keys without values can only be numbers: there is nothing to compare.</summary>
    [TestMethod]
    public void Fit_ValidationKeysWithoutValues_IsAccepted()
    {
        IDataView training = Rows(60, first: 0);
        IDataView keys = Keys(nameof(Labelled.Text)).Fit(training).Transform(training);
        IDataView bare = Bares();
        Assert.IsNotNull(Trainer().Fit(keys, bare).Model.Network.Members[0].TrainingHistory.Epochs[0].ValidationLoss);
        Assert.IsNotNull(Trainer().Fit(bare, keys).Model.Network.Members[0].TrainingHistory.Epochs[0].ValidationLoss);
    }

    private IDataView Bares() => _context.Data.LoadFromEnumerable(
        Enumerable.Range(0, 30).Select(i => new Bare { Label = (uint)(i % 2), Features = [i % 2, i] }));

    private static string Shown(string column, int place) => column switch
    {
        nameof(Labelled.Text) => place == 0 ? "ant" : "bee",
        nameof(Labelled.Whole) => place == 0 ? "7" : "-3",
        nameof(Labelled.Number) => place == 0 ? "7" : "-3",
        _ => place == 0 ? "True" : "False",
    };

    private IEstimator<ITransformer> Keys(string column) => _context.Transforms.Conversion.MapValueToKey("Label", column);

    private BatchNormNetworkMulticlassTrainer Trainer(Action<BatchNormNetworkOptions>? change = null) =>
        (BatchNormNetworkMulticlassTrainer)NetworkExamples.Quick(_context, NetworkKind.Multiclass, change);

    private IDataView Rows(int count, int first) => _context.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(i =>
    {
        int place = (i + first) % 2;
        float number = place == 0 ? 7 : -3;
        return new Labelled
        {
            Text = Shown(nameof(Labelled.Text), place), Whole = (int)number, Number = number, Flag = place == 0, Features = [place, i],
        };
    }));

    private sealed class Labelled
    {
        public string Text { get; set; } = "";

        public int Whole { get; set; }

        public float Number { get; set; }

        public bool Flag { get; set; }

        [VectorType(2)]
        public float[] Features { get; set; } = [];
    }

    private sealed class Bare
    {
        [KeyType(2)]
        public uint Label { get; set; }

        [VectorType(2)]
        public float[] Features { get; set; } = [];
    }
}
