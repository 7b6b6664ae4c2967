using MLNetBatchNorm.Data;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Encoding;

/// <summary>A column for each slot, centred, scaled and smoothly clipped as the slot needs it.</summary>
/// <remarks>
/// <para>A numeric slot: <c>t = (x - center) scale</c>, then <c>t / sqrt(1 + (t/3)²)</c>, so that no outlier leaves (-3, 3)
/// (Holzmüller et al. 2024, arXiv:2407.04491, section 3). An indicator slot (one-hot) passes unchanged: never centred.</para>
/// <para>A missing value (NaN) becomes the centre, that is 0.</para>
/// </remarks>
internal sealed class ScaleAndClip : EncodingPart
{
    private const int Width = PanelLayout.Width;

    /// <summary>Coefficient of t² under the root for a clipped slot: (1/3)²; RealMLP's clip at 3.</summary>
    public const float ClipCoefficient = 1f / 9;

    private readonly int _slots;
    private readonly AlignedBuffer _center;
    private readonly AlignedBuffer _scale;
    private readonly AlignedBuffer _clip;

    /// <summary>All spans are <paramref name="center"/>'s length.</summary>
    /// <param name="center">What is subtracted from each slot; finite.</param>
    /// <param name="scale">What each centred slot is multiplied with; finite.</param>
    /// <param name="clipped">Whether a slot is clipped: numeric slots are, indicators are not.</param>
    public ScaleAndClip(ReadOnlySpan<float> center, ReadOnlySpan<float> scale, ReadOnlySpan<bool> clipped)
    {
        if (scale.Length != center.Length || clipped.Length != center.Length)
            throw new ArgumentException("Centers, scales and clip marks must have the same length.");
        _slots = center.Length;
        int padded = PanelLayout.PanelCount(_slots) * Width;
        _center = new AlignedBuffer(padded);
        _scale = new AlignedBuffer(padded);
        _clip = new AlignedBuffer(padded);
        center.CopyTo(_center.Span);
        scale.CopyTo(_scale.Span);
        for (int i = 0; i < _slots; i++)
            _clip.Span[i] = clipped[i] ? ClipCoefficient : 0;
        KeepsZero = center.IndexOfAnyExcept(0f) < 0 && clipped.IndexOf(true) < 0;
    }

    public override int Columns => _slots;

    /// <summary>Whether every slot is only multiplied.</summary>
    public override bool KeepsZero { get; }

    /// <summary>What is subtracted from each slot.</summary>
    public ReadOnlySpan<float> Center => _center.Span[.._slots];

    /// <summary>What each centred slot is multiplied with.</summary>
    public ReadOnlySpan<float> Scale => _scale.Span[.._slots];

    /// <summary>Whether a slot is smoothly clipped.</summary>
    public bool IsClipped(int slot) => _clip.Span[slot] != 0;

    public override void Encode(ReadOnlySpan<float> raw, Span<float> encoded)
    {
        int whole = _slots & ~(Width - 1);
        if (whole > 0)
            InputKernels.ScaleAndClip(raw[..whole], _center.Span, _scale.Span, _clip.Span, encoded);
        if (whole == _slots)
            return;
        // The last slots are computed as one padded line, so that they are the same vector operations as all others.
        Span<float> line = stackalloc float[Width];
        line.Clear();
        raw[whole..].CopyTo(line);
        InputKernels.ScaleAndClip(line, _center.Span[whole..], _scale.Span[whole..], _clip.Span[whole..], line);
        line[..(_slots - whole)].CopyTo(encoded[whole..]);
    }

    public override void EncodeToPanels(ReadOnlySpan<float> paddedRaw, Span<float> panels, int rowCapacity, int row, int firstColumn) =>
        InputKernels.ScaleAndClipToPanels(paddedRaw, _center.Span, _scale.Span, _clip.Span, panels, rowCapacity, row);

    public override void EncodeSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, SparseBatch batch, int firstColumn)
    {
        Span<float> encoded = batch.AddEntries(indices, values);
        ReadOnlySpan<float> scale = _scale.Span;
        for (int i = 0; i < encoded.Length; i++)
            encoded[i] = float.IsNaN(encoded[i]) ? 0 : encoded[i] * scale[indices[i]];
    }

    public override string AddTo(OnnxGraph graph, OnnxSlots slots)
    {
        float[] scale = Scale.ToArray();
        bool[] clipped = [.. Enumerable.Range(0, _slots).Select(IsClipped)];
        string scaled = slots.Known;
        if (Center.ContainsAnyExcept(0f))
            scaled = graph.Node("Sub", "input.centered", [scaled, slots.Center]);
        if (scale.AsSpan().ContainsAnyExcept(1f))
            scaled = graph.Node("Mul", "input.scaled", [scaled, graph.Floats("input.scale", scale, scale.Length)]);
        if (!clipped.Contains(true))
            return scaled;

        // t / sqrt(1 + t² / 9), with t held where its square is finite.
        string bounded = graph.Bounds("input.bounded", scaled, -InputKernels.LargestClipped, InputKernels.LargestClipped);
        string square = graph.Node("Mul", "input.square", [bounded, bounded]);
        string ninth = graph.Node("Mul", "input.square_part", [square, graph.Floats("input.clip", [ClipCoefficient], 1)]);
        string sum = graph.Node("Add", "input.clip_sum", [ninth, graph.Floats("input.one", [1], 1)]);
        string root = graph.Node("Sqrt", "input.clip_root", [sum]);
        string smooth = graph.Node("Div", "input.clipped", [bounded, root]);
        return clipped.Contains(false)
            ? graph.Node("Where", "input.slots", [graph.Booleans("input.numeric_slots", clipped), smooth, scaled])
            : smooth;
    }

    public override IEnumerable<EncodedColumn> Describe() =>
        Enumerable.Range(0, _slots).Select(slot => new EncodedColumn(slot, EncodedColumnKind.Scaled));

    /// <summary>
    /// Robust scaling of each numeric slot (Holzmüller et al. 2024, arXiv:2407.04491): centre = median, scale = 1 / (third quartile - first quartile);
    /// where these are equal 2 / (maximum - minimum); where those are too (a constant) 0. Indicator slots pass unchanged. A slot of sparse rows is
    /// divided by its largest magnitude where that is above <see cref="LargestUnscaled"/>, and nothing else is done to it, so that zeros stay zeros.
    /// </summary>
    internal sealed class Learner(int slots) : PartLearner
    {
        // Text features, counts of words and indicators keep their own scale, which says how much a term matters; an income among them does not.
        private const float LargestUnscaled = 10;

        private readonly float[] _center = new float[slots];
        private readonly float[] _scale = new float[slots];
        private readonly bool[] _clipped = new bool[slots];

        public override void Take(in SlotSample slot)
        {
            switch (slot.Kind)
            {
                case SlotKind.Indicator:
                    _scale[slot.Slot] = 1;
                    break;
                case SlotKind.Sparse:
                    _scale[slot.Slot] = slot.Largest > LargestUnscaled ? 1 / slot.Largest : 1;
                    break;
                case SlotKind.Numeric:
                    _clipped[slot.Slot] = true;
                    _center[slot.Slot] = slot.Median;
                    _scale[slot.Slot] = slot.IsConstant ? 0 : (float)(1 / slot.Spread);
                    break;
                default:
                    throw new ArgumentException($"Slots of kind {slot.Kind} are not known.", nameof(slot));
            }
        }

        public override EncodingPart Create() => new ScaleAndClip(_center, _scale, _clipped);
    }
}
