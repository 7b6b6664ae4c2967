using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm;
using MLNetBatchNorm.Reporting;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>The C# of docs/report.md and docs/onnx.md; see <see cref="ReadmeTests"/>.</summary>
[TestClass]
public sealed class ReportExamples
{
    [TestMethod]
    public void TrainingAndItsReport_Run()
    {
        var mlContext = new MLContext(seed: 1);
        var split = mlContext.Data.TrainTestSplit(SampleTables.Tumours(mlContext), testFraction: 0.2);

        #region ShowTraining
        var model = TrainingConsole.Show("tumours", progress => mlContext.BinaryClassification.Trainers
            .BatchNormNetwork(new BatchNormNetworkBinaryTrainer.Options { Progress = progress })
            .Fit(split.TrainSet));
        #endregion

        try
        {
            #region WriteReport
            TrainingReport.Write(mlContext, model, split.TestSet, "tumours.html", new TrainingReportOptions { Title = "Tumours" });
            #endregion

            StringAssert.Contains(File.ReadAllText("tumours.html"), "<h1>Tumours</h1>");
        }
        finally
        {
            File.Delete("tumours.html");
        }
    }

    [TestMethod]
    public void Onnx_IsWritten()
    {
        var mlContext = new MLContext(seed: 1);
        IDataView data = SampleTables.Tumours(mlContext);
        try
        {
            #region WriteOnnx
            var model = mlContext.BinaryClassification.Trainers.BatchNormNetwork().Fit(data);
            using (var file = File.Create("model.onnx"))
                mlContext.Model.ConvertBatchNormNetworkToOnnx(model, file);
            #endregion

            Assert.IsGreaterThan(10_000, new FileInfo("model.onnx").Length);
        }
        finally
        {
            File.Delete("model.onnx");
        }
    }
}
