namespace MLNetBatchNorm.Data;

/// <summary>How the rows of a set are spread over the classes.</summary>
/// <param name="classes">Number of classes.</param>
internal sealed class ClassSummary(int classes)
{
    /// <summary>Number of rows of each class.</summary>
    public int[] Rows { get; } = new int[classes];

    /// <summary>Sum of the weights of the rows of each class.</summary>
    public double[] Weights { get; } = new double[classes];

    /// <summary>Number of the first row of each class, in the order in which rows were added.</summary>
    public int[] FirstRows { get; } = new int[classes];

    /// <summary>Number of classes that have rows.</summary>
    public int Present => Rows.Count(rows => rows > 0);

    /// <summary>
    /// The first rows of the classes all of whose rows are in a part: those that have to leave it so that every class has a row outside.
    /// </summary>
    /// <param name="targets">The class numbers of the part's rows.</param>
    public int[] FirstRowsOfClassesAllIn(IEnumerable<float> targets)
    {
        int[] left = [.. Rows];
        foreach (float target in targets)
            left[(int)target]--;
        return [.. Enumerable.Range(0, left.Length).Where(c => left[c] == 0 && Rows[c] > 0).Select(c => FirstRows[c])];
    }

    /// <summary>Adds a row.</summary>
    public void Add(int classNumber, int row, float weight)
    {
        if (Rows[classNumber]++ == 0)
            FirstRows[classNumber] = row;
        Weights[classNumber] += weight;
    }
}
