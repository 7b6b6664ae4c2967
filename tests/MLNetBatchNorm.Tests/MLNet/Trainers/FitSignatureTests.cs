using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// The ways to call <c>Fit</c>, as ML.NET's own trainers take them: a missing argument and null are the same. Each line below is here to be
/// compiled as well: one method with optional arguments stands beside the one of ML.NET's base.
/// </summary>
[TestClass]
public sealed class FitSignatureTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    public void Fit_OfTheBinaryTrainer_TakesWhatIsThere()
    {
        (IDataView data, IDataView valid) = Views(NetworkKind.Binary);
        var trainer = (BatchNormNetworkBinaryTrainer)NetworkExamples.Quick(_context, NetworkKind.Binary);
        IEstimator<ITransformer> estimator = trainer;
        BatchNormNetworkBinaryModelParameters m = trainer.Fit(data).Model.SubModel;
        Check(
            data,
            plain:
            [
                trainer.Fit(data), trainer.Fit(data, null), trainer.Fit(data, null, null), trainer.Fit(data, modelParameters: null),
                estimator.Fit(data),
            ],
            validated: [trainer.Fit(data, valid), trainer.Fit(data, validationData: valid), trainer.Fit(data, valid, null)],
            continued: [trainer.Fit(data, null, m), trainer.Fit(data, modelParameters: m)],
            both: trainer.Fit(data, valid, m));
    }

    [TestMethod]
    public void Fit_OfTheMulticlassTrainer_TakesWhatIsThere()
    {
        (IDataView data, IDataView valid) = Views(NetworkKind.Multiclass);
        var trainer = (BatchNormNetworkMulticlassTrainer)NetworkExamples.Quick(_context, NetworkKind.Multiclass);
        IEstimator<ITransformer> estimator = trainer;
        BatchNormNetworkMulticlassModelParameters m = trainer.Fit(data).Model;
        Check(
            data,
            plain:
            [
                trainer.Fit(data), trainer.Fit(data, null), trainer.Fit(data, null, null), trainer.Fit(data, modelParameters: null),
                estimator.Fit(data),
            ],
            validated: [trainer.Fit(data, valid), trainer.Fit(data, validationData: valid), trainer.Fit(data, valid, null)],
            continued: [trainer.Fit(data, null, m), trainer.Fit(data, modelParameters: m)],
            both: trainer.Fit(data, valid, m));
    }

    [TestMethod]
    public void Fit_OfTheRegressionTrainer_TakesWhatIsThere()
    {
        (IDataView data, IDataView valid) = Views(NetworkKind.Regression);
        var trainer = (BatchNormNetworkRegressionTrainer)NetworkExamples.Quick(_context, NetworkKind.Regression);
        IEstimator<ITransformer> estimator = trainer;
        BatchNormNetworkRegressionModelParameters m = trainer.Fit(data).Model;
        Check(
            data,
            plain:
            [
                trainer.Fit(data), trainer.Fit(data, null), trainer.Fit(data, null, null), trainer.Fit(data, modelParameters: null),
                estimator.Fit(data),
            ],
            validated: [trainer.Fit(data, valid), trainer.Fit(data, validationData: valid), trainer.Fit(data, valid, null)],
            continued: [trainer.Fit(data, null, m), trainer.Fit(data, modelParameters: m)],
            both: trainer.Fit(data, valid, m));
    }

    [TestMethod]
    public void Fit_WithoutRows_NamesTheArgument()
    {
        var trainer = (BatchNormNetworkRegressionTrainer)NetworkExamples.Quick(_context, NetworkKind.Regression);
        Assert.AreEqual("trainData", Assert.ThrowsExactly<ArgumentNullException>(() => trainer.Fit(null!)).ParamName);
        Assert.AreEqual("trainData", Assert.ThrowsExactly<ArgumentNullException>(() => trainer.Fit(null!, null, null)).ParamName);
    }

    private static void Check(IDataView data, ITransformer[] plain, ITransformer[] validated, ITransformer[] continued, ITransformer both)
    {
        string[] kinds = [.. new[] { plain, validated, continued, [both] }.Select(
            models => models.Select(model => Scores(model, data)).Distinct().Single())];
        Assert.HasCount(4, kinds.Distinct(), "each argument has its effect");
    }

    private static string Scores(ITransformer model, IDataView data)
    {
        IDataView scored = model.Transform(data);
        return scored.Schema["Score"].Type is VectorDataViewType
            ? string.Join(' ', scored.GetColumn<float[]>("Score").SelectMany(scores => scores))
            : string.Join(' ', scored.GetColumn<float>("Score"));
    }

    private (IDataView Data, IDataView Valid) Views(NetworkKind kind) =>
        (NetworkExamples.View(_context, kind, NetworkExamples.Rows(120)),
            NetworkExamples.View(_context, kind, NetworkExamples.Rows(60, seed: 2)));
}
