using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>What a trainer asks of one call of <c>Fit</c>, beside its options.</summary>
internal sealed class NetworkTask
{
    /// <summary>What a label means.</summary>
    public required LabelKind LabelKind { get; init; }

    /// <summary>Number of outputs of the network.</summary>
    public required int Outputs { get; init; }

    /// <summary>Number of classes; 1 where a label is a number.</summary>
    public int Classes => LabelKind switch { LabelKind.Binary => 2, LabelKind.Class => Outputs, _ => 1 };

    /// <summary>What is minimized.</summary>
    public required LossFunction Loss { get; init; }

    /// <summary>Part of the target spread over all classes.</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>Where Huber's loss turns straight, in standard deviations of the label.</summary>
    public double HuberDelta { get; init; } = 1;
}

/// <summary>
/// One call of <c>Fit</c>, the same for all three trainers: reads the rows once, learns the encoding of the features, trains, and gives
/// back a network whose outputs are in the label's own units. Keeps nothing between calls.
/// </summary>
internal sealed class NetworkFit
{
    private readonly IHost _host;
    private readonly BatchNormNetworkOptions _options;
    private readonly NetworkTask _task;
    private readonly ulong _seed;
    private readonly TrainedNetwork? _start;
    private readonly RoleMappedData _trainingSet;
    private readonly int _slots;
    private readonly MatrixProducts _products;
    private readonly float[]? _givenClassWeights;

    /// <param name="host">The trainer's host.</param>
    /// <param name="context">What ML.NET hands to a trainer.</param>
    /// <param name="options">Checked options.</param>
    /// <param name="task">What kind of network is wanted.</param>
    /// <param name="seed">Start of all random numbers.</param>
    /// <param name="start">The network to go on from, or null.</param>
    public NetworkFit(IHost host, TrainContext context, BatchNormNetworkOptions options, NetworkTask task, int seed, TrainedNetwork? start)
    {
        _host = host;
        _options = options;
        _task = task;
        _seed = unchecked((ulong)seed);
        _start = start;
        _trainingSet = context.TrainingSet;
        _trainingSet.CheckFeatureFloatVector(out _slots);
        _trainingSet.CheckOptFloatWeight();
        if (start is not null)
            WarmStart.CheckShape(host, start, _slots, task.Outputs, options);
        _products = CreateProducts();
        string order = task.LabelKind == LabelKind.Binary ? "that of false, that of true" : "in the order of the label's keys";
        _givenClassWeights = ClassWeighting.Given(host, options, task.Classes, order);
    }

    /// <summary>The validation rows of one call of <c>Fit</c>: those given to it, else those of the options, checked as <c>Fit</c> checks its own; else null.</summary>
    /// <param name="context">What ML.NET hands to a trainer.</param>
    /// <param name="options">The trainer's options.</param>
    /// <param name="checkSchema">Throws if columns are absent or have the wrong type.</param>
    /// <param name="makeRoles">Says which column is what.</param>
    public static RoleMappedData? ValidationRows(
        TrainContext context, BatchNormNetworkOptions options, Func<SchemaShape, SchemaShape> checkSchema, Func<IDataView, RoleMappedData> makeRoles)
    {
        if (context.ValidationSet is not null || options.ValidationSet is null)
            return context.ValidationSet;
        checkSchema(SchemaShape.Create(options.ValidationSet.Schema));
        return makeRoles(options.ValidationSet);
    }

    /// <summary>Reads and trains.</summary>
    /// <param name="validationSet">Validation rows, or null to set some of the training rows aside as the options say.</param>
    public TrainedNetwork Run(RoleMappedData? validationSet)
    {
        using IChannel channel = _host.Start("Training");
        using var cancellation = new FitCancellation(_host, _options.CancellationToken);
        try
        {
            return Run(validationSet, channel, cancellation.Token);
        }
        catch (OperationCanceledException)
        {
            cancellation.ThrowForWhoeverCancelled();
            throw;
        }
        catch (SpillException e)
        {
            throw _host.Except(
                e, $"{e.Message.TrimEnd('.')}. The rows need it because they are more than MemoryBudgetInMegabytes ({_options.MemoryBudgetInMegabytes}) allows in memory. "
                + "Give the directory room, choose another one with MLContext.TempFilePath, or raise the budget.");
        }
    }

    private TrainedNetwork Run(RoleMappedData? validationSet, IChannel channel, CancellationToken cancellationToken)
    {
        if (validationSet is not null)
            CheckValidationSet(validationSet);
        using FitCheckpoints? checkpoints = FitCheckpoints.Create(_host, channel, _options, AutomaticOptions.MostMembers(_options, _start) * (1 + _options.NumberOfRestarts));
        // Before the rows are read, with the fewest units it may come to.
        OptionValidation.CheckSize(_host, _slots, HiddenUnits(sparse: true)[0], "The first hidden layer");

        // Normalization of the input itself would fill every column, and a network that goes on from another keeps its encoder.
        bool allowSparse = _options.Placement != BatchNormalizationPlacement.LayerInput && (_start is null || _start.Encoder.KeepsZero);
        using FitRows rows = Load(validationSet, allowSparse, checkpoints?.Fingerprint, channel, cancellationToken);
        OptionValidation.CheckSize(_host, _slots, HiddenUnits(rows.IsSparse)[0], "The first hidden layer");
        InputEncoder encoder = _start?.Encoder ?? FitEncoder(rows);
        NetworkDefinition definition = Define(encoder, HiddenUnits(rows.IsSparse));
        AutomaticOptions chosen = AutomaticOptions.Choose(
            _options, rows.Count, WeightsOfRow(definition, rows), isSingle: rows.IsSparse || rows.IsSpilled, _start, severalClasses: _task.LabelKind == LabelKind.Class);
        using var observer = new FitObserver(_host, channel, _options, rows.Target, ValidationMetric.NameFor(_task.Loss), chosen);
        float[]? classWeights = ChooseClassWeights(rows, channel);
        int threads = _options.NumberOfThreads ?? Environment.ProcessorCount;
        // Spilled rows are read through windows that take the whole budget.
        var trainings = new MemberTrainings(chosen.Members, _options.NumberOfRestarts, threads, sideBySide: rows.IsSpilled ? 1 : threads, observer, cancellationToken);
        NetworkMember[] members;
        try
        {
            members = trainings.Run(member =>
            {
                // Each network shuffles rows of its own, so that what it becomes does not depend on how long another was trained.
                using MemberRows memberRows = Split(rows, encoder, member, chosen);
                return TrainMember(member, memberRows, definition, rows.Target, classWeights, chosen, checkpoints);
            });
        }
        catch (TrainingDivergedException e)
        {
            // It would diverge again from there.
            checkpoints?.Delete();
            throw _host.Except(e, DivergenceMessage(e.Message.TrimEnd('.'), chosen));
        }

        var network = new TrainedNetwork(encoder, members);
        if (!new ScoringNetwork(_host, network).IsFinite)
            throw _host.Except(DivergenceMessage("the trained parameters left the range of float", chosen));
        checkpoints?.Delete();
        return network;
    }

    /// <summary>Trains one network of the ensemble once, or takes it from the checkpoint of a fit that was interrupted after it; called on any thread.</summary>
    private NetworkMember TrainMember(
        MemberTraining member, MemberRows rows, NetworkDefinition definition, TargetScale target, float[]? classWeights, AutomaticOptions chosen, FitCheckpoints? checkpoints)
    {
        (TrainingData training, TrainingData? validation) = (rows.Training, rows.Validation);
        if (definition.UsesBatchNormalization && training.Count < 2)
        {
            throw _host.Except(
                $"The training set has {training.Count} row to train on once validation rows are set aside; batch statistics need at least 2. Give more rows, or set ValidationFraction to 0.");
        }

        member.Rows = training.Count;
        NetworkParameters parameters = CreateParameters(definition, target, member.Number);
        TrainingSettings settings = CreateSettings(member, classWeights, chosen);
        MemberCheckpoints? kept = checkpoints?.Of(member, settings, training.Encoder, parameters);
        if (kept?.Finished is { } finished)
            return finished;
        string message = string.Create(
            CultureInfo.InvariantCulture,
            $"Training a network of {_slots} features, {string.Join(" + ", definition.HiddenUnits)} hidden units, {_task.Outputs} outputs ({parameters.ParameterCount} parameters) on {training.Count} rows, {validation?.Count ?? 0} for validation, in batches of {chosen.BatchSize}; seed {unchecked((int)_seed)}.");
        member.Tell(channel => channel.Info(MessageSensitivity.None, message));
        TrainingHistory history = TrainingLoop.Train(parameters, training, validation, settings, member, member.Cancellation, kept);
        target.FoldInto(parameters.Linear[^1]);
        if (!parameters.IsFinite())
            throw _host.Except(DivergenceMessage("the trained parameters left the range of float", chosen));
        var trained = new NetworkMember(parameters, target.Restore(history));
        if (member.Number is not { Members: 1, Restarts: 0 })
            kept?.Finish(trained);
        return trained;
    }

    /// <summary>The seed of one training; that of the first training of the first network is the trainer's own.</summary>
    private ulong SeedOf(TrainingNumber training)
    {
        ulong ofMember = training.Member == 0 ? _seed : RandomStream.Mix(_seed + (ulong)training.Member);
        return training.Restart == 0 ? ofMember : RandomStream.Mix(ofMember ^ RandomStream.Mix(RandomPurpose.Restart + ((ulong)training.Restart << 32)));
    }

    private TrainingSettings CreateSettings(MemberTraining member, float[]? classWeights, AutomaticOptions chosen) => new()
    {
        Loss = _task.Loss,
        LabelSmoothing = _task.LabelSmoothing,
        HuberDelta = _task.HuberDelta,
        ScalesTemperature = _options is BatchNormNetworkClassificationOptions { TemperatureScaling: true },
        ClassWeights = classWeights,
        BatchSize = chosen.BatchSize,
        MaximumEpochs = chosen.Epochs,
        LearningRate = chosen.LearningRate,
        Optimizer = _options.Optimizer,
        Schedule = _options.LearningRateSchedule,
        Shuffle = _options.Shuffle,
        EarlyStoppingPatience = _options.EarlyStoppingPatience,
        Seed = SeedOf(member.Number),
        Threads = member.Threads,
        Products = _products,
    };

    /// <summary>The weights given, or those that make the classes count alike, or null.</summary>
    private float[]? ChooseClassWeights(FitRows rows, IChannel channel)
    {
        if (_options is not BatchNormNetworkClassificationOptions { UnbalancedSets: true })
            return _givenClassWeights;
        float[] balanced = ClassWeighting.Balanced(rows.WeightOfClass);
        channel.Info(MessageSensitivity.None, string.Create(
            CultureInfo.InvariantCulture, $"The rows of the {balanced.Length} classes count for {string.Join(", ", balanced.Take(20).Select(weight => weight.ToString("G4", CultureInfo.InvariantCulture)))}{(balanced.Length > 20 ? ", ..." : "")}."));
        return balanced;
    }

    private string DivergenceMessage(string what, AutomaticOptions chosen) => string.Create(
        CultureInfo.InvariantCulture,
        $"Training diverged: {what}. No model is returned. Lower LearningRate (it is {chosen.LearningRate:G4}){(_options.ScaleInputs ? "" : ", set ScaleInputs to true")}{(_options.Placement == BatchNormalizationPlacement.None ? ", use batch normalization" : "")}, or raise BatchSize (it is {chosen.BatchSize}).");

    /// <summary>Loads the native library if one is asked for, so that its absence is known before any row is read.</summary>
    private MatrixProducts CreateProducts()
    {
        if (_options.MatrixMultiplication == MatrixMultiplication.Managed)
            return MatrixProducts.Managed;
        try
        {
            return new NativeMatrixMultiply(NativeBlas.Load(_options.NativeBlasLibrary));
        }
        catch (NativeBlasException e)
        {
            throw _host.Except(e, $"{e.Message} Set NativeBlasLibrary to the name or path of a BLAS library, or MatrixMultiplication to Managed.");
        }
    }

    private FitRows Load(RoleMappedData? validationSet, bool allowSparse, FitFingerprint? fingerprint, IChannel channel, CancellationToken cancellationToken)
    {
        long budget = (long)_options.MemoryBudgetInMegabytes << 20;
        return FitRows.Load(
            () => new TrainingSetLoader(_host, _task, _seed, cancellationToken)
            {
                Sparse = allowSparse ? null : false, BudgetBytes = budget, ClassWeights = _givenClassWeights, Fingerprint = fingerprint,
            }.Load(_trainingSet, "training", channel),
            validationSet is null ? null : training => new TrainingSetLoader(_host, _task, _seed, cancellationToken)
            {
                // What the training rows leave, and a quarter in any case: the windows of spilled rows take half.
                Sparse = training.Shape.IsSparse, ForTraining = false, ClassWeights = _givenClassWeights, Fingerprint = fingerprint, BudgetBytes = Math.Max(budget / 4, budget - training.BytesInMemory),
            }.Load(validationSet, "validation", channel),
            _task.LabelKind,
            cancellationToken);
    }

    /// <summary>Warns about validation rows that cannot be had, and splits.</summary>
    private MemberRows Split(FitRows rows, InputEncoder encoder, MemberTraining member, AutomaticOptions chosen)
    {
        MemberRows split = rows.ForMember(
            encoder, chosen.ValidationFraction, _seed, byClass: _task.LabelKind != LabelKind.Number, member.Number.Member, largestBatch: chosen.BatchSize + 1, member.Cancellation);
        if (split.Validation is null && chosen.ValidationFraction > 0)
            member.Tell(channel => channel.Warning(MessageSensitivity.None, "{0} rows are too few to set some aside for validation; all of them train.", split.Training.Count));
        return split;
    }

    private InputEncoder FitEncoder(FitRows rows)
    {
        if (rows.IsSparse)
            return rows.FitEncoder([], _options.ScaleInputs, 0);
        bool[] passUnscaled = new bool[_slots];
        if (!_options.ScaleInputs)
            Array.Fill(passUnscaled, true);
        DataViewSchema.Column feature = _trainingSet.Schema.Feature!.Value;
        if (AnnotationUtils.TryGetCategoricalFeatureIndices(_trainingSet.Schema.Schema, feature.Index, out int[] ranges))
        {
            for (int i = 0; i < ranges.Length; i += 2)
                Array.Fill(passUnscaled, true, ranges[i], ranges[i + 1] - ranges[i] + 1);
        }

        int pieces = AutomaticOptions.ChoosePieces(_options, numericSlots: passUnscaled.Count(pass => !pass), none: rows.IsSpilled);
        return rows.FitEncoder(passUnscaled, _options.ScaleInputs, pieces);
    }

    /// <summary>Weights that a row meets on its way through one network; a sparse row meets only those of its entries in the first layer.</summary>
    private static double WeightsOfRow(NetworkDefinition definition, FitRows rows)
    {
        double inputs = rows.IsSparse ? rows.EntriesOfRow : definition.Inputs;
        return inputs * definition.OutputsOf(0) + Enumerable.Range(1, definition.LinearCount - 1).Sum(layer => (double)definition.InputsOf(layer) * definition.OutputsOf(layer));
    }

    /// <summary>Units of the hidden layers: those of the network to go on from, those asked for, or the default ones, fitted to sparse features.</summary>
    private int[] HiddenUnits(bool sparse)
    {
        if (_start is not null)
            return _start.Parameters.Definition.HiddenUnits;
        return sparse && _options.HiddenUnitsAreDefault ? SparseInputs.Narrow(_options.HiddenUnits, _slots) : _options.HiddenUnits;
    }

    private NetworkDefinition Define(InputEncoder encoder, int[] hiddenUnits) => new()
    {
        Inputs = encoder.EncodedInputs,
        HiddenUnits = hiddenUnits,
        Outputs = _task.Outputs,
        Activation = _options.Activation,
        Placement = _options.Placement,
        NormalizeOutputLayerInput = _options.NormalizeOutputLayerInput,
        Epsilon = _options.Epsilon,
        RunningStatisticsMomentum = _options.RunningStatisticsMomentum,
        Statistics = _options.Statistics,
        VirtualBatchSize = _options.VirtualBatchSize ?? 0,
        InitialGamma = _options.InitialGamma,
        DropoutRate = _options.DropoutRate,
    };

    private NetworkParameters CreateParameters(NetworkDefinition definition, TargetScale target, TrainingNumber training)
    {
        if (_start is null)
            return Initialization.Create(definition, SeedOf(training));
        var parameters = new NetworkParameters(definition);
        parameters.CopyFrom(_start.Members[training.Member].Parameters);
        target.UnfoldFrom(parameters.Linear[^1]);
        return parameters;
    }

    private void CheckValidationSet(RoleMappedData validationSet)
    {
        validationSet.CheckFeatureFloatVector(out int slots);
        if (slots != _slots)
        {
            throw _host.ExceptSchemaMismatch(
                nameof(validationSet), "feature", validationSet.Schema.Feature!.Value.Name, _trainingSet.Schema.Feature!.Value.Type.ToString(), validationSet.Schema.Feature!.Value.Type.ToString());
        }

        DataViewSchema.Column label = validationSet.Schema.Label!.Value;
        if (_task.LabelKind == LabelKind.Class && label.Type.GetKeyCount() != (ulong)_task.Outputs)
        {
            throw _host.ExceptSchemaMismatch(
                nameof(validationSet), "label", label.Name, _trainingSet.Schema.Label!.Value.Type.ToString(), label.Type.ToString());
        }
    }
}
