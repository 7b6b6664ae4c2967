namespace MLNetBatchNorm;

/// <summary>
/// How a network is written as an ONNX file by <c>mlContext.Model.ConvertBatchNormNetworkToOnnx</c>.
/// The defaults suit a file that is to be run.
/// </summary>
public sealed class BatchNormNetworkOnnxOptions
{
    /// <summary>The version of ONNX's operators that the file asks for.</summary>
    /// <value>
    /// Default 12. Range [12, 17]. Every runtime that reads a newer version reads 12, and the nodes are the same in all of them, so there
    /// is no reason to ask for more but a tool that does.
    /// </value>
    public int OpSetVersion { get; set; } = LowestOpSetVersion;

    /// <summary>
    /// Whether each batch normalization, <c>y = gamma * (x - mean) / sqrt(variance + epsilon) + beta</c>, becomes a part of the linear map
    /// beside it, or a <c>BatchNormalization</c> node.
    /// </summary>
    /// <value>
    /// Default true: the file holds the very numbers that the model scores with, folded in double precision, and runs faster. False keeps
    /// gamma, beta and the running statistics readable, rounded to float, for tools that look at them or go on training.
    /// </value>
    /// <remarks>
    /// The node's attribute <c>momentum</c> is the weight of the <em>old</em> value, as ONNX has it: one minus
    /// <see cref="BatchNormNetworkOptions.RunningStatisticsMomentum"/>. Prediction does not use it.
    /// </remarks>
    public bool FoldBatchNormalization { get; set; } = true;

    /// <summary>Name of the file's input, a tensor [rows, feature slots] of floats.</summary>
    /// <value>
    /// Default null: the name of the feature column the model was trained with; <c>Features</c> where only model parameters are given.
    /// </value>
    public string? InputName { get; set; }

    internal const int LowestOpSetVersion = 12;
    internal const int HighestOpSetVersion = 17;

    /// <summary>A copy, with everything in range.</summary>
    internal static BatchNormNetworkOnnxOptions CheckedCopy(BatchNormNetworkOnnxOptions? options, string parameterName)
    {
        var copy = (BatchNormNetworkOnnxOptions)(options ?? new BatchNormNetworkOnnxOptions()).MemberwiseClone();
        if (copy.OpSetVersion is < LowestOpSetVersion or > HighestOpSetVersion)
        {
            throw new ArgumentOutOfRangeException(
                parameterName, copy.OpSetVersion, $"{nameof(OpSetVersion)} must be from {LowestOpSetVersion} to {HighestOpSetVersion}.");
        }

        if (copy.InputName is { } name && (name.Length == 0 || OnnxNames.Outputs.Contains(name)))
        {
            throw new ArgumentOutOfRangeException(
                parameterName, name, $"{nameof(InputName)} must be a name, and none of an output: {string.Join(", ", OnnxNames.Outputs)}.");
        }
        return copy;
    }
}
