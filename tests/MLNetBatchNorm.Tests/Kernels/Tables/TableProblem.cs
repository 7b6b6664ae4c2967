using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>A layout, weights and a batch of seeded numbers, and what the kernels promise for them, computed element by element.</summary>
internal sealed class TableProblem
{
    public const int WeightsBefore = 2;        // rows of the weights that belong to nobody: in front, between slots and behind

    /// <param name="slots">Pieces and plain rows of each slot.</param>
    /// <param name="lines">How many slots have a fraction.</param>
    public TableProblem((int Pieces, int PlainRows)[] slots, int lines, int rows, int units, int seed = 1, int spareRows = 3)
    {
        var random = new Random(seed);
        int weight = WeightsBefore;
        var tableSlots = new TableSlot[slots.Length];
        for (int s = 0; s < slots.Length; s++)
        {
            tableSlots[s] = new TableSlot(weight, slots[s].Pieces, slots[s].PlainRows);
            weight += tableSlots[s].WeightRows + s % 2;
        }
        Layout = new TableLayout(tableSlots);
        WeightRows = weight + 1;
        Lines = lines;
        Rows = rows;
        Units = units;
        Panels = PanelLayout.PanelCount(units);
        RowCapacity = rows + spareRows;
        Weights = MatrixOracle.Random(Panels * 16 * WeightRows, seed + 1);
        Bias = MatrixOracle.Random(Panels * 16, seed + 2);
        G = MatrixOracle.RandomPanels(rows, Panels * 16, RowCapacity, seed + 3);
        Indices = new int[rows * slots.Length];
        Fractions = new float[rows * lines];
        for (int r = 0; r < rows; r++)
        {
            for (int s = 0; s < slots.Length; s++)
            {
                int first = Layout.FirstRows[s], index = random.Next(first, Layout.LastRows[s] + 1);
                float fraction = random.Next(4) switch { 0 => 0f, 1 => random.Next(2), _ => random.NextSingle() };
                // Lines run between borders, and in a slot without pieces between its plain rows.
                int lastOfLines = slots[s].Pieces > 0 ? Layout.BorderRow(s, slots[s].Pieces) : Layout.LastRows[s];
                Indices[r * slots.Length + s] = index;
                if (s < lines)
                    Fractions[r * lines + s] = index < lastOfLines ? fraction : 0f;
            }
        }
    }

    public TableLayout Layout { get; }

    public int WeightRows { get; }

    public int Lines { get; }

    public int Rows { get; }

    public int Units { get; }

    public int Panels { get; }

    public int RowCapacity { get; }

    public float[] Weights { get; }

    public float[] Bias { get; }

    /// <summary>NaN where no kernel may read.</summary>
    public float[] G { get; }

    public int[] Indices { get; }

    public float[] Fractions { get; }

    public TableBatch Batch => new(Indices, Fractions, Rows, Layout.Slots, Lines);

    public TableOrder Order()
    {
        var order = new TableOrder(Layout);
        order.Sort(Batch);
        return order;
    }

    /// <summary>The table by its definition.</summary>
    public float[] Table()
    {
        float[] table = new float[Panels * 16 * Layout.Rows];
        for (int n = 0; n < Panels * 16; n++)
        {
            for (int s = 0; s < Layout.Slots; s++)
            {
                TableSlot slot = Layout.Slot(s);
                float sum = 0;
                for (int k = 0; k < slot.Pieces; k++)
                {
                    sum += Weights[PanelLayout.WeightIndex(slot.FirstWeight + k, n, WeightRows)];
                    table[PanelLayout.WeightIndex(Layout.BorderRow(s, k + 1), n, Layout.Rows)] = sum;
                }
                for (int k = 0; k < slot.PlainRows; k++)
                {
                    table[PanelLayout.WeightIndex(Layout.PlainRow(s, k), n, Layout.Rows)] =
                        Weights[PanelLayout.WeightIndex(slot.FirstWeight + slot.Pieces + k, n, WeightRows)];
                }
            }
        }
        return table;
    }

    /// <summary>The result by its chains, over what is in <paramref name="c"/> where there is no bias.</summary>
    public void Forward(ReadOnlySpan<float> table, ReadOnlySpan<float> bias, Span<float> c,
        int firstRow, int endRow, int firstPanel, int endPanel)
    {
        for (int r = firstRow; r < endRow; r++)
        {
            for (int n = firstPanel * 16; n < endPanel * 16; n++)
            {
                ref float sum = ref c[PanelLayout.Index(r, n, RowCapacity)];
                sum = bias.IsEmpty ? sum : bias[n];
                for (int s = 0; s < Layout.Slots; s++)
                {
                    int i = Indices[r * Layout.Slots + s];
                    float f = s < Lines ? Fractions[r * Lines + s] : 0f, value = table[PanelLayout.WeightIndex(i, n, Layout.Rows)];
                    if (s >= Lines)
                    {
                        sum += value;
                        continue;
                    }
                    sum = MathF.FusedMultiplyAdd(1 - f, value, sum);
                    sum = MathF.FusedMultiplyAdd(f, f == 0 ? value : table[PanelLayout.WeightIndex(i + 1, n, Layout.Rows)], sum);
                }
            }
        }
    }

    /// <summary>The weights' gradient by its chains and sums; rows that are nobody's stay untouched.</summary>
    public float[] WeightGradient()
    {
        float[] gradient = MatrixOracle.Filled(Panels * 16 * WeightRows);
        float[] a = new float[Layout.Rows], b = new float[Layout.Rows];
        for (int n = 0; n < Panels * 16; n++)
        {
            Array.Clear(a);
            Array.Clear(b);
            for (int r = 0; r < Rows; r++)
            {
                float g = G[PanelLayout.Index(r, n, RowCapacity)];
                for (int s = 0; s < Layout.Slots; s++)
                {
                    int i = Indices[r * Layout.Slots + s];
                    a[i] += g;
                    b[i] = MathF.FusedMultiplyAdd(s < Lines ? Fractions[r * Lines + s] : 0f, g, b[i]);
                }
            }
            for (int s = 0; s < Layout.Slots; s++)
            {
                TableSlot slot = Layout.Slot(s);
                int first = Layout.FirstRows[s];
                float sum = a[first + slot.Pieces] - b[first + slot.Pieces];
                for (int k = slot.Pieces - 1; k >= 0; k--)
                {
                    gradient[PanelLayout.WeightIndex(slot.FirstWeight + k, n, WeightRows)] = b[first + k] + sum;
                    sum += a[first + k];
                }
                for (int k = 0; k < slot.PlainRows; k++)
                {
                    int row = Layout.PlainRow(s, k);
                    float before = row > first ? b[row - 1] : 0f;
                    gradient[PanelLayout.WeightIndex(slot.FirstWeight + slot.Pieces + k, n, WeightRows)] = a[row] - b[row] + before;
                }
            }
        }
        return gradient;
    }
}
