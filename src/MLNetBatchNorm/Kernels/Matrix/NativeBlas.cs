using System.Runtime.InteropServices;

namespace MLNetBatchNorm.Kernels;

/// <summary>The function <c>cblas_sgemm</c> of a native library, found at run time.</summary>
/// <remarks>
/// The library is never unloaded: its threads and memory may outlive any one training. It is asked for one thread for each call, because
/// the workers of a training already split the work; the request holds for the whole process, as these libraries know no other.
/// </remarks>
internal sealed unsafe class NativeBlas
{
    /// <summary>
    /// The library looked for if none is named: Intel's MKL as Microsoft.ML.Mkl.Components puts it next to the application.
    /// </summary>
    public const string DefaultLibrary = "MklImports";

    private const string ProductName = "cblas_sgemm";

    // Values of the C interface's enumerations.
    private const int RowMajor = 101;
    private const int NotTransposed = 111;
    private const int Transposed = 112;

    /// <summary>void f(int threads): OpenBLAS, MKL.</summary>
    private static readonly string[] s_threadSetters = ["openblas_set_num_threads", "MKL_Set_Num_Threads"];

    private readonly delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void> _product;

    private NativeBlas(nint product) =>
        _product = (delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void>)product;

    /// <summary>Finds a library and tries it on a small product.</summary>
    /// <param name="library">
    /// Name or path. A name is looked for next to the application, among the native parts of its packages, and where the operating system
    /// looks; as it is, and with the system's usual prefix and suffix. Null: <see cref="DefaultLibrary"/>.
    /// </param>
    /// <exception cref="NativeBlasException">There is no such library, or it is of the wrong kind.</exception>
    public static NativeBlas Load(string? library = null)
    {
        string name = library ?? DefaultLibrary;
        nint handle = Open(name);
        if (!NativeLibrary.TryGetExport(handle, ProductName, out nint product))
        {
            throw new NativeBlasException(
                $"The native library '{name}' was loaded, but it has no function '{ProductName}'. "
                + "Name a library with the C interface of BLAS, such as libopenblas.so.0.");
        }

        foreach (string setter in s_threadSetters)
        {
            if (NativeLibrary.TryGetExport(handle, setter, out nint setThreads))
                ((delegate* unmanaged<int, void>)setThreads)(1);
        }

        var blas = new NativeBlas(product);
        if (!blas.MultipliesRightly())
        {
            throw new NativeBlasException(
                $"The function '{ProductName}' of the native library '{name}' gives a wrong result for a small product. "
                + "A library is needed whose interface has 32-bit integers (LP64), which is the usual one.");
        }
        return blas;
    }

    /// <summary>c = a * b, or transpose(a) * b; all matrices row-major.</summary>
    /// <param name="transposeA">False: a is [rows, inner]; true: a is [inner, rows].</param>
    /// <param name="rows">Rows of c.</param>
    /// <param name="columns">Columns of b and c.</param>
    /// <param name="inner">Length of the sums; at least 1.</param>
    /// <param name="a">First element of a.</param>
    /// <param name="aStride">Floats from one row of a to the next.</param>
    /// <param name="b">First element of b, [inner, columns].</param>
    /// <param name="bStride">Floats from one row of b to the next.</param>
    /// <param name="c">First element of c; written, never read.</param>
    /// <param name="cStride">Floats from one row of c to the next.</param>
    public void Multiply(
        bool transposeA, int rows, int columns, int inner, float* a, int aStride, float* b, int bStride, float* c, int cStride) =>
        _product(
            RowMajor, transposeA ? Transposed : NotTransposed, NotTransposed, rows, columns, inner, 1, a,
            aStride, b, bStride, 0, c, cStride);

    private static nint Open(string name)
    {
        if (string.IsNullOrWhiteSpace(name))
        {
            throw new NativeBlasException(
                "The name of the native library is empty; give the name or the path of a BLAS library, such as libopenblas.so.0.");
        }
        try
        {
            return NativeLibrary.Load(name, typeof(NativeBlas).Assembly, searchPath: null);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            // The system's message names every file it tried.
            throw new NativeBlasException(
                $"The native library '{name}' for matrix products cannot be loaded. "
                + $"Looked for it in the application's folder ({AppContext.BaseDirectory}), "
                + "among the native parts of its packages, and where the operating system looks for libraries. "
                + $"The system says: {e.Message.Trim()}",
                e);
        }
    }

    private bool MultipliesRightly()
    {
        // Small whole numbers: every right order of summation gives exactly these results. The strides exceed the widths, c starts as NaN.
        float* a = stackalloc float[] { 1, 2, 3, -1, 4, 5, 6, -1 };
        float* b = stackalloc float[] { 7, 8, -1, 9, 10, -1, 11, 12, -1 };
        float* c = stackalloc float[] { float.NaN, float.NaN, -1, float.NaN, float.NaN, -1 };
        Multiply(false, 2, 2, 3, a, 4, b, 3, c, 3);
        bool right = new ReadOnlySpan<float>(c, 6).SequenceEqual([58, 64, -1, 139, 154, -1]);

        float* transposed = stackalloc float[] { 1, 4, 2, 5, 3, 6 };
        Multiply(true, 2, 2, 3, transposed, 2, b, 3, c, 3);
        return right && new ReadOnlySpan<float>(c, 6).SequenceEqual([58, 64, -1, 139, 154, -1]);
    }
}
