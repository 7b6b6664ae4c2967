using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>Told about training as it goes; called on the thread that trains.</summary>
internal interface ITrainingObserver
{
    /// <summary>An epoch is done.</summary>
    /// <param name="record">What it came to.</param>
    /// <param name="bestEpoch">The best epoch so far.</param>
    /// <param name="maximumEpochs">Epochs that were asked for.</param>
    void EpochEnded(EpochRecord record, int bestEpoch, int maximumEpochs);
}

/// <summary>The loss or a parameter is no longer a finite number.</summary>
internal sealed class TrainingDivergedException(int epoch, long step, double learningRate)
    : Exception($"The loss is no longer a finite number in epoch {epoch}, step {step}, at learning rate {learningRate:G4}.")
{
    /// <summary>Epoch, counted from 1.</summary>
    public int Epoch { get; } = epoch;

    /// <summary>Rate of the step that failed.</summary>
    public double LearningRate { get; } = learningRate;
}

/// <summary>Trains a network: epochs of shuffled mini-batches, a validation loss after each, the best epoch's parameters at the end.</summary>
internal static class TrainingLoop
{
    // Purposes of random streams; see RandomStream.
    private const ulong ShufflePurpose = 3000;
    private const ulong DropoutPurpose = 3001;

    /// <summary>
    /// Floating-point operations of a step that are worth a thread of their own: some 20 microseconds of work, several times what the step's barriers cost.
    /// </summary>
    private const double OperationsPerThread = 2e6;

    /// <summary>Trains <paramref name="parameters"/> in place.</summary>
    /// <param name="parameters">Initial parameters; at the end those of the best epoch.</param>
    /// <param name="training">Encoded training rows. The order of its rows changes.</param>
    /// <param name="validation">Encoded rows that choose the best epoch; null: the last epoch is the best.</param>
    /// <param name="settings">How to train.</param>
    /// <param name="observer">Told about each epoch; may be null.</param>
    /// <param name="cancellation">Asked before every step and every block of validation rows.</param>
    /// <exception cref="TrainingDivergedException">The loss stopped being finite; the parameters are useless.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the parameters are those of the moment.</exception>
    public static TrainingHistory Train(
        NetworkParameters parameters, TrainingData training, TrainingData? validation, TrainingSettings settings, ITrainingObserver? observer, CancellationToken cancellation)
    {
        using var team = new WorkerTeam(UsefulThreads(parameters, Plan(parameters, training, settings), settings.Threads));
        return Train(team, parameters, training, validation, settings, observer, cancellation);
    }

    /// <summary>The same with a given team, however many members it has.</summary>
    internal static TrainingHistory Train(
        WorkerTeam team, NetworkParameters parameters, TrainingData training, TrainingData? validation, TrainingSettings settings, ITrainingObserver? observer,
        CancellationToken cancellation)
    {
        NetworkDefinition definition = parameters.Definition;
        settings.Schedule.Validate();
        BatchPlan plan = Plan(parameters, training, settings);
        var network = new FeedForwardNetwork(parameters, plan.LargestBatch, training.Table.Sparse is not null, settings.Products);
        var optimizer = OptimizerState.Create(settings.Optimizer, network.Parameters);
        var step = new TrainingStep(settings, training, network, optimizer, team);
        Evaluator? evaluator = validation is null ? null : new Evaluator(validation, parameters, settings, team);

        var records = new List<EpochRecord>();
        NetworkParameters? best = null;
        int bestEpoch = 0;
        double bestLoss = double.PositiveInfinity;
        TrainingStopReason reason = TrainingStopReason.AllEpochsDone;
        long totalSteps = (long)plan.Batches * settings.MaximumEpochs;

        for (int epoch = 1; epoch <= settings.MaximumEpochs; epoch++)
        {
            if (settings.Shuffle)
                new RandomStream(settings.Seed, RandomStream.Mix(ShufflePurpose) + (ulong)epoch).Shuffle(training.Rows);
            (double trainingLoss, double rate) = RunEpoch(epoch, step, plan, settings, totalSteps, cancellation);
            double? validationLoss = evaluator?.MeanLoss(parameters, cancellation);
            records.Add(new EpochRecord(epoch, rate, trainingLoss, validationLoss));

            if (validationLoss is null || validationLoss < bestLoss)
            {
                bestLoss = validationLoss ?? bestLoss;
                bestEpoch = epoch;
                if (evaluator is not null && epoch < settings.MaximumEpochs)
                    (best ??= new NetworkParameters(definition)).CopyFrom(parameters);
            }
            observer?.EpochEnded(records[^1], bestEpoch, settings.MaximumEpochs);
            if (evaluator is not null && settings.EarlyStoppingPatience > 0 && epoch - bestEpoch >= settings.EarlyStoppingPatience)
            {
                reason = TrainingStopReason.ValidationLossStoppedImproving;
                break;
            }
        }

        if (bestEpoch == 0)                            // every validation loss was NaN
            throw new TrainingDivergedException(records.Count, 0, records[^1].LearningRate);
        if (best is not null && bestEpoch < records.Count)
            parameters.CopyFrom(best);
        PopulationStatistics.Compute(network, definition, step, plan, cancellation);
        if (!parameters.IsFinite() || !PredictsFinitely(parameters, training, plan, settings, team, cancellation))
            throw new TrainingDivergedException(bestEpoch, 0, records[^1].LearningRate);
        return new TrainingHistory(records, bestEpoch, reason);
    }

    private static (double Loss, double LearningRate) RunEpoch(
        int epoch, TrainingStep step, BatchPlan plan, TrainingSettings settings, long totalSteps, CancellationToken cancellation)
    {
        double loss = 0, weight = 0, rate = 0;
        for (int batch = 0; batch < plan.Batches; batch++)
        {
            cancellation.ThrowIfCancellationRequested();
            long number = (long)(epoch - 1) * plan.Batches + batch;
            rate = settings.Schedule.Rate(number, totalSteps, settings.LearningRate);
            (int first, int rows) = plan.Batch(batch);
            (double batchLoss, double batchWeight) = step.Run(first, rows, rate, RandomStream.Mix(settings.Seed ^ RandomStream.Mix(DropoutPurpose + (ulong)number)));
            if (!double.IsFinite(batchLoss))
                throw new TrainingDivergedException(epoch, number, rate);
            loss += batchLoss;
            weight += batchWeight;
        }
        return (weight > 0 ? loss / weight : 0, rate);
    }

    /// <summary>
    /// Whether a batch's loss in prediction mode is a finite number. No loss has followed the last update, nor the statistics made since, and
    /// numbers that are finite themselves can be too large to compute with.
    /// </summary>
    private static bool PredictsFinitely(
        NetworkParameters parameters, TrainingData training, BatchPlan plan, TrainingSettings settings, WorkerTeam team, CancellationToken cancellation)
    {
        var rows = new TrainingData(training.Table, training.Rows[..plan.Batch(0).Rows], training.Encoder);
        return double.IsFinite(new Evaluator(rows, parameters, settings, team).MeanLoss(parameters, cancellation));
    }

    private static BatchPlan Plan(NetworkParameters parameters, TrainingData training, TrainingSettings settings) =>
        new(training.Count, settings.BatchSize, parameters.Definition.UsesBatchNormalization);

    private static int UsefulThreads(NetworkParameters parameters, BatchPlan plan, int threads)
    {
        // Two operations for each weight forward, and twice that backward.
        double operations = 6.0 * parameters.ParameterCount * plan.LargestBatch;
        return (int)Math.Clamp(operations / OperationsPerThread, 1, threads);
    }
}
