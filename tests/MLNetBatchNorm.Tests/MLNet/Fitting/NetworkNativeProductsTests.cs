using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.Kernels;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>The option that hands the matrix products of training to a native library.</summary>
[TestClass]
public sealed class NetworkNativeProductsTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Fit_WithANativeLibrary_GivesAlmostTheSameModel(string kindName)
    {
        NativeLibraryOfTests.RequireInstalled();
        var kind = Enum.Parse<NetworkKind>(kindName);
        IDataView view = NetworkExamples.View(_context, kind, NetworkExamples.Rows(400));
        double[] managed = Losses(kind, view, Smooth);
        double[] native = Losses(kind, view, options =>
        {
            Smooth(options);
            options.MatrixMultiplication = MatrixMultiplication.Native;
            options.NativeBlasLibrary = NativeLibraryOfTests.Name;
        });
        for (int epoch = 0; epoch < managed.Length; epoch++)
            Assert.AreEqual(managed[epoch], native[epoch], 1e-4 * managed[epoch], $"epoch {epoch + 1}");

        static void Smooth(BatchNormNetworkOptions options)
        {
            options.Activation = ActivationFunction.Tanh;
            options.Optimizer = new SgdOptimizer();
        }
    }

    [TestMethod]
    public void Fit_WithAnAbsentLibrary_FailsBeforeReadingAndNamesIt()
    {
        var view = new CountingView(NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(50)));
        IEstimator<ITransformer> trainer = NetworkExamples.Quick(_context, NetworkKind.Regression, options =>
        {
            options.MatrixMultiplication = MatrixMultiplication.Native;
            options.NativeBlasLibrary = "libnosuchblas.so.7";
        });
        InvalidOperationException exception = Assert.ThrowsExactly<InvalidOperationException>(() => trainer.Fit(view));
        Assert.IsTrue(exception.IsMarked());
        Assert.Contains("'libnosuchblas.so.7'", exception.Message);
        Assert.Contains(AppContext.BaseDirectory, exception.Message);
        Assert.Contains("MatrixMultiplication to Managed", exception.Message);
        Assert.IsEmpty(view.Reads);
    }

    [TestMethod]
    public void Create_LibraryWithoutNativeProducts_IsRefused()
    {
        ArgumentOutOfRangeException exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _context.Regression.Trainers.BatchNormNetwork(
                new BatchNormNetworkRegressionTrainer.Options { NativeBlasLibrary = NativeLibraryOfTests.Name }));
        Assert.IsTrue(exception.IsMarked());
        Assert.StartsWith("NativeBlasLibrary is 'libopenblas.so.0', but MatrixMultiplication is Managed", exception.Message);
    }

    private double[] Losses(NetworkKind kind, IDataView view, Action<BatchNormNetworkOptions> change)
    {
        var losses = new List<double>();
        NetworkExamples.Quick(_context, kind, options =>
        {
            change(options);
            options.Progress = new Reports(losses);
        }).Fit(view);
        return [.. losses];
    }

    private sealed class Reports(List<double> losses) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => losses.Add(value.TrainingLoss);
    }
}
