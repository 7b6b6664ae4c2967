using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using ColumnOptions = MLNetBatchNorm.BatchNormalizeEstimator.ColumnOptions;
using Options = MLNetBatchNorm.BatchNormalizeEstimator.Options;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>The transform is an ML.NET transform like any other, for every kind of column it takes.</summary>
[TestClass]
public sealed class BatchNormalizeBatteryTests
{
    private static readonly MLContext s_context = new(1);

    [TestMethod]
    public void Battery_Vector_Passes()
        => EstimatorBattery.Check(
            s_context, s_context.Transforms.BatchNormalize("Out", "Features"), Views.OfVectors(s_context, Rows(40, 5)),
            fitOnly: Views.OfVectors(s_context, Rows(10, 4)), invalidInputs: InvalidForFeatures());

    [TestMethod]
    public void Battery_VectorReplaced_Passes()
        => EstimatorBattery.Check(
            s_context, s_context.Transforms.BatchNormalize("Features"), Views.OfVectors(s_context, Rows(40, 19)),
            fitOnly: Views.OfVectors(s_context, Rows(10, 1)), invalidInputs: InvalidForFeatures());

    [TestMethod]
    public void Battery_SparseVector_Passes()
        => EstimatorBattery.Check(
            s_context, s_context.Transforms.BatchNormalize("Out", "Features"), Views.OfSparseVectors(s_context, SparseRows(), 3, 4));

    [TestMethod]
    public void Battery_VectorOfDouble_Passes()
        => EstimatorBattery.Check(
            s_context, s_context.Transforms.BatchNormalize("Out", "Features"), Views.OfVectors(s_context, Doubles(Rows(40, 5))),
            fitOnly: Views.OfVectors(s_context, Rows(10, 5)), invalidInputs: InvalidForFeatures());

    [TestMethod]
    public void Battery_VectorWithSlotNames_Passes()
        => EstimatorBattery.Check(
            s_context, s_context.Transforms.BatchNormalize("Out", "Features"), Views.WithSlotNames(s_context, Rows(40, 3)));

    [TestMethod]
    public void Battery_Scalar_Passes()
        => EstimatorBattery.Check(
            s_context, s_context.Transforms.BatchNormalize("A"), Views.WithSlotNames(s_context, Rows(40, 3)),
            fitOnly: s_context.Data.LoadFromEnumerable(Enumerable.Range(0, 9).Select(i => new { A = (double)i })),
            invalidInputs:
            [
                s_context.Data.LoadFromEnumerable(new[] { new { A = "text" } }), s_context.Data.LoadFromEnumerable(new[] { new { A = 1 } }),
            ]);

    [TestMethod]
    public void Battery_ScalarOfDouble_Passes()
        => EstimatorBattery.Check(
            s_context, s_context.Transforms.BatchNormalize("Out", "A"),
            s_context.Data.LoadFromEnumerable(Enumerable.Range(0, 9).Select(i => new { A = i * 1e9 })));

    [TestMethod]
    public void Battery_ManyColumns_Passes()
        => EstimatorBattery.Check(
            s_context,
            s_context.Transforms.BatchNormalize([new("Out", "Features"), new("A"), new("Again", "A"), new("B", "C"), new("C", "B")]),
            Views.WithSlotNames(s_context, Rows(40, 3)),
            invalidInputs: [Views.OfVectors(s_context, Rows(10, 3))]);

    [TestMethod]
    [DataRow(BatchNormalizationStatistics.RunningAverage)]
    [DataRow(BatchNormalizationStatistics.Cumulative)]
    [DataRow(BatchNormalizationStatistics.Population)]
    [DataRow(BatchNormalizationStatistics.PopulationPooled)]
    public void Battery_GammaAndBeta_Passes(BatchNormalizationStatistics statistics)
        => EstimatorBattery.Check(
            s_context,
            s_context.Transforms.BatchNormalize(new Options
            {
                Columns = [new ColumnOptions("Out", "Features", [2, -1, 0], [0, 1, 5]), new ColumnOptions("A", beta: [3])],
                Statistics = statistics,
                BatchSize = 7,
            }),
            Views.WithSlotNames(s_context, Rows(40, 3)));

    [TestMethod]
    public void Battery_MissingValues_Passes()
    {
        float[][] rows = Rows(40, 4);
        for (int i = 0; i < rows.Length; i++)
        {
            rows[i][1] = float.NaN;
            rows[i][i % 4] = float.NaN;
        }

        EstimatorBattery.Check(s_context, s_context.Transforms.BatchNormalize("Out", "Features"), Views.OfVectors(s_context, rows));
    }

    [TestMethod]
    public void Battery_InAChainBeforeATrainer_Passes()
    {
        IDataView rows = s_context.Data.LoadFromEnumerable(Rows(60, 3).Select(r => new LabelledRow { Features = r, Label = r[0] > 3 }));
        EstimatorBattery.Check(
            s_context,
            s_context.Transforms.BatchNormalize("Normalized", "Features").Append(
                s_context.BinaryClassification.Trainers.LbfgsLogisticRegression("Label", "Normalized")),
            rows,
            validTransformOnly: s_context.Transforms.DropColumns("Label").Fit(rows).Transform(rows));
    }

    [TestMethod]
    public void BatchNormalize_SlotNames_AreKept()
    {
        IDataView rows = Views.WithSlotNames(s_context, Rows(10, 3));
        DataViewSchema.Column column = s_context.Transforms.BatchNormalize("Out", "Features").Fit(rows).Transform(rows).Schema["Out"];

        VBuffer<ReadOnlyMemory<char>> names = default;
        column.GetSlotNames(ref names);
        CollectionAssert.AreEqual(new[] { "A", "B", "C" }, names.DenseValues().Select(n => n.ToString()).ToArray());
        Assert.IsTrue(column.IsNormalized());
    }

    [TestMethod]
    public void BatchNormalize_DimensionsOfAVector_AreKept()
    {
        var schema = SchemaDefinition.Create(typeof(LabelledRow));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 3, 2);
        IDataView rows = s_context.Data.LoadFromEnumerable(Rows(10, 6).Select(r => new LabelledRow { Features = r }), schema);

        var type = (VectorDataViewType)s_context.Transforms.BatchNormalize("Out", "Features").Fit(rows).Transform(rows).Schema["Out"].Type;

        CollectionAssert.AreEqual(new[] { 3, 2 }, type.Dimensions.ToArray());
    }

    /// <summary>Columns of another mean and scale each, none constant.</summary>
    private static float[][] Rows(int count, int size)
        => Enumerable.Range(0, count).Select(
            i => Enumerable.Range(0, size).Select(j => 10f * j + MathF.Sin(3 * i + j) * (j + 1) + i % (j + 2)).ToArray()).ToArray();

    private static double[][] Doubles(float[][] rows) => rows.Select(r => r.Select(x => (double)x).ToArray()).ToArray();

    private static float[][] SparseRows()
        => Rows(40, 9).Select((r, i) => r.Select((x, j) => (i + j) % 3 == 0 ? x : 0).ToArray()).ToArray();

    private static IDataView[] InvalidForFeatures() =>
    [
        s_context.Data.LoadFromEnumerable(new[] { new { Other = 1f } }),
        s_context.Data.LoadFromEnumerable(new[] { new { Features = "text" } }),
        s_context.Data.LoadFromEnumerable(new[] { new VariableRow { Features = [1, 2] } }),
        s_context.Data.LoadFromEnumerable(new[] { new IntegerRow { Features = [1, 2, 3, 4, 5] } }),
    ];

    private sealed class LabelledRow
    {
        [VectorType(3)]
        public float[] Features { get; set; } = [];

        public bool Label { get; set; }
    }

    private sealed class VariableRow
    {
        public float[] Features { get; set; } = [];
    }

    private sealed class IntegerRow
    {
        [VectorType(5)]
        public int[] Features { get; set; } = [];
    }
}
