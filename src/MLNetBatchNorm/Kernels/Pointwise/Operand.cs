namespace MLNetBatchNorm.Kernels;

/// <summary>What a step of a graph reads: the function's input, the result of an earlier step, or a constant.</summary>
/// <param name="Name">Name of the result or of the constant.</param>
/// <param name="Value">The constant, else null.</param>
internal readonly record struct Operand(string Name, float? Value = null)
{
    /// <summary>The function's input.</summary>
    public static readonly Operand Input = new("");

    /// <summary>A constant with a name for those who read the graph.</summary>
    public static Operand Constant(string name, float value) => new(name, value);

    /// <summary>The result of the step with this name.</summary>
    public static implicit operator Operand(string result) => new(result);
}
