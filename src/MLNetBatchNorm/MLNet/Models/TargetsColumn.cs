using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm;

/// <summary>A column that a model of several targets adds to a row.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">A vector with a slot for each target.</param>
/// <param name="Annotations">What ML.NET is told of it.</param>
/// <param name="CreateGetter">
/// Makes the getter of a row's value, of what gives the row's scores: as many as targets, with room to a whole number of sixteen.
/// </param>
internal sealed record TargetsColumn(
    string Name, VectorDataViewType Type, DataViewSchema.Annotations Annotations, Func<Func<ReadOnlyMemory<float>>, Delegate> CreateGetter)
{
    /// <summary>A column whose value is made by a function of the scores.</summary>
    public static TargetsColumn Of<T>(
        string name, PrimitiveDataViewType itemType, int targets, DataViewSchema.Annotations annotations, FillTargets<T> fill) =>
        new(name, new VectorDataViewType(itemType, targets), annotations, scores => Getter(scores, targets, fill));

    /// <summary>Fills a column's value from the scores of a row.</summary>
    public delegate void FillTargets<T>(ReadOnlySpan<float> scores, Span<T> values);

    private static ValueGetter<VBuffer<T>> Getter<T>(Func<ReadOnlyMemory<float>> scores, int targets, FillTargets<T> fill) =>
        (ref VBuffer<T> value) =>
        {
            ReadOnlyMemory<float> ofRow = scores();
            VBufferEditor<T> editor = VBufferEditor.Create(ref value, targets);
            fill(ofRow.Span, editor.Values);
            value = editor.Commit();
        };
}
