using System.Runtime.InteropServices;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>The native library that tests multiply with.</summary>
internal static class NativeLibraryOfTests
{
    /// <summary>OpenBLAS, as Debian's libopenblas0-pthread installs it.</summary>
    public const string Name = "libopenblas.so.0";

    /// <summary>The library's products; where it is not installed the calling test is skipped.</summary>
    public static NativeMatrixMultiply Products()
    {
        RequireInstalled();
        return new NativeMatrixMultiply(NativeBlas.Load(Name));
    }

    /// <summary>Skips the calling test where the library is not installed.</summary>
    public static void RequireInstalled()
    {
        if (!NativeLibrary.TryLoad(Name, out _))
        {
            Assert.Inconclusive(
                $"{Name} is not installed here (Debian: libopenblas0-pthread); the native matrix products cannot be tested.");
        }
    }
}
