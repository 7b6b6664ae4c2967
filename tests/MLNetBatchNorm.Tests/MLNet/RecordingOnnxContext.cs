using Microsoft.ML.Data;
using Microsoft.ML.Model.OnnxConverter;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>An ONNX export that keeps nodes and constants in memory, so that a test can look at the graph and compute it.</summary>
internal sealed class RecordingOnnxContext(int opSet = 12) : OnnxContext
{
    private readonly Dictionary<string, string> _variables = [];
    private readonly HashSet<string> _names = [];

    public List<Node> Nodes { get; } = [];

    /// <summary>Constants of Single and Double, by name.</summary>
    public Dictionary<string, Array> Initializers { get; } = [];

    public void AddInput(string column)
    {
        _names.Add(column);
        _variables[column] = column;
    }

    public override string GetNodeName(string prefix) => Unique(prefix);

    public override bool IsVariableDefined(string variableName) => _names.Contains(variableName);

    public override bool ContainsColumn(string colName) => _variables.ContainsKey(colName);

    public override void CheckOpSetVersion(int thisTransformerMinumumOpSetVersion, string registerTransformerName)
    {
        if (opSet < thisTransformerMinumumOpSetVersion)
            throw new NotSupportedException($"{registerTransformerName} needs opset {thisTransformerMinumumOpSetVersion}");
    }

    public override void RemoveColumn(string colName, bool removeVariable) => _variables.Remove(colName);

    public override void RemoveVariable(string variableName, bool removeColumn) => throw new NotSupportedException();

    public override void RemoveInputVariable(string variableName) => throw new NotSupportedException();

    public override string GetVariableName(string colName) => _variables[colName];

    public override string AddIntermediateVariable(DataViewType type, string colName, bool skip = false)
    {
        string name = Unique(colName);
        if (!skip)
            _variables[colName] = name;
        return name;
    }

    public override OnnxNode CreateNode(
        string opType, IEnumerable<string> inputs, IEnumerable<string> outputs, string name, string? domain = null)
    {
        var node = new Node(opType, inputs.ToArray(), outputs.ToArray(), domain);
        Nodes.Add(node);
        return node;
    }

    public override OnnxVersion GetOnnxVersion() => OnnxVersion.Stable;

    public override List<long> RetrieveShapeOrNull(string variableName) => throw new NotSupportedException();

    public override string AddInitializer(
        IEnumerable<float> values, IEnumerable<long> dims, string? name = null, bool makeUniqueName = true) =>
        Constant(values.ToArray(), name!);

    public override string AddInitializer(
        IEnumerable<double> values, IEnumerable<long> dims, string? name = null, bool makeUniqueName = true) =>
        Constant(values.ToArray(), name!);

    public override string AddInitializer(bool value, string? name = null, bool makeUniqueName = true) => throw new NotSupportedException();

    public override string AddInitializer(float value, string? name = null, bool makeUniqueName = true) =>
        throw new NotSupportedException();

    public override string AddInitializer(int value, Type type, string? name = null, bool makeUniqueName = true) =>
        throw new NotSupportedException();

    public override string AddInitializer(string value, string? name = null, bool makeUniqueName = true) =>
        throw new NotSupportedException();

    public override string AddInitializer(long value, string? name = null, bool makeUniqueName = true) => throw new NotSupportedException();

    public override string AddInitializer(double value, string? name = null, bool makeUniqueName = true) =>
        throw new NotSupportedException();

    public override string AddInitializer(ulong value, bool isUint64, string? name = null, bool makeUniqueName = true) =>
        throw new NotSupportedException();

    public override string AddInitializer(
        IEnumerable<bool> values, IEnumerable<long> dims, string? name = null, bool makeUniqueName = true) =>
        throw new NotSupportedException();

    public override string AddInitializer(
        IEnumerable<int> values, Type type, IEnumerable<long> dims, string? name = null, bool makeUniqueName = true) =>
        throw new NotSupportedException();

    public override string AddInitializer(
        IEnumerable<string> values, IEnumerable<long> dims, string? name = null, bool makeUniqueName = true) =>
        throw new NotSupportedException();

    public override string AddInitializer(
        IEnumerable<long> values, IEnumerable<long> dims, string? name = null, bool makeUniqueName = true) =>
        throw new NotSupportedException();

    public override string AddInitializer(
        IEnumerable<ulong> values, bool isUint64, IEnumerable<long> dims, string? name = null, bool makeUniqueName = true) =>
        throw new NotSupportedException();

    private string Constant(Array values, string name)
    {
        string unique = Unique(name);
        Initializers[unique] = values;
        return unique;
    }

    private string Unique(string name)
    {
        string unique = name;
        for (int i = 0; !_names.Add(unique); i++)
            unique = name + i;
        return unique;
    }

    internal sealed class Node(string opType, string[] inputs, string[] outputs, string? domain) : OnnxNode
    {
        public string OpType { get; } = opType;

        public string[] Inputs { get; } = inputs;

        public string[] Outputs { get; } = outputs;

        public string? Domain { get; } = domain;

        public Dictionary<string, object> Attributes { get; } = [];

        public override void AddAttribute(string argName, double value) => Attributes[argName] = value;

        public override void AddAttribute(string argName, long value) => Attributes[argName] = value;

        public override void AddAttribute(string argName, ReadOnlyMemory<char> value) => Attributes[argName] = value;

        public override void AddAttribute(string argName, string value) => Attributes[argName] = value;

        public override void AddAttribute(string argName, bool value) => Attributes[argName] = value;

        public override void AddAttribute(string argName, IEnumerable<double> value) => Attributes[argName] = value;

        public override void AddAttribute(string argName, IEnumerable<float> value) => Attributes[argName] = value;

        public override void AddAttribute(string argName, IEnumerable<long> value) => Attributes[argName] = value;

        public override void AddAttribute(string argName, IEnumerable<ReadOnlyMemory<char>> value) => Attributes[argName] = value;

        public override void AddAttribute(string argName, string[] value) => Attributes[argName] = value;

        public override void AddAttribute(string argName, IEnumerable<string> value) => Attributes[argName] = value;

        public override void AddAttribute(string argName, IEnumerable<bool> value) => Attributes[argName] = value;

        public override void AddAttribute(string argName, Type value) => Attributes[argName] = value;
    }
}
