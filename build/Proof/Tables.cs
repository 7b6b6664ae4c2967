using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Proof;

/// <summary>The rows, made of additions and multiplications only: they are the same wherever floating-point numbers are.</summary>
internal static class Tables
{
    public const int Numbers = 9;

    public const int Classes = 4;

    private const int SparseSlots = 2048;

    private const int TrainingRows = 500;

    private const int RowsOfMany = 24_000;

    private const int HeldOutRows = 40;

    private static readonly string[] s_colors = ["red", "green", "blue", "grey"];

    private static readonly string[] s_sizes = ["small", "medium", "large"];

    /// <summary>Training, validation and held-out rows of a kind, with a column "Features".</summary>
    public static (IDataView Training, IDataView Validation, IDataView HeldOut) Load(MLContext context, TableKind kind)
    {
        int rows = kind is TableKind.Many or TableKind.ManySparse ? RowsOfMany : TrainingRows;
        if (kind is TableKind.Sparse or TableKind.ManySparse)
        {
            SparseRow[] heldOut = SparseRows(HeldOutRows, 3);
            heldOut[3].Set(1, float.NaN);
            return (View(SparseRows(rows, 1)), View(SparseRows(rows / 4, 2)), View(heldOut));
        }

        IDataView training = View(Rows(rows, 1, kind == TableKind.WithMissing));
        ITransformer encoding = context.Transforms.Categorical.OneHotEncoding([new("ColorSlots", "Color"), new("SizeSlots", "Size")])
            .Append(context.Transforms.Concatenate("Features", "Numbers", "ColorSlots", "SizeSlots"))
            .Fit(training);
        IDataView validation = encoding.Transform(View(Rows(rows / 4, 2, kind == TableKind.WithMissing)));
        return (encoding.Transform(training), validation, encoding.Transform(View(HeldOut(Numbers))));

        IDataView View<T>(T[] of)
            where T : class => context.Data.LoadFromEnumerable(of);
    }

    /// <summary>Rows that belong to no training: one has a missing number, one no number at all, one a color never seen.</summary>
    public static Row[] HeldOut(int numbers)
    {
        Row[] rows = Rows(HeldOutRows, 3, missing: false);
        rows[3].Numbers[1] = float.NaN;
        Array.Fill(rows[7].Numbers, float.NaN);
        rows[9].Color = "white";
        foreach (Row row in rows)
            row.Numbers = row.Numbers[..numbers];
        return rows;
    }

    public static Row[] Rows(int count, ulong seed, bool missing)
    {
        var random = new Random64(seed);
        var rows = new Row[count];
        for (int i = 0; i < count; i++)
        {
            double a = random.Bell(), b = random.Unit(), c = 2 * random.Unit() - 1, d = random.Bell(), e = random.Bell();
            int steps = random.Below(5), color = random.Below(s_colors.Length), size = random.Below(s_sizes.Length);
            bool flag = random.Below(4) == 0;
            double value = 0.7 * a - 1.5 * c * d + 0.1 * steps + 0.2 * random.Bell()
                + (color == 2 ? 1.2 : 0) + (flag ? 0.5 * e : -0.3 * size) + (b > 0.6 ? 0.8 : 0);
            rows[i] = new Row
            {
                Numbers =
                [
                    (float)(1000 + 3 * a), (float)(50 * b * b * b * b), (float)c, steps, (float)(0.001 * d), flag ? 1 : 0,
                    (float)(1e6 + 2e5 * e), (float)(a * d), (float)random.Bell(),
                ],
                Color = s_colors[color],
                Size = s_sizes[size],
            };
            rows[i].SetLabels(value, random);
            if (missing && random.Below(10) == 0)
                rows[i].Numbers[random.Below(3)] = float.NaN;
        }

        return rows;
    }

    private static SparseRow[] SparseRows(int count, ulong seed)
    {
        var random = new Random64(seed + 100);
        var rows = new SparseRow[count];
        for (int i = 0; i < count; i++)
        {
            var slots = new SortedSet<int>();
            while (slots.Count < 12)
                slots.Add((int)(SparseSlots * random.Unit() * random.Unit()));
            int[] indices = [.. slots];
            float[] values = [.. indices.Select(_ => (float)(0.5 + random.Unit()))];
            double value = indices.Zip(values, (slot, x) => x * (slot % 7 - 3)).Sum() / 6 + 0.2 * random.Bell();
            rows[i] = new SparseRow { Features = new VBuffer<float>(SparseSlots, values.Length, values, indices) };
            rows[i].SetLabels(value, random);
        }

        return rows;
    }

    internal abstract class Labels
    {
        public bool IsPositive { get; set; }

        [KeyType(Classes)]
        public uint Class { get; set; }

        public float Value { get; set; }

        public float Weight { get; set; }

        /// <summary>Fewer rows are true than false, the last class is rare, and some values are far off.</summary>
        public void SetLabels(double value, Random64 random)
        {
            IsPositive = value > 0.9;
            Class = value < -0.4 ? 1u : value < 0.6 ? 2u : value < 2.4 ? 3u : 4u;
            Value = (float)(50 + 10 * value + (random.Below(25) == 0 ? 80 : 0));
            Weight = (float)(0.25 + 2 * random.Unit());
        }
    }

    internal sealed class Row : Labels
    {
        [VectorType(Tables.Numbers)]
        public float[] Numbers { get; set; } = [];

        public string Color { get; set; } = "";

        public string Size { get; set; } = "";
    }

    internal sealed class SparseRow : Labels
    {
        [VectorType(SparseSlots)]
        public VBuffer<float> Features { get; set; }

        /// <summary>Replaces the value of one of the entries.</summary>
        public void Set(int entry, float value)
        {
            float[] values = Features.GetValues().ToArray();
            values[entry] = value;
            Features = new VBuffer<float>(Features.Length, values.Length, values, Features.GetIndices().ToArray());
        }
    }

    /// <summary>SplitMix64 (Steele, Lea and Flood 2014): of this program, so that no other random numbers can move it.</summary>
    internal sealed class Random64(ulong seed)
    {
        private ulong _state = seed;

        /// <summary>In [0, 1).</summary>
        public double Unit() => (Next() >> 40) * (1.0 / (1 << 24));

        public int Below(int bound) => (int)(Unit() * bound);

        /// <summary>Nearly normal, mean 0, variance 1.</summary>
        public double Bell()
        {
            double sum = -6;
            for (int i = 0; i < 12; i++)
                sum += Unit();
            return sum;
        }

        private ulong Next()
        {
            ulong z = _state += 0x9E3779B97F4A7C15;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }
}
