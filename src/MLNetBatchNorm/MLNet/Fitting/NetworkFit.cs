using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Distribution;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>
/// One call of <c>Fit</c>, the same for all trainers: reads the rows once, learns the encoding of the features, decides what is open,
/// trains, and gives back a network whose outputs are in the label's own units. Keeps nothing between calls.
/// </summary>
/// <param name="host">The trainer's host.</param>
/// <param name="options">Checked options.</param>
/// <param name="task">What kind of network is wanted.</param>
/// <param name="seed">Start of all random numbers.</param>
internal sealed class NetworkFit(IHost host, BatchNormNetworkOptions options, NetworkTask task, int seed)
{
    /// <summary>Reads and trains.</summary>
    /// <param name="trainingSet">Training rows.</param>
    /// <param name="validationSet">Validation rows, or null to set some of the training rows aside as the options say.</param>
    /// <param name="start">The network to go on from, or null.</param>
    public TrainedNetwork Run(RoleMappedData trainingSet, RoleMappedData? validationSet, TrainedNetwork? start)
    {
        trainingSet.CheckFeatureFloatVector(out int slots);
        trainingSet.CheckOptFloatWeight();
        var planner = new FitPlanner(host, options, task, slots, seed, start);
        using IChannel channel = host.Start("Training");
        using var cancellation = new FitCancellation(host, options.CancellationToken);
        try
        {
            return Run(planner, trainingSet, validationSet, channel, cancellation.Token);
        }
        catch (OperationCanceledException)
        {
            cancellation.ThrowForWhoeverCancelled();
            throw;
        }
        catch (SpillException e)
        {
            throw host.Except(
                e,
                $"{e.Message.TrimEnd('.')}. The rows need it because they are more than MemoryBudgetInMegabytes "
                + $"({options.MemoryBudgetInMegabytes}) allows in memory. "
                + "Give the directory room, choose another one with MLContext.TempFilePath, or raise the budget.");
        }
        catch (TooFewRowsException e)
        {
            throw host.Except(e, e.Message);
        }
    }

    private TrainedNetwork Run(
        FitPlanner planner, RoleMappedData trainingSet, RoleMappedData? validationSet, IChannel channel, CancellationToken cancellation)
    {
        using FitCheckpoints? checkpoints = FitCheckpoints.Create(host, channel, options, planner.MostTrainings);
        var loader = new FitLoader(host, task, seed, (long)options.MemoryBudgetInMegabytes << 20)
        {
            AllowsSparse = planner.AllowsSparse, AllowsCategories = planner.AllowsCategories, Start = planner.Start,
            SamplingKeyColumnName = options.SamplingKeyColumnName,
            ClassWeights = planner.GivenClassWeights, Fingerprint = checkpoints?.Fingerprint,
        };
        if (planner.OddOrder(trainingSet.Schema.Feature!.Value) is { } odd)
            channel.Warning(MessageSensitivity.Schema, "{0}", odd);
        if (validationSet is not null)
            loader.CheckValidationSet(trainingSet, validationSet);
        if (planner.Start is { TargetNames: { } targets })
            loader.CheckTargetNames(trainingSet, targets, "modelParameters", "the initial model");
        if (planner.Start is { ClassNames: { } keys })
            loader.CheckClassNames(trainingSet, keys, "modelParameters", "the initial model");
        if (planner.Start is { SlotNames: { } names })
            loader.CheckSlotNames(trainingSet, names, "modelParameters", "the initial model");
        options.TrainingRunner?.CheckReady(cancellation);
        planner.CheckSize();
        using FitRows rows = loader.Load(trainingSet, validationSet, channel, cancellation);
        FitPlan plan = planner.Plan(
            rows, loader.CategoricalSlots(trainingSet), loader.CategoriesOf(trainingSet), FitLoader.SlotNames(trainingSet, channel),
            FitLoader.TargetNames(trainingSet), FitLoader.ClassNames(trainingSet));
        if (ClassWeightOptions.IsBalanced(options))
            channel.Info(MessageSensitivity.None, BalancedWeights.Text(plan.Settings.ClassWeights!));
        // A constant is trained by no network and validated by none.
        if (!plan.IsConstant && rows is { HasValidation: false, Classes: { } classes } && ThinClasses.Text(classes, plan.Split) is { } thin)
            channel.Warning(MessageSensitivity.None, thin);

        if (!plan.IsConstant && plan.Trials.Count == 0)
            WarnOfSearchSpace(channel);

        TrainedNetwork trained = plan.IsConstant
            ? Constant(plan, rows, trainingSet, channel)
            : Train(plan, rows, checkpoints, channel, cancellation);
        checkpoints?.Delete();
        return trained;
    }

    /// <summary>
    /// What ML.NET's own binary trainers come to where all rows have one label; one-versus-all asks for it where a class has no rows.
    /// </summary>
    private static TrainedNetwork Constant(FitPlan plan, FitRows rows, RoleMappedData trainingSet, IChannel channel)
    {
        string found = rows.Classes!.Rows[0] == 0 ? "true" : "false";
        channel.Warning(
            MessageSensitivity.Schema,
            $"Label column '{trainingSet.Schema.Label!.Value.Name}' is {found} in all {rows.Count} rows of the training set; "
            + $"the model says {found} of every row.");
        TrainingSettings settings = plan.Settings with { Seed = plan.Seed };
        return new TrainedNetwork(
            plan.Encoder, [ConstantNetwork.Create(plan.Definition, settings, rows.Classes.Rows)], plan.ChosenSettings(rows))
        {
            Objective = settings.Objective, SlotNames = plan.SlotNames, SlotRanges = plan.SlotRanges, ClassNames = plan.ClassNames,
        };
    }

    private TrainedNetwork Train(FitPlan plan, FitRows rows, FitCheckpoints? checkpoints, IChannel channel, CancellationToken cancellation)
    {
        int threads = options.NumberOfThreads ?? Environment.ProcessorCount;
        // Spilled rows are read through windows that take the whole budget.
        ITrainingRunner runner = options.TrainingRunner is { } elsewhere
            ? new DistributedRunner(elsewhere)
            : new ThreadRunner(threads, sideBySide: rows.IsSpilled ? 1 : threads);
        TrainedNetwork network;
        try
        {
            network = plan.Trials.Count == 0
                ? TrainOnce(plan, rows, runner, threads, checkpoints, channel, cancellation)
                : Try(plan, rows, runner, threads, checkpoints, channel, cancellation);
        }
        catch (TrainingDivergedException e)
        {
            // It would diverge again from there.
            checkpoints?.Delete();
            throw host.Except(e, DivergenceMessage(e.Message.TrimEnd('.'), plan));
        }

        if (ClassShifts(plan, rows) is { } shifts)
        {
            ClassPriors.Add(network);
            channel.Info(MessageSensitivity.None, ClassPriors.Text(shifts));
        }

        if (!network.IsFinite)
            throw host.Except(DivergenceMessage("the trained parameters left the range of float", plan));
        return network;
    }

    private TrainedNetwork TrainOnce(
        FitPlan plan, FitRows rows, ITrainingRunner runner, int threads, FitCheckpoints? checkpoints, IChannel channel,
        CancellationToken cancellation)
    {
        var best = new BestOfRestarts(plan.Chosen.Members);
        var observer = new FitObserver(host, channel, options, plan, rows, (training, network) => best.Add(training.Number, network));
        NetworkTraining[] trainings = plan.TrainingsOn(rows);
        observer.Begin();
        observer.Announce(trainings, laterEpochs: plan.CompactEpochs);
        runner.Run(trainings, observer, checkpoints, cancellation);
        observer.AllEnded(best);
        SetConstants(best.Networks, rows);
        IReadOnlyList<NetworkMember> networks = plan.Compact is null
            ? best.Networks
            : [Compact(plan, rows, best.Networks, observer, threads, checkpoints, cancellation)];
        // Of each network any training: all set the same rows aside.
        IEnumerable<NetworkTraining> first = trainings.Where(training => training.Number.Restart == 0);
        return new TrainedNetwork(plan.Encoder, networks, plan.ChosenSettings(rows))
        {
            Objective = task.Objective, Scales = rows.Target.Scales, SlotNames = plan.SlotNames, SlotRanges = plan.SlotRanges,
            TargetNames = plan.TargetNames, ClassNames = plan.ClassNames, OutputShifts = OutputShifts(plan, rows),
            Teachers = plan.Compact is null ? 0 : plan.Chosen.Members,
            Intervals = Intervals(
                plan, rows,
                [.. first.Zip(best.Networks, (training, network) => new HeldOutNetwork[] { new(training, network.Parameters, 1) })],
                threads, channel, cancellation),
        };
    }

    /// <summary>One network that has learned what those of an ensemble say.</summary>
    private NetworkMember Compact(
        FitPlan plan, FitRows rows, NetworkMember[] networks, FitObserver observer, int threads, FitCheckpoints? checkpoints,
        CancellationToken cancellation)
    {
        NetworkTraining training = plan.CompactTrainingOn(rows, networks);
        observer.BeginCompact(training);
        // A single training, and what it needs beside rows are all others: it is not sent elsewhere.
        new ThreadRunner(threads, sideBySide: 1).Run([training], observer, checkpoints, cancellation);
        NetworkMember compact = observer.Compact!;
        SetConstants([compact], rows);
        return compact;
    }

    /// <summary>Trains what the plan's trials draw, and makes a model of those that are best together.</summary>
    private TrainedNetwork Try(
        FitPlan plan, FitRows rows, ITrainingRunner runner, int threads, FitCheckpoints? checkpoints, IChannel channel,
        CancellationToken cancellation)
    {
        var trials = new TrialFit(
            host, channel, options, plan, rows, runner, checkpoints, threads, measuresErrors: task.IntervalLevels.Count > 0);
        if (!trials.CanJudge(wantsEnough: options.NumberOfTrials is null, cancellation))
        {
            if (options.NumberOfTrials is { } wanted)
            {
                throw host.Except(
                    $"NumberOfTrials is {wanted}, but of {rows.Count} training rows none are left to judge trials by. Give more rows or a "
                    + "validation set, or set NumberOfTrials to 1.");
            }

            channel.Info(
                MessageSensitivity.None, "Nothing is tried, because too few rows are held out to judge by; set NumberOfTrials to try.");
            WarnOfSearchSpace(channel);
            return TrainOnce(plan.Untried!, rows, runner, threads, checkpoints, channel, cancellation);
        }

        IReadOnlyList<TrialFit.Part> parts = trials.Run(cancellation);
        SetConstants(parts.SelectMany(part => part.Networks), rows);
        HeldOutNetwork[][] networks =
        [
            .. Enumerable.Range(0, plan.Chosen.Members).Select(member => parts
                .Select(part => new HeldOutNetwork(part.Trainings[member], part.Networks[member].Parameters, part.Weight)).ToArray()),
        ];
        TrialFit.Part first = parts[0];
        return new TrainedNetwork(first.Plan.Encoder, first.Networks, first.Plan.ChosenSettings(rows))
        {
            Objective = task.Objective, Scales = rows.Target.Scales, SlotNames = plan.SlotNames, SlotRanges = plan.SlotRanges,
            TargetNames = plan.TargetNames, ClassNames = plan.ClassNames, OutputShifts = OutputShifts(plan, rows),
            Trials = trials.Trials, Trial = first.Trial, Share = first.Weight,
            Others =
            [
                .. parts.Skip(1).Select(part => new TrainedNetwork(part.Plan.Encoder, part.Networks)
                {
                    Trial = part.Trial, Share = part.Weight,
                }),
            ],
            Intervals = Intervals(plan, rows, networks, threads, channel, cancellation),
        };
    }

    /// <summary>What the priors of the classes are worth, or null where none are given.</summary>
    private static double[]? ClassShifts(FitPlan plan, FitRows rows) => plan.ClassPriors is { } priors
        ? ClassPriors.Shifts(priors, rows.Classes!.Weights, plan.Settings.ClassWeights)
        : null;

    private static float[]? OutputShifts(FitPlan plan, FitRows rows) =>
        ClassShifts(plan, rows) is { } shifts ? ClassPriors.OfOutputs(shifts, plan.Definition.Outputs) : null;

    private void WarnOfSearchSpace(IChannel channel)
    {
        if (options.SearchSpace is null)
            return;
        channel.Warning(
            MessageSensitivity.None,
            "SearchSpace is set and has no effect: nothing is tried. Set NumberOfTrials to 2 or more (16 is usual), or SearchSpace to "
            + "null.");
    }

    private void SetConstants(IEnumerable<NetworkMember> networks, FitRows rows)
    {
        foreach (NetworkMember network in networks)
            ConstantOutputs.Set(network.Parameters, rows.ConstantTargets, task.LabelKind);
    }

    private PredictionIntervals? Intervals(
        FitPlan plan, FitRows rows, HeldOutNetwork[][] networks, int threads, IChannel channel, CancellationToken cancellation)
    {
        if (task.IntervalLevels.Count == 0)
            return null;
        if (plan.Start is not null && !rows.HasValidation)
        {
            channel.Warning(
                MessageSensitivity.None,
                "IntervalLevels: the model to go on from may have been trained on rows that are now held out, and then errors on them are "
                + "too small. Give a validation set that it has not seen, or train anew.");
        }

        try
        {
            return IntervalLearning.Learn(
                networks, task.IntervalLevels, plan.SpreadEncoding, sparesJudges: plan.Trials.Count > 0, threads, cancellation);
        }
        catch (TooFewHeldOutRowsException e)
        {
            throw host.Except(e, e.Message);
        }
    }

    private string DivergenceMessage(string what, FitPlan plan) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"Training diverged: {what}. No model is returned. Lower LearningRate (it is {plan.Chosen.LearningRate:G4})")
        + (options.ScaleInputs ? "" : ", set ScaleInputs to true")
        + (plan.Definition.UsesBatchNormalization ? "" : ", use batch normalization")
        + string.Create(CultureInfo.InvariantCulture, $", or raise BatchSize (it is {plan.Chosen.BatchSize}).");
}
