using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>A view that passes on another one and counts how it is read.</summary>
internal sealed class CountingView(IDataView source) : IDataView
{
    /// <summary>For each cursor asked for, the names of its columns.</summary>
    public List<string[]> Reads { get; } = [];

    /// <summary>Rows read by all cursors together.</summary>
    public long Rows { get; private set; }

    public bool CanShuffle => source.CanShuffle;

    public DataViewSchema Schema => source.Schema;

    public long? GetRowCount() => source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        DataViewSchema.Column[] columns = columnsNeeded.ToArray();
        Reads.Add(columns.Select(c => c.Name).ToArray());
        return new Cursor(this, source.GetRowCursor(columns, rand));
    }

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    private sealed class Cursor(CountingView view, DataViewRowCursor source) : DataViewRowCursor
    {
        public override long Position => source.Position;

        public override long Batch => source.Batch;

        public override DataViewSchema Schema => source.Schema;

        public override bool IsColumnActive(DataViewSchema.Column column) => source.IsColumnActive(column);

        public override ValueGetter<DataViewRowId> GetIdGetter() => source.GetIdGetter();

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => source.GetGetter<TValue>(column);

        public override bool MoveNext()
        {
            bool moved = source.MoveNext();
            if (moved)
                view.Rows++;
            return moved;
        }
    }
}
