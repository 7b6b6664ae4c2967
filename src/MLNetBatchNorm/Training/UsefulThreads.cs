using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>How many threads one network's training keeps busy: the threads of a team meet several times a step.</summary>
internal static class UsefulThreads
{
    /// <summary>
    /// Multiply-adds of a batch on its way forward that are worth a thread of their own: some 60 microseconds of a step on one thread of a
    /// Zen 4, backward included. So a second thread comes in at 3 million, about the smallest network that docs/speed.md has two threads
    /// for, where they are 1.35 times as fast as one.
    /// </summary>
    /// <remarks>
    /// The margin is for a busy machine. There a member of the team waits at a barrier until the system lets the other one run, 2 ms a step
    /// in the median: with two threads a step of 20 thousand took 200 times as long as with one, one of 1.4 million 15 times, one of 18
    /// million 3 times. The default network for some hundred rows, which has 1.2 million, is trained by one thread.
    /// </remarks>
    public const double MultiplyAddsPerThread = 1.5e6;

    /// <summary>At least 1, and at most <paramref name="threads"/>; without influence on what is learned.</summary>
    /// <param name="definition">The network.</param>
    /// <param name="encoder">From raw slots to its inputs, of which a row reads few where they are pieces or categories.</param>
    /// <param name="batch">Rows of the largest mini-batch.</param>
    /// <param name="threads">Threads that may be used.</param>
    /// <param name="teacher">The networks that speak of every mini-batch anew; null: none do.</param>
    public static int Of(NetworkDefinition definition, InputEncoder encoder, int batch, int threads, Teacher? teacher = null)
    {
        double work = MultiplyAdds(definition, encoder);
        // They have no way backward, which is two thirds of a step.
        if (teacher is not null)
            work += teacher.Count * MultiplyAdds(teacher.Definition, teacher.Encoder) / 3;
        return (int)Math.Clamp(work * batch / MultiplyAddsPerThread, 1, threads);
    }

    /// <summary>Of a row written out, forward.</summary>
    private static double MultiplyAdds(NetworkDefinition definition, InputEncoder encoder)
    {
        // Of the weights of a slot's pieces a row reads two, of those of a range of categories one.
        double notRead = 0;
        if (definition.Plan.FormOf(encoder)?.Table is { } table)
            notRead += encoder.EncodedInputs - table.Columns.EncodedInputs - 2 * table.Slots;
        // Those of a projection are few, and no linear map.
        (int columns, int ranges) = encoder.OfCategories;
        notRead += columns - ranges;
        return definition.WeightsOfRow - notRead * definition.OutputsOf(0);
    }
}
