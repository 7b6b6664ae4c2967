using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Small in-memory data views for tests of transforms.</summary>
internal static class Views
{
    /// <summary>A column "Features", a known-size vector of Single, one row for each array.</summary>
    public static IDataView OfVectors(MLContext context, params float[][] rows) => OfVectors(context, rows[0].Length, rows);

    public static IDataView OfVectors(MLContext context, int size, params float[][] rows)
        => context.Data.LoadFromEnumerable(
            rows.Select(r => new SingleRow { Features = new VBuffer<float>(r.Length, r) }),
            WithSize(typeof(SingleRow), NumberDataViewType.Single, size));

    public static IDataView OfVectors(MLContext context, params double[][] rows)
        => context.Data.LoadFromEnumerable(
            rows.Select(r => new DoubleRow { Features = new VBuffer<double>(r.Length, r) }),
            WithSize(typeof(DoubleRow), NumberDataViewType.Double, rows[0].Length));

    /// <summary>
    /// The same values as <see cref="OfVectors(MLContext, float[][])"/>, with zeros left out of every row
    /// but the ones in <paramref name="denseRows"/>.
    /// </summary>
    public static IDataView OfSparseVectors(MLContext context, float[][] rows, params int[] denseRows)
        => context.Data.LoadFromEnumerable(
            rows.Select((r, i) => new SingleRow { Features = denseRows.Contains(i) ? new VBuffer<float>(r.Length, r) : Sparse(r) }),
            WithSize(typeof(SingleRow), NumberDataViewType.Single, rows[0].Length));

    public static IDataView OfSparseVectors(MLContext context, params double[][] rows)
        => context.Data.LoadFromEnumerable(
            rows.Select(r => new DoubleRow { Features = Sparse(r) }),
            WithSize(typeof(DoubleRow), NumberDataViewType.Double, rows[0].Length));

    /// <summary>Sparse rows "Features" of very many slots with a Boolean "Label": slot 0 says the label, one other slot is noise.</summary>
    public static IDataView OfManySlots(MLContext context, int rows, int slots)
        => context.Data.LoadFromEnumerable(
            Enumerable.Range(0, rows).Select(r => new LabelledRow
            {
                Label = r % 2 == 0,
                Features = new VBuffer<float>(slots, 2, [r % 2 == 0 ? 1f : -1f, 1f], [0, 1 + r * 7919 % (slots - 1)]),
            }),
            WithSize(typeof(LabelledRow), NumberDataViewType.Single, slots));

    /// <summary>Sparse rows "Features" with a Boolean "Label", in which each slot is 1 in two rows, one of either label.</summary>
    public static IDataView OfWordsInTwoRows(MLContext context, int rows, int slots)
        => context.Data.LoadFromEnumerable(
            Enumerable.Range(0, rows).Select(r =>
            {
                int[] words = [.. Enumerable.Range(0, slots).Where(slot => slot % (rows / 2) == r / 2)];
                return new LabelledRow
                {
                    Label = r % 2 == 0,
                    Features = new VBuffer<float>(slots, words.Length, [.. words.Select(_ => 1f)], words),
                };
            }),
            WithSize(typeof(LabelledRow), NumberDataViewType.Single, slots));

    /// <summary>Columns A, B and C of Single, and "Features" made of them, which gives it slot names.</summary>
    public static IDataView WithSlotNames(MLContext context, params float[][] rows)
    {
        IDataView scalars = context.Data.LoadFromEnumerable(rows.Select(r => new ScalarRow { A = r[0], B = r[1], C = r[2] }));
        return context.Transforms.Concatenate("Features", "A", "B", "C").Fit(scalars).Transform(scalars);
    }

    /// <summary>The rows of a vector column, dense.</summary>
    public static T[][] Vectors<T>(this IDataView view, string column)
        => view.GetColumn<VBuffer<T>>(view.Schema[column]).Select(v => v.DenseValues().ToArray()).ToArray();

    public static T[] Scalars<T>(this IDataView view, string column) => view.GetColumn<T>(view.Schema[column]).ToArray();

    private static VBuffer<T> Sparse<T>(T[] row)
    {
        int[] stored = Enumerable.Range(0, row.Length).Where(i => !row[i]!.Equals(default(T))).ToArray();
        return new VBuffer<T>(row.Length, stored.Length, stored.Select(i => row[i]).ToArray(), stored);
    }

    private static SchemaDefinition WithSize(Type type, PrimitiveDataViewType itemType, int size)
    {
        SchemaDefinition schema = SchemaDefinition.Create(type);
        schema["Features"].ColumnType = new VectorDataViewType(itemType, size);
        return schema;
    }

    private sealed class SingleRow
    {
        public VBuffer<float> Features { get; set; }
    }

    private sealed class LabelledRow
    {
        public bool Label { get; set; }

        public VBuffer<float> Features { get; set; }
    }

    private sealed class DoubleRow
    {
        public VBuffer<double> Features { get; set; }
    }

    private sealed class ScalarRow
    {
        public float A { get; set; }

        public float B { get; set; }

        public float C { get; set; }
    }
}
