using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.MLNet;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>Networks for several targets give in ONNX Runtime what they give in ML.NET, as files of their own and in pipelines.</summary>
[TestClass]
public sealed class TargetExportTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Export_Numbers_AgreeWithModel(bool fold)
    {
        List<TargetExample> rows = TargetExamples.Rows(100, missing: 0.1);
        var transformer = TargetExamples.Numbers(_context, options => options.NumberOfEnsembleMembers = 2)
            .Fit(TargetExamples.View(_context, rows));
        OnnxModel model = OnnxModel.Of(_context, transformer, fold: fold);
        Check(rows, transformer, model.Run([.. rows.Select(row => row.Features)]), "Score");
        Assert.AreEqual("[\"Price\",\"Share\",\"Years\"]", model.Content.MetadataProps.Single(p => p.Key == "Score.SlotNames").Value);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Export_Labels_AgreeWithModel(bool fold)
    {
        List<TargetExample> rows = TargetExamples.Rows(100);
        var transformer = TargetExamples.Labels(_context).Fit(TargetExamples.View(_context, rows, nameof(TargetExample.Labels)));
        OnnxModel model = OnnxModel.Of(_context, transformer, fold: fold);
        Check(rows, transformer, model.Run([.. rows.Select(row => row.Features)]), "Score", "Probability", "PredictedLabel");
        using var stream = new MemoryStream();
        _context.Model.ConvertBatchNormNetworkToOnnx(transformer.Model, stream);
        Assert.IsGreaterThan(0, stream.Length);
    }

    /// <summary>A target that is the same in all training rows is so in the graph.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Export_TargetTheSameInAllRows_SaysItOfEveryRow(bool labels)
    {
        List<TargetExample> rows = TargetExamples.Rows(100);
        rows.ForEach(row => (row.Values[1], row.Known[1]) = (0.1f, 1));
        IDataView view = TargetExamples.View(_context, rows, labels ? nameof(TargetExample.Known) : nameof(TargetExample.Values));
        ITransformer transformer = labels
            ? TargetExamples.Labels(_context, options => options.NumberOfEnsembleMembers = 2).Fit(view)
            : TargetExamples.Numbers(_context, options => options.NumberOfEnsembleMembers = 2).Fit(view);
        Dictionary<string, Array> outputs = OnnxModel.Of(_context, transformer).Run([.. rows.Select(row => row.Features)]);
        float[] scores = (float[])outputs["Score"];
        float[][] expected = TargetExamples.Column<float>(transformer.Transform(TargetExamples.View(_context, rows)), "Score");
        for (int target = 0; target < 3; target++)
        {
            double largest = expected.Max(row => Math.Abs(row[target]));
            for (int row = 0; row < rows.Count; row++)
                Assert.AreEqual(expected[row][target], scores[3 * row + target], Parity.Tolerance * largest);
        }

        float same = Enumerable.Range(0, 100).Select(row => scores[3 * row + 1]).Distinct().Single();
        Assert.AreEqual(labels ? Math.Log(101) : 0.1f, same, labels ? 1e-5 : 0);
    }

    /// <summary>ML.NET's own converter, with a step in front.</summary>
    [TestMethod]
    [DataRow(false, 9)]
    [DataRow(false, 12)]
    [DataRow(true, 9)]
    [DataRow(true, 12)]
    public void Convert_Pipeline_AgreesWithModel(bool labels, int opSet)
    {
        List<TargetExample> rows = TargetExamples.Rows(100);
        IDataView view = TargetExamples.View(_context, rows, labels ? nameof(TargetExample.Labels) : nameof(TargetExample.Values));
        IDataView withoutLabel = _context.Transforms.DropColumns("Label", "Weight").Fit(view).Transform(view);
        IEstimator<ITransformer> trainer = labels ? TargetExamples.Labels(_context) : TargetExamples.Numbers(_context);
        ITransformer model = _context.Transforms.NormalizeMinMax("Features").Append(trainer).Fit(view);
        using var stream = new MemoryStream();
        _context.Model.ConvertToOnnx(model, withoutLabel, opSet, stream);
        using SessionOptions options = OnnxModel.Options();
        using var session = new InferenceSession(stream.ToArray(), options);
        var tensor = new Microsoft.ML.OnnxRuntime.Tensors.DenseTensor<float>(rows.SelectMany(row => row.Features).ToArray(), [100, 4]);
        using var outputs = session.Run([NamedOnnxValue.CreateFromTensor("Features", tensor)]);
        string[] names = labels ? ["Score", "Probability", "PredictedLabel"] : ["Score"];
        Check(
            rows, model, names.ToDictionary(name => name, name => OnnxModel.Values(outputs.Single(o => o.Name == name + ".output"))),
            names);
    }

    private void Check(List<TargetExample> rows, ITransformer model, Dictionary<string, Array> outputs, params string[] columns)
    {
        CollectionAssert.IsSubsetOf(columns, outputs.Keys);
        IDataView scored = model.Transform(TargetExamples.View(_context, rows));
        foreach (string column in columns)
        {
            if (column == "PredictedLabel")
            {
                CollectionAssert.AreEqual(TargetExamples.Column<bool>(scored, column).SelectMany(row => row).ToArray(), outputs[column]);
                continue;
            }

            float[][] expected = TargetExamples.Column<float>(scored, column);
            for (int target = 0; target < 3; target++)
            {
                float[] ofTarget = [.. expected.Select(row => row[target])];
                double range = ofTarget.Max() - ofTarget.Min();
                Assert.IsGreaterThan(0, range);
                for (int row = 0; row < ofTarget.Length; row++)
                    Assert.AreEqual(ofTarget[row], (float)outputs[column].GetValue(3 * row + target)!, Parity.Tolerance * 10 * range);
            }
        }
    }
}
