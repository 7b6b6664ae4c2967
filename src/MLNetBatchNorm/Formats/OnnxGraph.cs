namespace MLNetBatchNorm.Formats;

/// <summary>An ONNX graph under construction: constants, and nodes in the order in which they are computed.</summary>
/// <remarks>Hides who keeps the graph: ML.NET's own conversion of a pipeline, or a model file written by us.</remarks>
internal abstract class OnnxGraph
{
    /// <summary>Number of single precision among ONNX's element types.</summary>
    public const long FloatType = 1;

    /// <summary>Number of double precision among ONNX's element types.</summary>
    public const long DoubleType = 11;

    /// <summary>Adds a constant of floats and returns its name, which is <paramref name="name"/> unless that is taken.</summary>
    public abstract string Floats(string name, float[] values, params long[] shape);

    /// <summary>Adds a vector of numbers in double precision.</summary>
    public abstract string Doubles(string name, params double[] values);

    /// <summary>Adds a vector of integers.</summary>
    public abstract string Integers(string name, params long[] values);

    /// <summary>Adds a vector of truth values.</summary>
    public abstract string Booleans(string name, params bool[] values);

    /// <summary>Adds a node and returns the name of its output, which is <paramref name="name"/> unless that is taken.</summary>
    public string Node(string operation, string name, string[] inputs, params OnnxAttribute[] attributes)
    {
        string output = NewValue(name);
        NodeTo(output, operation, inputs, attributes);
        return output;
    }

    /// <summary>
    /// Adds a node and returns the name of its output: <paramref name="output"/>, or one after <paramref name="name"/> where that is null.
    /// </summary>
    public string NodeAs(string? output, string operation, string name, string[] inputs, params OnnxAttribute[] attributes)
    {
        if (output is null)
            return Node(operation, name, inputs, attributes);
        NodeTo(output, operation, inputs, attributes);
        return output;
    }

    /// <summary>
    /// Adds the nodes that hold a value between two bounds, the larger of the smaller: Clip
    /// took its bounds in another form before opset 11.
    /// </summary>
    public string Bounds(string name, string input, float low, float high)
    {
        string below = Node("Min", $"{name}_above", [input, Floats($"{name}_high", [high], 1)]);
        return Node("Max", name, [below, Floats($"{name}_low", [low], 1)]);
    }

    /// <summary>Adds a node whose output has a name that is known already, such as an output of the graph.</summary>
    public abstract void NodeTo(string output, string operation, string[] inputs, params OnnxAttribute[] attributes);

    /// <summary>A name for a value, not yet used by any other.</summary>
    protected abstract string NewValue(string name);
}
