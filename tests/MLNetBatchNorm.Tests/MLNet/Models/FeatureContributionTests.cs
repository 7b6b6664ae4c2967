using System.Numerics;
using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;
using Microsoft.ML.Trainers;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// What slots contribute to scores, against Shapley values by the definition: scores of rows in which a subset of the slots is known. In
/// models whose training rows miss no value, a slot that is not known is one that is missing, so that public members are all it takes.
/// </summary>
[TestClass]
public sealed class FeatureContributionTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary), 0, 1)]
    [DataRow(nameof(NetworkKind.Binary), 8, 3)]
    [DataRow(nameof(NetworkKind.Multiclass), 8, 1)]
    [DataRow(nameof(NetworkKind.Multiclass), 0, 3)]
    [DataRow(nameof(NetworkKind.Regression), 8, 3)]
    [DataRow(nameof(NetworkKind.Regression), 0, 1)]
    [DataRow(nameof(NetworkKind.Regression), 8, 1, BatchNormalizationPlacement.LayerInput)]
    [DataRow(nameof(NetworkKind.Regression), 8, 1, BatchNormalizationPlacement.None)]
    public void Contributions_OfAFewSlots_AreShapleyValues(
        string kindName, int pieces, int members, BatchNormalizationPlacement placement = BatchNormalizationPlacement.BeforeActivation)
    {
        List<Example> rows = NetworkExamples.Rows(200);
        Explained model = Train(Enum.Parse<NetworkKind>(kindName), rows, options =>
        {
            options.NumberOfInputPieces = pieces;
            options.NumberOfEnsembleMembers = members;
            options.Placement = placement;
            options.MaximumNumberOfEpochs = 10;
        });
        double largestInteraction = 0;
        foreach (Example row in rows.Take(20))
        {
            double[,] expected = Shapley(model, row.Features, out double interaction);
            float[] contributions = model.Contributions(row.Features);
            double scale = model.Scores(row.Features).Select(Math.Abs).Append(1).Max();
            for (int output = 0; output < model.Outputs; output++)
            {
                for (int slot = 0; slot < 4; slot++)
                    Assert.AreEqual(expected[slot, output], contributions[output * 4 + slot], 1e-5 * scale, $"slot {slot}");
                double sum = model.Base[output] + contributions.AsSpan(output * 4, 4).ToArray().Sum(value => (double)value);
                Assert.AreEqual(model.Scores(row.Features)[output], sum, 1e-5 * scale);
            }
            largestInteraction = Math.Max(largestInteraction, interaction / scale);
        }
        Assert.IsGreaterThan(1e-3, largestInteraction, "What slots do together is large enough for a wrong share to be seen.");
    }

    [TestMethod]
    public void Contributions_OfManySlots_AddUp_AndAreNearShapleyValues()
    {
        float[][] features = Columns(300, 12);
        Explained model = Train(_context, features, row => row[0] * row[1] + row[2] - Math.Abs(row[3]) + row[4] * row[5] * row[6]);
        double covariance = 0, varianceOfExact = 0, varianceOfOwn = 0;
        foreach (float[] row in features[..10])
        {
            double[,] expected = Shapley(model, row, out _);
            float[] contributions = model.Contributions(row);
            Assert.AreEqual(model.Scores(row)[0], model.Base[0] + contributions.Sum(value => (double)value), 1e-5);
            for (int slot = 0; slot < row.Length; slot++)
            {
                covariance += expected[slot, 0] * contributions[slot];
                varianceOfExact += expected[slot, 0] * expected[slot, 0];
                varianceOfOwn += contributions[slot] * contributions[slot];
            }
        }
        Assert.IsGreaterThan(0.99, covariance / Math.Sqrt(varianceOfExact * varianceOfOwn));
    }

    /// <summary>Networks of a log link are averaged as predictions, and what contributes is a part of the prediction.</summary>
    [TestMethod]
    public void Contributions_ToCounts_AreShapleyValues()
    {
        List<Example> rows = NetworkExamples.Rows(200);
        rows.ForEach(row => row.Value = Math.Abs(row.Value / 10_000));
        Explained model = Train(NetworkKind.Regression, rows, options =>
        {
            ((BatchNormNetworkRegressionTrainer.Options)options).Loss = new PoissonLoss();
            options.NumberOfEnsembleMembers = 2;
        });
        foreach (Example row in rows.Take(10))
        {
            double[,] expected = Shapley(model, row.Features, out _);
            float[] contributions = model.Contributions(row.Features);
            for (int slot = 0; slot < 4; slot++)
                Assert.AreEqual(expected[slot, 0], contributions[slot], 1e-5 * model.Scores(row.Features)[0]);
            Assert.AreEqual(model.Scores(row.Features)[0], model.Base[0] + contributions.Sum(), 1e-4);
        }
    }

    [TestMethod]
    public void Contributions_ToSeveralTargets_AddUpToEachScore()
    {
        List<TargetExample> rows = TargetExamples.Rows(100);
        var model = TargetExamples.Numbers(_context).Fit(TargetExamples.View(_context, rows)).Model;
        float[] contributions = new float[3 * 4], scores = new float[3], largest = new float[3];
        foreach (TargetExample row in rows.Take(10))
        {
            model.GetFeatureContributions(row.Features, 1, contributions);
            model.Score(row.Features, 1, scores);
            for (int target = 0; target < 3; target++)
            {
                float[] own = contributions[(target * 4)..(target * 4 + 4)];
                double sum = own.Sum(value => (double)value);
                Assert.AreEqual(
                    scores[target], model.FeatureContributionBase[target] + sum,
                    1e-5 * Math.Max(Math.Abs(scores[target]), own.Max(Math.Abs)));
                largest[target] = Math.Max(largest[target], own.Max(value => Math.Abs(value / scores[target])));
            }
        }
        Assert.IsGreaterThan(1e-4f, largest.Min(), "A unit that is wrong is seen in the sum.");
    }

    [TestMethod]
    public void Contributions_OfAMissingValue_AreTheEffectOfBeingMissing()
    {
        float[][] features = Columns(300, 4);
        for (int row = 0; row < features.Length; row += 3)
            features[row][1] = float.NaN;
        Explained model = Train(_context, features, row => float.IsNaN(row[1]) ? 3 : row[0]);
        float[] missing = model.Contributions([0, float.NaN, 0, 0]), unseen = model.Contributions([float.NaN, 0.5f, 0.5f, float.NaN]);
        Assert.IsGreaterThan(0.5f, missing[1], "Rows without the value are known to be higher.");
        Assert.AreEqual(0f, unseen[0], "What was never missing in training has no effect of being missing.");
        Assert.AreEqual(0f, unseen[3]);
        Assert.AreEqual(model.Scores([0, float.NaN, 0, 0])[0], model.Base[0] + missing.Sum(), 1e-5);
        Assert.AreEqual(model.Scores([float.NaN, 0.5f, 0.5f, float.NaN])[0], model.Base[0] + unseen.Sum(), 1e-5);
    }

    [TestMethod]
    public void Transform_OfARegression_GivesTheContributions_AlsoLoaded()
    {
        List<Example> rows = NetworkExamples.Rows(100);
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, rows);
        var model = (RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters>)
            NetworkExamples.Quick(_context, NetworkKind.Regression).Fit(view);
        ITransformer transformer = _context.Transforms.CalculateFeatureContribution(
            model, numberOfPositiveContributions: 4, numberOfNegativeContributions: 4, normalize: false).Fit(view);
        var expected = new Explained(model.Model);
        var loadedModel = (RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters>)Reload(model, view);
        ITransformer ofLoaded = new MLContext().Transforms.CalculateFeatureContribution(
            loadedModel, numberOfPositiveContributions: 4, numberOfNegativeContributions: 4, normalize: false).Fit(view);
        foreach (ITransformer each in new[] { transformer, Reload(transformer, view), ofLoaded })
        {
            float[][] given = [.. each.Transform(view).GetColumn<float[]>("FeatureContributions")];
            Assert.HasCount(100, given);
            for (int row = 0; row < 100; row++)
                CollectionAssert.AreEqual(expected.Contributions(rows[row].Features), given[row]);
        }
    }

    [TestMethod]
    public void Transform_OfACalibratedBinaryModel_GivesTheContributions_AlsoLoaded()
    {
        List<Example> rows = NetworkExamples.Rows(100);
        IDataView view = NetworkExamples.View(_context, NetworkKind.Binary, rows);
        var model = (BinaryPredictionTransformer<CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator>>)
            Reload(NetworkExamples.Quick(_context, NetworkKind.Binary).Fit(view), view);
        ITransformer transformer = _context.Transforms.CalculateFeatureContribution(model, normalize: false).Fit(view);
        float[][] given = [.. transformer.Transform(view).GetColumn<float[]>("FeatureContributions")];
        float[] scores = [.. model.Transform(view).GetColumn<float>("Score")];
        for (int row = 0; row < 100; row++)
        {
            CollectionAssert.AreEqual(new Explained(model.Model.SubModel).Contributions(rows[row].Features), given[row]);
            Assert.AreEqual(scores[row], model.Model.SubModel.FeatureContributionBase[0] + given[row].Sum(), 1e-5);
        }
    }

    [TestMethod]
    public void Transform_KeepsTheLargest_AndDividesByTheLargestOfThem()
    {
        List<Example> rows = NetworkExamples.Rows(100);
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, rows);
        var model = (RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters>)
            NetworkExamples.Quick(_context, NetworkKind.Regression).Fit(view);
        float[][] given = [.. _context.Transforms.CalculateFeatureContribution(
            model, numberOfPositiveContributions: 1, numberOfNegativeContributions: 2).Fit(view).Transform(view)
            .GetColumn<float[]>("FeatureContributions")];
        for (int row = 0; row < 100; row++)
        {
            float[] all = new Explained(model.Model).Contributions(rows[row].Features);
            float[] kept = [.. all.Where(value => value < 0).Order().Take(2), .. all.Where(value => value > 0).OrderDescending().Take(1)];
            float largest = kept.Max(Math.Abs);
            for (int slot = 0; slot < all.Length; slot++)
                Assert.AreEqual(kept.Contains(all[slot]) ? all[slot] / largest : 0, given[row][slot], 1e-6f);
        }
    }

    [TestMethod]
    public void Contributions_OfACategory_StandAtTheSlotThatIsSet_AndAreSummedUnderTheColumnsName()
    {
        string[] cities = ["Bern", "Paris", "Rome"];
        var random = new Random(4);
        CityRow[] rows = [.. Enumerable.Range(0, 200).Select(i =>
        {
            float number = random.NextSingle();
            return new CityRow { Number = number, City = cities[i % 3], Other = number, Label = i % 3 + number };
        })];
        IDataView view = _context.Data.LoadFromEnumerable(rows);
        var featurize = _context.Transforms.Categorical.OneHotEncoding("City")
            .Append(_context.Transforms.Concatenate("Features", "Number", "City", "Other")).Fit(view);
        IDataView features = featurize.Transform(view);
        var fitted = (RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters>)Reload(
            _context.Regression.Trainers.BatchNormNetwork(
                NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options => options.MaximumNumberOfEpochs = 20))
                .Fit(features), features);
        BatchNormNetworkRegressionModelParameters model = fitted.Model;
        BatchNormNetworkEncoder encoder = model.Network.Encoder;
        string[] names = [.. Enumerable.Range(0, 5).Select(slot => encoder.Slots[slot].Name!)];
        float[] none = new float[5], contributions = new float[5];
        for (int city = 0; city < 3; city++)
        {
            float[] row = [0.5f, 0, 0, 0, 0.5f];
            row[Array.IndexOf(names, $"City.{cities[city]}")] = 1;
            model.GetFeatureContributions(row, 1, contributions);
            for (int slot = 1; slot < 4; slot++)
                Assert.AreEqual(row[slot] == 1, contributions[slot] != 0, names[slot]);
            IReadOnlyList<ColumnContribution> columns = encoder.SumByColumn(contributions);
            CollectionAssert.AreEqual(new[] { "Number", "City", "Other" }, columns.Select(column => column.Name).ToArray());
            Assert.AreEqual(3, columns[1].NumberOfSlots);
            Assert.AreEqual(1, columns[1].FirstSlot);
            Assert.AreEqual(contributions[1] + contributions[2] + contributions[3], columns[1].Contribution);
        }
        model.GetFeatureContributions([0.5f, 0, 0, 0, 0.5f], 1, none);
        CollectionAssert.AreEqual(new float[3], none[1..4], "No training row is without a city: such a row reads the mean of all.");
        Assert.AreNotEqual(0f, none[0]);
        Assert.ThrowsExactly<ArgumentException>(() => encoder.SumByColumn(new float[4]));
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(8)]
    public void Contributions_OfWideRows_AreThoseOfTheirEntries_SparseAndDenseAlike(int pieces)
    {
        const int slots = 1500;
        var random = new Random(5);
        SparseRow[] rows = [.. Enumerable.Range(0, 300).Select(_ =>
        {
            // Words, and a number that every row has.
            int[] indices = [.. Enumerable.Range(0, slots - 1).OrderBy(_ => random.Next()).Take(11).Order(), slots - 1];
            float[] values = [.. indices.Select(_ => 0.2f + 0.5f * random.NextSingle())];
            values[^1] = 5000 * random.NextSingle() + 100;
            var features = new VBuffer<float>(slots, 12, values, indices);
            return new SparseRow { Features = features, Label = (indices[0] < 100 ? 2 : 0) + values[^1] / 1000 };
        })];
        var schema = SchemaDefinition.Create(typeof(SparseRow));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, slots);
        IDataView view = _context.Data.LoadFromEnumerable(rows, schema);
        var model = _context.Regression.Trainers.BatchNormNetwork(
            NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options => options.NumberOfInputPieces = pieces))
            .Fit(view);
        float[][] given = [.. _context.Transforms.CalculateFeatureContribution(
            model, numberOfPositiveContributions: slots, numberOfNegativeContributions: slots, normalize: false).Fit(view).Transform(view)
            .GetColumn<float[]>("FeatureContributions")];
        float[] scores = [.. model.Transform(view).GetColumn<float>("Score")];
        var explained = new Explained(model.Model);
        for (int row = 0; row < 20; row++)
        {
            float[] written = [.. rows[row].Features.DenseValues()], dense = given[row];
            CollectionAssert.AreEqual(explained.Contributions(written), dense);
            for (int slot = 0; slot < slots; slot++)
                Assert.IsTrue(dense[slot] == 0 || written[slot] != 0, "A word that a row does not have contributes nothing.");
            Assert.IsGreaterThan(6, dense.Count(value => value != 0));
            Assert.AreNotEqual(0f, dense[^1]);
            Assert.AreEqual(scores[row], explained.Base[0] + dense.Sum(value => (double)value), 1e-5);
        }
    }

    [TestMethod]
    public void Contributions_OfSeveralClasses_MakeTheProbabilities()
    {
        List<Example> rows = NetworkExamples.Rows(100);
        Explained model = Train(NetworkKind.Multiclass, rows, options => options.NumberOfEnsembleMembers = 2);
        var multiclass = (BatchNormNetworkMulticlassModelParameters)model.Parameters;
        float[] probabilities = new float[3];
        foreach (Example row in rows.Take(10))
        {
            float[,] contributions = multiclass.GetFeatureContributions(row.Features);
            multiclass.Score(row.Features, 1, probabilities);
            double[] sums = [.. Enumerable.Range(0, 3).Select(
                c => Math.Exp(model.Base[c] + Enumerable.Range(0, 4).Sum(slot => (double)contributions[c, slot])))];
            for (int c = 0; c < 3; c++)
                Assert.AreEqual(probabilities[c], sums[c] / sums.Sum(), 1e-5);
            for (int slot = 0; slot < 4; slot++)
                Assert.AreEqual(0, contributions[0, slot] + contributions[1, slot] + contributions[2, slot], 1e-5);
        }
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => multiclass.GetFeatureContributions(new float[5]));
    }

    [TestMethod]
    public void Contributions_AreTheSameBits_AloneInABlockAndOnThreads()
    {
        float[][] features = Columns(60, 14);
        Explained model = Train(_context, features, row => row[0] * row[1] + row[13]);
        var parameters = (BatchNormNetworkRegressionModelParameters)model.Parameters;
        float[] flat = [.. features.SelectMany(row => row)], block = new float[flat.Length], shared = new float[flat.Length];
        parameters.GetFeatureContributions(flat, 60, block);
        parameters.GetFeatureContributions(flat, 60, shared, numberOfThreads: 4);
        CollectionAssert.AreEqual(features.SelectMany(model.Contributions).ToArray(), block);
        CollectionAssert.AreEqual(block, shared);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => parameters.GetFeatureContributions(flat, 61, block));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => parameters.GetFeatureContributions(flat, 60, block.AsSpan(1)));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => parameters.GetFeatureContributions(flat, 60, shared, numberOfThreads: 0));
    }

    [TestMethod]
    public void Contributions_OfWarmRows_AllocateNothing()
    {
        float[][] features = Columns(60, 14);
        var parameters = (BatchNormNetworkRegressionModelParameters)Train(_context, features, row => row[0] * row[1]).Parameters;
        var map = ((IFeatureContributionMapper)parameters).GetFeatureContributionMapper<VBuffer<float>, VBuffer<float>>(10, 10, true);
        VBuffer<float>[] rows = [.. features.Select(row => new VBuffer<float>(14, row))];
        VBuffer<float> contributions = default;
        float[] dense = new float[14];
        long least = long.MaxValue;
        for (int repeat = 0; repeat < 5; repeat++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            foreach (ref readonly VBuffer<float> row in rows.AsSpan())
            {
                map(row, ref contributions);
                parameters.GetFeatureContributions(row.GetValues(), 1, dense);
            }
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.AreEqual(0, least);
    }

    [TestMethod]
    public void Transform_OfAnotherTable_SaysWhatIsWrong()
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(50));
        var model = (RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters>)
            NetworkExamples.Quick(_context, NetworkKind.Regression).Fit(view);
        var estimator = _context.Transforms.CalculateFeatureContribution(model);
        IDataView unnamed = _context.Transforms.SelectColumns("Label").Fit(view).Transform(view);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => estimator.Fit(unnamed));
        IDataView wider = _context.Transforms.Concatenate("Features", "Features", "Label").Fit(view).Transform(view);
        Exception error = Assert.Throws<Exception>(
            () => estimator.Fit(view).Transform(wider).GetColumn<float[]>("FeatureContributions").Count());
        StringAssert.Contains(error.GetBaseException().Message, "The row has 5 features; the model was trained on 4.");
        float[] sums = new float[4];
        CollectionAssert.AreEqual(
            new[] { "slot 0", "slot 1", "slot 2", "slot 3" },
            model.Model.Network.Encoder.SumByColumn(sums).Select(column => column.Name).ToArray());
    }

    private Explained Train(NetworkKind kind, List<Example> rows, Action<BatchNormNetworkOptions> change)
    {
        IDataView view = NetworkExamples.View(_context, kind, rows);
        return new Explained(((ISingleFeaturePredictionTransformer<object>)NetworkExamples.Quick(_context, kind, change).Fit(view)).Model);
    }

    private static Explained Train(MLContext context, float[][] features, Func<float[], double> label)
    {
        var schema = SchemaDefinition.Create(typeof(NumberRow));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, features[0].Length);
        IDataView view = context.Data.LoadFromEnumerable(
            features.Select(row => new NumberRow { Features = row, Label = (float)label(row) }), schema);
        return new Explained(context.Regression.Trainers.BatchNormNetwork(
            NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options =>
            {
                options.MaximumNumberOfEpochs = 30;
                options.NumberOfInputPieces = 8;
            })).Fit(view).Model);
    }

    private static float[][] Columns(int rows, int columns)
    {
        var random = new Random(6);
        return [.. Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, columns).Select(_ => 2 * random.NextSingle() - 1).ToArray())];
    }

    private ITransformer Reload(ITransformer model, IDataView view)
    {
        using var stream = new MemoryStream();
        _context.Model.Save(model, view.Schema, stream);
        stream.Position = 0;
        return new MLContext().Model.Load(stream, out _);
    }

    /// <summary>By the definition: the weighted mean, over all subsets of the others, of what a slot adds.</summary>
    private static double[,] Shapley(Explained model, float[] row, out double interaction)
    {
        int n = row.Length;
        double[][] scores = [.. Enumerable.Range(0, 1 << n).Select(
            subset => model.Scores([.. row.Select((value, slot) => (subset >> slot & 1) == 1 ? value : float.NaN)]))];
        double[] factorial = new double[n + 1];
        factorial[0] = 1;
        for (int i = 1; i <= n; i++)
            factorial[i] = i * factorial[i - 1];
        var values = new double[n, model.Outputs];
        interaction = 0;
        for (int slot = 0; slot < n; slot++)
        {
            for (int subset = 0; subset < 1 << n; subset++)
            {
                if ((subset >> slot & 1) == 1)
                    continue;
                int there = BitOperations.PopCount((uint)subset);
                double weight = factorial[there] * factorial[n - there - 1] / factorial[n];
                for (int output = 0; output < model.Outputs; output++)
                    values[slot, output] += weight * (scores[subset | 1 << slot][output] - scores[subset][output]);
            }
            interaction = Math.Max(interaction, Math.Abs(scores[1 << slot][0] - scores[0][0] - values[slot, 0]));
        }
        return values;
    }

    /// <summary>A model of any task, with scores in the unit of its contributions.</summary>
    private sealed class Explained(object transformerModel)
    {
        public object Parameters { get; } = transformerModel is
            CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator> calibrated
            ? calibrated.SubModel
            : transformerModel;

        public IReadOnlyList<float> Base => Parameters is BatchNormNetworkMulticlassModelParameters several
            ? several.FeatureContributionBase
            : ((BatchNormNetworkModelParametersBase<float>)Parameters).FeatureContributionBase;

        public int Outputs => Base.Count;

        public double[] Scores(float[] row)
        {
            float[] scores = new float[Outputs];
            if (Parameters is not BatchNormNetworkMulticlassModelParameters several)
            {
                ((BatchNormNetworkModelParametersBase<float>)Parameters).Score(row, 1, scores);
                return [scores[0]];
            }
            several.Score(row, 1, scores);
            double mean = scores.Average(p => Math.Log(p));
            return [.. scores.Select(p => Math.Log(p) - mean)];
        }

        public float[] Contributions(float[] row)
        {
            float[] contributions = new float[Outputs * row.Length];
            if (Parameters is BatchNormNetworkMulticlassModelParameters several)
                several.GetFeatureContributions(row, 1, contributions);
            else
                ((BatchNormNetworkModelParametersBase<float>)Parameters).GetFeatureContributions(row, 1, contributions);
            return contributions;
        }
    }

    private sealed class NumberRow
    {
        public float[] Features { get; set; } = [];

        public float Label { get; set; }
    }

    private sealed class SparseRow
    {
        public VBuffer<float> Features { get; set; }

        public float Label { get; set; }
    }

    private sealed class CityRow
    {
        public float Number { get; set; }

        public string City { get; set; } = "";

        public float Other { get; set; }

        public float Label { get; set; }
    }
}
