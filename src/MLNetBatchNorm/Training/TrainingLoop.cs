using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>
/// Trains a network: epochs of shuffled mini-batches, a validation loss after each, the best epoch's parameters at the end.
/// </summary>
internal static class TrainingLoop
{
    /// <summary>Trains <paramref name="parameters"/> in place.</summary>
    /// <param name="parameters">Initial parameters; at the end those of the best epoch.</param>
    /// <param name="training">Encoded training rows. The order of its rows changes.</param>
    /// <param name="validation">Encoded rows that choose the best epoch; null: the last epoch is the best.</param>
    /// <param name="settings">How to train.</param>
    /// <param name="observer">Told about each epoch; may be null.</param>
    /// <param name="cancellation">Asked before every step and every block of validation rows.</param>
    /// <param name="checkpoints">Where an interrupted training goes on from, and is kept; may be null. The result is the same.</param>
    /// <param name="threads">
    /// Threads that may be used; fewer are where the network is too small to keep them busy. The result is the same.
    /// </param>
    /// <exception cref="TrainingDivergedException">The loss stopped being finite; the parameters are useless.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the parameters are those of the moment.</exception>
    public static TrainingHistory Train(
        NetworkParameters parameters, EncodedRows training, EncodedRows? validation, TrainingSettings settings, ITrainingObserver? observer,
        CancellationToken cancellation, ITrainingCheckpoints? checkpoints = null, int threads = 1)
    {
        bool remembers = Lessons.Remembers(settings, training, parameters.Definition.Outputs) is not null;
        using var team = new WorkerTeam(UsefulThreads.Of(
            parameters.Definition, training.Encoder, Plan(parameters, training, settings).LargestBatch, threads,
            teacher: remembers ? null : settings.Teacher));
        return Train(team, parameters, training, validation, settings, observer, cancellation, checkpoints);
    }

    /// <summary>The same with a given team, however many members it has.</summary>
    internal static TrainingHistory Train(
        WorkerTeam team, NetworkParameters parameters, EncodedRows training, EncodedRows? validation, TrainingSettings settings,
        ITrainingObserver? observer, CancellationToken cancellation, ITrainingCheckpoints? checkpoints = null)
    {
        settings.Schedule.Validate();
        BatchPlan plan = Plan(parameters, training, settings);
        var network = new FeedForwardNetwork(parameters, plan.LargestBatch, training, settings.Products);
        foreach (BatchNormLayer layer in network.Normalizations)
            layer.KeepsVarianceOfConstants = settings.KeepsVarianceOfConstants;
        var optimizer = OptimizerState.Create(settings.Optimizer, network.Parameters);
        var step = new TrainingStep(settings, training, network, optimizer, team);
        var state = new TrainingState(parameters, optimizer.Memory)
        {
            Average = settings.AveragedEpochs > 0 ? parameters.Clone() : null,
        };
        Evaluator? evaluator = validation is null ? null : new Evaluator(validation, state.Result, settings, team);
        if (evaluator is { HasWeight: false })
            evaluator = null;
        if (checkpoints?.Restore(state) == true)
        {
            Resume(state, network, optimizer, training, plan, settings);
            // The last epoch of a rung sets nothing aside; now that another follows, it is needed.
            if (evaluator is not null && state.BestEpoch == state.Epochs.Count && !HasEnded(state, settings))
                state.KeepAsBest();
        }
        WeightAverage? average =
            state.Average is null ? null : new WeightAverage(state.Average, parameters, plan.Batches, settings.AveragedEpochs);

        while (!HasEnded(state, settings))
        {
            int epoch = state.Epochs.Count + 1;
            training.Source.BeginEpoch(settings.Seed, epoch, settings.Shuffle);
            (double trainingLoss, double rate) = RunEpoch(epoch, step, plan, settings, average, cancellation);
            (double Loss, double Metric)? validated = evaluator?.Evaluate(state.Result, cancellation);
            bool isBest = state.Add(new EpochRecord
            {
                Epoch = epoch,
                LearningRate = rate,
                TrainingLoss = trainingLoss,
                ValidationLoss = validated?.Loss,
                ValidationMetric = validated?.Metric,
                TargetValidationMetrics = evaluator?.MetricsOfTargets ?? [],
            });
            if (isBest && evaluator is not null && epoch < settings.EpochsOfAllRungs)
                state.KeepAsBest();
            observer?.EpochEnded(state.Epochs[^1], state.BestEpoch, settings.EpochsOfAllRungs);
            checkpoints?.EpochEnded(state);
        }

        if (state.BestEpoch == 0)                      // every validation loss was NaN
            throw new TrainingDivergedException(state.Epochs.Count, 0, state.Epochs[^1].LearningRate);
        if (state.Best is not null && state.BestEpoch < state.Epochs.Count)
            parameters.CopyFrom(state.Best);
        else if (state.Average is not null)
            parameters.CopyFrom(state.Average);
        PopulationStatistics.Compute(network, parameters.Definition, step, plan, cancellation);
        if (evaluator is not null && settings.Objective.ScalesTemperature)
        {
            // It may share memory with the average, and evaluates that only.
            state.Average?.CopyFrom(parameters);
            evaluator.Evaluate(state.Result, cancellation);
            parameters.Linear[^1].DivideBy(evaluator.Temperature);
        }
        if (settings.Objective.PredictsLogarithm)
            BalancedTotals.Restore(parameters, training, settings.Objective.LinkOf(null), cancellation);
        if (!parameters.IsFinite() || !PredictsFinitely(
            parameters, training, plan, settings, team, state.Average is null ? evaluator : null, cancellation))
            throw new TrainingDivergedException(state.BestEpoch, 0, state.Epochs[^1].LearningRate);
        TrainingStopReason reason = HasStoppedImproving(state, settings)
            ? TrainingStopReason.ValidationLossStoppedImproving
            : TrainingStopReason.AllEpochsDone;
        return new TrainingHistory { Epochs = state.Epochs, BestEpoch = state.BestEpoch, StopReason = reason };
    }

    private static bool HasEnded(TrainingState state, TrainingSettings settings) =>
        state.Epochs.Count >= settings.EpochsOfAllRungs || HasStoppedImproving(state, settings);

    private static bool HasStoppedImproving(TrainingState state, TrainingSettings settings) =>
        settings.EarlyStoppingPatience > 0 && EpochsWithoutImprovement(state, settings.MaximumEpochs) >= settings.EarlyStoppingPatience;

    /// <summary>Epochs since the best of the present rung, in which the rate has risen again and with it, for a while, the loss.</summary>
    private static int EpochsWithoutImprovement(TrainingState state, int epochsOfARung)
    {
        int best = Math.Max(0, state.Epochs.Count - 1) / epochsOfARung * epochsOfARung;
        double lowest = double.PositiveInfinity;
        for (int i = best; i < state.Epochs.Count; i++)
        {
            double? loss = state.Epochs[i].ValidationLoss;
            if (loss is null || loss < lowest)
                (best, lowest) = (i + 1, loss ?? lowest);
        }

        return state.Epochs.Count - best;
    }

    /// <summary>
    /// Brings everything that a restored state does not hold to where it was: the order of the
    /// rows comes out of the same shuffles as before.
    /// </summary>
    private static void Resume(
        TrainingState state, FeedForwardNetwork network, OptimizerState optimizer, EncodedRows training,
        BatchPlan plan, TrainingSettings settings)
    {
        network.Reload();
        optimizer.Resume((long)plan.Batches * state.Epochs.Count);
        training.Source.Replay(settings.Seed, state.Epochs.Count, settings.Shuffle);
    }

    private static (double Loss, double LearningRate) RunEpoch(
        int epoch, TrainingStep step, BatchPlan plan, TrainingSettings settings, WeightAverage? average, CancellationToken cancellation)
    {
        long stepsOfARung = (long)plan.Batches * settings.MaximumEpochs;
        bool changes = settings.ChangesPictures(epoch);
        double loss = 0, weight = 0, rate = 0;
        for (int batch = 0; batch < plan.Batches; batch++)
        {
            cancellation.ThrowIfCancellationRequested();
            long number = (long)(epoch - 1) * plan.Batches + batch;
            rate = settings.Schedule.Rate(number % stepsOfARung, stepsOfARung, settings.LearningRate);
            (int first, int rows) = plan.Batch(batch);
            (double batchLoss, double batchWeight) = step.Run(
                first, rows, rate, RandomStream.Mix(settings.Seed ^ RandomStream.Mix(RandomPurpose.Dropout + (ulong)number)),
                changes ? RandomStream.Mix(settings.Seed ^ (RandomStream.Mix(RandomPurpose.PictureChanges) + (ulong)number)) : null);
            if (!double.IsFinite(batchLoss))
                throw new TrainingDivergedException(epoch, number, rate);
            average?.Follow(number);
            loss += batchLoss;
            weight += batchWeight;
        }
        return (weight > 0 ? loss / weight : 0, rate);
    }

    /// <summary>
    /// Whether a batch's loss in prediction mode is a finite number. No loss has followed the last update, nor the statistics made since,
    /// and numbers that are finite themselves can be too large to compute with.
    /// </summary>
    private static bool PredictsFinitely(
        NetworkParameters parameters, EncodedRows training, BatchPlan plan, TrainingSettings settings, WorkerTeam team,
        Evaluator? evaluator, CancellationToken cancellation)
    {
        EncodedRows rows = training.Head(plan.Batch(0).Rows);
        return double.IsFinite(new Evaluator(rows, parameters, settings, team, evaluator).Evaluate(parameters, cancellation).Loss);
    }

    private static BatchPlan Plan(NetworkParameters parameters, EncodedRows training, TrainingSettings settings) =>
        new(training.Count, settings.BatchSize, parameters.Definition.NeedsTwoRows);
}
