using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>What multiplies matrices while a network is trained. Prediction always uses managed code.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<MatrixMultiplication>))]
public enum MatrixMultiplication
{
    /// <summary>
    /// This package's own code: needs nothing installed, and gives the same bits on every x64 processor, whatever vectors it has, and for
    /// every number of threads.
    /// </summary>
    Managed,

    /// <summary>
    /// The function <c>cblas_sgemm</c> of a native library found at run time, see <see cref="BatchNormNetworkOptions.NativeBlasLibrary"/>.
    /// The trained model then depends, in its last bits, on the library, the processor and the number of threads.
    /// </summary>
    Native,
}
