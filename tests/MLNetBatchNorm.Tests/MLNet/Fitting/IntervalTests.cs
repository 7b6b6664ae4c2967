using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.Kernels;
using MLNetBatchNorm.Training;
using Trained = Microsoft.ML.Data.RegressionPredictionTransformer<MLNetBatchNorm.BatchNormNetworkRegressionModelParameters>;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Prediction intervals: that they hold what they promise on new rows, wherever rows and held-out rows come from.</summary>
[TestClass]
public sealed class IntervalTests
{
    private const int Slots = 5;

    /// <summary>Rows of 5 features and a label that come to more than a megabyte.</summary>
    private const int RowsBeyondTheBudget = 50_000;

    /// <summary>How much larger noise is where the second slot is above 0.</summary>
    private const double NoiseRatio = 5;

    private readonly MLContext _context = new(1);
    private readonly SpillLog _spill;

    public IntervalTests() => _spill = new SpillLog(_context);

    private sealed class Row
    {
        [VectorType(Slots)]
        public float[] Features { get; set; } = [];

        public float Label { get; set; }

        public float Weight { get; set; } = 1;

        public uint Group { get; set; }
    }

    private sealed class Prediction
    {
        public float Score { get; set; }

        [VectorType]
        public float[] ScoreLowerBound { get; set; } = [];

        [VectorType]
        public float[] ScoreUpperBound { get; set; } = [];
    }

    public static IEnumerable<object[]> Forms =>
    [
        ["dense"], ["sparse"], ["spilled"], ["single"], ["validation set"], ["groups"], ["weights"], ["warm start"], ["counts"], ["trials"],
    ];

    /// <summary>Labels lie between their bounds as often as the level says, where noise is small as where it is large.</summary>
    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void Bounds_OfNewRows_HoldTheirPart(string form)
    {
        Row[] training = Rows(1, form == "spilled" ? RowsBeyondTheBudget : 4000, form), others = Rows(2, 6000, form);
        Trained model = Fit(form, training, 0.8, 0.95);
        Assert.AreEqual(form == "spilled", _spill.HasSpilled, form);
        (float[] scores, float[][] lower, float[][] upper) = Bounds(model, form, others);
        PredictionIntervals intervals = ((INetworkModel)model.Model).Network.Intervals!;
        // Of 4000 rows 4 networks keep 1600 back; half of these judge trials and measure nothing.
        if (form == "trials")
            Assert.IsInRange(700, 900, intervals.Rows);
        for (int level = 0; level < 2; level++)
        {
            double wanted = level == 0 ? 0.8 : 0.95;
            // Coverage has a standard error from the rows that measure and one from the rows here. Of a stretch one row more is counted on
            // each side than there are. Means over a whole ensemble are a little better than those that are measured: 0.01. No form may be
            // off by more than 0.05 and 0.03, however few rows measure.
            double most = level == 0 ? 0.05 : 0.03, below = 3 * StandardError(1);
            double above = below + 2.0 * intervals.Knots.Length / intervals.Rows + 0.01;
            double all = Covered(_ => true);
            Assert.IsGreaterThan(wanted - Math.Min(most, below), all, $"{form}, all rows");
            Assert.IsLessThan(wanted + Math.Min(most, above), all, $"{form}, all rows");
            if (form != "counts")
            {
                // Of widths that follow the spread by a power below 1, too few labels are within bounds where noise is large, and too many
                // where it is small; a spread that is wrong by a twentieth moves each a little more.
                foreach (bool noisy in new[] { true, false })
                {
                    double ofPower = Math.Abs(Coverage(wanted, intervals.Power, noisy) - wanted);
                    double tolerance = Math.Min(0.15, ofPower + 3 * StandardError(0.5) + OfWiderBounds(wanted, 1.05));
                    Assert.AreEqual(wanted, Covered(row => row.Features[1] > 0 == noisy), tolerance, $"{form}, noisy: {noisy}");
                }

                Assert.IsGreaterThan(2 * Width(row => row.Features[1] <= 0), Width(row => row.Features[1] > 0),
                    $"{form}: widths do not adapt");
            }

            double StandardError(double part) =>
                Math.Sqrt(wanted * (1 - wanted) * (1 / (part * intervals.Rows) + 1 / (part * others.Length)));

            double Covered(Func<Row, bool> of)
            {
                int[] chosen = [.. Enumerable.Range(0, others.Length).Where(i => of(others[i]))];
                return chosen.Count(i => others[i].Label >= lower[i][level] && others[i].Label <= upper[i][level]) / (double)chosen.Length;
            }

            double Width(Func<Row, bool> of) =>
                Enumerable.Range(0, others.Length).Where(i => of(others[i])).Average(i => (double)upper[i][level] - lower[i][level]);
        }

        for (int i = 0; i < others.Length; i++)
        {
            Assert.IsTrue(lower[i][1] <= lower[i][0] && lower[i][0] <= scores[i] && scores[i] <= upper[i][0] && upper[i][0] <= upper[i][1]);
            if (form == "counts")
                Assert.IsGreaterThanOrEqualTo(0f, lower[i][1]);
        }
    }

    /// <summary>
    /// The part of normal noise within bounds that follow a perfectly known deviation by a power, where half of the rows have a deviation
    /// <see cref="NoiseRatio"/> times as large, and bounds are as wide as both halves together need.
    /// </summary>
    [TestMethod]
    public void Coverage_OfPowers_IsEvenOnlyWithOne()
    {
        foreach (double wanted in new[] { 0.8, 0.95 })
        {
            Assert.AreEqual(wanted, Coverage(wanted, 1, noisy: true), 1e-9);
            Assert.AreEqual(wanted, (Coverage(wanted, 0.75, true) + Coverage(wanted, 0.75, false)) / 2, 1e-9);
        }

        // Bounds of 1.6 deviations where noise is small are of 1.6 / 5^0.25 = 1.07 where it is large: 0.890 and 0.715.
        Assert.AreEqual(0.713, Coverage(0.8, 0.75, noisy: true), 0.005);
        Assert.AreEqual(0.887, Coverage(0.8, 0.75, noisy: false), 0.005);
    }

    private static double Coverage(double wanted, double power, bool noisy)
    {
        double ratio = Math.Pow(NoiseRatio, power - 1), low = 0, high = 100;
        while (high - low > 1e-12)
        {
            double middle = (low + high) / 2;
            if (Within(middle) + Within(middle * ratio) < 2 * wanted)
                low = middle;
            else
                high = middle;
        }

        return Within(noisy ? low * ratio : low);
    }

    /// <summary>How much more of normal noise is within bounds that are wider by a factor.</summary>
    private static double OfWiderBounds(double wanted, double factor)
    {
        double low = 0, high = 100;
        while (high - low > 1e-12)
            (low, high) = Within((low + high) / 2) < wanted ? ((low + high) / 2, high) : (low, (low + high) / 2);
        return Within(low * factor) - wanted;
    }

    /// <summary>The part of normal noise that is no farther from its mean than so many deviations.</summary>
    private static double Within(double deviations) => 1 - 2 * NormalOracle.Cumulative(-deviations);

    /// <summary>What chooses an epoch and what measures errors is never the same row, in no network, nor in the same group.</summary>
    [TestMethod]
    public void Rows_ThatChooseAnEpoch_DoNotMeasure()
    {
        var groups = new MLNetBatchNorm.Data.RowGroups();
        for (int row = 0; row < 1000; row++)
            groups.Add((uint)(row / 4));
        var table = new MLNetBatchNorm.Data.TrainingTable(1, 1, weighted: false);
        for (int row = 0; row < 1000; row++)
            table.Add([row], [row], 1);
        foreach (MLNetBatchNorm.Data.RowGroups? together in new[] { null, groups })
        {
            var held = new MLNetBatchNorm.Training.HeldOutRows(7, together);
            var (choosing, keptBack) = held.Part(new MLNetBatchNorm.Data.TableRows(table));
            CollectionAssert.AreEquivalent(Enumerable.Range(0, 1000).ToArray(), choosing.Rows.Concat(keptBack.Rows).ToArray());
            Assert.AreEqual(500, keptBack.Count, 80);
            if (together is not null)
                Assert.IsFalse(choosing.Rows.Select(row => row / 4).Intersect(keptBack.Rows.Select(row => row / 4)).Any());
        }
    }

    [TestMethod]
    public void Schema_OfOneLevel_HasNumbers_OfSeveral_Vectors_OfNone_OnlyTheScore()
    {
        Row[] rows = Rows(1, 400, "dense");
        foreach (double[] levels in new double[][] { [], [0.9], [0.95, 0.5] })
        {
            BatchNormNetworkRegressionTrainer trainer = Trainer("dense", levels);
            Trained model = trainer.Fit(View("dense", rows));
            DataViewSchema schema = model.Transform(View("dense", rows)).Schema;
            SchemaShape promised = trainer.GetOutputSchema(SchemaShape.Create(View("dense", rows).Schema));
            string[] added = [.. schema.Select(column => column.Name).Where(name => name.StartsWith("Score", StringComparison.Ordinal))];
            CollectionAssert.AreEqual(
                levels.Length == 0 ? ["Score"] : new[] { "Score", "ScoreLowerBound", "ScoreUpperBound" }, added);
            Assert.AreEqual(schema.Count, promised.Count());
            CollectionAssert.AreEqual(levels, model.Model.IntervalLevels.ToArray());
            if (levels.Length < 2)
                continue;
            VBuffer<ReadOnlyMemory<char>> names = default;
            schema["ScoreUpperBound"].GetSlotNames(ref names);
            CollectionAssert.AreEqual(
                levels.Select(level => level.ToString(CultureInfo.InvariantCulture)).ToArray(),
                names.DenseValues().Select(name => name.ToString()).ToArray());
        }
    }

    /// <summary>Transform, prediction engine, block, file: the same bits; and ML.NET's evaluation takes the score.</summary>
    [TestMethod]
    [DataRow("dense")]
    [DataRow("sparse")]
    [DataRow("counts")]
    public void Bounds_OfARow_AreTheSameEverywhere(string form)
    {
        Row[] rows = Rows(1, 800, form), others = Rows(2, 60, form);
        others[7].Features[2] = float.NaN;
        Trained model = Fit(form, rows, 0.8, 0.95);
        (float[] scores, float[][] lower, float[][] upper) = Bounds(model, form, others);
        Assert.AreEqual(others.Length, Bounds(model, form, others).Scores.Length);

        using var file = new MemoryStream();
        _context.Model.Save(model, View(form, rows).Schema, file);
        file.Position = 0;
        var loaded = new MLContext(2).Model.Load(file, out _);
        (float[] loadedScores, float[][] loadedLower, float[][] loadedUpper) = Bounds(loaded, form, others);
        CollectionAssert.AreEqual(scores, loadedScores);

        float[] block = new float[others.Length], blockLower = new float[2 * others.Length], blockUpper = new float[2 * others.Length];
        model.Model.ScoreIntervals([.. others.SelectMany(row => row.Features)], others.Length, block, blockLower, blockUpper);
        float[] plain = new float[others.Length];
        model.Model.Score([.. others.SelectMany(row => row.Features)], others.Length, plain);
        CollectionAssert.AreEqual(scores, block);
        CollectionAssert.AreEqual(scores, plain, "with and without bounds a score is the same");
        var engine = _context.Model.CreatePredictionEngine<Row, Prediction>(model);
        for (int i = 0; i < others.Length; i++)
        {
            Prediction one = engine.Predict(others[i]);
            Assert.AreEqual(scores[i], one.Score);
            CollectionAssert.AreEqual(lower[i], one.ScoreLowerBound);
            CollectionAssert.AreEqual(upper[i], one.ScoreUpperBound);
            CollectionAssert.AreEqual(lower[i], loadedLower[i]);
            CollectionAssert.AreEqual(upper[i], loadedUpper[i]);
            CollectionAssert.AreEqual(lower[i], blockLower[(2 * i)..(2 * i + 2)]);
            CollectionAssert.AreEqual(upper[i], blockUpper[(2 * i)..(2 * i + 2)]);
        }

        RegressionMetrics metrics = _context.Regression.Evaluate(model.Transform(View(form, others)));
        Assert.AreEqual(others.Zip(scores, (row, score) => Math.Abs((double)row.Label - score)).Average(), metrics.MeanAbsoluteError, 1e-4);
    }

    /// <summary>Saved here, loaded where nothing has been trained: the same numbers to the last digit.</summary>
    [TestMethod]
    [DataRow("dense")]
    [DataRow("counts")]
    public void Bounds_InAFreshProcess_AreTheSame(string form)
    {
        Trained model = Fit(form, Rows(1, 800, form), 0.8, 0.95);
        string path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.zip");
        try
        {
            _context.Model.Save(model, View(form, Rows(1, 1, form)).Schema, path);
            Assert.AreEqual(LoadedBounds.Text(_context, model, form), FreshProcess.Run<LoadedBounds>(path, form));
        }
        finally
        {
            File.Delete(path);
        }
    }

    internal sealed class LoadedBounds : IFreshProcessTask
    {
        public static void Run(string[] arguments, TextWriter output)
        {
            var context = new MLContext();
            output.Write(Text(context, context.Model.Load(arguments[0], out _), arguments[1]));
        }

        public static string Text(MLContext context, ITransformer model, string form)
        {
            IDataView scored = model.Transform(context.Data.LoadFromEnumerable(Rows(2, 60, form)));
            return string.Join(' ', new[] { "ScoreLowerBound", "ScoreUpperBound" }.SelectMany(name => scored.GetColumn<float[]>(name))
                .SelectMany(bounds => bounds).Select(bound => bound.ToString("R", CultureInfo.InvariantCulture)));
        }
    }

    /// <summary>Half as many rows choose the epoch; what is predicted is as good but for noise.</summary>
    [TestMethod]
    public void Scores_WithLevels_AreAsGoodAsWithout()
    {
        Row[] rows = Rows(1, 4000, "dense"), others = Rows(2, 6000, "dense");
        double without = Error([]), with = Error([0.8, 0.95]);
        Assert.AreNotEqual(without, with, "The same rows chose the epoch.");
        Assert.AreEqual(without, with, 0.02 * without);

        double Error(double[] levels) => Math.Sqrt(Fit("dense", rows, levels).Transform(View("dense", others)).GetColumn<float>("Score")
            .Zip(others, (score, row) => ((double)score - row.Label) * (score - row.Label)).Average());
    }

    /// <summary>Going on without a validation set of one's own: the warning says why bounds may be too narrow.</summary>
    [TestMethod]
    public void Fit_GoingOnWithoutAValidationSet_Warns()
    {
        Row[] rows = Rows(1, 600, "dense");
        BatchNormNetworkRegressionModelParameters start = Trainer("dense").Fit(View("dense", rows)).Model;
        var warnings = new List<string>();
        _context.Log += (_, line) =>
        {
            if (line.Kind == Microsoft.ML.Runtime.ChannelMessageKind.Warning)
                warnings.Add(line.Message);
        };
        Trainer("dense", 0.9).Fit(View("dense", rows), null, start);
        Assert.IsTrue(warnings.Any(line => line.Contains(
            "the model to go on from may have been trained on rows that are now held out", StringComparison.Ordinal)));
        warnings.Clear();
        Trainer("dense", 0.9).Fit(View("dense", rows), View("dense", Rows(3, 400, "dense")), start);
        Assert.IsFalse(warnings.Any(line => line.Contains("IntervalLevels", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void CrossValidation_OfAModelWithBounds_GivesThem()
    {
        var folds = _context.Regression.CrossValidate(View("dense", Rows(1, 600, "dense")), Trainer("dense", 0.9), numberOfFolds: 2);
        Assert.IsTrue(folds.All(fold => fold.Metrics.RSquared > 0.3));
        Assert.IsTrue(folds.All(fold => fold.ScoredHoldOutSet.Schema.GetColumnOrNull("ScoreUpperBound") is not null));
    }

    [TestMethod]
    public void Fit_Twice_GivesTheSameBounds_OnAnyNumberOfThreads()
    {
        Row[] rows = Rows(1, 600, "dense"), others = Rows(2, 50, "dense");
        float[][] first = Bounds(Fit("dense", rows, 0.9, 0.5), "dense", others).Lower;
        BatchNormNetworkRegressionTrainer.Options options = Options("dense", 0.9, 0.5);
        options.NumberOfThreads = 1;
        float[][] second = Bounds(_context.Regression.Trainers.BatchNormNetwork(options).Fit(View("dense", rows)), "dense", others).Lower;
        for (int i = 0; i < others.Length; i++)
            CollectionAssert.AreEqual(first[i], second[i]);
    }

    [TestMethod]
    public void Fit_LabelsThatAreAllEqual_HaveNoWidth()
    {
        Row[] rows = Rows(1, 400, "dense");
        foreach (Row row in rows)
            row.Label = 3;
        (float[] scores, float[][] lower, float[][] upper) = Bounds(Fit("dense", rows, 0.5, 0.9), "dense", rows);
        Assert.IsTrue(scores.All(score => score == 3) && lower.All(bounds => bounds[1] == 3) && upper.All(bounds => bounds[1] == 3));
    }

    [TestMethod]
    public void Fit_WithoutHeldOutRows_IsRefused()
    {
        BatchNormNetworkRegressionTrainer.Options options = Options("dense", 0.9);
        options.ValidationFraction = 0;
        var error = Assert.ThrowsExactly<InvalidOperationException>(
            () => _context.Regression.Trainers.BatchNormNetwork(options).Fit(View("dense", Rows(1, 100, "dense"))));
        Assert.Contains("IntervalLevels needs rows that the networks were not trained on", error.Message);
        Assert.Contains("ValidationFraction is 0 and there is no validation set: nothing is held out.", error.Message);
    }

    [TestMethod]
    public void Fit_TooFewHeldOutRowsForALevel_SaysHowManyAreNeeded()
    {
        var error = Assert.ThrowsExactly<InvalidOperationException>(() => Fit("single", Rows(1, 100, "dense"), 0.5, 0.99));
        Assert.Contains("IntervalLevels has 0.99, which needs 199 held-out rows that did not choose an epoch; there are ", error.Message);
        Assert.Contains("raise ValidationFraction", error.Message);
    }

    [TestMethod]
    public void Create_LevelsThatAreNone_AreRefused()
    {
        foreach ((double[] levels, string message) in new[]
        {
            (new[] { 0.9, 1 }, "IntervalLevels[1] is 1; it must be in (0, 1). It is the part of labels"),
            ([0], "IntervalLevels[0] is 0; it must be in (0, 1)."),
            ([double.NaN], "IntervalLevels[0] is NaN; it must be in (0, 1)."),
            ([0.9, 0.5, 0.9], "IntervalLevels has 0.9 twice; give each level once."),
        })
        {
            var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Trainer("dense", levels));
            Assert.StartsWith(message, error.Message);
            Assert.AreEqual("IntervalLevels", error.ParamName);
        }
    }

    [TestMethod]
    public void ScoreIntervals_OfAModelWithout_IsRefused()
    {
        Trained model = Fit("dense", Rows(1, 200, "dense"));
        var error = Assert.ThrowsExactly<InvalidOperationException>(
            () => model.Model.ScoreIntervals(new float[Slots], 1, new float[1], new float[1], new float[1]));
        Assert.Contains("The model has no prediction intervals; it was trained without IntervalLevels.", error.Message);
    }

    /// <summary>
    /// Validation rows that were given are the same in every network, wherever the training rows are: five networks measure each of them
    /// once, as one does.
    /// </summary>
    [TestMethod]
    public void Fit_SpilledRowsAndAValidationSet_MeasureEachRowOnce()
    {
        IDataView rows = View("dense", Rows(1, RowsBeyondTheBudget, "dense"));
        Row[] validation = Rows(3, 300, "dense");
        Trained Fit(int budget, int networks, double level)
        {
            BatchNormNetworkRegressionTrainer.Options options = Options("dense", level);
            (options.MaximumNumberOfEpochs, options.BatchSize) = (1, 1024);
            (options.MemoryBudgetInMegabytes, options.NumberOfEnsembleMembers) = (budget, networks);
            return _context.Regression.Trainers.BatchNormNetwork(options).Fit(rows, View("dense", validation));
        }

        long Measured(int budget, int networks) => ((INetworkModel)Fit(budget, networks, 0.9).Model).Network.Intervals!.Rows;

        long expected = Measured(100, 1);
        Assert.IsFalse(_spill.HasSpilled);
        Assert.IsInRange(110L, 190L, expected);
        Assert.AreEqual(expected, Measured(1, 5));
        Assert.IsTrue(_spill.HasSpilled);
        // Five times as many would be enough for this level.
        var error = Assert.ThrowsExactly<InvalidOperationException>(() => Fit(1, 5, 0.995));
        Assert.Contains($"which needs 399 held-out rows that did not choose an epoch; there are {expected}", error.Message);
    }

    private Trained Fit(string form, Row[] rows, params double[] levels)
    {
        BatchNormNetworkRegressionTrainer trainer = Trainer(form, levels);
        return form switch
        {
            "validation set" => trainer.Fit(View(form, rows), View(form, Rows(3, 1500, form))),
            "warm start" => trainer.Fit(
                View(form, rows), View(form, Rows(3, 1500, form)), Trainer("dense").Fit(View("dense", Rows(4, 1000, form))).Model),
            _ => trainer.Fit(View(form, rows)),
        };
    }

    private BatchNormNetworkRegressionTrainer Trainer(string form, params double[] levels) =>
        _context.Regression.Trainers.BatchNormNetwork(Options(form, levels));

    private static BatchNormNetworkRegressionTrainer.Options Options(string form, params double[] levels) => new()
    {
        HiddenUnits = [32, 16],
        MaximumNumberOfEpochs = form == "spilled" ? 3 : 10,
        NumberOfEnsembleMembers = form is "single" ? 1 : form is "trials" ? null : 5,
        NumberOfTrials = form is "trials" ? 6 : null,
        MemoryBudgetInMegabytes = form == "spilled" ? 1 : 100,
        ExampleWeightColumnName = form == "weights" ? nameof(Row.Weight) : null,
        SamplingKeyColumnName = form == "groups" ? nameof(Row.Group) : null,
        Loss = form == "counts" ? new PoissonLoss() : new SquaredLoss(),
        IntervalLevels = levels,
        Seed = 1,
    };

    private IDataView View(string form, Row[] rows)
    {
        IDataView view = _context.Data.LoadFromEnumerable(rows);
        return form == "sparse" ? new SparseView(view, nameof(Row.Features)) : view;
    }

    private (float[] Scores, float[][] Lower, float[][] Upper) Bounds(ITransformer model, string form, Row[] rows)
    {
        IDataView scored = model.Transform(View(form, rows));
        return (
            [.. scored.GetColumn<float>("Score")], [.. scored.GetColumn<float[]>("ScoreLowerBound")],
            [.. scored.GetColumn<float[]>("ScoreUpperBound")]);
    }

    /// <summary>Noise five times as large where the second slot is above 0; of "counts", Poisson's.</summary>
    private static Row[] Rows(int seed, int count, string form)
    {
        var random = new Random(seed);
        var rows = new Row[count];
        for (int i = 0; i < count; i++)
        {
            float[] features = [.. Enumerable.Range(0, Slots).Select(_ => 2 * random.NextSingle() - 1)];
            double signal = 2 * features[0] + features[2] * features[2];
            double noise = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            float label = (float)(signal + (features[1] > 0 ? 1 : 1 / NoiseRatio) * noise);
            if (form == "counts")
            {
                double limit = Math.Exp(-Math.Exp(1 + features[0])), product = random.NextDouble();
                for (label = 0; product > limit; label++)
                    product *= random.NextDouble();
            }

            rows[i] = new Row { Features = features, Label = label, Weight = 0.5f + random.NextSingle(), Group = (uint)(i / 3) };
        }

        return rows;
    }
}
