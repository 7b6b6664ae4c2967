using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.MLNet;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>The tables of the samples: every row gets the same scores and the same label.</summary>
[TestClass]
public sealed class RealRowsTests
{
    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Export_Digits_AgreesOnEveryRow(bool fold)
    {
        var context = new MLContext(1);
        (float[][] rows, float[] targets) = Read("digits.csv");
        var options = NetworkExamples.QuickOptions<BatchNormNetworkMulticlassTrainer.Options>(Shrink);
        IDataView view = context.Transforms.Conversion.MapValueToKey("Label", "Target").Fit(View(context, rows, targets))
            .Transform(View(context, rows, targets));
        ITransformer transformer = context.MulticlassClassification.Trainers.BatchNormNetwork(options).Fit(view);
        Check(context, transformer, rows, fold);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Export_BreastCancer_AgreesOnEveryRow(bool fold)
    {
        var context = new MLContext(1);
        (float[][] rows, float[] targets) = Read("breast_cancer.csv");
        var options = NetworkExamples.QuickOptions<BatchNormNetworkBinaryTrainer.Options>(Shrink);
        IDataView view = context.Transforms.Conversion.ConvertType("Label", "Target", DataKind.Boolean).Fit(View(context, rows, targets))
            .Transform(View(context, rows, targets));
        ITransformer transformer = context.BinaryClassification.Trainers.BatchNormNetwork(options).Fit(view);
        Check(context, transformer, rows, fold);
    }

    private static void Shrink(BatchNormNetworkOptions options)
    {
        options.HiddenUnits = [64, 32];
        options.MaximumNumberOfEpochs = 5;
        options.NumberOfThreads = 1;
    }

    private void Check(MLContext context, ITransformer transformer, float[][] rows, bool fold)
    {
        float[][] withGaps =
            [.. rows, .. rows.Take(100).Select((r, i) => r.Select((v, slot) => slot % 7 == i % 7 ? float.NaN : v).ToArray())];
        Parity.Check(
            OnnxModel.Of(context, transformer, fold: fold), context, transformer, withGaps, $"{withGaps.Length} rows, fold {fold}");
        TestContext.WriteLine($"Largest deviation so far: {Parity.Worst:G3}");
    }

    private static IDataView View(MLContext context, float[][] rows, float[] targets)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(TableRow));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, rows[0].Length);
        return context.Data.LoadFromEnumerable(
            rows.Zip(targets, (row, target) => new TableRow { Features = row, Target = target }), schema);
    }

    private static (float[][] Rows, float[] Targets) Read(string name)
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "MLNetBatchNorm.sln")))
            folder = folder.Parent;
        Assert.IsNotNull(folder, "These tests need the working copy they were built from.");
        float[][] table = [.. File.ReadLines(Path.Combine(folder.FullName, "samples", "data", name)).Skip(1)
            .Select(line => line.Split(',').Select(v => float.Parse(v, CultureInfo.InvariantCulture)).ToArray())];
        return ([.. table.Select(r => r[..^1])], [.. table.Select(r => r[^1])]);
    }

    private sealed class TableRow
    {
        public float[] Features { get; set; } = [];

        public float Target { get; set; }
    }
}
