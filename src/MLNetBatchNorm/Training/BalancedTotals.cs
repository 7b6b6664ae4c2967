using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>
/// Makes the predictions of a network that gives logarithms add up to the labels of its training rows, by one number for each output.
/// </summary>
/// <remarks>
/// <para>At the minimum of Poisson's deviance they would do so by themselves. Training does not end there: dropout and the statistics of
/// mini-batches make an output noisy, the mean of an exponential is not the exponential of a mean, and the best epoch is not the last
/// step; 3% were missing or too many. Totals are what such predictions are added up to (the balance property, Wuthrich 2020).</para>
/// <para>One pass over the rows, in order, on one thread: the same for any number of threads.</para>
/// </remarks>
internal static class BalancedTotals
{
    /// <summary>Moves the biases of the last map.</summary>
    /// <param name="parameters">The trained network.</param>
    /// <param name="training">The rows it was trained on.</param>
    /// <param name="link">What makes means of outputs before networks are averaged.</param>
    /// <param name="cancellation">Asked before every block of rows.</param>
    public static void Restore(NetworkParameters parameters, EncodedRows training, OutputLink link, CancellationToken cancellation)
    {
        FoldedNetwork folded = FoldedNetwork.Create(training.Encoder, parameters, sharesFirstLayer: training.Shape.IsSparse);
        ScoringScratch scratch = folded.CreateScratch();
        int outputs = folded.Outputs;
        float[] targets = new float[scratch.Rows * outputs], means = new float[scratch.Rows * outputs];
        float[] weights = training.Shape.IsWeighted ? new float[scratch.Rows] : [];
        double[] observed = new double[outputs], predicted = new double[outputs];
        training.Source.Restart();
        for (int first = 0; first < training.Count; first += scratch.Rows)
        {
            cancellation.ThrowIfCancellationRequested();
            int rows = Math.Min(scratch.Rows, training.Count - first);
            training.Source.Prepare(first, rows);
            training.GatherTargets(first, rows, targets, weights);
            OutputLink.Identity.Apply(folded.Forward(scratch, training, first, rows, link), rows, means);
            for (int i = 0; i < rows * outputs; i++)
            {
                double weight = weights.Length == 0 ? 1 : weights[i / outputs];
                observed[i % outputs] += weight * targets[i];
                predicted[i % outputs] += weight * means[i];
            }
        }

        Span<float> bias = parameters.Linear[^1].Bias!.Span;
        for (int k = 0; k < outputs; k++)
        {
            // Where nothing was ever counted there is nothing to add up to; where a sum is not finite, training has diverged.
            double shift = Math.Log(observed[k] / predicted[k]);
            if (double.IsFinite(shift))
                bias[k] += (float)shift;
        }
    }
}
