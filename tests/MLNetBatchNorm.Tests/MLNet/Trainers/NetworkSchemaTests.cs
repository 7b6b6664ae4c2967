using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// The columns a trainer takes and gives are those of ML.NET's own trainers of the same task: names, types, annotations and their values.
/// </summary>
[TestClass]
public sealed class NetworkSchemaTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Transform_Schema_IsThatOfABuiltInTrainer(string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        IDataView rows = NetworkExamples.View(_context, kind, NetworkExamples.Rows(60));
        DataViewSchema builtIn = BuiltIn(kind).Fit(rows).Transform(rows).Schema;
        DataViewSchema ours = NetworkExamples.Quick(_context, kind).Fit(rows).Transform(rows).Schema;

        List<string> differences = SchemaComparison.Differences(builtIn, ours);

        Assert.IsEmpty(differences, string.Join("\n", differences));
    }

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void GetOutputSchema_Promise_IsThatOfABuiltInTrainer(string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        SchemaShape rows = SchemaShape.Create(NetworkExamples.View(_context, kind, NetworkExamples.Rows(9)).Schema);
        SchemaShape.Column[] builtIn = [.. BuiltIn(kind).GetOutputSchema(rows)];
        SchemaShape.Column[] ours = [.. NetworkExamples.Quick(_context, kind).GetOutputSchema(rows)];

        CollectionAssert.AreEqual(builtIn.Select(column => column.Name).ToArray(), ours.Select(column => column.Name).ToArray());
        for (int i = 0; i < ours.Length; i++)
        {
            Assert.IsTrue(builtIn[i].IsCompatibleWith(ours[i]), ours[i].Name);
            Assert.IsTrue(ours[i].IsCompatibleWith(builtIn[i]), ours[i].Name);
        }
    }

    /// <summary>The comparison above can fail: the columns of another task are not the same.</summary>
    [TestMethod]
    public void Transform_SchemaOfAnotherTask_IsNotTheSame()
    {
        List<Example> rows = NetworkExamples.Rows(60);
        IDataView binary = NetworkExamples.View(_context, NetworkKind.Binary, rows);
        IDataView regression = NetworkExamples.View(_context, NetworkKind.Regression, rows);
        DataViewSchema builtIn = BuiltIn(NetworkKind.Regression).Fit(regression).Transform(regression).Schema;
        DataViewSchema ours = NetworkExamples.Quick(_context, NetworkKind.Binary).Fit(binary).Transform(binary).Schema;

        Assert.IsNotEmpty(SchemaComparison.Differences(builtIn, ours));
    }

    [TestMethod]
    public void Multiclass_ScoresAndPredictions_CarryTheNamesOfTheClasses()
    {
        IDataView rows = NetworkExamples.View(_context, NetworkKind.Multiclass, NetworkExamples.Rows(300));
        IDataView scored = NetworkExamples.Quick(_context, NetworkKind.Multiclass).Fit(rows).Transform(rows);

        VBuffer<ReadOnlyMemory<char>> names = default;
        scored.Schema["Score"].GetSlotNames(ref names);
        CollectionAssert.AreEqual(NetworkExamples.Classes, names.DenseValues().Select(name => name.ToString()).ToArray());
        IDataView words = _context.Transforms.Conversion.MapKeyToValue("Word", "PredictedLabel").Fit(scored).Transform(scored);
        float[][] scores = scored.Vectors<float>("Score");
        string[] found = words.Scalars<ReadOnlyMemory<char>>("Word").Select(word => word.ToString()).ToArray();
        for (int row = 0; row < scores.Length; row++)
        {
            Assert.AreEqual(1, scores[row].Sum(), 1e-5);
            Assert.AreEqual(NetworkExamples.Classes[Array.IndexOf(scores[row], scores[row].Max())], found[row]);
        }

        Assert.IsGreaterThan(1, found.Distinct().Count(), "All predictions are alike, so their names prove nothing.");
    }

    [TestMethod]
    public void Binary_Probability_IsTheSigmoidOfTheScore()
    {
        IDataView rows = NetworkExamples.View(_context, NetworkKind.Binary, NetworkExamples.Rows(200));
        IDataView scored = NetworkExamples.Quick(_context, NetworkKind.Binary).Fit(rows).Transform(rows);
        float[] scores = scored.Scalars<float>("Score");
        float[] probabilities = scored.Scalars<float>("Probability");
        bool[] labels = scored.Scalars<bool>("PredictedLabel");

        for (int row = 0; row < scores.Length; row++)
        {
            Assert.AreEqual(1 / (1 + Math.Exp(-(double)scores[row])), probabilities[row], 1e-6);
            Assert.AreEqual(scores[row] > 0, labels[row]);
        }

        Assert.Contains(true, labels);
        Assert.Contains(false, labels);
    }

    private IEstimator<ITransformer> BuiltIn(NetworkKind kind) => kind switch
    {
        NetworkKind.Binary => _context.BinaryClassification.Trainers.LbfgsLogisticRegression(),
        NetworkKind.Multiclass => _context.MulticlassClassification.Trainers.LbfgsMaximumEntropy(),
        _ => _context.Regression.Trainers.LbfgsPoissonRegression(),
    };
}
