using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Reporting;

/// <summary>The network in a model, and the steps before it.</summary>
internal sealed class ReportedNetwork
{
    private ReportedNetwork(
        ITransformer before, ISingleFeaturePredictionTransformer<object> predictor, NetworkTask task, BatchNormNetwork network,
        IReadOnlyList<float>? contributionBase, RowExplainer explain)
    {
        Before = before;
        Predictor = predictor;
        Task = task;
        Network = network;
        Members = network.Members;
        Trials = network.Trials;
        MetricName = network.ValidationMetricName;
        Encoder = network.Encoder;
        ContributionBase = contributionBase;
        Explain = explain;
    }

    /// <summary>Says what each slot contributes to the scores of rows, [rows, scores, slots].</summary>
    public delegate void RowExplainer(ReadOnlySpan<float> features, int rows, Span<float> contributions);

    /// <summary>Makes the columns that the network reads.</summary>
    public ITransformer Before { get; }

    /// <summary>The network as a step of a pipeline.</summary>
    public ISingleFeaturePredictionTransformer<object> Predictor { get; }

    public NetworkTask Task { get; }

    /// <summary>All that is known of it.</summary>
    public BatchNormNetwork Network { get; }

    /// <summary>The networks whose mean is predicted; often a single one.</summary>
    public IReadOnlyList<BatchNormNetworkMember> Members { get; }

    /// <summary>What was tried before they were chosen; mostly nothing.</summary>
    public IReadOnlyList<BatchNormNetworkTrial> Trials { get; }

    /// <summary>What the networks were measured by after each epoch; null where an old model does not say.</summary>
    public string? MetricName { get; }

    /// <summary>What the network reads.</summary>
    public BatchNormNetworkEncoder Encoder { get; }

    /// <summary>What contributions are added to, for each score; null where a network of pictures has none.</summary>
    public IReadOnlyList<float>? ContributionBase { get; }

    /// <summary>Says what each slot contributes.</summary>
    public RowExplainer Explain { get; }

    /// <summary>The levels of its prediction intervals; mostly none.</summary>
    public IReadOnlyList<double> IntervalLevels { get; private init; } = [];

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
                    return new ReportedNetwork(
                        before, predictor, NetworkTask.Binary, network.Network, BaseOf(() => network.FeatureContributionBase),
                        network.GetFeatureContributions);
                case BatchNormNetworkMulticlassModelParameters network:
                    return new ReportedNetwork(
                        before, predictor, NetworkTask.Multiclass, network.Network, BaseOf(() => network.FeatureContributionBase),
                        network.GetFeatureContributions);
                case BatchNormNetworkRegressionModelParameters network:
                    return new ReportedNetwork(
                        before, predictor, NetworkTask.Regression, network.Network, BaseOf(() => network.FeatureContributionBase),
                        network.GetFeatureContributions)
                    {
                        IntervalLevels = network.IntervalLevels,
                    };
            }
        }

        throw new ArgumentException(
            $"The model has no batch-normalized network: found {string.Join(", ", steps.Select(step => step.GetType().Name))}. "
            + "Give what Fit of a BatchNormNetwork trainer, or of a pipeline with one, returned.",
            nameof(model));
    }

    private static IReadOnlyList<float>? BaseOf(Func<IReadOnlyList<float>> read)
    {
        try
        {
            return read();
        }
        catch (NotSupportedException)
        {
            return null;
        }
    }

    private static object Uncalibrated(object parameters)
        => parameters is CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator> calibrated
            ? calibrated.SubModel
            : parameters;

    private static IEnumerable<ITransformer> Steps(ITransformer model)
        => model is IEnumerable<ITransformer> chain ? chain.SelectMany(Steps) : [model];
}
