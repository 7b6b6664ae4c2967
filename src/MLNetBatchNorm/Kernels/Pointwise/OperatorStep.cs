namespace MLNetBatchNorm.Kernels;

/// <summary>One operator in the graph of a function of one value: plain data, for whoever writes graphs.</summary>
/// <param name="Operator">Name of the operator.</param>
/// <param name="Result">What later steps call the result; empty for the result of the whole.</param>
/// <param name="Operands">What it is applied to.</param>
internal sealed record OperatorStep(string Operator, string Result, Operand[] Operands)
{
    /// <summary>The last step, which gives the result.</summary>
    public OperatorStep(string lastOperator, Operand[] operands)
        : this(lastOperator, "", operands)
    {
    }

    /// <summary>A function that is a single operator.</summary>
    public OperatorStep(string onlyOperator)
        : this(onlyOperator, [Operand.Input])
    {
    }

    /// <summary>Constants of the operator, by name.</summary>
    public (string Name, float Value)[] Settings { get; init; } = [];
}
