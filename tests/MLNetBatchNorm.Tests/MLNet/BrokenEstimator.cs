using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>One way to break the rules of an estimator or of its transformer.</summary>
internal enum Fault
{
    None,
    PromisesAColumnTooMany,
    PromisesAnAnnotationTooMany,
    PromisesAnAnnotationTooFew,
    AcceptsEverySchemaShape,
    RefusesWithAnUnmarkedException,
    SavesAnotherModel,
    TransformsToAnotherSchema,
    MapperForgetsItsInputSchema,
    ClaimsToBeNoMapper,
    ForgetsIdsOfRows,
    SharesOneBufferAmongCursors,
    DependsOnTheColumnsRead,
    DependsOnTheCulture,
    ChangesWithASecondFit,
    FitsAreNotEqual,
}

/// <summary>A sound estimator of ML.NET with one fault added: shows that the battery can fail, and for what.</summary>
internal sealed class BrokenEstimator(IEstimator<ITransformer> sound, Fault fault) : IEstimator<ITransformer>
{
    private readonly Changing _state = new();

    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        if (fault == Fault.AcceptsEverySchemaShape)
        {
            try
            {
                return sound.GetOutputSchema(inputSchema);
            }
            catch (ArgumentOutOfRangeException)
            {
                return inputSchema;
            }
        }

        if (fault == Fault.RefusesWithAnUnmarkedException)
        {
            try
            {
                return sound.GetOutputSchema(inputSchema);
            }
            catch (ArgumentOutOfRangeException)
            {
#pragma warning disable CA2208 // A bare exception is the fault shown here.
                throw new ArgumentOutOfRangeException(nameof(inputSchema));
#pragma warning restore CA2208
            }
        }

        SchemaShape promised = sound.GetOutputSchema(inputSchema);
        return fault switch
        {
            Fault.PromisesAColumnTooMany => new SchemaShape(promised.Append(new SchemaShape.Column(
                "Surplus", SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single, false))),
            Fault.PromisesAnAnnotationTooMany => WithAnnotationsOfLast(promised, a => a.Append(new SchemaShape.Column(
                "Surplus", SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single, false))),
            Fault.PromisesAnAnnotationTooFew => WithAnnotationsOfLast(promised, a => a.Skip(1)),
            _ => promised,
        };
    }

    public ITransformer Fit(IDataView input)
    {
        _state.Fits++;
        return new BrokenTransformer(sound.Fit(input), sound, input, fault, _state, _state.Fits);
    }

    private static SchemaShape WithAnnotationsOfLast(SchemaShape shape, Func<SchemaShape, IEnumerable<SchemaShape.Column>> change)
    {
        SchemaShape.Column last = shape.Last();
        var changed = new SchemaShape.Column(last.Name, last.Kind, last.ItemType, last.IsKey, new SchemaShape(change(last.Annotations)));
        return new SchemaShape(shape.SkipLast(1).Append(changed));
    }

    /// <summary>What the transformers of one broken estimator share, and should not.</summary>
    internal sealed class Changing
    {
        public int Fits;
    }
}

internal sealed class BrokenTransformer(
    ITransformer sound, IEstimator<ITransformer> estimator, IDataView fitInput, Fault fault,
    BrokenEstimator.Changing state, int fit) : ITransformer
{
    public bool IsRowToRowMapper => fault != Fault.ClaimsToBeNoMapper && sound.IsRowToRowMapper;

    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => sound.GetOutputSchema(inputSchema);

    public IDataView Transform(IDataView input)
    {
        if (fault == Fault.TransformsToAnotherSchema)
            return input;
        return new BrokenView(sound.Transform(input), fault, () => fault switch
        {
            Fault.ChangesWithASecondFit => state.Fits,
            Fault.FitsAreNotEqual => fit,
            _ => 1,
        });
    }

    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema)
    {
        IRowToRowMapper mapper = sound.GetRowToRowMapper(inputSchema);
        return fault == Fault.MapperForgetsItsInputSchema ? new ForgetfulMapper(mapper) : mapper;
    }

    public void Save(ModelSaveContext ctx)
    {
        ITransformer saved = sound;
        if (fault == Fault.SavesAnotherModel)
            saved = estimator.Fit(new MLContext().Data.TakeRows(fitInput, 5));
        ((ICanSaveModel)saved).Save(ctx);
    }

    private sealed class ForgetfulMapper(IRowToRowMapper sound) : IRowToRowMapper
    {
        public DataViewSchema InputSchema { get; } = CopyOf(sound.InputSchema);

        public DataViewSchema OutputSchema => sound.OutputSchema;

        public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) =>
            sound.GetDependencies(dependingColumns);

        public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns) =>
            sound.GetRow(input, activeColumns);

        private static DataViewSchema CopyOf(DataViewSchema schema)
        {
            var builder = new DataViewSchema.Builder();
            builder.AddColumns(schema);
            return builder.ToSchema();
        }
    }
}

/// <summary>A view that passes on another one, with faults in the ids and in the columns that hold vectors of Single.</summary>
internal sealed class BrokenView(IDataView sound, Fault fault, Func<int> factor) : IDataView
{
    private VBuffer<float> _shared;

    public bool CanShuffle => sound.CanShuffle;

    public DataViewSchema Schema => sound.Schema;

    public long? GetRowCount() => sound.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        DataViewSchema.Column[] columns = columnsNeeded.ToArray();
        return new Cursor(this, fault, sound.GetRowCursor(columns, rand), columns.Length);
    }

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null)
    {
        DataViewSchema.Column[] columns = columnsNeeded.ToArray();
        return sound.GetRowCursorSet(columns, n, rand).Select(c => (DataViewRowCursor)new Cursor(this, fault, c, columns.Length)).ToArray();
    }

    private VBuffer<float> Spoiled(in VBuffer<float> value, int columns)
    {
        float scale = factor();
        if (fault == Fault.DependsOnTheColumnsRead && columns == 1)
            scale = 2;
        if (fault == Fault.DependsOnTheCulture && 0.5.ToString() != "0.5")
            scale = 3;
        float[] scaled = value.DenseValues().Select(v => v * scale).ToArray();
        return new VBuffer<float>(scaled.Length, scaled);
    }

    private sealed class Cursor(BrokenView view, Fault fault, DataViewRowCursor sound, int columns) : DataViewRowCursor
    {
        private Action? _fillShared;

        public override long Position => sound.Position;

        public override long Batch => sound.Batch;

        public override DataViewSchema Schema => sound.Schema;

        public override bool IsColumnActive(DataViewSchema.Column column) => sound.IsColumnActive(column);

        public override bool MoveNext()
        {
            bool moved = sound.MoveNext();
            if (moved)
                _fillShared?.Invoke();
            return moved;
        }

        public override ValueGetter<DataViewRowId> GetIdGetter()
        {
            if (fault == Fault.ForgetsIdsOfRows)
                return (ref DataViewRowId id) => id = default;
            return sound.GetIdGetter();
        }

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            ValueGetter<TValue> getter = sound.GetGetter<TValue>(column);
            if (getter is not ValueGetter<VBuffer<float>> vectors)
                return getter;
            VBuffer<float> buffer = default;
            ValueGetter<VBuffer<float>> spoiled = (ref VBuffer<float> value) =>
            {
                vectors(ref buffer);
                value = view.Spoiled(buffer, columns);
            };
            if (fault != Fault.SharesOneBufferAmongCursors || column.Name != "Out")
                return (ValueGetter<TValue>)(Delegate)spoiled;
            _fillShared = () => spoiled(ref view._shared);
            ValueGetter<VBuffer<float>> shared = (ref VBuffer<float> value) => value = view._shared;
            return (ValueGetter<TValue>)(Delegate)shared;
        }
    }
}
