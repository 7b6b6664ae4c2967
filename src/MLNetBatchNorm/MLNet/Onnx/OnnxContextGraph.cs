using Microsoft.ML.Model.OnnxConverter;
using MLNetBatchNorm.Export;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>The part of ML.NET's own conversion of a pipeline that is one network.</summary>
internal sealed class OnnxContextGraph : OnnxGraph
{
    /// <summary>
    /// In front of every name: ML.NET keeps columns and values in one table, so a value called like
    /// a column of the pipeline would take its place.
    /// </summary>
    private const string Prefix = "BatchNormNetwork.";

    private readonly OnnxContext _context;

    private OnnxContextGraph(OnnxContext context) => _context = context;

    /// <summary>Adds a network with one output: a logit or a prediction.</summary>
    /// <param name="context">ML.NET's conversion.</param>
    /// <param name="network">The network.</param>
    /// <param name="outputNames">
    /// What ML.NET asks for: the score alone (under a calibrator, and in regression), or the predicted label, which
    /// ML.NET makes from the score, and then the score.
    /// </param>
    /// <param name="featureColumnName">Name of the value that holds the features.</param>
    public static void SaveScore(OnnxContext context, TrainedNetwork network, string[] outputNames, string featureColumnName)
    {
        context.CheckOpSetVersion(NetworkOnnx.MinimumOpSet, nameof(MLNetBatchNorm));
        NetworkOnnx.AddScores(
            new OnnxContextGraph(context), network, featureColumnName, foldBatchNormalization: true,
            outputNames[outputNames.Length > 1 ? 1 : 0]);
    }

    /// <summary>Adds a network with an output for each of several labels: logits, then what is made of them.</summary>
    /// <param name="context">ML.NET's conversion.</param>
    /// <param name="network">The network.</param>
    /// <param name="outputNames">Names of the scores, the probabilities and the predicted labels.</param>
    /// <param name="featureColumnName">Name of the value that holds the features.</param>
    public static void SaveLabels(OnnxContext context, TrainedNetwork network, string[] outputNames, string featureColumnName)
    {
        context.CheckOpSetVersion(NetworkOnnx.MinimumOpSet, nameof(MLNetBatchNorm));
        NetworkOnnx.AddLabels(
            new OnnxContextGraph(context), network, featureColumnName, foldBatchNormalization: true, scores: outputNames[0],
            probabilities: outputNames[1], predictedLabels: outputNames[2]);
    }

    /// <summary>Adds a network for regression with the bounds of its intervals: score, lower and upper bounds.</summary>
    public static void SaveIntervals(OnnxContext context, TrainedNetwork network, string[] outputNames, string featureColumnName)
    {
        context.CheckOpSetVersion(NetworkOnnx.MinimumOpSet, nameof(MLNetBatchNorm));
        NetworkOnnx.AddIntervals(
            new OnnxContextGraph(context), network, featureColumnName, foldBatchNormalization: true, outputNames[0], outputNames[1],
            outputNames[2]);
    }

    /// <summary>
    /// Adds a network with one output for each class. ML.NET asks for the predicted label and the score, and leaves both to the model.
    /// </summary>
    public static void SaveClasses(OnnxContext context, TrainedNetwork network, string[] outputNames, string featureColumnName)
    {
        context.CheckOpSetVersion(NetworkOnnx.MinimumOpSet, nameof(MLNetBatchNorm));
        NetworkOnnx.AddClasses(
            new OnnxContextGraph(context), network, featureColumnName, foldBatchNormalization: true, probabilities: outputNames[1],
            predictedLabel: outputNames[0]);
    }

    public override string Floats(string name, float[] values, params long[] shape) =>
        _context.AddInitializer(values, shape, Prefix + name);

    public override string Doubles(string name, params double[] values) => _context.AddInitializer(values, [values.Length], Prefix + name);

    public override string Integers(string name, params long[] values) => _context.AddInitializer(values, [values.Length], Prefix + name);

    public override string Booleans(string name, params bool[] values) => _context.AddInitializer(values, [values.Length], Prefix + name);

    public override void NodeTo(string output, string operation, string[] inputs, params OnnxAttribute[] attributes)
    {
        // No domain means ONNX's extension for machine learning there; the empty one is ONNX itself.
        OnnxNode node = _context.CreateNode(operation, inputs, [output], _context.GetNodeName(operation), "");
        foreach (OnnxAttribute attribute in attributes)
        {
            if (attribute.Number is { } number)
                node.AddAttribute(attribute.Name, (double)number);
            else if (attribute.Integers is { } integers)
                node.AddAttribute(attribute.Name, integers);
            else
                node.AddAttribute(attribute.Name, attribute.Integer!.Value);
        }
    }

    // Skipped values need no type: runtimes infer it.
    protected override string NewValue(string name) => _context.AddIntermediateVariable(null!, Prefix + name, skip: true);
}
