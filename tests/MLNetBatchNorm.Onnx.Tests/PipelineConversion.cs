using System.Runtime.InteropServices;
using Google.Protobuf;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Model.OnnxConverter;
using MLNetBatchNorm.OnnxProtocol;
using ElementType = MLNetBatchNorm.OnnxProtocol.TensorProto.Types.ElementType;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>
/// Converts whole pipelines as the package Microsoft.ML.OnnxConverter does: walks from the transformed data back to the source, and lets every transform on the
/// way add its nodes. As there, columns and values share one table of names, and a value takes the place of a column of its name.
/// </summary>
internal sealed class PipelineConversion : OnnxContext
{
    /// <summary>What is appended to a column's name to name an output.</summary>
    public const string OutputSuffix = ".output";

    private readonly Dictionary<string, string> _variableOfColumn = [];
    private readonly HashSet<string> _variables = [];
    private readonly HashSet<string> _nodeNames = [];
    private readonly GraphProto _graph = new() { Name = "pipeline" };
    private readonly int _opSet;

    private PipelineConversion(int opSet) => _opSet = opSet;

    /// <summary>Converts the pipeline between <paramref name="source"/> and its transformed rows, for the given columns.</summary>
    public static OnnxModel Convert(ITransformer transformer, IDataView source, string[] outputs, int opSet = 12)
    {
        var conversion = new PipelineConversion(opSet);
        IDataView end = transformer.Transform(source);
        var steps = new Stack<ITransformCanSaveOnnx>();
        for (IDataView view = end; view != source; view = ((IDataTransform)view).Source)
        {
            if (view is not ITransformCanSaveOnnx step || !step.CanSaveOnnx(conversion))
                throw new NotSupportedException($"{view.GetType().Name} cannot be converted.");
            steps.Push(step);
        }

        foreach (DataViewSchema.Column column in source.Schema)
            conversion._graph.Input.Add(Declare(conversion.AddVariable(column.Name), column.Type));
        foreach (ITransformCanSaveOnnx step in steps)
            step.SaveAsOnnx(conversion);
        foreach (string output in outputs)
        {
            string name = conversion.AddVariable(output + OutputSuffix);
            conversion.CreateNode("Identity", [conversion._variableOfColumn[output]], [name], conversion.GetNodeName("Identity"), "");
            conversion._graph.Output.Add(Declare(name, end.Schema[output].Type));
        }

        var model = new ModelProto { IrVersion = 6, Graph = conversion._graph };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = opSet });
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "ai.onnx.ml", Version = 2 });
        return new OnnxModel(model);
    }

    public override string GetNodeName(string prefix) => Unique(prefix, _nodeNames);

    public override bool IsVariableDefined(string variableName) => _variables.Contains(variableName);

    public override bool ContainsColumn(string colName) => _variableOfColumn.ContainsKey(colName);

    public override void CheckOpSetVersion(int thisTransformerMinumumOpSetVersion, string registerTransformerName)
    {
        if (_opSet < thisTransformerMinumumOpSetVersion)
            throw new NotSupportedException($"{registerTransformerName} needs opset {thisTransformerMinumumOpSetVersion}.");
    }

    public override void RemoveColumn(string colName, bool removeVariable = false) => _variableOfColumn.Remove(colName);

    public override void RemoveVariable(string variableName, bool removeColumn) => throw new NotSupportedException();

    public override void RemoveInputVariable(string variableName) => throw new NotSupportedException();

    public override string GetVariableName(string colName) => _variableOfColumn[colName];

    public override string AddIntermediateVariable(DataViewType type, string colName, bool skip = false) => AddVariable(colName);

    public override OnnxNode CreateNode(string opType, IEnumerable<string> inputs, IEnumerable<string> outputs, string name, string? domain = null)
    {
        var node = new NodeProto { OpType = opType, Name = name, Domain = domain ?? "ai.onnx.ml" };
        node.Input.Add(inputs);
        node.Output.Add(outputs);
        _graph.Node.Add(node);
        return new Node(node);
    }

    public override OnnxVersion GetOnnxVersion() => OnnxVersion.Stable;

    public override List<long> RetrieveShapeOrNull(string variableName) => null!;

    public override string AddInitializer(bool value, string? name = null, bool makeUniqueName = true) => Add([value], [], name ?? "bool", makeUniqueName);

    public override string AddInitializer(float value, string? name = null, bool makeUniqueName = true) => Add([value], [], name ?? "float", makeUniqueName);

    public override string AddInitializer(long value, string? name = null, bool makeUniqueName = true) => Add([value], [], name ?? "int64", makeUniqueName);

    public override string AddInitializer(double value, string? name = null, bool makeUniqueName = true) => Add([value], [], name ?? "double", makeUniqueName);

    public override string AddInitializer(int value, Type type, string? name = null, bool makeUniqueName = true) => throw new NotSupportedException();

    public override string AddInitializer(string value, string? name = null, bool makeUniqueName = true) => throw new NotSupportedException();

    public override string AddInitializer(ulong value, bool isUint64, string? name = null, bool makeUniqueName = true) => throw new NotSupportedException();

    public override string AddInitializer(IEnumerable<bool> values, IEnumerable<long> dims, string? name = null, bool makeUniqueName = true) =>
        Add([.. values], dims, name ?? "bools", makeUniqueName);

    public override string AddInitializer(IEnumerable<float> values, IEnumerable<long> dims, string? name = null, bool makeUniqueName = true) =>
        Add([.. values], dims, name ?? "floats", makeUniqueName);

    public override string AddInitializer(IEnumerable<long> values, IEnumerable<long> dims, string? name = null, bool makeUniqueName = true) =>
        Add([.. values], dims, name ?? "int64s", makeUniqueName);

    public override string AddInitializer(IEnumerable<double> values, IEnumerable<long> dims, string? name = null, bool makeUniqueName = true) =>
        Add([.. values], dims, name ?? "doubles", makeUniqueName);

    public override string AddInitializer(IEnumerable<int> values, Type type, IEnumerable<long> dims, string? name = null, bool makeUniqueName = true) =>
        throw new NotSupportedException();

    public override string AddInitializer(IEnumerable<string> values, IEnumerable<long> dims, string? name = null, bool makeUniqueName = true) =>
        throw new NotSupportedException();

    public override string AddInitializer(IEnumerable<ulong> values, bool isUint64, IEnumerable<long> dims, string? name = null, bool makeUniqueName = true) =>
        throw new NotSupportedException();

    private static string Unique(string prefix, HashSet<string> taken)
    {
        string name = prefix;
        for (int i = 0; !taken.Add(name); i++)
            name = prefix + i;
        return name;
    }

    private static ElementType ElementTypeOf(Type type) => type switch
    {
        _ when type == typeof(float) => ElementType.Float,
        _ when type == typeof(bool) => ElementType.Bool,
        _ when type == typeof(uint) => ElementType.Uint32,
        _ when type == typeof(long) => ElementType.Int64,
        _ when type == typeof(double) => ElementType.Double,
        _ => throw new NotSupportedException($"Tensors of {type.Name} are not needed here."),
    };

    private static ValueInfoProto Declare(string name, DataViewType type)
    {
        var vector = type as VectorDataViewType;
        var shape = new TensorShapeProto();
        shape.Dim.Add(new TensorShapeProto.Types.Dimension { DimParam = "N" });
        shape.Dim.Add(new TensorShapeProto.Types.Dimension { DimValue = vector?.Size ?? 1 });
        var tensor = new TypeProto.Types.Tensor { ElemType = ElementTypeOf((vector?.ItemType ?? type).RawType), Shape = shape };
        return new ValueInfoProto { Name = name, Type = new TypeProto { TensorType = tensor } };
    }

    private string AddVariable(string column) => _variableOfColumn[column] = Unique(column, _variables);

    private string Add<T>(T[] values, IEnumerable<long> dims, string name, bool makeUniqueName)
        where T : unmanaged
    {
        if (!makeUniqueName)
            throw new NotSupportedException();
        var tensor = new TensorProto { Name = AddVariable(name), DataType = ElementTypeOf(typeof(T)), RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes(values.AsSpan())) };
        tensor.Dims.Add(dims);
        _graph.Initializer.Add(tensor);
        return tensor.Name;
    }

    private sealed class Node(NodeProto node) : OnnxNode
    {
        public override void AddAttribute(string argName, double value) => Add(argName, AttributeProto.Types.Kind.Float).F = (float)value;

        public override void AddAttribute(string argName, long value) => Add(argName, AttributeProto.Types.Kind.Int).I = value;

        public override void AddAttribute(string argName, ReadOnlyMemory<char> value) => AddAttribute(argName, value.ToString());

        public override void AddAttribute(string argName, string value) => Add(argName, AttributeProto.Types.Kind.String).S = ByteString.CopyFromUtf8(value);

        public override void AddAttribute(string argName, bool value) => AddAttribute(argName, value ? 1L : 0L);

        public override void AddAttribute(string argName, IEnumerable<double> value) => AddAttribute(argName, value.Select(v => (float)v));

        public override void AddAttribute(string argName, IEnumerable<float> value) => Add(argName, AttributeProto.Types.Kind.Floats).Floats.Add(value);

        public override void AddAttribute(string argName, IEnumerable<long> value) => Add(argName, AttributeProto.Types.Kind.Ints).Ints.Add(value);

        public override void AddAttribute(string argName, IEnumerable<ReadOnlyMemory<char>> value) => AddAttribute(argName, value.Select(v => v.ToString()));

        public override void AddAttribute(string argName, string[] value) => AddAttribute(argName, (IEnumerable<string>)value);

        public override void AddAttribute(string argName, IEnumerable<string> value) =>
            Add(argName, AttributeProto.Types.Kind.Strings).Strings.Add(value.Select(ByteString.CopyFromUtf8));

        public override void AddAttribute(string argName, IEnumerable<bool> value) => AddAttribute(argName, value.Select(v => v ? 1L : 0L));

        public override void AddAttribute(string argName, Type t) => AddAttribute(argName, (long)ElementTypeOf(t));

        private AttributeProto Add(string name, AttributeProto.Types.Kind kind)
        {
            var attribute = new AttributeProto { Name = name, Type = kind };
            node.Attribute.Add(attribute);
            return attribute;
        }
    }
}
