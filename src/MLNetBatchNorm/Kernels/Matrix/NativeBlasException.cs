using System.Runtime.InteropServices;

namespace MLNetBatchNorm.Kernels;

/// <summary>No native library with matrix products could be used; the message says what was looked for, where, and what to do.</summary>
internal sealed class NativeBlasException(string message, Exception? inner = null) : Exception(message, inner);
