using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Where a <see cref="FaultyView"/> calls its fault.</summary>
internal enum FaultPlace
{
    Nowhere,
    Cursor,
    Getter,
    MoveNext,
    Value,
    End,
}

/// <summary>A view of somebody else's, which does something unexpected while it is read, and knows whether it was closed.</summary>
internal sealed class FaultyView(IDataView source, FaultPlace place, Action fault) : IDataView
{
    private const long Row = 70;

    /// <summary>Cursors that have not been disposed of.</summary>
    public int OpenCursors { get; private set; }

    public bool CanShuffle => source.CanShuffle;

    public DataViewSchema Schema => source.Schema;

    public long? GetRowCount() => source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        Call(FaultPlace.Cursor);
        OpenCursors++;
        return new Cursor(this, source.GetRowCursor(columnsNeeded, rand));
    }

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];

    private void Call(FaultPlace now)
    {
        if (now == place)
            fault();
    }

    private sealed class Cursor(FaultyView view, DataViewRowCursor source) : DataViewRowCursor
    {
        public override long Position => source.Position;

        public override long Batch => source.Batch;

        public override DataViewSchema Schema => source.Schema;

        public override bool IsColumnActive(DataViewSchema.Column column) => source.IsColumnActive(column);

        public override ValueGetter<DataViewRowId> GetIdGetter() => source.GetIdGetter();

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            view.Call(FaultPlace.Getter);
            ValueGetter<TValue> get = source.GetGetter<TValue>(column);
            return (ref TValue value) =>
            {
                if (Position == Row)
                    view.Call(FaultPlace.Value);
                get(ref value);
            };
        }

        public override bool MoveNext()
        {
            if (Position == Row)
                view.Call(FaultPlace.MoveNext);
            bool moved = source.MoveNext();
            if (!moved)
                view.Call(FaultPlace.End);
            return moved;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                view.OpenCursors--;
            source.Dispose();
            base.Dispose(disposing);
        }
    }
}
