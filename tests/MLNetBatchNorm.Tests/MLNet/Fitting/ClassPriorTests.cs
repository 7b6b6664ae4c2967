using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Training;
using Predictor = Microsoft.ML.Data.BinaryPredictionTransformer<Microsoft.ML.Calibrators.CalibratedModelParametersBase<
    MLNetBatchNorm.BatchNormNetworkBinaryModelParameters, Microsoft.ML.Calibrators.PlattCalibrator>>;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Probabilities are put into a world in which the classes are as frequent as the options say, by Bayes' rule.</summary>
[TestClass]
public sealed class ClassPriorTests
{
    private const int Classes = 4;                     // of which the last has no rows
    private static readonly double[] s_weights = [0.5, 2, 5, 1];

    private readonly MLContext _context = new(1);
    private readonly SpillLog _spill;

    public ClassPriorTests() => _spill = new SpillLog(_context);

    private sealed class Row
    {
        [VectorType(3)]
        public float[] Features { get; set; } = [];

        public bool IsRare { get; set; }

        [KeyType(Classes)]
        public uint Label { get; set; }

        public float Weight { get; set; } = 1;

        /// <summary>The probability of <see cref="IsRare"/>.</summary>
        public double Truth { get; set; }
    }

    private sealed class Prediction
    {
        public float Probability { get; set; }
    }

    /// <summary>The odds of two classes are those without priors times one number, which arithmetic gives.</summary>
    [TestMethod]
    [DataRow("plain")]
    [DataRow("class weights")]
    [DataRow("unbalanced sets")]
    [DataRow("weight column")]
    [DataRow("spilled")]
    [DataRow("warm start")]
    [DataRow("trials")]
    public void Fit_Priors_MultiplyTheOdds(string form)
    {
        Row[] rows = Rows(1, form == "spilled" ? 60_000 : 900);
        Row[] others = Rows(2, 50);
        double[] priors = [0.4, 0.1];
        float[] without = Fit(null).Transform(View(others)).Scalars<float>("Score");
        float[] with = Fit(priors).Transform(View(others)).Scalars<float>("Score");
        Assert.AreEqual(form == "spilled", _spill.HasSpilled);

        double[] learned = [Total(false), Total(true)];
        if (form == "class weights")
            learned = [0.5 * learned[0], 2 * learned[1]];
        if (form == "unbalanced sets")
            learned = [1, 1];
        double expected = Math.Log(priors[1] / priors[0]) - Math.Log(learned[1] / learned[0]);
        Assert.IsGreaterThan(0.3, Math.Abs(expected), "The test shows nothing.");
        for (int i = 0; i < others.Length; i++)
            Assert.AreEqual(expected, (double)with[i] - without[i], 1e-5);

        double Total(bool isRare) =>
            rows.Where(row => row.IsRare == isRare).Sum(row => form == "weight column" ? (double)row.Weight : 1);

        ITransformer Fit(double[]? ofClasses)
        {
            BatchNormNetworkBinaryTrainer.Options options = Options<BatchNormNetworkBinaryTrainer.Options>();
            (options.LabelColumnName, options.ClassPriors) = (nameof(Row.IsRare), ofClasses);
            options.ClassWeights = form == "class weights" ? s_weights[..2] : null;
            options.UnbalancedSets = form == "unbalanced sets";
            options.ExampleWeightColumnName = form == "weight column" ? nameof(Row.Weight) : null;
            options.MemoryBudgetInMegabytes = form == "spilled" ? 1 : 64;
            if (form == "trials")
                (options.NumberOfTrials, options.NumberOfEnsembleMembers) = (6, null);
            BatchNormNetworkBinaryTrainer trainer = _context.BinaryClassification.Trainers.BatchNormNetwork(options);
            if (form != "warm start")
                return trainer.Fit(View(rows));
            BatchNormNetworkBinaryTrainer.Options first = Options<BatchNormNetworkBinaryTrainer.Options>();
            first.LabelColumnName = nameof(Row.IsRare);
            return trainer.Fit(
                View(rows), null, _context.BinaryClassification.Trainers.BatchNormNetwork(first).Fit(View(rows)).Model.SubModel);
        }
    }

    /// <summary>Of several classes as well; one without training rows is left as it is.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Fit_PriorsOfSeveralClasses_MultiplyTheOdds(bool weighted)
    {
        Row[] rows = Rows(1, 900), others = Rows(2, 50);
        double[] priors = [3, 1, 4, 2];
        float[][] without = [.. Fit(null).GetColumn<float[]>("Score")], with = [.. Fit(priors).GetColumn<float[]>("Score")];
        double[] learned = [.. Enumerable.Range(0, Classes).Select(
            c => rows.Count(row => row.Label == c) * (weighted ? s_weights[c] : 1))];
        Assert.AreEqual(0, learned[3]);
        double[] expected = [.. Enumerable.Range(0, 3).Select(c => Math.Log(priors[c] / 8 / (learned[c] / learned.Sum()))), 0];
        for (int i = 0; i < others.Length; i++)
        {
            Assert.AreEqual(1, with[i].Sum(), 1e-5);
            for (int c = 1; c < Classes; c++)
            {
                double shift = Math.Log(with[i][c] / with[i][0]) - Math.Log(without[i][c] / without[i][0]);
                Assert.AreEqual(expected[c] - expected[0], shift, 1e-4, $"{i}, {c}");
            }
        }

        IDataView Fit(double[]? ofClasses)
        {
            BatchNormNetworkMulticlassTrainer.Options options = Options<BatchNormNetworkMulticlassTrainer.Options>();
            (options.ClassPriors, options.ClassWeights) = (ofClasses, weighted ? s_weights : null);
            return _context.MulticlassClassification.Trainers.BatchNormNetwork(options).Fit(View(rows)).Transform(View(others));
        }
    }

    /// <summary>
    /// A training that goes on from a model with priors begins where one does that goes on from the same model without: what was added is
    /// taken out first, and its own priors are added once.
    /// </summary>
    [TestMethod]
    [DataRow(false, false)]
    [DataRow(false, true)]
    [DataRow(true, false)]
    public void Fit_GoingOnFromAModelWithPriors_AddsThemOnce(bool isRead, bool ofOtherPriors)
    {
        Row[] rows = Rows(1, 900), others = Rows(2, 50);
        double[] priors = [0.2, 0.8], last = ofOtherPriors ? [0.7, 0.3] : priors;
        var start = Fit(null, null);
        var moved = Fit(priors, null);
        float[] before = Scores(start), after = Scores(moved);
        double shift = after[0] - (double)before[0];
        Assert.IsGreaterThan(1, shift, "The test shows nothing.");
        if (isRead)
        {
            using var file = new MemoryStream();
            _context.Model.Save(moved, View(rows).Schema, file);
            file.Position = 0;
            moved = (Predictor)_context.Model.Load(file, out _);
            CollectionAssert.AreEqual(after, Scores(moved));
        }

        // What is subtracted leaves a rounding, and steps make it larger: far less than a hundredth of the shift.
        float[] expected = Scores(Fit(last, start)), actual = Scores(Fit(last, moved));
        float[] expectedWithout = Scores(Fit(null, start)), actualWithout = Scores(Fit(null, moved));
        for (int i = 0; i < others.Length; i++)
        {
            Assert.AreEqual(expected[i], actual[i], 0.01 * shift);
            Assert.AreEqual(expectedWithout[i], actualWithout[i], 0.01 * shift);
        }
        CollectionAssert.AreEqual(after, Scores(moved), "The model that training went on from is as it was.");

        float[] Scores(ITransformer model) => model.Transform(View(others)).Scalars<float>("Score");

        Predictor Fit(double[]? ofClasses, Predictor? from)
        {
            BatchNormNetworkBinaryTrainer.Options options = Options<BatchNormNetworkBinaryTrainer.Options>();
            (options.LabelColumnName, options.ClassPriors) = (nameof(Row.IsRare), ofClasses);
            return _context.BinaryClassification.Trainers.BatchNormNetwork(options).Fit(View(rows), null, from?.Model.SubModel);
        }
    }

    /// <summary>Of several classes as well, each of which has a number of its own.</summary>
    [TestMethod]
    public void Fit_GoingOnFromAModelWithPriorsOfSeveralClasses_AddsThemOnce()
    {
        Row[] rows = Rows(1, 900), others = Rows(2, 50);
        double[] priors = [3, 1, 40, 2];
        var start = Fit(null, null);
        var moved = Fit(priors, null);
        Assert.IsGreaterThan(0.1, Math.Abs(Scores(start)[0][2] - Scores(moved)[0][2]), "The test shows nothing.");
        float[][] expected = Scores(Fit(priors, start)), actual = Scores(Fit(priors, moved));
        for (int i = 0; i < others.Length; i++)
        {
            for (int c = 0; c < Classes; c++)
                Assert.AreEqual(expected[i][c], actual[i][c], 0.002);
        }

        float[][] Scores(ITransformer model) => [.. model.Transform(View(others)).GetColumn<float[]>("Score")];

        MulticlassPredictionTransformer<BatchNormNetworkMulticlassModelParameters> Fit(
            double[]? ofClasses, MulticlassPredictionTransformer<BatchNormNetworkMulticlassModelParameters>? from)
        {
            BatchNormNetworkMulticlassTrainer.Options options = Options<BatchNormNetworkMulticlassTrainer.Options>();
            options.ClassPriors = ofClasses;
            return _context.MulticlassClassification.Trainers.BatchNormNetwork(options).Fit(View(rows), null, from?.Model);
        }
    }

    /// <summary>What it is for: of balanced sets probabilities are too high by far, and with priors as good as without weights.</summary>
    [TestMethod]
    public void Fit_UnbalancedSetsWithPriors_GivesTheProbabilitiesOfTheProcess()
    {
        Row[] rows = Rows(1, 6000), others = Rows(2, 6000);
        double truth = others.Average(row => row.Truth);
        (double mean, double loss) = Measure(_ => { });
        (double meanBalanced, double lossBalanced) = Measure(options => options.UnbalancedSets = true);
        (double meanBack, double lossBack) = Measure(
            options => (options.UnbalancedSets, options.ClassPriors) = (true, [1 - truth, truth]));

        // Of 6000 rows some 900 are true: a standard error of 3%.
        Assert.AreEqual(truth, mean, 0.1 * truth);
        Assert.AreEqual(truth, meanBack, 0.1 * truth);
        Assert.IsGreaterThan(2 * truth, meanBalanced);
        Assert.AreEqual(loss, lossBack, 0.01);
        Assert.IsGreaterThan(lossBack + 0.1, lossBalanced);

        (double Mean, double Loss) Measure(Action<BatchNormNetworkBinaryTrainer.Options> set)
        {
            BatchNormNetworkBinaryTrainer.Options options = Options<BatchNormNetworkBinaryTrainer.Options>();
            options.LabelColumnName = nameof(Row.IsRare);
            options.MaximumNumberOfEpochs = 10;
            set(options);
            float[] said = _context.BinaryClassification.Trainers.BatchNormNetwork(options).Fit(View(rows)).Transform(View(others))
                .Scalars<float>("Probability");
            return (said.Average(), others.Zip(said, (row, p) => -row.Truth * Math.Log(p) - (1 - row.Truth) * Math.Log(1 - p)).Average());
        }
    }

    /// <summary>A file, a prediction engine and a block give the moved probabilities; counts are as good as parts.</summary>
    [TestMethod]
    public void Priors_AreInTheModel()
    {
        Row[] rows = Rows(1, 600);
        BatchNormNetworkBinaryTrainer.Options options = Options<BatchNormNetworkBinaryTrainer.Options>();
        (options.LabelColumnName, options.ClassPriors, options.UnbalancedSets) = (nameof(Row.IsRare), [0.75, 0.25], true);
        var model = _context.BinaryClassification.Trainers.BatchNormNetwork(options).Fit(View(rows));
        float[] probabilities = model.Transform(View(rows)).Scalars<float>("Probability");
        options.ClassPriors = [3, 1];
        ITransformer ofCounts = _context.BinaryClassification.Trainers.BatchNormNetwork(options).Fit(View(rows));
        CollectionAssert.AreEqual(probabilities, ofCounts.Transform(View(rows)).Scalars<float>("Probability"));

        using var file = new MemoryStream();
        _context.Model.Save(model, View(rows).Schema, file);
        file.Position = 0;
        CollectionAssert.AreEqual(
            probabilities, new MLContext().Model.Load(file, out _).Transform(View(rows)).Scalars<float>("Probability"));
        float[] logits = new float[rows.Length];
        model.Model.SubModel.Score([.. rows.SelectMany(row => row.Features)], rows.Length, logits);
        var engine = _context.Model.CreatePredictionEngine<Row, Prediction>(model);
        for (int i = 0; i < rows.Length; i++)
        {
            Assert.AreEqual(probabilities[i], engine.Predict(rows[i]).Probability);
            Assert.AreEqual(1 / (1 + Math.Exp(-logits[i])), probabilities[i], 1e-6);
        }
    }

    /// <summary>Priors that are those of the training move nothing, and common factors make no difference.</summary>
    [TestMethod]
    public void Shifts_OfArithmetic()
    {
        foreach (double shift in ClassPriors.Shifts([3, 1, 6], [300, 100, 600], null))
            Assert.AreEqual(0, shift, 1e-12);
        foreach (double shift in ClassPriors.Shifts([1, 1, 1], [300, 100, 600], [2, 6, 1]))
            Assert.AreEqual(0, shift, 1e-12);
        // 10% became 50%: ln 5, and the others 90% to 50%.
        double[] shifts = ClassPriors.Shifts([5, 5], [90, 10], null);
        Assert.AreEqual(Math.Log(5), shifts[1], 1e-12);
        Assert.AreEqual(Math.Log(5 / 9.0), shifts[0], 1e-12);
        CollectionAssert.AreEqual(new[] { 0, 0.0 }, ClassPriors.Shifts([1, 1, 1], [5, 0, 5], [1, 1, 1])[1..]);
    }

    [TestMethod]
    public void Create_PriorsThatCannotBe_AreRefused()
    {
        foreach ((double[] priors, string message) in new[]
        {
            (new[] { 1, 0.0 }, "ClassPriors[1] is 0; it must be in (0, 1000000000]. Give the part of each class"),
            ([-0.1, 1.1], "ClassPriors[0] is -0.1; it must be in (0, 1000000000]."),
            ([double.NaN, 1], "ClassPriors[0] is NaN; it must be in (0, 1000000000]."),
            ([1, double.PositiveInfinity], "ClassPriors[1] is Infinity; it must be in (0, 1000000000]."),
        })
        {
            BatchNormNetworkBinaryTrainer.Options options = Options<BatchNormNetworkBinaryTrainer.Options>();
            options.ClassPriors = priors;
            var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _context.BinaryClassification.Trainers.BatchNormNetwork(options));
            Assert.StartsWith(message, error.Message);
            Assert.AreEqual("ClassPriors", error.ParamName);
        }
    }

    [TestMethod]
    public void Fit_MoreOrFewerPriorsThanClasses_IsRefused()
    {
        BatchNormNetworkBinaryTrainer.Options binary = Options<BatchNormNetworkBinaryTrainer.Options>();
        (binary.LabelColumnName, binary.ClassPriors) = (nameof(Row.IsRare), [1]);
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _context.BinaryClassification.Trainers.BatchNormNetwork(binary).Fit(View(Rows(1, 50))));
        Assert.StartsWith(
            "ClassPriors has 1 numbers, but there are 2 classes. Give one for each: that of false, that of true.", error.Message);
        BatchNormNetworkMulticlassTrainer.Options several = Options<BatchNormNetworkMulticlassTrainer.Options>();
        several.ClassPriors = [1, 1, 1];
        error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _context.MulticlassClassification.Trainers.BatchNormNetwork(several).Fit(View(Rows(1, 50))));
        Assert.StartsWith(
            "ClassPriors has 3 numbers, but there are 4 classes. Give one for each: in the order of the label's keys.", error.Message);
    }

    /// <summary>The trainer keeps a copy of the array.</summary>
    [TestMethod]
    public void Create_PriorsChangedAfterwards_HaveNoEffect()
    {
        double[] priors = [0.9, 0.1];
        BatchNormNetworkBinaryTrainer.Options options = Options<BatchNormNetworkBinaryTrainer.Options>();
        (options.LabelColumnName, options.ClassPriors) = (nameof(Row.IsRare), priors);
        BatchNormNetworkBinaryTrainer trainer = _context.BinaryClassification.Trainers.BatchNormNetwork(options);
        IDataView view = View(Rows(1, 200));
        float[] before = trainer.Fit(view).Transform(view).Scalars<float>("Score");
        priors[1] = 0.5;
        CollectionAssert.AreEqual(before, trainer.Fit(view).Transform(view).Scalars<float>("Score"));
    }

    private static T Options<T>()
        where T : BatchNormNetworkClassificationOptions, new() => new()
        {
            HiddenUnits = [8], BatchSize = 64, MaximumNumberOfEpochs = 2, NumberOfEnsembleMembers = 2, Seed = 7,
        };

    private IDataView View(Row[] rows) => _context.Data.LoadFromEnumerable(rows);

    /// <summary>One row in seven is rare.</summary>
    private static Row[] Rows(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            float[] x = [.. Enumerable.Range(0, 3).Select(_ => 2 * random.NextSingle() - 1)];
            double truth = 1 / (1 + Math.Exp(2.5 - 2 * x[0] + x[1]));
            return new Row
            {
                Features = x, Truth = truth, IsRare = random.NextDouble() < truth, Weight = random.Next(1, 4),
                // ML.NET makes keys of such numbers by adding one.
                Label = x[1] > 0.5 ? 2u : x[2] > -0.3 ? 0u : 1u,
            };
        })];
    }
}
