using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Reporting;

/// <summary>What the network predicts.</summary>
internal enum NetworkTask
{
    Binary,
    Multiclass,
    Regression,
}

/// <summary>The network in a model, and the steps before it.</summary>
internal sealed class ReportedNetwork
{
    private ReportedNetwork(
        ITransformer before, ISingleFeaturePredictionTransformer<object> predictor, NetworkTask task,
        BatchNormNetwork network)
    {
        Before = before;
        Predictor = predictor;
        Task = task;
        Members = network.Members;
        MetricName = network.ValidationMetricName;
    }

    /// <summary>Makes the columns that the network reads.</summary>
    public ITransformer Before { get; }

    /// <summary>The network as a step of a pipeline.</summary>
    public ISingleFeaturePredictionTransformer<object> Predictor { get; }

    public NetworkTask Task { get; }

    /// <summary>The networks whose mean is predicted; often a single one.</summary>
    public IReadOnlyList<BatchNormNetworkMember> Members { get; }

    /// <summary>What the networks were measured by after each epoch; null where an old model does not say.</summary>
    public string? MetricName { get; }

    /// <summary>The last network of a model.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static ReportedNetwork Find(ITransformer model)
    {
        ITransformer[] steps = [.. Steps(model)];
        for (int i = steps.Length - 1; i >= 0; i--)
        {
            if (steps[i] is not ISingleFeaturePredictionTransformer<object> predictor)
                continue;
            ITransformer before = new TransformerChain<ITransformer>(steps[..i]);
            switch (Uncalibrated(predictor.Model))
            {
                case BatchNormNetworkBinaryModelParameters network:
                    return new ReportedNetwork(before, predictor, NetworkTask.Binary, network.Network);
                case BatchNormNetworkMulticlassModelParameters network:
                    return new ReportedNetwork(before, predictor, NetworkTask.Multiclass, network.Network);
                case BatchNormNetworkRegressionModelParameters network:
                    return new ReportedNetwork(before, predictor, NetworkTask.Regression, network.Network);
            }
        }

        throw new ArgumentException(
            $"The model has no batch-normalized network: found {string.Join(", ", steps.Select(step => step.GetType().Name))}. "
            + "Give what Fit of a BatchNormNetwork trainer, or of a pipeline with one, returned.",
            nameof(model));
    }

    private static object Uncalibrated(object parameters)
        => parameters is CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator> calibrated
            ? calibrated.SubModel
            : parameters;

    private static IEnumerable<ITransformer> Steps(ITransformer model)
        => model is IEnumerable<ITransformer> chain ? chain.SelectMany(Steps) : [model];
}
