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
        Front = table?.Columns ?? (encoder.Narrow is null ? encoder : encoder.Head(encoder.Parts.Count - 1));
        if (encoder.Narrow is not null)
            Narrow = new InputEncoder(encoder.RawInputs, [encoder.Narrow], encoder.Ranges);
        NarrowUnits = encoder.Narrow?.Units ?? 0;
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

    /// <summary>What encodes the entries that are projected, counted from 0; null where there are none.</summary>
    public InputEncoder? Narrow { get; }

    /// <summary>Numbers that these are projected to.</summary>
    public int NarrowUnits { get; }

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
