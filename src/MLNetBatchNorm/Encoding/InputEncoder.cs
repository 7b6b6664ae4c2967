using MLNetBatchNorm.Data;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Encoding;

/// <summary>
/// Turns raw feature values into what the first layer reads; learned from the training rows, saved with the network, applied inside it.
/// </summary>
/// <remarks>
/// <para>A numeric slot: <c>t = (x - center) scale</c>, then smoothly clipped, <c>t / sqrt(1 + (t/3)²)</c>, so that no outlier leaves (-3, 3)
/// (Holzmüller et al. 2024, arXiv:2407.04491, section 3). An indicator slot (one-hot) passes unchanged: never centred.</para>
/// <para>A missing value (NaN) becomes the centre, that is 0. A slot that had missing values in training also has a second encoded
/// column, 1 where the value is missing and 0 elsewhere, whose weights are the learned effect of being missing.</para>
/// <para>A numeric slot can have pieces: the piece from a to b is <c>(x - a) / (b - a)</c> held between 0 and 1, so that a linear map behind
/// them is any continuous function that is straight between the slot's quantiles (Gorishniy et al. 2022, arXiv:2203.05556, section 3.2).</para>
/// <para>Encoded columns: one for each raw slot in order, then the missing columns, then the pieces.</para>
/// </remarks>
internal sealed class InputEncoder
{
    private const int Width = PanelLayout.Width;

    /// <summary>Coefficient of t² under the root for a clipped slot: (1/3)²; RealMLP's clip at 3.</summary>
    public const float ClipCoefficient = 1f / 9;

    private readonly AlignedBuffer _center;
    private readonly AlignedBuffer _scale;
    private readonly AlignedBuffer _clip;
    private readonly int[] _missingSources;
    private readonly InputPiece[] _pieces;
    private readonly bool _identity;

    /// <summary>An encoder with the given parts; all spans are <paramref name="center"/>'s length.</summary>
    /// <param name="center">What is subtracted from each slot; finite.</param>
    /// <param name="scale">What each centred slot is multiplied with; finite.</param>
    /// <param name="clipped">Whether a slot is clipped: numeric slots are, indicators are not.</param>
    /// <param name="missingSources">Raw slots that have a missing column, in rising order.</param>
    /// <param name="pieces">Pieces of slots, in any order.</param>
    public InputEncoder(
        ReadOnlySpan<float> center, ReadOnlySpan<float> scale, ReadOnlySpan<bool> clipped, ReadOnlySpan<int> missingSources, ReadOnlySpan<InputPiece> pieces = default)
    {
        if (scale.Length != center.Length || clipped.Length != center.Length)
            throw new ArgumentException("Centers, scales and clip marks must have the same length.");
        RawInputs = center.Length;
        int padded = PanelLayout.PanelCount(RawInputs) * Width;
        _center = new AlignedBuffer(padded);
        _scale = new AlignedBuffer(padded);
        _clip = new AlignedBuffer(padded);
        center.CopyTo(_center.Span);
        scale.CopyTo(_scale.Span);
        for (int i = 0; i < RawInputs; i++)
            _clip.Span[i] = clipped[i] ? ClipCoefficient : 0;
        KeepsZero = pieces.IsEmpty && center.IndexOfAnyExcept(0f) < 0 && clipped.IndexOf(true) < 0;
        _missingSources = missingSources.ToArray();
        _pieces = pieces.ToArray();
        foreach (InputPiece piece in _pieces)
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)piece.Source, (uint)RawInputs, nameof(pieces));
        foreach (int source in _missingSources)
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)source, (uint)RawInputs, nameof(missingSources));
    }

    // Without the arrays, which nothing asks for where values pass untouched.
    private InputEncoder(int inputs) : this([], [], [], [])
    {
        RawInputs = inputs;
        _identity = true;
    }

    /// <summary>Number of raw slots.</summary>
    public int RawInputs { get; }

    /// <summary>Number of encoded columns.</summary>
    public int EncodedInputs => RawInputs + _missingSources.Length + _pieces.Length;

    /// <summary>Whether values pass untouched, NaN included.</summary>
    public bool IsIdentity => _identity;

    /// <summary>What is subtracted from each raw slot. Not for an encoder that <see cref="IsIdentity"/>.</summary>
    public ReadOnlySpan<float> Center => _center.Span[..RawInputs];

    /// <summary>What each centred slot is multiplied with. Not for an encoder that <see cref="IsIdentity"/>.</summary>
    public ReadOnlySpan<float> Scale => _scale.Span[..RawInputs];

    /// <summary>Raw slots that have a missing column.</summary>
    public ReadOnlySpan<int> MissingSources => _missingSources;

    /// <summary>Pieces of slots.</summary>
    public ReadOnlySpan<InputPiece> Pieces => _pieces;

    /// <summary>An encoder that changes nothing.</summary>
    public static InputEncoder Identity(int inputs) => new(inputs);

    /// <summary>Whether a slot is smoothly clipped.</summary>
    public bool IsClipped(int slot) => !_identity && _clip.Span[slot] != 0;

    /// <summary>Encodes one row; the result is the same bits wherever and in whatever company the row is encoded.</summary>
    /// <param name="raw"><see cref="RawInputs"/> values.</param>
    /// <param name="encoded">Room for <see cref="EncodedInputs"/> values, or more, which are left alone.</param>
    public void Encode(ReadOnlySpan<float> raw, Span<float> encoded)
    {
        if (raw.Length != RawInputs)
            throw new ArgumentException($"The row has {raw.Length} values, the encoder {RawInputs} slots.", nameof(raw));
        if (_identity)
        {
            raw.CopyTo(encoded);
            return;
        }

        int whole = RawInputs & ~(Width - 1);
        if (whole > 0)
            InputKernels.ScaleAndClip(raw[..whole], _center.Span, _scale.Span, _clip.Span, encoded);
        if (whole < RawInputs)
        {
            // The last slots are computed as one padded line, so that they are the same vector operations as all others.
            Span<float> line = stackalloc float[Width];
            line.Clear();
            raw[whole..].CopyTo(line);
            InputKernels.ScaleAndClip(line, _center.Span[whole..], _scale.Span[whole..], _clip.Span[whole..], line);
            line[..(RawInputs - whole)].CopyTo(encoded[whole..]);
        }
        for (int i = 0; i < _missingSources.Length; i++)
            encoded[RawInputs + i] = float.IsNaN(raw[_missingSources[i]]) ? 1 : 0;
        int firstPiece = RawInputs + _missingSources.Length;
        for (int i = 0; i < _pieces.Length; i++)
            encoded[firstPiece + i] = _pieces[i].Encode(raw);
    }

    /// <summary>Whether every slot is only multiplied, so that a zero stays a zero and sparse rows stay sparse.</summary>
    public bool KeepsZero { get; }

    /// <summary>Encodes one sparse row as the next row of <paramref name="batch"/>; only with an encoder that <see cref="KeepsZero"/>. The values have the bits of <see cref="Encode"/>.</summary>
    public void EncodeSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, SparseBatch batch)
    {
        batch.BeginRow(2 * indices.Length);
        Span<float> encoded = batch.AddEntries(indices, values);
        if (_identity)
            return;
        ReadOnlySpan<float> scale = _scale.Span;
        for (int i = 0; i < encoded.Length; i++)
            encoded[i] = float.IsNaN(encoded[i]) ? 0 : encoded[i] * scale[indices[i]];
        // The missing columns come after all slots, in rising order, like the slots they belong to.
        for (int i = 0, m = 0; i < indices.Length && m < _missingSources.Length; i++)
        {
            while (m < _missingSources.Length && _missingSources[m] < indices[i])
                m++;
            if (m < _missingSources.Length && _missingSources[m] == indices[i] && float.IsNaN(values[i]))
                batch.Add(RawInputs + m, 1);
        }
    }

    /// <summary>Encodes one row into row <paramref name="row"/> of a mini-batch in panels; the same bits as <see cref="Encode"/>.</summary>
    /// <param name="paddedRaw">The raw values, padded with zeros to whole lines of 16.</param>
    /// <param name="panels">A matrix of <see cref="EncodedInputs"/> columns.</param>
    /// <param name="rowCapacity">The matrix's stride between panels, in rows.</param>
    /// <param name="row">Row to write.</param>
    public void EncodeToPanels(ReadOnlySpan<float> paddedRaw, Span<float> panels, int rowCapacity, int row)
    {
        if (_identity)
        {
            InputKernels.CopyToPanels(paddedRaw, panels, rowCapacity, row);
            return;
        }
        InputKernels.ScaleAndClipToPanels(paddedRaw, _center.Span, _scale.Span, _clip.Span, panels, rowCapacity, row);
        for (int i = 0; i < _missingSources.Length; i++)
            panels[PanelLayout.Index(row, RawInputs + i, rowCapacity)] = float.IsNaN(paddedRaw[_missingSources[i]]) ? 1 : 0;
        int firstPiece = RawInputs + _missingSources.Length;
        for (int i = 0; i < _pieces.Length; i++)
            panels[PanelLayout.Index(row, firstPiece + i, rowCapacity)] = _pieces[i].Encode(paddedRaw);
    }
}

/// <summary>One straight piece of a slot's values: 0 up to its start, 1 from its end on, rising evenly between.</summary>
/// <param name="Source">Raw slot.</param>
/// <param name="Start">Where it rises from 0.</param>
/// <param name="Scale">1 / (end - start); positive and finite.</param>
internal readonly record struct InputPiece(int Source, float Start, float Scale)
{
    /// <summary>The piece's value for a row; 0 for a missing value.</summary>
    public float Encode(ReadOnlySpan<float> raw)
    {
        float position = (raw[Source] - Start) * Scale;
        return position > 0 ? (position < 1 ? position : 1) : 0;      // a NaN is not above 0
    }
}
