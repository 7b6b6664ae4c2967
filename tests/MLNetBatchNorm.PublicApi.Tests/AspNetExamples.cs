using System.Security.Cryptography;
using Microsoft.Extensions.ObjectPool;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>The C# of docs/aspnet.md; see <see cref="ReadmeTests"/>.</summary>
[TestClass]
public sealed class AspNetExamples
{
    private Served _served = null!;
    private string _directory = "";

    [TestInitialize]
    public void EnterFolderOfItsOwn()
    {
        _directory = Environment.CurrentDirectory;
        Environment.CurrentDirectory = Directory.CreateTempSubdirectory("aspnet-examples-").FullName;
    }

    [TestCleanup]
    public void LeaveFolder()
    {
        string folder = Environment.CurrentDirectory;
        Environment.CurrentDirectory = _directory;
        Directory.Delete(folder, recursive: true);
    }

    [TestMethod]
    public void PoolSwapAndBlock_GiveTheSameBits()
    {
        var mlContext = new MLContext(seed: 1);
        IDataView table = Digits(mlContext);
        float[][] allPixels = [.. table.GetColumn<float[]>("Features")];
        float[] pixels = allPixels[0];
        var trained = mlContext.MulticlassClassification.Trainers.BatchNormNetwork(hiddenUnits: [16], maximumNumberOfEpochs: 2).Fit(table);
        mlContext.Model.Save(
            trained, mlContext.Transforms.SelectColumns("Features").Fit(table).GetOutputSchema(table.Schema), "digits.zip");

        #region EnginePool
        ITransformer model = mlContext.Model.Load("digits.zip", out _);
        ObjectPool<PredictionEngine<Digit, DigitScores>> engines = new DefaultObjectPoolProvider()
            .Create(new EnginePolicy(mlContext, model));

        PredictionEngine<Digit, DigitScores> engine = engines.Get();
        float[] probabilities = engine.Predict(new Digit { Features = pixels }).Score;
        engines.Return(engine);                    // not in a finally: an engine that threw is not used again
        #endregion

        #region HotSwap
        byte[] zip = File.ReadAllBytes("digits.zip");
        ITransformer next = mlContext.Model.Load(new MemoryStream(zip), out _);
        string version = Convert.ToHexStringLower(SHA256.HashData(zip));
        var pool = new DefaultObjectPoolProvider().Create(new EnginePolicy(mlContext, next));
        pool.Return(pool.Get());                   // the first engine now, and not with the first request

        Volatile.Write(ref _served, new Served(version, pool));
        #endregion

        int rows = 100;
        float[] features = [.. allPixels.Take(rows).SelectMany(row => row)];

        #region ScoreBlock
        var network = (BatchNormNetworkMulticlassModelParameters)((ISingleFeaturePredictionTransformer<object>)model).Model;
        float[] scores = new float[rows * network.NumberOfClasses];
        network.Score(features, rows, scores);     // features: the rows one after the other
        #endregion

        CollectionAssert.AreEqual(scores[..10], probabilities);
        CollectionAssert.AreEqual(scores[..10], _served.Engines.Get().Predict(new Digit { Features = pixels }).Score);
        Assert.HasCount(64, _served.Version);
        CollectionAssert.AreNotEqual(scores[..10], scores[10..20]);
    }

    /// <summary>What the document warns of: the default would take the model from everybody.</summary>
    [TestMethod]
    public void Engines_OwnTheModel_UnlessTold() => Assert.IsTrue(new PredictionEngineOptions().OwnsTransformer);

    private static IDataView Digits(MLContext mlContext)
    {
        IDataView table = mlContext.Data.LoadFromTextFile(
            Path.Combine(AppContext.BaseDirectory, "samples", "data", "digits.csv"),
            [new TextLoader.Column("Features", DataKind.Single, 0, 63), new TextLoader.Column("Digit", DataKind.String, 64)],
            separatorChar: ',', hasHeader: true);
        return mlContext.Transforms.Conversion.MapValueToKey("Label", "Digit").Fit(table).Transform(table);
    }

    private sealed record Served(string Version, ObjectPool<PredictionEngine<Digit, DigitScores>> Engines);

    #region EnginePolicy
    public sealed class EnginePolicy(MLContext mlContext, ITransformer model) : PooledObjectPolicy<PredictionEngine<Digit, DigitScores>>
    {
        public override PredictionEngine<Digit, DigitScores> Create() =>
            mlContext.Model.CreatePredictionEngine<Digit, DigitScores>(model, new PredictionEngineOptions { OwnsTransformer = false });

        public override bool Return(PredictionEngine<Digit, DigitScores> engine) => true;
    }

    public sealed class Digit
    {
        [VectorType(64)]
        public float[] Features { get; set; } = [];
    }

    public sealed class DigitScores
    {
        public float[] Score { get; set; } = [];
    }
    #endregion
}
