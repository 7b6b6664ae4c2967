using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>What is said when a native library cannot be used.</summary>
[TestClass]
public sealed class NativeBlasTests
{
    [TestMethod]
    public void Load_AbsentLibrary_NamesWhatWasLookedForAndWhere()
    {
        NativeBlasException e = Assert.ThrowsExactly<NativeBlasException>(() => NativeBlas.Load("libnosuchblas.so.7"));
        StringAssert.Contains(e.Message, "'libnosuchblas.so.7'");
        StringAssert.Contains(e.Message, AppContext.BaseDirectory);
        StringAssert.Contains(e.Message, "The system says");
    }

    /// <summary>Nothing named: the library of Microsoft.ML.Mkl.Components, which no project of ours references.</summary>
    [TestMethod]
    public void Load_NothingNamed_LooksForMklImports()
    {
        NativeBlasException e = Assert.ThrowsExactly<NativeBlasException>(() => NativeBlas.Load());
        StringAssert.Contains(e.Message, "'MklImports'");
    }

    [TestMethod]
    public void Load_LibraryWithoutTheFunction_SaysSo()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("The library this test takes for a wrong one is Linux's libm.so.6.");
        NativeBlasException e = Assert.ThrowsExactly<NativeBlasException>(() => NativeBlas.Load("libm.so.6"));
        StringAssert.Contains(e.Message, "'libm.so.6'");
        StringAssert.Contains(e.Message, "cblas_sgemm");
    }

    [TestMethod]
    public void Load_FileThatIsNoLibrary_SaysWhich()
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        File.WriteAllText(path, "not a library");
        try
        {
            NativeBlasException e = Assert.ThrowsExactly<NativeBlasException>(() => NativeBlas.Load(path));
            StringAssert.Contains(e.Message, path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [TestMethod]
    [DataRow("")]
    [DataRow(" ")]
    public void Load_EmptyName_SaysSo(string name)
    {
        NativeBlasException e = Assert.ThrowsExactly<NativeBlasException>(() => NativeBlas.Load(name));
        StringAssert.Contains(e.Message, "empty");
    }

    [TestMethod]
    public void Load_GoodLibrary_CanBeRepeated()
    {
        NativeLibraryOfTests.RequireInstalled();
        Assert.IsNotNull(NativeBlas.Load(NativeLibraryOfTests.Name));
        Assert.IsNotNull(NativeBlas.Load(NativeLibraryOfTests.Name));
    }
}
