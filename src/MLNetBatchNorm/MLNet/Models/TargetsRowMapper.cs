using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNetBatchNorm;

/// <summary>
/// What ML.NET's scorer asks for the columns of a row. A row goes through the network once, however many of its columns are read.
/// </summary>
internal sealed class TargetsRowMapper : ISchemaBoundRowMapper
{
    private readonly ScoringNetwork _network;
    private readonly IReadOnlyList<TargetsColumn> _columns;

    /// <param name="bindable">The model.</param>
    /// <param name="schema">The rows that it is to score.</param>
    /// <param name="network">Its network.</param>
    /// <param name="columns">The columns that it adds.</param>
    public TargetsRowMapper(
        ISchemaBindableMapper bindable, RoleMappedSchema schema, ScoringNetwork network, IReadOnlyList<TargetsColumn> columns)
    {
        Bindable = bindable;
        InputRoleMappedSchema = schema;
        _network = network;
        _columns = columns;
        var builder = new DataViewSchema.Builder();
        foreach (TargetsColumn column in columns)
            builder.AddColumn(column.Name, column.Type, column.Annotations);
        OutputSchema = builder.ToSchema();
    }

    public ISchemaBindableMapper Bindable { get; }

    public RoleMappedSchema InputRoleMappedSchema { get; }

    public DataViewSchema InputSchema => InputRoleMappedSchema.Schema;

    public DataViewSchema OutputSchema { get; }

    private DataViewSchema.Column Features => InputRoleMappedSchema.Feature!.Value;

    public IEnumerable<KeyValuePair<RoleMappedSchema.ColumnRole, string>> GetInputColumnRoles() =>
        [RoleMappedSchema.ColumnRole.Feature.Bind(Features.Name)];

    public IEnumerable<DataViewSchema.Column> GetDependenciesForNewColumns(IEnumerable<DataViewSchema.Column> dependingColumns) =>
        dependingColumns.Any() ? [Features] : [];

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns)
    {
        var getters = new Delegate[_columns.Count];
        int[] active = [.. activeColumns.Select(column => column.Index)];
        if (active.Length > 0)
        {
            var scores = new RowScores(_network, input, input.GetGetter<VBuffer<float>>(input.Schema[Features.Index]));
            foreach (int column in active)
                getters[column] = _columns[column].CreateGetter(scores.OfRow);
        }

        return new SimpleRow(OutputSchema, input, getters);
    }

    /// <summary>The scores of the row where the cursor stands, kept until it moves.</summary>
    private sealed class RowScores(ScoringNetwork network, DataViewRow row, ValueGetter<VBuffer<float>> getFeatures)
    {
        private readonly ScoringNetwork.RowScorer _scorer = network.CreateRowScorer();
        private readonly float[] _scores = new float[network.PaddedOutputs];
        private long _position = -1;
        private VBuffer<float> _features;

        public ReadOnlyMemory<float> OfRow()
        {
            if (_position != row.Position)
            {
                getFeatures(ref _features);
                _scorer.Score(_features, _scores);
                _position = row.Position;
            }

            return _scores;
        }
    }
}
