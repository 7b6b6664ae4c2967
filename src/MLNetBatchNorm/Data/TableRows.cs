using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Data;

/// <summary>Rows of a table in memory.</summary>
internal sealed class TableRows(TrainingTable table, int[] rows) : RowSource
{
    /// <summary>All rows in the table's order.</summary>
    public TableRows(TrainingTable table) : this(table, [.. Enumerable.Range(0, table.Rows)])
    {
    }

    /// <summary>The table.</summary>
    public TrainingTable Table => table;

    /// <summary>Row numbers in the table.</summary>
    public int[] Rows => rows;

    /// <summary>Gives the numbers that the rows have among all rows, where the table has them in another place.</summary>
    public Func<int[]>? NumbersInStore { get; init; }

    /// <summary>The numbers that the rows have among all rows, however they are kept.</summary>
    public int[] Numbers => NumbersInStore?.Invoke() ?? rows;

    public override RowShape Shape => table.Shape;

    public override int Count => rows.Length;

    public override void BeginEpoch(ulong seed, int epoch, bool shuffle)
    {
        if (shuffle)
            new RandomStream(seed, RandomStream.Mix(RandomPurpose.RowOrder) + (ulong)epoch).Shuffle(rows);
    }

    public override void Replay(ulong seed, int epochs, bool shuffle)
    {
        for (int epoch = 1; epoch <= epochs; epoch++)
            BeginEpoch(seed, epoch, shuffle);
    }

    public override void Restart()
    {
    }

    public override void Prepare(int first, int count)
    {
    }

    public override RowRun Run(int first, int count) => new(table, rows.AsSpan(first, count));

    public override TableRows Head(int count) => new(table, rows[..count]);

    /// <summary>
    /// Sets aside a part of the rows for validation, at random but the same for the same seed; for class numbers every class gives its
    /// part, and keeps a row for training. But for classes of a single row each neither side is empty if there are two rows or more.
    /// </summary>
    /// <param name="fraction">Share of the rows set aside.</param>
    /// <param name="seed">Decides which.</param>
    /// <param name="byClass">Whether the first target is a class number.</param>
    /// <param name="part">
    /// Which of the 1 / fraction disjoint parts is set aside, as in cross-validation, counted from 0;
    /// later numbers are parts of another random order.
    /// </param>
    public (TableRows Training, TableRows Validation) Split(double fraction, ulong seed, bool byClass, int part = 0)
    {
        int parts = Math.Max(1, (int)Math.Round(1 / fraction));
        var random = new RandomStream(seed, RandomPurpose.ValidationRows + (ulong)(part / parts));
        int[] order = [.. rows];
        random.Shuffle(order);
        float[] classes = [];
        if (byClass)
        {
            // After a stable sort by class, every k-th row is validation: each class gives its part, to within a row.
            classes = [.. order.Select(row => table.Targets[row])];
            order = [.. Enumerable.Range(0, order.Length).OrderBy(i => classes[i]).Select(i => order[i])];
            Array.Sort(classes);
        }
        int wanted = Math.Clamp((int)Math.Round(fraction * order.Length), Math.Min(1, order.Length - 1), order.Length - 1);
        var training = new List<int>(order.Length - wanted);
        var validation = new List<int>(wanted);
        bool learned = false;
        for (int i = 0; i < order.Length; i++)
        {
            int position = (i + part % parts) % order.Length;
            bool taken = (long)(position + 1) * wanted / order.Length > (long)position * wanted / order.Length;
            (taken ? validation : training).Add(order[i]);
            learned |= !taken;
            if (i + 1 < classes.Length && classes[i + 1] == classes[i] || !byClass)
                continue;
            if (!learned)                              // the class would be unknown to the network
            {
                training.Add(order[i]);
                validation.RemoveAt(validation.Count - 1);
            }

            learned = false;
        }
        int[] trainingRows = [.. training], validationRows = [.. validation];
        Array.Sort(trainingRows);
        Array.Sort(validationRows);
        return (new TableRows(table, trainingRows), new TableRows(table, validationRows));
    }
}
