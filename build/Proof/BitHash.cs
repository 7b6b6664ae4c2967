using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace MLNetBatchNorm.Proof;

/// <summary>SHA-256 of the bits of numbers, each list with its length.</summary>
internal sealed class BitHash : IDisposable
{
    private const int HexDigits = 32;

    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public void Add(ReadOnlySpan<float> values) => AddList(values);

    public void Add(ReadOnlySpan<double> values) => AddList(values);

    public void Add(double value) => AddBytes<double>([value]);

    public void Add(int value) => AddBytes<int>([value]);

    public void Add(string text) => AddList<byte>(System.Text.Encoding.UTF8.GetBytes(text));

    /// <summary>A number that may be absent, which is not the same as any number.</summary>
    public void Add(double? value)
    {
        Add(value.HasValue ? 1 : 0);
        Add(value.GetValueOrDefault());
    }

    /// <summary>The hash, shortened, of everything added since the last call.</summary>
    public string Take() => Convert.ToHexStringLower(_hash.GetHashAndReset())[..HexDigits];

    public void Dispose() => _hash.Dispose();

    private void AddList<T>(ReadOnlySpan<T> values)
        where T : struct
    {
        Add(values.Length);
        AddBytes(values);
    }

    private void AddBytes<T>(ReadOnlySpan<T> values)
        where T : struct => _hash.AppendData(MemoryMarshal.AsBytes(values));
}
