namespace MLNetBatchNorm.Encoding;

/// <summary>
/// How a first linear map reads a row where it does not read all columns written out: the first ones as columns, those behind them as
/// entries, and pieces, which are last, as rows of a table. The weights are those of all columns in any case.
/// </summary>
/// <remarks>
/// Of sparse rows the first columns are entries as well. A unit's sum goes over columns in their order, then over the table, so that a row
/// has the same bits in either form.
/// </remarks>
internal sealed class EncodedForm
{
    private EncodedForm(InputEncoder encoder, PieceTable? table)
    {
        Table = table;
        Front = table?.Columns ?? (encoder.Projected.Count == 0 ? encoder : encoder.Head(encoder.DirectParts));
        Projected = [.. encoder.Projected.Select(part => new InputEncoder(encoder.RawInputs, [part], encoder.Ranges))];
        FirstUnit = encoder.EncodedInputs - encoder.Projected.Sum(part => part.Columns);
        int columns = Front.Parts.TakeWhile(part => !part.IsEntries).Count();
        // Pieces that are no table stand behind the entries, and are entries.
        Columns = columns == 0 ? null : columns == Front.Parts.Count ? Front : Front.Head(columns);
        FirstEntryPart = columns;
    }

    /// <summary>The form of an encoder's rows; null: all columns are written out, or all are entries.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="takesTable">Whether pieces may be rows of a table.</param>
    public static EncodedForm? Create(InputEncoder encoder, bool takesTable)
    {
        PieceTable? table = takesTable ? encoder.Table : null;
        return table is null && !encoder.HasEntries ? null : new EncodedForm(encoder, table);
    }

    /// <summary>The input of the first map that the first unit of a projection is: behind all columns that are not projected.</summary>
    public int FirstUnit { get; }

    /// <summary>What encodes the entries of each projection, its columns counted from 0.</summary>
    public InputEncoder[] Projected { get; }

    /// <summary>What encodes all that is neither a table nor projected.</summary>
    public InputEncoder Front { get; }

    /// <summary>What encodes the columns; null where there are none.</summary>
    public InputEncoder? Columns { get; }

    /// <summary>The first part of <see cref="Front"/> whose columns are entries of any row; behind the last one where none are.</summary>
    public int FirstEntryPart { get; }

    /// <summary>Whether rows that are written out have entries.</summary>
    public bool HasEntries => FirstEntryPart < Front.Parts.Count;

    /// <summary>The pieces; null where they are entries, or there are none.</summary>
    public PieceTable? Table { get; }
}
