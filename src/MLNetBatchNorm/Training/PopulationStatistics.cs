using MLNetBatchNorm.Data;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>Replaces running statistics by those of the training set under the final weights.</summary>
internal static class PopulationStatistics
{
    /// <summary>Makes the statistics the definition asks for; leaves running and cumulative averages as training left them.</summary>
    /// <remarks>
    /// <para><see cref="BatchNormalizationStatistics.Population"/> is algorithm 2 of Ioffe and Szegedy 2015: one pass in which every layer
    /// normalizes with batch statistics, as in training, and averages the batch means and unbiased batch variances. One pass is enough
    /// because no layer's input depends on another layer's frozen statistics.</para>
    /// <para><see cref="BatchNormalizationStatistics.PopulationPooled"/> goes layer by layer, one pass each: a layer's moments are those of
    /// all rows at once, behind layers that are already frozen, so they are exactly the moments of what the layer will see in prediction,
    /// including the variance between batches that algorithm 2 leaves out (Wu and Johnson 2021, arXiv:2105.07576, section 3).</para>
    /// <para>
    /// Dropout is off in both, as in prediction: the variance it adds must not be frozen in (Li et al. 2019, arXiv:1801.05134).
    /// </para>
    /// </remarks>
    public static void Compute(
        FeedForwardNetwork network, NetworkDefinition definition, TrainingStep step, BatchPlan plan, CancellationToken cancellation)
    {
        if (definition.Statistics == BatchNormalizationStatistics.Population)
        {
            foreach (BatchNormLayer layer in network.Normalizations)
            {
                layer.ResetStatistics();
                layer.Policy = StatisticsPolicy.Cumulative;
            }
            Pass(step, plan, cancellation);
        }
        else if (definition.Statistics == BatchNormalizationStatistics.PopulationPooled)
        {
            foreach (BatchNormLayer layer in network.Normalizations)
            {
                layer.BeginPooling();
                Pass(step, plan, cancellation);
                layer.EndPooling();
            }
        }
    }

    private static void Pass(TrainingStep step, BatchPlan plan, CancellationToken cancellation)
    {
        step.BeginPass();
        for (int batch = 0; batch < plan.Batches; batch++)
        {
            cancellation.ThrowIfCancellationRequested();
            (int first, int rows) = plan.Batch(batch);
            step.RunForward(first, rows);
        }
    }
}
