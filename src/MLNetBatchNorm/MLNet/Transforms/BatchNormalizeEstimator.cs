using System.Collections.Immutable;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm;

/// <summary>
/// The <see cref="IEstimator{TTransformer}"/> that learns mean and variance of columns in one pass and normalizes with them:
/// <c>y = gamma * (x - mean) / sqrt(variance + epsilon) + beta</c>.
/// </summary>
/// <remarks>
/// <format type="text/markdown"><![CDATA[
/// To create this estimator, use
/// [BatchNormalize](xref:Microsoft.ML.BatchNormalizationCatalog.BatchNormalize(Microsoft.ML.TransformsCatalog,System.String,System.String,System.Double,MLNetBatchNorm.BatchNormalizationStatistics,System.Int64))
/// or one of its overloads.
///
/// ###  Estimator Characteristics
/// |  |  |
/// | -- | -- |
/// | Does this estimator need to look at the data to train its parameters? | Yes |
/// | Input column data type | Scalar or known-size vector of <xref:System.Single> or <xref:System.Double> |
/// | Output column data type | The same as the input column; vectors are dense |
/// | Exportable to ONNX | Yes |
/// | Required NuGet in addition to Microsoft.ML | MLNetBatchNorm |
///
/// The output column carries the annotation IsNormalized, and the slot names of the input column.
///
/// ### Details
/// This is the prediction half of batch normalization on its own, as a preprocessing step: each slot leaves with mean *beta* and, up to
/// *epsilon*, standard deviation *|gamma|*. It differs from NormalizeMeanVariance in that the mean is always subtracted, in the
/// unbiased variance, in epsilon, gamma and beta, and in statistics by mini-batches for those who need them.
///
/// Fitting ignores a NaN in the slot where it stands, and transforming leaves it NaN. An infinite value fails fitting with an error that
/// names column, slot and row. A slot without any value keeps mean 0 and variance 1; a constant slot becomes beta.
/// A transformed column must have exactly the item type and width that was fitted.
/// ]]></format>
/// Source: Ioffe and Szegedy 2015, "Batch Normalization", arXiv:1502.03167, algorithm 2.
/// </remarks>
/// <seealso cref="BatchNormalizationCatalog.BatchNormalize(
///     TransformsCatalog, string, string?, double, BatchNormalizationStatistics, long)"/>
/// <seealso cref="BatchNormalizationCatalog.BatchNormalize(
///     TransformsCatalog, InputOutputColumnPair[], double, BatchNormalizationStatistics, long)"/>
/// <seealso cref="BatchNormalizationCatalog.BatchNormalize(TransformsCatalog, Options)"/>
/// <seealso cref="Options"/>
public sealed partial class BatchNormalizeEstimator : IEstimator<BatchNormalizeTransformer>
{
    private const string ExpectedType = "scalar or known-size vector of Single or Double";

    private readonly IHost _host;
    private readonly Column[] _columns;
    private readonly BatchNormalizationStatistics _statistics;
    private readonly double _momentum;
    private readonly int _batchSize;
    private readonly double _epsilon;
    private readonly long _maximumExampleCount;

    internal BatchNormalizeEstimator(IHostEnvironment env, Options options)
    {
        Contracts.CheckValue(env, nameof(env));
        _host = env.Register(nameof(BatchNormalizeEstimator));
        _host.CheckValue(options, nameof(options));

        _columns = CheckedColumns(options.Columns);
        _statistics = options.Statistics;
        _momentum = options.RunningStatisticsMomentum;
        _batchSize = options.BatchSize;
        _epsilon = options.Epsilon;
        _maximumExampleCount = options.MaximumExampleCount;

        if (!Enum.IsDefined(_statistics))
        {
            throw Refused(
                nameof(Options.Statistics),
                $"is {(int)_statistics}; needed is one of {string.Join(", ", Enum.GetNames<BatchNormalizationStatistics>())}.");
        }
        if (!(_momentum > 0 && _momentum <= 1))
        {
            const string OfTheOld = "Texts that give the weight of the old value mean 1 minus it.";
            throw Refused(
                nameof(Options.RunningStatisticsMomentum),
                $"is {_momentum}; needed is a number above 0 and up to 1, the weight of the newest batch. {OfTheOld}");
        }

        if (_batchSize < 2)
        {
            throw Refused(
                nameof(Options.BatchSize),
                $"is {_batchSize}; needed are 2 rows or more, because one row has no variance. Raise it; 256 is the default.");
        }
        if (!(_epsilon > 0 && double.IsFinite(_epsilon)))
        {
            throw Refused(
                nameof(Options.Epsilon),
                $"is {_epsilon}; needed is a finite number above 0, so that a constant slot does not divide by zero. 1e-5 is the default.");
        }
        if (_maximumExampleCount < 2)
            throw Refused(nameof(Options.MaximumExampleCount), $"is {_maximumExampleCount}; needed are 2 rows or more.");
    }

    /// <summary>The schema that <see cref="Fit"/>'s result will deliver for data of <paramref name="inputSchema"/>.</summary>
    /// <param name="inputSchema">The shape of the data.</param>
    /// <returns>The columns of the input, and those this estimator adds or replaces.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An input column is missing or is no scalar or known-size vector of Single or Double.
    /// </exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        _host.CheckValue(inputSchema, nameof(inputSchema));
        Dictionary<string, SchemaShape.Column> result = inputSchema.ToDictionary(c => c.Name);
        foreach (Column column in _columns)
        {
            if (!inputSchema.TryFindColumn(column.InputName, out SchemaShape.Column input))
                throw _host.ExceptSchemaMismatch(nameof(inputSchema), "input", column.InputName);
            if (input.Kind == SchemaShape.Column.VectorKind.VariableVector || input.IsKey || !IsSupported(input.ItemType))
                throw _host.ExceptSchemaMismatch(nameof(inputSchema), "input", column.InputName, ExpectedType, input.GetTypeString());

            var annotations = new List<SchemaShape.Column>
            {
                new(AnnotationUtils.Kinds.IsNormalized, SchemaShape.Column.VectorKind.Scalar, BooleanDataViewType.Instance, false),
            };
            if (input.Annotations.TryFindColumn(AnnotationUtils.Kinds.SlotNames, out SchemaShape.Column slotNames))
                annotations.Add(slotNames);
            result[column.OutputName] = new SchemaShape.Column(
                column.OutputName, input.Kind, input.ItemType, false, new SchemaShape(annotations));
        }

        return new SchemaShape(result.Values);
    }

    /// <summary>Learns the statistics of all columns in one pass over <paramref name="input"/>.</summary>
    /// <param name="input">The data. It is read once, and only the columns needed.</param>
    /// <returns>The transformer that normalizes with what was learned.</returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An input column is missing or of a wrong type, or gamma or beta has another number of values than the
    /// column has slots. Raised before the data is read.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The data holds an infinite value, or values too large for their variance to be a finite number.
    /// </exception>
    public BatchNormalizeTransformer Fit(IDataView input)
    {
        _host.CheckValue(input, nameof(input));
        GetOutputSchema(SchemaShape.Create(input.Schema));

        DataViewSchema.Column[] sources = _columns.Select(c => input.Schema[c.InputName]).ToArray();
        for (int i = 0; i < _columns.Length; i++)
        {
            int size = sources[i].Type.GetValueCount();
            CheckLength(_columns[i], nameof(ColumnOptions.Gamma), _columns[i].Gamma, size);
            CheckLength(_columns[i], nameof(ColumnOptions.Beta), _columns[i].Beta, size);
        }

        // Two outputs of one input have the same statistics.
        BatchNormalizeFitting[] fittings = sources.Select(s => s.Index).Distinct().Select(index =>
        {
            DataViewSchema.Column source = input.Schema[index];
            return new BatchNormalizeFitting(
                _host, source, new StreamingStatistics(source.Type.GetValueCount(), _statistics, _batchSize, _momentum));
        }).ToArray();
        long rows = ReadRows(input, fittings);

        using IChannel channel = _host.Start("Fit");
        if (rows == 0)
            channel.Warning("No rows were found: the columns are left as they are, with mean 0 and variance 1.");
        foreach (BatchNormalizeFitting fitting in fittings)
            fitting.Finish(channel, rows);

        var result = new BatchNormalizeColumn[_columns.Length];
        for (int i = 0; i < result.Length; i++)
        {
            Column column = _columns[i];
            DataViewType type = sources[i].Type;
            int size = type.GetValueCount();
            BatchNormalizeFitting fitting = fittings.First(f => f.Source.Index == sources[i].Index);
            var parameters = new BatchNormalizationColumnParameters(
                fitting.Mean,
                fitting.Variance,
                column.Gamma ?? Enumerable.Repeat(1.0, size).ToImmutableArray(),
                column.Beta ?? Enumerable.Repeat(0.0, size).ToImmutableArray(),
                _epsilon);
            result[i] = new BatchNormalizeColumn(
                column.OutputName, column.InputName, (PrimitiveDataViewType)type.GetItemType(), type is VectorDataViewType, parameters);
        }

        return new BatchNormalizeTransformer(_host, result);
    }

    internal static bool IsSupported(DataViewType itemType) =>
        itemType.Equals(NumberDataViewType.Single) || itemType.Equals(NumberDataViewType.Double);

    private long ReadRows(IDataView input, BatchNormalizeFitting[] fittings)
    {
        long rows = 0;
        using DataViewRowCursor cursor = input.GetRowCursor(fittings.Select(f => f.Source));
        Action[] readers = fittings.Select(f => f.MakeReader(cursor)).ToArray();
        while (rows < _maximumExampleCount && cursor.MoveNext())
        {
            _host.CheckAlive();
            foreach (Action read in readers)
                read();
            rows++;
        }

        return rows;
    }

    private Column[] CheckedColumns(IReadOnlyList<ColumnOptions> columns)
    {
        if (columns is not { Count: > 0 })
            throw Refused(nameof(Options.Columns), "is empty; needed is at least one column.");

        var result = new Column[columns.Count];
        var names = new HashSet<string>();
        for (int i = 0; i < result.Length; i++)
        {
            ColumnOptions column = columns[i];
            if (column == null || string.IsNullOrWhiteSpace(column.Name) || string.IsNullOrWhiteSpace(column.InputColumnName))
            {
                throw Refused(
                    nameof(Options.Columns),
                    $"has no name in entry {i}; needed are the name of an output column and, if it differs, of an input column.");
            }
            if (!names.Add(column.Name))
            {
                throw Refused(
                    nameof(Options.Columns),
                    $"names the output column '{column.Name}' twice; needed is each output once. Give one of them another name.");
            }
            result[i] = new Column(
                column.Name, column.InputColumnName, Checked(column, nameof(column.Gamma), column.Gamma),
                Checked(column, nameof(column.Beta), column.Beta));
        }

        return result;
    }

    private ImmutableArray<double>? Checked(ColumnOptions column, string option, IReadOnlyList<double>? values)
    {
        if (values == null)
            return null;
        for (int slot = 0; slot < values.Count; slot++)
        {
            if (!double.IsFinite(values[slot]))
                throw Refused(option, $"of column '{column.Name}' is {values[slot]} in slot {slot}; needed are finite numbers.");
        }

        return values.ToImmutableArray();
    }

    private void CheckLength(Column column, string option, ImmutableArray<double>? values, int size)
    {
        if (values is { } given && given.Length != size)
        {
            string slots = $"its input column '{column.InputName}' has {size} slots";
            throw Refused(
                option,
                $"of column '{column.OutputName}' has {given.Length} values, and {slots}; needed is one value for each slot.");
        }
    }

    private Exception Refused(string option, FormattableString problem) =>
        _host.ExceptUserArg(option, option + " " + FormattableString.Invariant(problem));

    private Exception Refused(string option, string problem) => _host.ExceptUserArg(option, option + " " + problem);

    private sealed record Column(string OutputName, string InputName, ImmutableArray<double>? Gamma, ImmutableArray<double>? Beta);
}
