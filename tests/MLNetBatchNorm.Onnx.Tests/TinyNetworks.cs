using Microsoft.ML;
using MLNetBatchNorm.Tests.MLNet;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>Networks that are trained in a moment, and far enough from their first weights for mistakes to show.</summary>
internal static class TinyNetworks
{
    /// <summary>Trains on rows of which some lack values.</summary>
    public static ITransformer Train(MLContext context, NetworkKind kind, Action<BatchNormNetworkOptions>? change = null)
    {
        IEstimator<ITransformer> trainer = Trainer(context, kind, change);
        return trainer.Fit(NetworkExamples.View(context, kind, TrainingRows()));
    }

    public static IEstimator<ITransformer> Trainer(MLContext context, NetworkKind kind, Action<BatchNormNetworkOptions>? change = null) =>
        NetworkExamples.Quick(context, kind, options =>
        {
            options.HiddenUnits = [7, 5];
            options.BatchSize = 16;
            options.MaximumNumberOfEpochs = 2;
            options.NumberOfThreads = 1;
            options.LearningRate = 0.05;
            options.InitialGamma = 0.8;
            options.RunningStatisticsMomentum = 0.3;
            change?.Invoke(options);
        });

    /// <summary>Rows to train on; every seventh lacks its second value, every eleventh its third.</summary>
    public static List<Example> TrainingRows()
    {
        List<Example> rows = NetworkExamples.Rows(120);
        for (int i = 0; i < rows.Count; i += 7)
            rows[i].Features[1] = float.NaN;
        for (int i = 0; i < rows.Count; i += 11)
            rows[i].Features[2] = float.NaN;
        return rows;
    }

    /// <summary>
    /// Other rows than those of training: ordinary ones, some with values missing, also where none was in training, and outliers.
    /// </summary>
    public static float[][] TestRows()
    {
        float[][] rows = [.. NetworkExamples.Rows(80, seed: 2).Select(r => r.Features)];
        for (int i = 0; i < 24; i++)
            rows[i][i % 4] = float.NaN;
        rows[24] = [float.NaN, float.NaN, float.NaN, float.NaN];
        rows[25] = [-1e6f, 1e6f, 1e3f, 5f];
        rows[26] = [1e25f, -1e25f, 0, 0];
        return rows;
    }
}
