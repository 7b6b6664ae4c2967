using MLNetBatchNorm.Data;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>
/// Targets that are the same in all rows: no step is taken for them, and the network says of every row what they are. Nothing that others
/// teach the layers they share can change that.
/// </summary>
internal static class ConstantOutputs
{
    /// <summary>What each of several targets counts for in training: those that are the same in all rows nothing, unless all are.</summary>
    /// <param name="weights">What they are to count for.</param>
    /// <param name="constants">The targets that are the same in all rows.</param>
    public static float[] WeightsWithout(float[] weights, IReadOnlyList<ConstantTarget> constants)
    {
        if (constants.Count == 0 || constants.Count == weights.Length)
            return weights;
        float[] kept = [.. weights];
        foreach (ConstantTarget constant in constants)
            kept[constant.Target] = 0;
        return kept;
    }

    /// <summary>
    /// Makes a network that was trained say what they are: of numbers the mean that is added to outputs, or that they are multiplied with
    /// behind a logarithm; of labels the logit of a constant.
    /// </summary>
    /// <param name="parameters">The network.</param>
    /// <param name="constants">The targets that are the same in all rows.</param>
    /// <param name="kind">What they are.</param>
    public static void Set(NetworkParameters parameters, IReadOnlyList<ConstantTarget> constants, LabelKind kind)
    {
        LinearParameters output = parameters.Linear[^1];
        foreach ((int target, float value, int rows) in constants)
        {
            double constant = kind != LabelKind.Binary ? 0 : value == 0 ? Logit(rows, 0) : Logit(0, rows);
            output.Rescale(target, 0, constant);
        }
    }

    /// <summary>
    /// The logit of true where all rows are one or the other: its probability is <c>(rows that are true + 1) / (rows + 2)</c>, Laplace's
    /// rule of succession, so that the more rows there are, the surer it is.
    /// </summary>
    public static double Logit(int areFalse, int areTrue) => Math.Log((areTrue + 1.0) / (areFalse + 1.0));
}
