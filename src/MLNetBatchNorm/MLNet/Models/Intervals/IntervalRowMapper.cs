using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm;

/// <summary>
/// What ML.NET's scorer asks for columns where a model has intervals: the score and its two bounds, of which each row is computed once.
/// </summary>
internal sealed class IntervalRowMapper : ISchemaBoundRowMapper
{
    /// <summary>
    /// The kind of the columns of bounds: one of our own, so that whoever looks for the score of a regression finds one column.
    /// </summary>
    public const string ColumnKind = "PredictionInterval";

    private readonly BatchNormNetworkRegressionModelParameters _model;
    private readonly ScoringNetwork _scoring;

    /// <summary>Binds a model with intervals to a schema whose feature column was found to suit.</summary>
    public IntervalRowMapper(BatchNormNetworkRegressionModelParameters model, ScoringNetwork scoring, RoleMappedSchema schema)
    {
        _model = model;
        _scoring = scoring;
        InputRoleMappedSchema = schema;
        OutputSchema = CreateSchema([.. scoring.Intervals!.Intervals.Levels.Select(level => level.Level)]);
    }

    public RoleMappedSchema InputRoleMappedSchema { get; }

    public DataViewSchema OutputSchema { get; }

    public DataViewSchema InputSchema => InputRoleMappedSchema.Schema;

    public ISchemaBindableMapper Bindable => _model;

    /// <summary>The name of a level's slot.</summary>
    public static string SlotName(double level) => level.ToString(CultureInfo.InvariantCulture);

    /// <summary>The columns of bounds as an estimator promises them.</summary>
    public static IEnumerable<SchemaShape.Column> Promise(int levels)
    {
        List<SchemaShape.Column> annotations = [.. AnnotationUtils.GetTrainerOutputAnnotation()];
        bool several = levels > 1;
        if (several)
        {
            annotations.Add(new SchemaShape.Column(
                AnnotationUtils.Kinds.SlotNames, SchemaShape.Column.VectorKind.Vector, TextDataViewType.Instance, false));
        }

        foreach (string name in new[] { IntervalColumns.LowerBound, IntervalColumns.UpperBound })
        {
            yield return new SchemaShape.Column(
                name, several ? SchemaShape.Column.VectorKind.Vector : SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single,
                    false,
                new SchemaShape(annotations));
        }
    }

    public IEnumerable<KeyValuePair<RoleMappedSchema.ColumnRole, string>> GetInputColumnRoles()
    {
        yield return RoleMappedSchema.ColumnRole.Feature.Bind(InputRoleMappedSchema.Feature!.Value.Name);
    }

    public IEnumerable<DataViewSchema.Column> GetDependenciesForNewColumns(IEnumerable<DataViewSchema.Column> dependingColumns) =>
        dependingColumns.Any() ? [InputRoleMappedSchema.Feature!.Value] : [];

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns)
    {
        var getters = new Delegate?[OutputSchema.Count];
        bool[] active = new bool[OutputSchema.Count];
        foreach (DataViewSchema.Column column in activeColumns)
            active[column.Index] = true;
        if (!active.Contains(true))
            return new SimpleRow(OutputSchema, input, getters);
        var row = new ScoredRow(_scoring, input, InputRoleMappedSchema.Feature!.Value, bounds: active[1] || active[2]);
        if (active[0])
            getters[0] = (ValueGetter<float>)row.GetScore;
        for (int side = 0; side < 2; side++)
        {
            if (!active[1 + side])
                continue;
            bool upper = side == 1;
            if (_scoring.Intervals!.Levels == 1)
                getters[1 + side] = (ValueGetter<float>)(upper ? row.GetUpper : row.GetLower);
            else
                getters[1 + side] = (ValueGetter<VBuffer<float>>)(upper ? row.GetUppers : row.GetLowers);
        }

        return new SimpleRow(OutputSchema, input, getters);
    }

    private static DataViewSchema CreateSchema(double[] levels)
    {
        var schema = new DataViewSchema.Builder();
        DataViewSchema.Column score = ScoreSchemaFactory.Create(
            NumberDataViewType.Single, AnnotationUtils.Const.ScoreColumnKind.Regression)[0];
        schema.AddColumn(score.Name, score.Type, score.Annotations);
        foreach (string name in new[] { IntervalColumns.LowerBound, IntervalColumns.UpperBound })
        {
            var annotations = new DataViewSchema.Annotations.Builder();
            Add(annotations, AnnotationUtils.Kinds.ScoreColumnKind, ColumnKind);
            Add(annotations, AnnotationUtils.Kinds.ScoreValueKind, name);
            if (levels.Length > 1)
            {
                annotations.AddSlotNames(levels.Length, (ref VBuffer<ReadOnlyMemory<char>> names) =>
                {
                    VBufferEditor<ReadOnlyMemory<char>> editor = VBufferEditor.Create(ref names, levels.Length);
                    for (int i = 0; i < levels.Length; i++)
                        editor.Values[i] = SlotName(levels[i]).AsMemory();
                    names = editor.Commit();
                });
            }

            DataViewType type = levels.Length > 1
                ? new VectorDataViewType(NumberDataViewType.Single, levels.Length)
                : NumberDataViewType.Single;
            schema.AddColumn(name, type, annotations.ToAnnotations());
        }

        return schema.ToSchema();
    }

    private static void Add(DataViewSchema.Annotations.Builder annotations, string kind, string text) =>
        annotations.Add(kind, TextDataViewType.Instance, (ref ReadOnlyMemory<char> value) => value = text.AsMemory());

    /// <summary>The scores of the row that the cursor stands on, computed when the first of them is asked for. Not thread-safe.</summary>
    private sealed class ScoredRow
    {
        private readonly DataViewRow _input;
        private readonly ValueGetter<VBuffer<float>> _getFeatures;
        private readonly ScoringNetwork.RowScorer _scorer;
        private readonly bool _bounds;
        private readonly float[] _lower;
        private readonly float[] _upper;
        private VBuffer<float> _features;
        private long _position = -1;
        private float _score;

        public ScoredRow(ScoringNetwork scoring, DataViewRow input, DataViewSchema.Column features, bool bounds)
        {
            _input = input;
            _getFeatures = input.GetGetter<VBuffer<float>>(features);
            _scorer = scoring.CreateRowScorer();
            _bounds = bounds;
            _lower = new float[scoring.Intervals!.Levels];
            _upper = new float[_lower.Length];
        }

        public void GetScore(ref float value)
        {
            Compute();
            value = _score;
        }

        public void GetLower(ref float value)
        {
            Compute();
            value = _lower[0];
        }

        public void GetUpper(ref float value)
        {
            Compute();
            value = _upper[0];
        }

        public void GetLowers(ref VBuffer<float> values) => Copy(_lower, ref values);

        public void GetUppers(ref VBuffer<float> values) => Copy(_upper, ref values);

        private void Copy(float[] bounds, ref VBuffer<float> values)
        {
            Compute();
            VBufferEditor<float> editor = VBufferEditor.Create(ref values, bounds.Length);
            bounds.CopyTo(editor.Values);
            values = editor.Commit();
        }

        private void Compute()
        {
            if (_position == _input.Position && _position >= 0)
                return;
            _getFeatures(ref _features);
            _score = _bounds ? _scorer.Score(_features, _lower, _upper) : _scorer.Score(_features);
            _position = _input.Position;
        }
    }
}
