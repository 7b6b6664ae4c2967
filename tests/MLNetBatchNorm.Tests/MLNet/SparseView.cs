using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>A view that passes on another one with the zeros of one vector column left out, as text featurizers deliver them.</summary>
/// <param name="source">The other one.</param>
/// <param name="column">The column.</param>
/// <param name="storesSome">Whether the zeros of one slot in 64 are stored all the same, as weights of terms that every text has.</param>
internal sealed class SparseView(IDataView source, string column, bool storesSome = false) : IDataView
{
    public bool CanShuffle => source.CanShuffle;

    public DataViewSchema Schema => source.Schema;

    public long? GetRowCount() => source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) =>
        new Cursor(source.GetRowCursor(columnsNeeded, rand), column, storesSome);

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [.. source.GetRowCursorSet(columnsNeeded, n, rand).Select(cursor => new Cursor(cursor, column, storesSome))];

    private sealed class Cursor(DataViewRowCursor source, string column, bool storesSome) : DataViewRowCursor
    {
        public override long Position => source.Position;

        public override long Batch => source.Batch;

        public override DataViewSchema Schema => source.Schema;

        public override bool IsColumnActive(DataViewSchema.Column wanted) => source.IsColumnActive(wanted);

        public override ValueGetter<DataViewRowId> GetIdGetter() => source.GetIdGetter();

        public override bool MoveNext() => source.MoveNext();

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column wanted)
        {
            ValueGetter<TValue> getter = source.GetGetter<TValue>(wanted);
            if (wanted.Name != column || getter is not ValueGetter<VBuffer<float>> dense)
                return getter;
            VBuffer<float> buffer = default;
            ValueGetter<VBuffer<float>> sparse = (ref VBuffer<float> value) =>
            {
                dense(ref buffer);
                (int Slot, float Value)[] stored =
                [
                    .. buffer.Items(all: true).Where(item => item.Value != 0 || (storesSome && item.Key % 64 == 0))
                        .Select(item => (item.Key, item.Value)),
                ];
                VBufferEditor<float> editor = VBufferEditor.Create(ref value, buffer.Length, stored.Length);
                // A buffer that stores every slot is dense and has no indices.
                if (stored.Length == buffer.Length)
                {
                    buffer.CopyTo(ref value);
                    return;
                }

                for (int i = 0; i < stored.Length; i++)
                {
                    editor.Indices[i] = stored[i].Slot;
                    editor.Values[i] = stored[i].Value;
                }

                value = editor.Commit();
            };
            return (ValueGetter<TValue>)(Delegate)sparse;
        }
    }
}
