using MLNetBatchNorm.Data;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Encoding;

/// <summary>A column for each slot, centred, scaled and smoothly clipped as the slot needs it.</summary>
/// <remarks>
/// <para>A numeric slot: <c>t = (x - center) scale</c>, then <c>t / sqrt(1 + (t/3)²)</c>, so that no outlier leaves (-3, 3)
/// (Holzmüller et al. 2024, arXiv:2407.04491, section 3). An indicator slot (one-hot) passes unchanged: never centred.</para>
/// <para>A missing value (NaN) becomes the mean of the column over the training rows, so that a linear map gives what it gives them on
/// average. (Models of versions 1 and 2 have 0 there, the centre.)</para>
/// </remarks>
internal sealed class ScaleAndClip : EncodingPart
{
    private const int Width = PanelLayout.Width;

    /// <summary>Coefficient of t² under the root for a clipped slot: (1/3)²; RealMLP's clip at 3.</summary>
    public const float ClipCoefficient = 1f / 9;

    /// <summary>Values up to this that are mostly 0 keep their own scale; and so do those of projected slots.</summary>
    public const float LargestUnscaled = 10;

    private readonly int _slots;

    // The slot of each column, rising; null: all slots have one.
    private readonly int[]? _sources;
    private readonly AlignedBuffer _center;
    private readonly AlignedBuffer _scale;
    private readonly AlignedBuffer _clip;
    private readonly AlignedBuffer _missing;

    // Slots whose 0 is not a 0 in the column, and what it is there.
    private readonly int[] _filled;
    private readonly float[] _fillings;

    /// <summary>All spans are <paramref name="center"/>'s length.</summary>
    /// <param name="center">What is subtracted from each slot; finite.</param>
    /// <param name="scale">What each centred slot is multiplied with; finite.</param>
    /// <param name="clipped">Whether a slot is clipped: numeric slots are, indicators are not.</param>
    /// <param name="missing">What stands in a column for a missing value; empty: 0 in all.</param>
    /// <param name="sources">The slots that have a column, rising; null: the first ones.</param>
    public ScaleAndClip(
        ReadOnlySpan<float> center, ReadOnlySpan<float> scale, ReadOnlySpan<bool> clipped, ReadOnlySpan<float> missing = default,
        int[]? sources = null)
    {
        if (sources is not null && sources.Length != center.Length)
            throw new ArgumentException("There must be a center for each slot.", nameof(sources));
        _sources = sources;
        if (scale.Length != center.Length || clipped.Length != center.Length || (missing.Length != center.Length && !missing.IsEmpty))
            throw new ArgumentException("Centers, scales, clip marks and values for missing ones must have the same length.");
        _slots = center.Length;
        int padded = PanelLayout.PanelCount(_slots) * Width;
        _center = new AlignedBuffer(padded);
        _scale = new AlignedBuffer(padded);
        _clip = new AlignedBuffer(padded);
        _missing = new AlignedBuffer(padded);
        missing.CopyTo(_missing.Span);
        center.CopyTo(_center.Span);
        scale.CopyTo(_scale.Span);
        for (int i = 0; i < _slots; i++)
            _clip.Span[i] = clipped[i] ? ClipCoefficient : 0;
        _filled = [.. Enumerable.Range(0, _slots).Where(slot => Encode(slot, 0) != 0)];
        _fillings = [.. _filled.Select(slot => Encode(slot, 0))];
    }

    public override int Columns => _slots;

    public override bool KeepsZero => _filled.Length == 0;

    /// <summary>What is subtracted from each slot.</summary>
    public ReadOnlySpan<float> Center => _center.Span[.._slots];

    /// <summary>What each centred slot is multiplied with.</summary>
    public ReadOnlySpan<float> Scale => _scale.Span[.._slots];

    /// <summary>What stands in each column for a missing value.</summary>
    public ReadOnlySpan<float> Missing => _missing.Span[.._slots];

    /// <summary>Whether a column is smoothly clipped.</summary>
    public bool IsClipped(int column) => _clip.Span[column] != 0;

    /// <summary>The column of a slot; negative: it has none.</summary>
    public int ColumnOf(int slot) => _sources is null ? slot < _slots ? slot : -1 : Array.BinarySearch(_sources, slot);

    public override void Encode(ReadOnlySpan<float> raw, Span<float> encoded)
    {
        if (_sources is not null)
        {
            EncodeSources(raw, encoded);
            return;
        }
        int whole = _slots & ~(Width - 1);
        if (whole > 0)
            InputKernels.ScaleAndClip(raw[..whole], _center.Span, _scale.Span, _clip.Span, _missing.Span, encoded);
        if (whole == _slots)
            return;
        // The last slots are computed as one padded line, so that they are the same vector operations as all others.
        Span<float> line = stackalloc float[Width];
        line.Clear();
        raw[whole.._slots].CopyTo(line);
        InputKernels.ScaleAndClip(line, _center.Span[whole..], _scale.Span[whole..], _clip.Span[whole..], _missing.Span[whole..], line);
        line[..(_slots - whole)].CopyTo(encoded[whole..]);
    }

    private void EncodeSources(ReadOnlySpan<float> raw, Span<float> encoded)
    {
        Span<float> line = stackalloc float[Width];
        for (int first = 0; first < _slots; first += Width)
        {
            int count = Gather(raw, first, line);
            InputKernels.ScaleAndClip(
                line, _center.Span[first..], _scale.Span[first..], _clip.Span[first..], _missing.Span[first..], line);
            line[..count].CopyTo(encoded[first..]);
        }
    }

    /// <summary>The values of a line of columns, padded with zeros, and how many they are.</summary>
    private int Gather(ReadOnlySpan<float> raw, int first, Span<float> line)
    {
        int count = Math.Min(Width, _slots - first);
        line.Clear();
        for (int i = 0; i < count; i++)
            line[i] = raw[_sources![first + i]];
        return count;
    }

    public override void EncodeToPanels(ReadOnlySpan<float> paddedRaw, Span<float> panels, int rowCapacity, int row, int firstColumn)
    {
        if (_sources is null)
        {
            // What is no slot of its own, padding or a category, becomes 0: its scale is.
            InputKernels.ScaleAndClipToPanels(
                paddedRaw[.._center.Length], _center.Span, _scale.Span, _clip.Span, _missing.Span, panels, rowCapacity, row);
            return;
        }
        Span<float> line = stackalloc float[Width];
        for (int first = 0; first < _slots; first += Width)
        {
            Gather(paddedRaw, first, line);
            InputKernels.ScaleAndClipToPanels(
                line, _center.Span[first..], _scale.Span[first..], _clip.Span[first..], _missing.Span[first..],
                panels[(first * rowCapacity)..], rowCapacity, row);
        }
    }

    public override void EncodeSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, SparseBatch batch, int firstColumn)
    {
        int filled = 0, next = 0;
        for (int i = 0; i < indices.Length; i++)
        {
            int column = indices[i];
            if (_sources is not null)
            {
                // Both lists of slots rise.
                while (next < _sources.Length && _sources[next] < column)
                    next++;
                if (next < _sources.Length && _sources[next] > column)
                    continue;
                column = next;
            }
            if (column >= _slots)
                break;
            for (; filled < _filled.Length && _filled[filled] < column; filled++)
                batch.Add(firstColumn + _filled[filled], _fillings[filled]);
            if (filled < _filled.Length && _filled[filled] == column)
                filled++;
            batch.Add(firstColumn + column, Encode(column, values[i]));
        }
        for (; filled < _filled.Length; filled++)
            batch.Add(firstColumn + _filled[filled], _fillings[filled]);
    }

    public override string AddTo(OnnxGraph graph, OnnxSlots slots)
    {
        float[] scale = Scale.ToArray();
        bool[] clipped = [.. Enumerable.Range(0, _slots).Select(IsClipped)];
        string scaled = slots.Known, isMissing = slots.IsMissing, centers = slots.Center;
        if (_sources is not null)
        {
            var axis = new OnnxAttribute("axis", 1L);
            string places = graph.Integers("input.column_slots", [.. _sources.Select(slot => (long)slot)]);
            scaled = graph.Node("Gather", "input.column_values", [scaled, places], axis);
            isMissing = graph.Node("Gather", "input.column_missing", [isMissing, places], axis);
            centers = graph.Floats("input.column_center", Center.ToArray(), _slots);
        }
        if (Center.ContainsAnyExcept(0f))
            scaled = graph.Node("Sub", "input.centered", [scaled, centers]);
        if (scale.AsSpan().ContainsAnyExcept(1f))
            scaled = graph.Node("Mul", "input.scaled", [scaled, graph.Floats("input.scale", scale, scale.Length)]);
        // Infinity times 0 is not a number.
        if (scale.Contains(0f))
        {
            string constant = graph.Booleans("input.constant_slots", [.. scale.Select(factor => factor == 0)]);
            scaled = graph.Node("Where", "input.varying", [constant, graph.Floats("input.of_constant", [0], 1), scaled]);
        }
        if (!clipped.Contains(true))
            return AddMissing(graph, isMissing, scaled);

        // t / sqrt(1 + t² / 9), with t held where its square is finite.
        string bounded = graph.Bounds("input.bounded", scaled, -InputKernels.LargestClipped, InputKernels.LargestClipped);
        string square = graph.Node("Mul", "input.square", [bounded, bounded]);
        string ninth = graph.Node("Mul", "input.square_part", [square, graph.Floats("input.clip", [ClipCoefficient], 1)]);
        string sum = graph.Node("Add", "input.clip_sum", [ninth, graph.Floats("input.one", [1], 1)]);
        string root = graph.Node("Sqrt", "input.clip_root", [sum]);
        string smooth = graph.Node("Div", "input.clipped", [bounded, root]);
        return AddMissing(graph, isMissing, clipped.Contains(false)
            ? graph.Node("Where", "input.slots", [graph.Booleans("input.numeric_slots", clipped), smooth, scaled])
            : smooth);
    }

    private string AddMissing(OnnxGraph graph, string isMissing, string columns) => Missing.ContainsAnyExcept(0f)
        ? graph.Node("Where", "input.columns", [isMissing, graph.Floats("input.expected", Missing.ToArray(), _slots), columns])
        : columns;

    private float Encode(int slot, float value) =>
        InputKernels.ScaleAndClip(value, _center.Span[slot], _scale.Span[slot], _clip.Span[slot], _missing.Span[slot]);

    public override IEnumerable<EncodedColumn> Describe() =>
        Enumerable.Range(0, _slots).Select(column => new EncodedColumn(_sources?[column] ?? column, EncodedColumnKind.Scaled));

    public override string Tag => _sources is null ? SectionTag : SomeSlotsTag;

    /// <inheritdoc cref="Tag"/>
    public const string SectionTag = "SCAL";

    /// <inheritdoc cref="Tag"/>
    public const string SomeSlotsTag = "SCAS";

    /// <summary>
    /// Writes, where not all slots have a column, int32 number of those that have and the int32 slots. Then
    /// for S slots: float32 centres, float32 scales, float32 values for missing ones, S times each, and S flags: smoothly clipped.
    /// </summary>
    public override void Write(BinaryWriter writer)
    {
        if (_sources is not null)
        {
            writer.Write(_sources.Length);
            foreach (int slot in _sources)
                writer.Write(slot);
        }
        writer.WriteSingles(Center);
        writer.WriteSingles(Scale);
        writer.WriteSingles(Missing);
        for (int slot = 0; slot < _slots; slot++)
            writer.WriteFlag(IsClipped(slot));
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static ScaleAndClip Read(BinaryReader reader, int slots, bool isOfSome = false)
    {
        int[]? sources = isOfSome ? SlotList.Read(reader, "scaled slots", slots, 4 * sizeof(float) + 1) : null;
        slots = sources?.Length ?? slots;
        reader.RequireBytes("feature slots", slots, 3 * sizeof(float) + 1);
        float[] center = new float[slots], scale = new float[slots], missing = new float[slots];
        bool[] clipped = new bool[slots];
        reader.ReadSingles(center, "centre of a feature slot");
        reader.ReadSingles(scale, "scale of a feature slot");
        reader.ReadSingles(missing, "value of a feature slot where it is missing");
        for (int slot = 0; slot < slots; slot++)
            clipped[slot] = reader.ReadFlag("flag of a clipped feature slot");
        return new ScaleAndClip(center, scale, clipped, missing, sources);
    }

    /// <summary>
    /// Robust scaling of each numeric slot (Holzmüller et al. 2024, arXiv:2407.04491): centre = median,
    /// scale = 1 / <see cref="SlotSample.Spread"/>, 0 for a constant. Two values become 0 and 1; a category of very few rows less than
    /// 1. A slot that is mostly 0 is only multiplied, as one that is projected is (<see cref="SparseSlots.ScaleOf(in SlotFacts)"/>): zeros
    /// stay zeros. A slot without any value has no column, whatever its kind.
    /// </summary>
    internal sealed class Learner(int slots) : PartLearner
    {
        private readonly float[] _center = new float[slots];
        private readonly float[] _scale = new float[slots];
        private readonly bool[] _clipped = new bool[slots];
        private readonly float[] _missing = new float[slots];
        private readonly List<int> _sources = [];

        public override void Take(in SlotSample sample)
        {
            int slot = sample.Slot;
            // Of what was never there nothing is learned, and a value that comes later must not meet weights that nothing has trained.
            if (sample.Kind != SlotKind.Category && sample.IsEmpty)
                return;
            switch (sample.Kind)
            {
                case SlotKind.Category or SlotKind.Projected or SlotKind.ProjectedUnchanged or SlotKind.Unused:
                    return;
                case SlotKind.Unchanged:
                    _scale[slot] = 1;
                    break;
                case SlotKind.Indicator:
                    _scale[slot] = Categories.Trust(sample.Facts.NonZero);
                    break;
                case SlotKind.TwoValues or SlotKind.OneOfGroup:
                    sample.Facts.HasTwoValues(out float off, out float on);
                    _clipped[slot] = sample.Kind == SlotKind.TwoValues;
                    _center[slot] = off;
                    _scale[slot] = Inverse((double)on - off);
                    if (sample.Kind == SlotKind.OneOfGroup)
                        _scale[slot] *= Categories.Trust(sample.Facts.RowsOn(sample.Rows, 0).Count);
                    break;
                case SlotKind.Sparse:
                    _scale[slot] = SparseSlots.ScaleOf(sample.Facts);
                    break;
                case SlotKind.Numeric:
                    _clipped[slot] = true;
                    _center[slot] = sample.Median;
                    _scale[slot] = Inverse(sample.Spread);
                    break;
                default:
                    throw new ArgumentException($"Slots of kind {sample.Kind} are not known.", nameof(sample));
            }
            _sources.Add(slot);
            _missing[slot] = Mean(sample, _center[slot], _scale[slot], _clipped[slot] ? ClipCoefficient : 0);
        }

        public override EncodingPart? Create()
        {
            if (_sources.Count == slots)
                return slots == 0 ? null : new ScaleAndClip(_center, _scale, _clipped, _missing);
            T[] Some<T>(T[] ofAll) => [.. _sources.Select(slot => ofAll[slot])];
            return _sources.Count == 0
                ? null
                : new ScaleAndClip(Some(_center), Some(_scale), Some(_clipped), Some(_missing), [.. _sources]);
        }

        // What has no finite inverse is constant for every purpose.
        private static float Inverse(double width) => Math.Abs(width) > 1 / (double)float.MaxValue ? (float)(1 / width) : 0;

        /// <summary>
        /// The mean of the column over the rows in which the value is known: of all rows where it is linear in the value, else of some.
        /// </summary>
        private static float Mean(in SlotSample sample, float center, float scale, float clip)
        {
            int known = sample.Rows - sample.Facts.Missing;
            if (clip == 0)
                return (float)((sample.Facts.Sum / known - center) * scale);
            if (sample.Kind == SlotKind.TwoValues)
            {
                sample.Facts.HasTwoValues(out float off, out float on);
                double share = (sample.Facts.Sum / known - off) / ((double)on - off);
                return (float)(share * InputKernels.ScaleAndClip(on, center, scale, clip, 0));
            }
            double sum = 0;
            foreach (float value in sample.Sorted)
                sum += InputKernels.ScaleAndClip(value, center, scale, clip, 0);
            return sample.Sorted.IsEmpty ? 0 : (float)(sum / sample.Sorted.Length);
        }
    }
}
