using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// Models saved by earlier builds, in Golden/, load and score as they did then. A released file is never written again; a new format version
/// adds files of its own.
/// </summary>
[TestClass]
public sealed class GoldenModelTests
{
    /// <summary>A better kernel may round otherwise, in the last digits; a number read from the wrong place is wrong in the first.</summary>
    private const double RelativeTolerance = 1e-5;

    private const string RenewVariable = "BATCHNORM_RENEW_GOLDEN_MODELS";

    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow("binary-v1", nameof(NetworkKind.Binary))]
    [DataRow("multiclass-v1", nameof(NetworkKind.Multiclass))]
    [DataRow("regression-v1", nameof(NetworkKind.Regression))]
    [DataRow("regression-ensemble-v1", nameof(NetworkKind.Regression))]
    public void Load_GoldenModel_ScoresAsWhenItWasSaved(string name, string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        if (Environment.GetEnvironmentVariable(RenewVariable) == "1")
        {
            Renew(name, kind);
            Assert.Inconclusive($"Golden/{name} was written anew; run again without {RenewVariable}.");
        }

        string folder = Path.Combine(AppContext.BaseDirectory, "Golden");
        ITransformer model = _context.Model.Load(Path.Combine(folder, name + ".zip"), out DataViewSchema schema);

        Assert.AreEqual("Features", schema[0].Name);
        string[] expected = File.ReadAllLines(Path.Combine(folder, name + ".txt"));
        string[] actual = Scores(model);
        Assert.HasCount(12, expected);
        Assert.HasCount(12, actual);
        for (int row = 0; row < expected.Length; row++)
        {
            double[] then = Numbers(expected[row]), now = Numbers(actual[row]);
            Assert.HasCount(then.Length, now);
            for (int i = 0; i < then.Length; i++)
                Assert.AreEqual(then[i], now[i], RelativeTolerance * Math.Max(0.1, Math.Abs(then[i])), $"row {row}");
        }
    }

    /// <summary>Small networks that together hold every part of the format.</summary>
    private void Renew(string name, NetworkKind kind)
    {
        List<Example> rows = NetworkExamples.Rows(120);
        rows[3].Features[1] = float.NaN;
        IDataView view = NetworkExamples.View(_context, kind, rows);
        ITransformer model = NetworkExamples.Quick(_context, kind, options =>
        {
            options.HiddenUnits = [5, 3];
            options.NumberOfThreads = 1;
            options.Placement = kind switch
            {
                NetworkKind.Binary => BatchNormalizationPlacement.BeforeActivation,
                NetworkKind.Multiclass => BatchNormalizationPlacement.AfterActivation,
                _ => BatchNormalizationPlacement.LayerInput,
            };
            options.NormalizeOutputLayerInput = kind == NetworkKind.Regression;
            options.Activation = kind == NetworkKind.Multiclass ? ActivationFunction.SiLU : ActivationFunction.ReLU;
            if (name.Contains("ensemble", StringComparison.Ordinal))
            {
                options.NumberOfEnsembleMembers = 2;
                options.NumberOfInputPieces = 3;
            }
        }).Fit(view);
        string folder = Path.Combine(SourceFolder(), "..", "Golden");
        Directory.CreateDirectory(folder);
        _context.Model.Save(model, view.Schema, Path.Combine(folder, name + ".zip"));
        File.WriteAllLines(Path.Combine(folder, name + ".txt"), Scores(model));
    }

    /// <summary>Scores of fixed rows, one line for each row, every number with all its digits.</summary>
    private string[] Scores(ITransformer model)
    {
        List<Example> rows = NetworkExamples.Rows(12, seed: 77);
        rows[2].Features[1] = float.NaN;
        rows[5].Features[0] = float.NaN;
        IDataView scored = model.Transform(NetworkExamples.Unlabelled(_context, rows));
        float[][] scores = scored.Schema["Score"].Type is VectorDataViewType
            ? scored.Vectors<float>("Score") : [.. scored.Scalars<float>("Score").Select(score => new[] { score })];
        return [.. scores.Select(row => string.Join(' ', row.Select(score => score.ToString("R", CultureInfo.InvariantCulture))))];
    }

    private static double[] Numbers(string line) => [.. line.Split(' ').Select(number => double.Parse(number, CultureInfo.InvariantCulture))];

    private static string SourceFolder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
