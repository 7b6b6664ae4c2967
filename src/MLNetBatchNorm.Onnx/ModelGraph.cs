using System.Buffers.Binary;
using Google.Protobuf;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.OnnxProtocol;

namespace MLNetBatchNorm;

/// <summary>A graph that is written to a file of its own.</summary>
internal sealed class ModelGraph : OnnxGraph
{
    /// <summary>The name of the first dimension of every input and output: the number of rows, which the caller chooses.</summary>
    private const string RowsDimension = "N";

    private readonly HashSet<string> _valueNames = [];
    private readonly Dictionary<string, int> _nodeCounts = [];

    /// <summary>A graph without nodes; <paramref name="reservedNames"/> are kept for inputs and outputs.</summary>
    public ModelGraph(string name, IEnumerable<string> reservedNames)
    {
        Graph.Name = name;
        _valueNames.UnionWith(reservedNames);
    }

    /// <summary>What has been added so far.</summary>
    public GraphProto Graph { get; } = new();

    /// <summary>Declares an input, [rows, columns].</summary>
    public void AddInput(string name, TensorProto.Types.ElementType type, int columns) => Graph.Input.Add(Value(name, type, columns));

    /// <summary>Declares an output, [rows, columns].</summary>
    public void AddOutput(string name, TensorProto.Types.ElementType type, int columns) => Graph.Output.Add(Value(name, type, columns));

    public override string Floats(string name, float[] values, params long[] shape)
    {
        var bytes = new byte[checked(values.Length * sizeof(float))];
        for (int i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), values[i]);
        return Constant(name, TensorProto.Types.ElementType.Float, bytes, shape);
    }

    public override string Doubles(string name, params double[] values)
    {
        var bytes = new byte[checked(values.Length * sizeof(double))];
        for (int i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(i * sizeof(double)), values[i]);
        return Constant(name, TensorProto.Types.ElementType.Double, bytes, values.Length);
    }

    public override string Integers(string name, params long[] values)
    {
        var bytes = new byte[checked(values.Length * sizeof(long))];
        for (int i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(i * sizeof(long)), values[i]);
        return Constant(name, TensorProto.Types.ElementType.Int64, bytes, values.Length);
    }

    public override string Booleans(string name, params bool[] values) =>
        Constant(name, TensorProto.Types.ElementType.Bool, [.. values.Select(v => v ? (byte)1 : (byte)0)], values.Length);

    public override void NodeTo(string output, string operation, string[] inputs, params OnnxAttribute[] attributes)
    {
        int count = _nodeCounts[operation] = _nodeCounts.GetValueOrDefault(operation) + 1;
        var node = new NodeProto { OpType = operation, Name = $"{operation}_{count}" };
        node.Input.Add(inputs);
        node.Output.Add(output);
        foreach (OnnxAttribute attribute in attributes)
        {
            node.Attribute.Add(AttributeOf(attribute));
        }

        Graph.Node.Add(node);
    }

    private static AttributeProto AttributeOf(OnnxAttribute attribute)
    {
        if (attribute.Number is { } number)
            return new AttributeProto { Name = attribute.Name, Type = AttributeProto.Types.Kind.Float, F = number };
        if (attribute.Integers is not { } integers)
            return new AttributeProto { Name = attribute.Name, Type = AttributeProto.Types.Kind.Int, I = attribute.Integer!.Value };
        var several = new AttributeProto { Name = attribute.Name, Type = AttributeProto.Types.Kind.Ints };
        several.Ints.Add(integers);
        return several;
    }

    protected override string NewValue(string name)
    {
        string unique = name;
        for (int i = 2; !_valueNames.Add(unique); i++)
            unique = $"{name}_{i}";
        return unique;
    }

    private static ValueInfoProto Value(string name, TensorProto.Types.ElementType type, int columns)
    {
        var shape = new TensorShapeProto();
        shape.Dim.Add(new TensorShapeProto.Types.Dimension { DimParam = RowsDimension });
        shape.Dim.Add(new TensorShapeProto.Types.Dimension { DimValue = columns });
        return new ValueInfoProto
        {
            Name = name, Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = type, Shape = shape } },
        };
    }

    private string Constant(string name, TensorProto.Types.ElementType type, byte[] bytes, params long[] shape)
    {
        var tensor = new TensorProto { Name = NewValue(name), DataType = type, RawData = UnsafeByteOperations.UnsafeWrap(bytes) };
        tensor.Dims.Add(shape);
        Graph.Initializer.Add(tensor);
        return tensor.Name;
    }
}
