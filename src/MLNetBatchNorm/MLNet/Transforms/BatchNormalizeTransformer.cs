using System.Collections.Immutable;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Internal.Utilities;
using Microsoft.ML.Runtime;
using MLNetBatchNorm;

[assembly: LoadableClass(
    typeof(BatchNormalizeTransformer), null, typeof(SignatureLoadModel), "Batch normalization of columns",
    BatchNormalizeTransformer.LoaderSignature)]
[assembly: LoadableClass(
    typeof(IRowMapper), typeof(BatchNormalizeTransformer), null, typeof(SignatureLoadRowMapper), "Batch normalization of columns",
    BatchNormalizeTransformer.LoaderSignature)]

namespace MLNetBatchNorm;

/// <summary>
/// The <see cref="ITransformer"/> that <see cref="BatchNormalizeEstimator.Fit"/> returns: normalizes columns with fixed parameters,
/// <c>y = gamma * (x - mean) / sqrt(variance + epsilon) + beta</c>.
/// </summary>
/// <remarks>
/// Computed in double precision and rounded once to the type of the column. NaN stays NaN. Missing values of a sparse row are zeros, and
/// the result is dense. Saved and loaded by <c>mlContext.Model</c>; exported to ONNX as <c>BatchNormalization</c>.
/// Immutable, and safe to use from several threads.
/// </remarks>
public sealed partial class BatchNormalizeTransformer : OneToOneTransformerBase
{
    internal const string LoaderSignature = "MLNetBatchNormTransform";

    private const int BytesOfColumnPair = 2 * sizeof(int);
    private const int ParametersOfSlot = 4;

    private readonly BatchNormalizeColumn[] _columns;

    /// <summary>Made from given parameters: by the estimator, and where parameters come from a trained network.</summary>
    internal BatchNormalizeTransformer(IHostEnvironment env, params BatchNormalizeColumn[] columns)
        : base(
            Contracts.CheckRef(env, nameof(env)).Register(nameof(BatchNormalizeTransformer)),
            columns.Select(c => (c.OutputName, c.InputName)).ToArray())
    {
        foreach (BatchNormalizeColumn column in columns)
        {
            if (column.Parameters.FindFault() is { } fault)
                throw Host.ExceptParam(nameof(columns), $"Column '{column.OutputName}' {fault}.");
        }

        _columns = columns;
    }

    private BatchNormalizeTransformer(IHost host, ModelLoadContext ctx)
        : base(host, WithPlausibleColumnCount(host, ctx))
    {
        _columns = new BatchNormalizeColumn[ColumnPairs.Length];
        try
        {
            for (int i = 0; i < _columns.Length; i++)
                _columns[i] = ReadColumn(host, ctx.Reader, ColumnPairs[i].outputColumnName, ColumnPairs[i].inputColumnName);
        }
        catch (EndOfStreamException)
        {
            throw host.ExceptDecode("The model of a batch normalization ends in the middle of its parameters.");
        }

        if (_columns.Select(c => c.OutputName).Distinct().Count() != _columns.Length)
            throw host.ExceptDecode("The model of a batch normalization names an output column twice.");
    }

    /// <summary>What the transformer holds for one of its columns.</summary>
    /// <param name="columnIndex">Which column, in the order in which the columns were given to the estimator; 0 for the first.</param>
    /// <returns>The mean, variance, gamma and beta of each slot, and epsilon.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such column.</exception>
    public BatchNormalizationColumnParameters GetBatchNormalizationParameters(int columnIndex)
    {
        if (columnIndex < 0 || columnIndex >= _columns.Length)
        {
            throw Host.ExceptUserArg(
                nameof(columnIndex),
                $"columnIndex is {columnIndex}; needed is a number from 0 to {_columns.Length - 1}: "
                + $"the transformer has {_columns.Length} column(s).");
        }
        return _columns[columnIndex].Parameters;
    }

    // Found by name and signature when a model is loaded. Visibility differs from that of the constructor on purpose: ML.NET refuses a
    // class that offers both alike.
    internal static BatchNormalizeTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        Contracts.CheckValue(env, nameof(env));
        IHost host = env.Register(nameof(BatchNormalizeTransformer));
        host.CheckValue(ctx, nameof(ctx));
        ctx.CheckAtModel(GetVersionInfo());
        return new BatchNormalizeTransformer(host, ctx);
    }

    internal static IRowMapper Create(IHostEnvironment env, ModelLoadContext ctx, DataViewSchema inputSchema) =>
        Create(env, ctx).MakeRowMapper(inputSchema);

    /// <inheritdoc/>
    protected override void SaveModel(ModelSaveContext ctx)
    {
        Host.CheckValue(ctx, nameof(ctx));
        ctx.CheckAtModel();
        ctx.SetVersionInfo(GetVersionInfo());

        // *** Binary format, version 0x00010001; the reader is ReadColumn ***
        // int: number of columns                                      (this and the names by the base class)
        // for each column: int: id of output name, int: id of input name
        // for each column:
        //   byte: item type, 0 Single, 1 Double
        //   byte: 1 if a vector, 0 if a scalar
        //   int: number of slots, 1 for a scalar
        //   double: epsilon
        //   double[slots]: mean
        //   double[slots]: variance
        //   double[slots]: gamma
        //   double[slots]: beta
        SaveColumns(ctx);
        foreach (BatchNormalizeColumn column in _columns)
        {
            ctx.Writer.Write(column.ItemType.Equals(NumberDataViewType.Double) ? (byte)1 : (byte)0);
            ctx.Writer.WriteBoolByte(column.IsVector);
            ctx.Writer.Write(column.Size);
            ctx.Writer.Write(column.Parameters.Epsilon);
            foreach (ImmutableArray<double> values in new[]
            {
                column.Parameters.Mean, column.Parameters.Variance, column.Parameters.Gamma, column.Parameters.Beta,
            })
            {
                foreach (double value in values)
                    ctx.Writer.Write(value);
            }
        }
    }

    /// <inheritdoc/>
    protected override void CheckInputColumn(DataViewSchema inputSchema, int col, int srcCol)
    {
        DataViewType type = inputSchema[srcCol].Type;
        if (!_columns[col].Accepts(type))
        {
            throw Host.ExceptSchemaMismatch(
                nameof(inputSchema), "input", _columns[col].InputName, _columns[col].DescribeType(), type.ToString());
        }
    }

    /// <inheritdoc/>
    protected override IRowMapper MakeRowMapper(DataViewSchema schema) => new Mapper(this, schema);

    private static VersionInfo GetVersionInfo() => new(
        modelSignature: "MBNNORMT",
        verWrittenCur: 0x00010001, // Initial
        verReadableCur: 0x00010001,
        verWeCanReadBack: 0x00010001,
        loaderAssemblyName: typeof(BatchNormalizeTransformer).Assembly.FullName,
        loaderSignature: LoaderSignature);

    /// <summary>Looks at the number of columns, for which the base class allocates without looking, and goes back before it.</summary>
    private static ModelLoadContext WithPlausibleColumnCount(IHost host, ModelLoadContext ctx)
    {
        Stream stream = ctx.Reader.BaseStream;
        if (stream.Length - stream.Position < sizeof(int))
            throw host.ExceptDecode("The model of a batch normalization ends before its number of columns.");
        int count = ctx.Reader.ReadInt32();
        if (count < 1 || count > (stream.Length - stream.Position) / BytesOfColumnPair)
            throw host.ExceptDecode($"The model of a batch normalization says that it has {count} columns; its size does not allow that.");
        stream.Position -= sizeof(int);
        return ctx;
    }

    private static BatchNormalizeColumn ReadColumn(IHost host, BinaryReader reader, string outputName, string inputName)
    {
        // *** Binary format, version 0x00010001; the writer is SaveModel ***
        // byte: item type, 0 Single, 1 Double
        // byte: 1 if a vector, 0 if a scalar
        // int: number of slots, 1 for a scalar
        // double: epsilon
        // double[slots]: mean
        // double[slots]: variance
        // double[slots]: gamma
        // double[slots]: beta
        byte itemType = reader.ReadByte();
        byte form = reader.ReadByte();
        if (itemType > 1 || form > 1)
        {
            throw host.ExceptDecode(
                $"The model of a batch normalization has the type code {itemType} and the form code {form} for column "
                + $"'{outputName}'; known are 0 and 1.");
        }
        bool isVector = form == 1;
        int size = reader.ReadInt32();
        double epsilon = reader.ReadDouble();
        long remaining = reader.BaseStream.Length - reader.BaseStream.Position;
        if (size < 1 || (!isVector && size != 1) || size > remaining / (ParametersOfSlot * sizeof(double)))
        {
            throw host.ExceptDecode(
                $"The model of a batch normalization says that column '{outputName}' has {size} slots; "
                + "its form and size do not allow that.");
        }

        var parameters = new BatchNormalizationColumnParameters(
            ReadDoubles(reader, size), ReadDoubles(reader, size), ReadDoubles(reader, size), ReadDoubles(reader, size), epsilon);
        if (parameters.FindFault() is { } fault)
            throw host.ExceptDecode($"The model of a batch normalization is damaged: column '{outputName}' {fault}.");
        return new BatchNormalizeColumn(
            outputName, inputName, itemType == 0 ? NumberDataViewType.Single : NumberDataViewType.Double, isVector, parameters);
    }

    private static ImmutableArray<double> ReadDoubles(BinaryReader reader, int count)
    {
        ImmutableArray<double>.Builder builder = ImmutableArray.CreateBuilder<double>(count);
        for (int i = 0; i < count; i++)
            builder.Add(reader.ReadDouble());
        return builder.MoveToImmutable();
    }
}
