namespace MLNetBatchNorm.Kernels;

/// <summary>A zeroed array of floats whose first element lies on a 64-byte boundary and never moves.</summary>
/// <remarks>
/// One row of a panel (see <see cref="PanelLayout"/>) is 64 bytes: with this alignment it is one cache line and one whole 512-bit access.
/// The memory is a pinned array of the garbage collector: nothing to free, and addresses taken inside a kernel stay valid.
/// Kernels are right on any alignment; they are only faster on this one.
/// </remarks>
internal sealed class AlignedBuffer
{
    private const int Alignment = 64;
    private const int ExtraFloats = Alignment / sizeof(float) - 1;

    private readonly float[] _array;
    private readonly int _offset;

    /// <param name="length">Number of floats; spans are indexed by <see cref="int"/>, so it must stay below that.</param>
    public unsafe AlignedBuffer(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Array.MaxLength - ExtraFloats);

        Length = (int)length;
        _array = GC.AllocateArray<float>(Length + ExtraFloats, pinned: true);
        fixed (float* first = _array)
            _offset = (int)((Alignment - (nuint)first % Alignment) % Alignment / sizeof(float));
    }

    public int Length { get; }

    public Span<float> Span => new(_array, _offset, Length);

    /// <summary>Whether no element is infinite or NaN.</summary>
    public bool IsFinite
    {
        get
        {
            foreach (float value in Span)
            {
                if (!float.IsFinite(value))
                    return false;
            }
            return true;
        }
    }
}
