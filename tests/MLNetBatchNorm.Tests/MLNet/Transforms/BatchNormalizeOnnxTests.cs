using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Model.OnnxConverter;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using Options = MLNetBatchNorm.BatchNormalizeEstimator.Options;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>What the transform writes when ML.NET's ONNX converter asks it, computed as ONNX defines it.</summary>
[TestClass]
public sealed class BatchNormalizeOnnxTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    public void SaveAsOnnx_SmallMeans_IsOneNodeThatGivesTheSame()
    {
        float[][] rows = Rows(0.5);
        BatchNormalizeTransformer transformer = Fit(Views.OfVectors(_context, rows));
        RecordingOnnxContext graph = Export(transformer, Views.OfVectors(_context, rows), "Features");

        RecordingOnnxContext.Node node = graph.Nodes.Single();
        Assert.AreEqual("BatchNormalization", node.OpType);
        Assert.AreEqual("", node.Domain);
        Assert.AreEqual(1e-3, node.Attributes["epsilon"]);
        CheckValues(graph, transformer, rows);
    }

    [TestMethod]
    public void SaveAsOnnx_LargeMeans_SubtractsFirstAndGivesTheSame()
    {
        float[][] rows = Rows(1e6);
        BatchNormalizeTransformer transformer = Fit(Views.OfVectors(_context, rows));
        RecordingOnnxContext graph = Export(transformer, Views.OfVectors(_context, rows), "Features");

        CollectionAssert.AreEqual(new[] { "Sub", "BatchNormalization" }, graph.Nodes.Select(n => n.OpType).ToArray());
        CheckValues(graph, transformer, rows);

        // The check can fail: without that node, single precision loses what the deviation is made of.
        graph.Nodes.RemoveAt(0);
        graph.Nodes[0].Inputs[0] = "Features";
        var mean = (float[])graph.Initializers[graph.Nodes[0].Inputs[3]];
        for (int slot = 0; slot < mean.Length; slot++)
            mean[slot] = (float)transformer.GetBatchNormalizationParameters(0).Mean[slot];
        Assert.ThrowsExactly<AssertFailedException>(() => CheckValues(graph, transformer, rows));
    }

    [TestMethod]
    public void SaveAsOnnx_Doubles_AreExportedAsDoubles()
    {
        double[][] rows = [[1, 2], [3, 5]];
        RecordingOnnxContext graph = Export(
            Fit(Views.OfVectors(_context, rows), gamma: [1, 1], beta: [0, 0]), Views.OfVectors(_context, rows), "Features");

        Assert.IsTrue(graph.Nodes.Single().Inputs.Skip(1).All(name => graph.Initializers[name] is double[]));
    }

    [TestMethod]
    public void SaveAsOnnx_ColumnsThatSwapNames_ReadTheInputs()
    {
        IDataView rows = Views.WithSlotNames(_context, [1f, 2, 3], [4f, 6, 8]);
        BatchNormalizeTransformer transformer = _context.Transforms.BatchNormalize([new("A", "B"), new("B", "A")]).Fit(rows);
        RecordingOnnxContext graph = Export(transformer, rows, "A", "B");

        CollectionAssert.AreEqual(new[] { "B", "A" }, graph.Nodes.Select(n => n.Inputs[0]).ToArray());
    }

    [TestMethod]
    public void SaveAsOnnx_InputThatIsNotExported_LeavesItsOutputOut()
    {
        IDataView rows = Views.WithSlotNames(_context, [1f, 2, 3], [4f, 6, 8]);
        RecordingOnnxContext graph = Export(_context.Transforms.BatchNormalize([new("X", "A"), new("Y", "B")]).Fit(rows), rows, "B");

        Assert.AreEqual("Y", graph.Nodes.Single().Outputs.Single());
        Assert.IsFalse(graph.ContainsColumn("X"));
    }

    private static float[][] Rows(double mean)
    {
        var random = new Random(2);
        return Enumerable.Range(0, 100).Select(
            _ => Enumerable.Range(1, 3).Select(j => (float)(j * mean + random.NextDouble())).ToArray()).ToArray();
    }

    private BatchNormalizeTransformer Fit(IDataView view, double[]? gamma = null, double[]? beta = null)
        => _context.Transforms.BatchNormalize(new Options
        {
            Columns = [new("Out", "Features", gamma ?? [1, -2, 0.5], beta ?? [0, 1, 2])],
            Epsilon = 1e-3,
        }).Fit(view);

    private static RecordingOnnxContext Export(ITransformer transformer, IDataView input, params string[] inputs)
    {
        var graph = new RecordingOnnxContext();
        foreach (string column in inputs)
            graph.AddInput(column);
        var exported = (ITransformCanSaveOnnx)transformer.Transform(input);
        Assert.IsTrue(exported.CanSaveOnnx(graph));
        exported.SaveAsOnnx(graph);
        return graph;
    }

    /// <summary>Computes the graph in single precision, with mean and offset folded as ONNX runtimes do.</summary>
    private void CheckValues(RecordingOnnxContext graph, BatchNormalizeTransformer transformer, float[][] rows)
    {
        float[][] expected = transformer.Transform(Views.OfVectors(_context, rows)).Vectors<float>("Out");
        float[][] actual = rows.Select(row =>
        {
            var values = new Dictionary<string, float[]> { ["Features"] = row };
            foreach (RecordingOnnxContext.Node node in graph.Nodes)
            {
                float[] x = values[node.Inputs[0]];
                float[][] constants = node.Inputs.Skip(1).Select(name => (float[])graph.Initializers[name]).ToArray();
                values[node.Outputs.Single()] = node.OpType == "Sub"
                    ? x.Zip(constants[0], (a, b) => a - b).ToArray()
                    : x.Select((value, j) =>
                    {
                        float scale = constants[0][j] / MathF.Sqrt(constants[3][j] + (float)(double)node.Attributes["epsilon"]);
                        return value * scale + (constants[1][j] - constants[2][j] * scale);
                    }).ToArray();
            }

            return values["Out"];
        }).ToArray();

        Close.Check(expected.Select(r => r.Select(x => (double)x).ToArray()).ToArray(), actual, 1e-6, "exported graph");
    }
}
