namespace MLNetBatchNorm.Formats;

/// <summary>A named setting of a node: a number, an integer, or several of these.</summary>
internal readonly record struct OnnxAttribute
{
    /// <summary>A number.</summary>
    public OnnxAttribute(string name, float number)
    {
        Name = name;
        Number = number;
    }

    /// <summary>An integer.</summary>
    public OnnxAttribute(string name, long integer)
    {
        Name = name;
        Integer = integer;
    }

    /// <summary>Integers.</summary>
    public OnnxAttribute(string name, long[] integers)
    {
        Name = name;
        Integers = integers;
    }

    /// <summary>The name ONNX gives the setting.</summary>
    public string Name { get; }

    /// <summary>The value if it is a number, else null.</summary>
    public float? Number { get; }

    /// <summary>The value if it is an integer, else null.</summary>
    public long? Integer { get; }

    /// <summary>The value if it is several integers, else null.</summary>
    public long[]? Integers { get; }
}
