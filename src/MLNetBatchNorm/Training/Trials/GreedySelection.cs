using System.Numerics.Tensors;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Training;

/// <summary>
/// Chooses what each of several candidates counts for in a weighted mean: greedily and with replacement (Caruana, Niculescu-Mizil, Crew and
/// Ksikes 2004, "Ensemble selection from libraries of models").
/// </summary>
/// <remarks>
/// <para>Candidate 0, the defaults, is in from the start and counts as if it had been chosen <see cref="StartCount"/> times, so that few
/// rows do not drive it out by chance. Then the candidate is added, again and again, with which the loss is lowest, as long as it
/// falls.</para>
/// <para>That is done on <see cref="Bags"/> random halves of the rows, and counts are added up: what is chosen by the peculiarities of some
/// rows is chosen on few of the halves, and counts for little (section 2.3 there leaves out models at random for the same reason).</para>
/// <para>A candidate whose loss is no number is not chosen, be it the defaults: the first of the others takes their part.</para>
/// <para>All of it is in a fixed order, on one thread.</para>
/// </remarks>
internal static class GreedySelection
{
    /// <summary>Random halves of the rows.</summary>
    private const int Bags = 8;

    /// <summary>Candidates that are added on each half, at most.</summary>
    private const int Steps = 12;

    /// <summary>How often candidate 0 counts as chosen before any is.</summary>
    private const int StartCount = 2;

    /// <summary>Standard errors by which another candidate must be better than the defaults to take their place alone.</summary>
    private const double NoticedErrors = 1;

    /// <summary>The weight of each candidate; they add up to 1.</summary>
    /// <param name="loss">The rows.</param>
    /// <param name="candidates">What each candidate says of the rows.</param>
    /// <param name="hashes">Random bits of each row, the same for all rows of a group.</param>
    /// <param name="most">Candidates whose weight is not 0, at most.</param>
    /// <param name="cancellation">Asked before every step.</param>
    public static double[] Select(
        MixtureLoss loss, IReadOnlyList<float[]> candidates, ulong[] hashes, int most, CancellationToken cancellation)
    {
        double[] weights = new double[candidates.Count];
        float[] rowLoss = new float[loss.Rows];
        int[] usable = [.. Enumerable.Range(0, candidates.Count).Where(i =>
        {
            loss.Compute(candidates[i], rowLoss);
            return double.IsFinite(loss.Mean(rowLoss));
        })];
        if (usable.Length > 0 && usable.Length < candidates.Count)
        {
            double[] chosen = Select(loss, [.. usable.Select(i => candidates[i])], hashes, most, cancellation);
            for (int i = 0; i < usable.Length; i++)
                weights[usable[i]] = chosen[i];
            return weights;
        }

        if (most == 1 || candidates.Count == 1)
        {
            weights[Best(loss, candidates)] = 1;
            return weights;
        }

        bool[] taken = new bool[hashes.Length];
        for (int bag = 0; bag < Bags; bag++)
        {
            ulong key = RandomStream.Mix(RandomPurpose.SelectionBag + ((ulong)bag << 32));
            for (int row = 0; row < taken.Length; row++)
                taken[row] = (RandomStream.Mix(hashes[row] ^ key) & 1) == 0;
            // A few rows of one group may all be on one side.
            if (!taken.Contains(true))
                taken.AsSpan().Fill(true);
            AddCounts(loss, candidates, taken, weights, cancellation);
        }

        int[] kept = [.. Enumerable.Range(0, weights.Length).OrderByDescending(i => weights[i]).ThenBy(i => i).Take(most)];
        double sum = kept.Sum(i => weights[i]);
        return [.. weights.Select((weight, i) => kept.Contains(i) ? weight / sum : 0)];
    }

    private static void AddCounts(
        MixtureLoss loss, IReadOnlyList<float[]> candidates, bool[] taken, double[] counts, CancellationToken cancellation)
    {
        int length = candidates[0].Length;
        float[] sum = new float[length], mean = new float[length], rowLoss = new float[loss.Rows];
        TensorPrimitives.Multiply(candidates[0], StartCount, sum);
        double lowest = MeanLoss(candidates[0]);
        double[] own = new double[candidates.Count];
        own[0] = StartCount;
        int count = StartCount;
        for (int step = 0; step < Steps; step++)
        {
            int best = -1;
            for (int candidate = 0; candidate < candidates.Count; candidate++)
            {
                cancellation.ThrowIfCancellationRequested();
                TensorPrimitives.Add(sum, candidates[candidate], mean);
                TensorPrimitives.Divide(mean, count + 1, mean);
                double found = MeanLoss(mean);
                if (found < lowest)
                    (best, lowest) = (candidate, found);
            }

            if (best < 0)
                break;
            TensorPrimitives.Add(sum, candidates[best], sum);
            own[best]++;
            count++;
        }

        for (int candidate = 0; candidate < own.Length; candidate++)
            counts[candidate] += own[candidate] / count;

        double MeanLoss(float[] scores)
        {
            loss.Compute(scores, rowLoss);
            return loss.Mean(rowLoss, taken);
        }
    }

    /// <summary>The candidate with the lowest loss, unless it may be lower than that of the defaults by chance.</summary>
    private static int Best(MixtureLoss loss, IReadOnlyList<float[]> candidates)
    {
        float[] usual = new float[loss.Rows], other = new float[loss.Rows], difference = new float[loss.Rows];
        loss.Compute(candidates[0], usual);
        (int best, double lowest) = (0, loss.Mean(usual));
        for (int candidate = 1; candidate < candidates.Count; candidate++)
        {
            loss.Compute(candidates[candidate], other);
            double found = loss.Mean(other);
            TensorPrimitives.Subtract(usual, other, difference);
            double gain = loss.Mean(difference);
            TensorPrimitives.Subtract(difference, (float)gain, difference);
            TensorPrimitives.Multiply(difference, difference, difference);
            double error = Math.Sqrt(loss.Mean(difference) / loss.Rows);
            if (found < lowest && gain > NoticedErrors * error)
                (best, lowest) = (candidate, found);
        }

        return best;
    }
}
