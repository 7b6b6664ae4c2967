using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>Compares what ONNX Runtime makes of a file with what ML.NET makes of the transformer it was written from.</summary>
internal static class Parity
{
    /// <summary>
    /// Relative to the range of the column's values among the rows: a logit near zero has no relative accuracy of
    /// its own, and a large offset would hide mistakes. A range below a tenth of the largest value counts as that
    /// tenth, because floats of that size are no finer.
    /// </summary>
    public const double Tolerance = 1e-5;

    /// <summary>The largest deviation seen by any test of this run.</summary>
    public static double Worst { get; private set; }

    /// <summary>Fails unless every output agrees.</summary>
    public static void Check(
        OnnxModel model, MLContext context, ITransformer transformer, float[][] rows, string what, bool oneByOne = false)
    {
        if (Difference(model.Run(rows, oneByOne), context, transformer, rows) is { } difference)
            Assert.Fail($"{what}: {difference}");
    }

    /// <summary>Null where all outputs agree: numbers within the tolerance, labels exactly.</summary>
    public static string? Difference(
        IReadOnlyDictionary<string, Array> outputs, MLContext context, ITransformer transformer, float[][] rows) =>
        Difference(outputs, transformer.Transform(View(context, rows)));

    /// <summary>As the other, for rows that the model has scored.</summary>
    public static string? Difference(IReadOnlyDictionary<string, Array> outputs, IDataView scored)
    {
        foreach ((string name, Array actual) in outputs)
        {
            if (Difference(name, Column(scored, name), actual) is { } difference)
                return difference;
        }

        return null;
    }

    /// <summary>A view with a column Features.</summary>
    public static IDataView View(MLContext context, float[][] rows)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(FeatureRow));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, rows[0].Length);
        return context.Data.LoadFromEnumerable(rows.Select(r => new FeatureRow { Features = r }), schema);
    }

    /// <summary>The values of a column, row after row.</summary>
    public static Array Column(IDataView view, string name)
    {
        DataViewType type = view.Schema[name].Type;
        Type item = ((type as VectorDataViewType)?.ItemType ?? type).RawType;
        return item switch
        {
            _ when item == typeof(float) => Values<float>(),
            _ when item == typeof(double) => Values<double>(),
            _ when item == typeof(int) => Values<int>(),
            _ when item == typeof(uint) => Values<uint>(),
            _ when item == typeof(bool) => Values<bool>(),
            _ when item == typeof(ReadOnlyMemory<char>) => Values<ReadOnlyMemory<char>>().Select(text => text.ToString()).ToArray(),
            _ => throw new NotSupportedException($"Column {name} is of type {type}."),
        };

        T[] Values<T>() => type is VectorDataViewType
            ? [.. view.GetColumn<VBuffer<T>>(name).SelectMany(row => row.DenseValues())]
            : [.. view.GetColumn<T>(name)];
    }

    private static string? Difference(string name, Array expected, Array actual)
    {
        if (expected.Length != actual.Length)
            return $"{name} has {actual.Length} values instead of {expected.Length}";
        if (expected is not float[] numbers)
        {
            int wrong = Enumerable.Range(0, expected.Length).FirstOrDefault(i => !Equals(expected.GetValue(i), actual.GetValue(i)), -1);
            return wrong < 0 ? null : $"{name} {wrong} is {actual.GetValue(wrong)} instead of {expected.GetValue(wrong)}";
        }

        double range = Math.Max((double)numbers.Max() - numbers.Min(), 0.1 * numbers.Max(Math.Abs));
        for (int i = 0; i < numbers.Length; i++)
        {
            double deviation = Math.Abs(Convert.ToDouble(actual.GetValue(i), CultureInfo.InvariantCulture) - numbers[i]) / range;
            if (!(deviation <= Tolerance))
            {
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"{name} {i} is {actual.GetValue(i)} instead of {numbers[i]}, {deviation:G3} of the range");
            }
            Worst = Math.Max(Worst, deviation);
        }

        return null;
    }

    private sealed class FeatureRow
    {
        public float[] Features { get; set; } = [];
    }
}
