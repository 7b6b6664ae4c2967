using System.Numerics;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNetBatchNorm;

/// <summary>
/// One column of a <see cref="BatchNormalizeTransformer"/>: its names, its type, its parameters and the arithmetic on a row.
/// </summary>
/// <remarks>
/// In double precision, <c>y = (x - mean) * scale + beta</c> with <c>scale = gamma / sqrt(variance + epsilon)</c>, rounded once to the type
/// of the column. The mean is subtracted first: folded into <c>x * scale + (beta - mean * scale)</c> the two terms would cancel, and in
/// single precision a column with mean 1,000,000 and deviation 1 would lose its digits.
/// Every slot is the same sequence of roundings whether it is reached by vector or scalar code, dense or sparse: results are the same bits
/// on every instruction set. Immutable, hence shared by all cursors.
/// </remarks>
internal sealed class BatchNormalizeColumn
{
    private readonly double[] _mean;
    private readonly double[] _scale;
    private readonly double[] _beta;
    private readonly float[] _singlesOfZero;
    private readonly double[] _doublesOfZero;

    public BatchNormalizeColumn(
        string outputName, string inputName, PrimitiveDataViewType itemType, bool isVector, BatchNormalizationColumnParameters parameters)
    {
        OutputName = outputName;
        InputName = inputName;
        ItemType = itemType;
        IsVector = isVector;
        Parameters = parameters;

        _mean = parameters.Mean.ToArray();
        _beta = parameters.Beta.ToArray();
        _scale = new double[Size];
        for (int slot = 0; slot < Size; slot++)
            _scale[slot] = parameters.Gamma[slot] / Math.Sqrt(parameters.Variance[slot] + parameters.Epsilon);

        // What the zeros of a sparse row become.
        bool single = itemType.RawType == typeof(float);
        _singlesOfZero = single && isVector ? new float[Size] : [];
        _doublesOfZero = !single && isVector ? new double[Size] : [];
        Apply(new float[_singlesOfZero.Length], _singlesOfZero);
        Apply(new double[_doublesOfZero.Length], _doublesOfZero);
    }

    public string OutputName { get; }

    public string InputName { get; }

    /// <summary>Single or Double, of input and output.</summary>
    public PrimitiveDataViewType ItemType { get; }

    public bool IsVector { get; }

    public int Size => Parameters.Mean.Length;

    public BatchNormalizationColumnParameters Parameters { get; }

    public string DescribeType() => IsVector ? $"Vector<{ItemType}, {Size}>" : $"{ItemType}";

    /// <summary>
    /// Whether a column has the item type and the width that these parameters are for. Dimensions of a vector do not matter.
    /// </summary>
    public bool Accepts(DataViewType type)
        => type is VectorDataViewType vector
            ? IsVector && vector.ItemType.Equals(ItemType) && vector.Size == Size
            : !IsVector && type.Equals(ItemType);

    public float Apply(float x) => (float)((x - _mean[0]) * _scale[0] + _beta[0]);

    public double Apply(double x) => (x - _mean[0]) * _scale[0] + _beta[0];

    /// <summary>Normalizes a row of any form into a dense one. Allocates only when the destination is too small.</summary>
    public void Apply(IExceptionContext context, in VBuffer<float> source, ref VBuffer<float> destination)
    {
        CheckLength(context, source.Length);
        VBufferEditor<float> editor = VBufferEditor.Create(ref destination, Size);
        ReadOnlySpan<float> values = source.GetValues();
        if (source.IsDense)
        {
            Apply(values, editor.Values);
        }
        else
        {
            _singlesOfZero.CopyTo(editor.Values);
            ReadOnlySpan<int> slots = source.GetIndices();
            for (int i = 0; i < values.Length; i++)
                editor.Values[slots[i]] = (float)Normalize(slots[i], values[i]);
        }

        destination = editor.Commit();
    }

    /// <inheritdoc cref="Apply(IExceptionContext, in VBuffer{float}, ref VBuffer{float})"/>
    public void Apply(IExceptionContext context, in VBuffer<double> source, ref VBuffer<double> destination)
    {
        CheckLength(context, source.Length);
        VBufferEditor<double> editor = VBufferEditor.Create(ref destination, Size);
        ReadOnlySpan<double> values = source.GetValues();
        if (source.IsDense)
        {
            Apply(values, editor.Values);
        }
        else
        {
            _doublesOfZero.CopyTo(editor.Values);
            ReadOnlySpan<int> slots = source.GetIndices();
            for (int i = 0; i < values.Length; i++)
                editor.Values[slots[i]] = Normalize(slots[i], values[i]);
        }

        destination = editor.Commit();
    }

    private double Normalize(int slot, double x) => (x - _mean[slot]) * _scale[slot] + _beta[slot];

    private void Apply(ReadOnlySpan<float> x, Span<float> y)
    {
        int slot = 0;
        int width = Vector<double>.Count;
        for (; slot <= x.Length - 2 * width; slot += 2 * width)
        {
            Vector.Widen(new Vector<float>(x[slot..]), out Vector<double> low, out Vector<double> high);
            Vector.Narrow(Normalize(slot, low), Normalize(slot + width, high)).CopyTo(y[slot..]);
        }

        for (; slot < x.Length; slot++)
            y[slot] = (float)Normalize(slot, x[slot]);
    }

    private void Apply(ReadOnlySpan<double> x, Span<double> y)
    {
        int slot = 0;
        for (; slot <= x.Length - Vector<double>.Count; slot += Vector<double>.Count)
            Normalize(slot, new Vector<double>(x[slot..])).CopyTo(y[slot..]);
        for (; slot < x.Length; slot++)
            y[slot] = Normalize(slot, x[slot]);
    }

    private Vector<double> Normalize(int slot, Vector<double> x)
        => (x - new Vector<double>(_mean, slot)) * new Vector<double>(_scale, slot) + new Vector<double>(_beta, slot);

    private void CheckLength(IExceptionContext context, int length)
    {
        // A source that breaks the promise of its own type, as an array property of an in-memory row can.
        if (length != Size)
        {
            throw context.Except(
                $"Column '{InputName}' has a row with {length} slots; its type promises {Size}. "
                + "Correct the row, or the size declared for the column.");
        }
    }
}
