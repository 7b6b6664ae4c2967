using System.Globalization;
using System.Numerics;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// Contributions of a table of six columns as tables are: categories of 5 values and none, of 40 with rare ones and of 3,000, which enter
/// through a projection, a number that is sometimes missing, one that is mostly 0, and one without any of that. Against Shapley values by
/// the definition, in double: what the columns of a subset are encoded as, means over the training rows in place of all others, and the
/// network by the formulas of its public view.
/// </summary>
[TestClass]
public sealed class CategoryContributionTests
{
    private const int Columns = 6;
    private const int Rows = 8000;

    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow(0, 2)]
    [DataRow(8, 1)]
    public void Contributions_OfCategoriesAndMissingValues_AreShapleyValuesOverTheMeans(int pieces, int members)
    {
        Table table = Train(pieces, members);
        BatchNormNetworkRegressionModelParameters model = table.Model;
        Assert.IsNotNull(table.Encoder.Projected.SingleOrDefault(), "The category of 3,000 values is projected.");
        EncodedColumnKind[] kinds = [.. table.Encoder.Describe().Select(column => column.Kind).Distinct()];
        foreach (EncodedColumnKind kind in new[]
        {
            EncodedColumnKind.Missing, EncodedColumnKind.NoCategory, EncodedColumnKind.OtherCategory,
        })
            CollectionAssert.Contains(kinds, kind);

        int slots = model.NumberOfFeatures;
        float[] contributions = new float[slots], score = new float[1];
        double unit = model.LabelDeviation, largestInteraction = 0;
        double[] largest = new double[Columns];
        foreach (float[] row in table.Explained())
        {
            double[] scores = table.ScoresOfSubsets(row);
            model.Score(row, 1, score);
            Assert.AreEqual(score[0], scores[^1], 1e-4 * unit, "The reference computes the network.");
            Assert.AreEqual(scores[0], model.FeatureContributionBase[0], 1e-4 * unit);
            model.GetFeatureContributions(row, 1, contributions);
            Assert.AreEqual(score[0], model.FeatureContributionBase[0] + contributions.Sum(value => (double)value), 1e-5 * unit);
            IReadOnlyList<ColumnContribution> sums = model.Network.Encoder.SumByColumn(contributions);
            Assert.HasCount(Columns, sums);
            for (int column = 0; column < Columns; column++)
            {
                double expected = Shapley(scores, column);
                Assert.AreEqual(expected, sums[column].Contribution, 1e-4 * unit, sums[column].Name);
                largest[column] = Math.Max(largest[column], Math.Abs(expected) / unit);
                largestInteraction = Math.Max(largestInteraction, Math.Abs(scores[1 << column] - scores[0] - expected) / unit);
            }
        }
        Assert.IsGreaterThan(1e-2, largest.Min(), "Every column's base and share are seen.");
        Assert.IsGreaterThan(1e-2, largestInteraction, "What columns do together is seen.");
    }

    /// <summary>A category of which every slot is missing is one that is missing: nobody else answers for it.</summary>
    [TestMethod]
    public void Contributions_OfACategoryWithAllSlotsMissing_AreThoseOfNone()
    {
        Table table = Train(pieces: 0, members: 1);
        BatchNormNetworkEncoder encoder = table.Model.Network.Encoder;
        int slots = table.Model.NumberOfFeatures;
        float[] none = new float[slots], missing = new float[slots];
        float[] row = [.. table.Row(7)];
        ColumnContribution few = encoder.SumByColumn(none)[0];
        Array.Clear(row, few.FirstSlot, few.NumberOfSlots);
        table.Model.GetFeatureContributions(row, 1, none);
        Array.Fill(row, float.NaN, few.FirstSlot, few.NumberOfSlots);
        table.Model.GetFeatureContributions(row, 1, missing);
        CollectionAssert.AreEqual(none, missing);
        Assert.IsGreaterThan(1e-3 * table.Model.LabelDeviation, Math.Abs(missing[few.FirstSlot]));
    }

    private static double Shapley(double[] scores, int column)
    {
        double value = 0;
        for (int subset = 0; subset < scores.Length; subset++)
        {
            if ((subset >> column & 1) == 1)
                continue;
            // s! (n - s - 1)! / n! is one over n times the number of subsets of that size of the others.
            int there = BitOperations.PopCount((uint)subset);
            double subsets = 1;
            for (int i = 0; i < there; i++)
                subsets = subsets * (Columns - 1 - i) / (i + 1);
            value += (scores[subset | 1 << column] - scores[subset]) / (Columns * subsets);
        }
        return value;
    }

    private Table Train(int pieces, int members)
    {
        var random = new Random(3);
        TableRow[] rows = [.. Enumerable.Range(0, Rows).Select(_ =>
        {
            // Squares of evenly spread numbers: the last values of 40 are of few rows or of none.
            int few = random.Next(6), some = (int)(40 * Math.Pow(random.NextDouble(), 4)), many = random.Next(3000);
            float amount = random.NextSingle() < 0.8f ? 0 : 50 * random.NextSingle(), number = random.NextSingle();
            float partly = random.NextSingle() < 0.2f ? float.NaN : 10 * random.NextSingle();
            return new TableRow
            {
                Few = few == 5 ? "" : Text(few), Some = Text(some), Many = Text(many),
                Partly = partly, Amount = amount, Number = number,
                Label = (few + (some % 3)) * (1 + number) + (many % 2) + (float.IsNaN(partly) ? 3 : 0.3f * partly * number)
                    + 0.05f * amount * (few == 5 ? 2 : 1),
            };
        })];
        IDataView view = _context.Data.LoadFromEnumerable(rows);
        IDataView features = _context.Transforms.Categorical.OneHotEncoding(
            [new InputOutputColumnPair("Few"), new InputOutputColumnPair("Some"), new InputOutputColumnPair("Many")])
            .Append(_context.Transforms.Concatenate("Features", "Few", "Some", "Partly", "Many", "Amount", "Number"))
            .Fit(view).Transform(view);
        var trainer = _context.Regression.Trainers.BatchNormNetwork(
            NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options =>
            {
                options.NumberOfInputPieces = pieces;
                options.NumberOfEnsembleMembers = members;
                options.Activation = ActivationFunction.ReLU;
                options.MaximumNumberOfEpochs = 20;
            }));
        return new Table(trainer.Fit(features).Model, features);
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>A trained model and its base by the definition.</summary>
    private sealed class Table
    {
        private readonly IDataView _view;
        private readonly int[] _columnOf;
        private readonly double[] _means;
        private readonly float[][] _firstWeights;

        public Table(BatchNormNetworkRegressionModelParameters model, IDataView view)
        {
            Model = model;
            _view = view;
            Encoder = ((INetworkModel)model).Network.Encoder;
            _firstWeights = [.. model.Network.Members.Select(member => ShownNetwork.WeightsOf(member.Layers[0]))];
            EncodedColumn[] columns = [.. Encoder.Describe()];
            int[] starts = [.. model.Network.Encoder.SumByColumn(new float[model.NumberOfFeatures]).Select(column => column.FirstSlot)];
            _columnOf = [.. columns.Select(column => starts.Count(start => start <= column.Slot) - 1)];

            // The mean of each encoded column over the rows in which its slot has a value; nothing is known, not even that it is missing.
            double[] sums = new double[columns.Length];
            int[] counts = new int[columns.Length];
            foreach (float[] row in Features())
            {
                float[] encoded = Encode(row);
                for (int i = 0; i < columns.Length; i++)
                {
                    if (columns[i].Kind == EncodedColumnKind.Missing || float.IsNaN(row[columns[i].Slot]))
                        continue;
                    sums[i] += encoded[i];
                    counts[i]++;
                }
            }
            _means = [.. sums.Select((sum, i) => counts[i] == 0 ? 0 : sum / counts[i])];
        }

        public BatchNormNetworkRegressionModelParameters Model { get; }

        public InputEncoder Encoder { get; }

        public float[] Row(int number) => Features().ElementAt(number);

        /// <summary>Rows of the table, one without any of its categories, one unlike any training row, and one with two values.</summary>
        public IEnumerable<float[]> Explained()
        {
            float[][] rows = [.. Features().Take(12)];
            float[] none = [.. rows[0]], missing = [.. rows[1]], two = [.. rows[2]];
            ColumnContribution[] categories = [.. Model.Network.Encoder.SumByColumn(none).Where(column => column.NumberOfSlots > 1)];
            foreach (ColumnContribution category in categories)
            {
                Array.Clear(none, category.FirstSlot, category.NumberOfSlots);
                Array.Fill(missing, float.NaN, category.FirstSlot, category.NumberOfSlots);
                Array.Fill(two, 1, category.FirstSlot, 2);
            }
            return [.. rows, none, missing, two];
        }

        /// <summary>The prediction for each subset of the columns.</summary>
        public double[] ScoresOfSubsets(float[] row)
        {
            float[] encoded = Encode(row);
            return [.. Enumerable.Range(0, 1 << Columns).Select(subset =>
            {
                double[] input = [.. _means.Select((mean, i) => (subset >> _columnOf[i] & 1) == 1 ? encoded[i] : mean)];
                double output = Model.Network.Members.Zip(_firstWeights).Average(
                    pair => ShownNetwork.Forward(pair.First, input, firstWeights: pair.Second)[0]);
                return Model.LabelMean + Model.LabelDeviation * output;
            })];
        }

        private IEnumerable<float[]> Features() => _view.GetColumn<float[]>("Features");

        private float[] Encode(float[] row)
        {
            float[] encoded = new float[Encoder.EncodedInputs];
            Encoder.Encode(row, encoded);
            return encoded;
        }
    }

    private sealed class TableRow
    {
        public string Few { get; set; } = "";

        public string Some { get; set; } = "";

        public string Many { get; set; } = "";

        public float Partly { get; set; }

        public float Amount { get; set; }

        public float Number { get; set; }

        public float Label { get; set; }
    }
}
