using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>Decides what one call of <c>Fit</c> does, from the options and from what is known of the rows.</summary>
internal sealed class FitPlanner
{
    private readonly IHost _host;
    private readonly BatchNormNetworkOptions _options;
    private readonly NetworkTask _task;
    private readonly int _slots;
    private readonly ulong _seed;
    private readonly TrainedNetwork? _start;
    private readonly MatrixProducts _products;
    private readonly double[]? _classPriors;
    private readonly bool _mayNormalizeInput;

    // Of all trials, by the number of pieces: all else that an encoder depends on is the same in all of them.
    private readonly Dictionary<int, InputEncoder> _encoders = [];

    /// <summary>Refuses what cannot be done with any rows.</summary>
    /// <param name="host">The trainer's host.</param>
    /// <param name="options">Checked options.</param>
    /// <param name="task">What kind of network is wanted.</param>
    /// <param name="slots">Number of slots of the feature column.</param>
    /// <param name="seed">Start of all random numbers.</param>
    /// <param name="start">The model to go on from, or null.</param>
    public FitPlanner(IHost host, BatchNormNetworkOptions options, NetworkTask task, int slots, int seed, TrainedNetwork? start)
    {
        _host = host;
        _options = options;
        _task = task;
        _slots = slots;
        _seed = unchecked((ulong)seed);
        _start = start;
        if (start is not null)
            WarmStart.CheckShape(host, start, slots, task, options);
        PictureOptions.CheckSlots(host, Picture, slots, options.FeatureColumnName);
        PictureOptions.CheckChanges(host, options, Picture);
        if (start is not null && options.NumberOfTrials > 1)
        {
            throw host.ExceptUserArg(
                nameof(options.NumberOfTrials),
                $"NumberOfTrials is {options.NumberOfTrials}, but training goes on from a model: its networks have the shape they have, "
                + "and there is nothing to try. Set NumberOfTrials to 1 or null, or train anew.");
        }
        _products = CreateProducts();
        string order = task.LabelKind == LabelKind.Binary ? "that of false, that of true" : "in the order of the label's keys";
        GivenClassWeights = ClassWeightOptions.Given(host, options, task.Classes, order);
        _classPriors = ClassPriorOptions.Given(host, options, task.Classes, order);
        _mayNormalizeInput = TrialOptions.MayNormalizeInput(options);
    }

    /// <summary>A planner of another trial of the same <c>Fit</c>.</summary>
    private FitPlanner(FitPlanner other, BatchNormNetworkOptions options)
    {
        (_host, _options, _slots, _seed, _products) = (other._host, options, other._slots, other._seed, other._products);
        _encoders = other._encoders;
        // Decided for all trials together: what one draws must not change how the features of another are encoded.
        _mayNormalizeInput = other._mayNormalizeInput;
        _classPriors = other._classPriors;
        GivenClassWeights = other.GivenClassWeights;
        _task = options is BatchNormNetworkMulticlassTrainer.Options several
            ? other._task with
            {
                Objective = new SoftmaxCrossEntropy(
                    several.LabelSmoothing ?? AutomaticOptions.UsualLabelSmoothing, several.TemperatureScaling),
            }
            : other._task;
    }

    /// <summary>The model to go on from, or null.</summary>
    public TrainedNetwork? Start => _start;

    /// <summary>What the options say that a row of each class counts for, or null.</summary>
    public float[]? GivenClassWeights { get; }

    /// <summary>Whether sparse rows may stay sparse.</summary>
    /// <remarks>Normalization of the input itself would fill every column, and pictures are written out.</remarks>
    public bool AllowsSparse => Picture is null && !Network.Plan.NormalizesInput(Placement) && !_mayNormalizeInput;

    /// <summary>Whether of a category only its number is kept.</summary>
    /// <remarks>Not where every slot is to pass as it is, nor where normalization of the input needs them all.</remarks>
    public bool AllowsCategories => AllowsSparse && _options.ScaleInputs;

    /// <summary>Trainings of all networks at most, as far as is known before any row is read.</summary>
    public int MostTrainings => (_options.CompactModel ? 1 : 0) + Math.Max(
        AutomaticOptions.MostMembers(_options, _start) * (1 + _options.NumberOfRestarts), TrialOptions.MostTrainings(_options));

    /// <summary>What is odd about the order in which the feature column has the numbers of pictures, or null.</summary>
    public string? OddOrder(DataViewSchema.Column features) => PictureOptions.OddOrder(
        Picture, PictureOptions.Order(_options, _start), features.Type as VectorDataViewType, features.Name);

    /// <summary>Refuses a first layer that does not fit into one array whatever the rows are.</summary>
    public void CheckSize()
    {
        if (HiddenUnits(rows: long.MaxValue) is [int units, ..] && !Projects)
            CheckSize(Define(_slots, [units]));
    }

    private void CheckSize(NetworkDefinition definition)
    {
        if (definition.HiddenUnits is [int units, ..])
            OptionValidation.CheckSize(_host, definition.InputsOf(0), units, "The first hidden layer");
    }

    /// <summary>Decides everything, which includes learning how features are encoded.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="categoricalSlots">Slots that are not to be scaled.</param>
    /// <param name="categories">Slots of one category each, as far as the view knows of them.</param>
    /// <param name="names">The names of the slots, or null.</param>
    /// <param name="targetNames">The names of several targets, or null.</param>
    /// <param name="classNames">What the keys of classes stand for, or null.</param>
    public FitPlan Plan(
        FitRows rows, ReadOnlySpan<bool> categoricalSlots, IReadOnlyList<(int First, int Count)> categories, SlotNames? names,
        SlotNames? targetNames, SlotNames? classNames)
    {
        FitPlan plan = PlanOne(rows, categoricalSlots, categories, names, targetNames, classNames, isTrial: false);
        if (plan.IsConstant)
            return plan;
        bool canJudge = rows.HasValidation || plan.Chosen.ValidationFraction > 0;
        if (!canJudge && _options.NumberOfTrials > 1)
        {
            throw _host.Except(
                $"NumberOfTrials is {_options.NumberOfTrials}, which needs rows that the networks were not trained on, to judge trials by, "
                + "but ValidationFraction is 0 and there is no validation set: nothing is held out. Set ValidationFraction above 0 (0.2 is "
                + "usual), give a validation set, or set NumberOfTrials to 1.");
        }
        double weights = WeightsOfRow(plan.Definition, plan.Encoder, rows);
        int trials = AutomaticOptions.ChooseTrials(_options, rows.Count, weights, plan.Chosen, canJudge && _start is null);
        if (trials < 2)
            return plan;

        // Trial 0 is what was asked for, with as many networks as each trial has.
        BatchNormNetworkOptions options = _options.Copy<BatchNormNetworkOptions>();
        int most = AutomaticOptions.ChooseMembersOfTrials(
            _options, plan.Definition.ParameterCount, ProjectedParameters(plan.Definition));
        options.NumberOfEnsembleMembers = Math.Min(TrialOptions.MostNetworksOfTrial, most);
        FitPlan usual = new FitPlanner(this, options).PlanOne(
            rows, categoricalSlots, categories, names, targetNames, classNames, isTrial: true);
        var plans = new FitPlan[trials];
        plans[0] = usual;
        for (int trial = 1; trial < trials; trial++)
        {
            BatchNormNetworkOptions drawn = TrialDrawing.Draw(options, usual, trial);
            plans[trial] = new FitPlanner(this, drawn).PlanOne(
                rows, categoricalSlots, categories, names, targetNames, classNames, isTrial: true);
        }

        return usual.WithTrials(plans, most, untried: plan);
    }

    private FitPlan PlanOne(
        FitRows rows, ReadOnlySpan<bool> categoricalSlots, IReadOnlyList<(int First, int Count)> categories, SlotNames? names,
        SlotNames? targetNames, SlotNames? classNames, bool isTrial)
    {
        SlotKind[] kinds = SlotKinds.Of(rows.Slots, OutsideOfRanges(categoricalSlots, rows), _options.ScaleInputs, Projects);
        PieceRule pieceRule = AutomaticOptions.ChoosePieces(_options);
        int numeric = SlotKinds.CountNumeric(kinds, rows.Slots);
        int pieces = pieceRule.Of(numeric);
        // A network that goes on from another keeps its encoder.
        InputEncoder encoder = _start?.Encoder ?? EncoderOf(rows, kinds, pieces);
        NetworkDefinition definition = Define(encoder.EncodedInputs, HiddenUnits(rows.Count)).Reading(encoder);
        CheckSize(definition);
        AutomaticOptions chosen = AutomaticOptions.Choose(
            _options, rows.Count, WeightsOfRow(definition, encoder, rows), definition.ParameterCount, _start,
            severalClasses: _task.LabelKind == LabelKind.Class, definition.LargestMap,
            projected: ProjectedParameters(definition), rows.IsSparse);
        PictureOptions.CheckBatch(_host, definition.LargestMap, chosen.BatchSize, rows.Count);
        bool measuresErrors = _task.IntervalLevels.Count > 0;
        if (measuresErrors && !rows.HasValidation && chosen.ValidationFraction == 0)
        {
            throw _host.Except(
                "IntervalLevels needs rows that the networks were not trained on, to measure how far off predictions are, but "
                + "ValidationFraction is 0 and there is no validation set: nothing is held out. Set ValidationFraction above 0 (0.2 is "
                + "usual), give a validation set, or leave IntervalLevels empty.");
        }
        bool[] categorical = [.. categoricalSlots, .. categoricalSlots.IsEmpty ? (bool[])[] : [false]];
        NetworkDefinition? compact =
            _options.CompactModel && chosen.Members > 1 ? DefineCompact(encoder, definition, chosen.Members) : null;
        return new FitPlan
        {
            Seed = _seed,
            Encoder = encoder,
            SlotNames = names ?? _start?.SlotNames,
            SlotRanges = SlotRanges.Create(categories.Concat(RangesOf(rows, kinds))) ?? _start?.SlotRanges,
            TargetNames = targetNames ?? _start?.TargetNames,
            ClassNames = _task.LabelKind == LabelKind.Class ? classNames ?? _start?.ClassNames : null,
            Definition = definition,
            Chosen = chosen,
            Restarts = _options.NumberOfRestarts,
            Settings = CreateSettings(rows, chosen),
            ClassPriors = _classPriors,
            Split = new ValidationSplit(
                chosen.ValidationFraction, _seed, ByClass: _task.HasClasses, KeepsBack: isTrial || measuresErrors),
            SpreadEncoding = new EncodingRule(categorical, _options.ScaleInputs, pieceRule),
            ChosenOptions = [.. ChosenOptions(rows, chosen, definition, pieces)],
            IsConstant = rows.Classes is { Present: 1 } && _start is null,
            Start = _start,
            Compact = compact,
            CompactEpochs = compact is null ? 0 : AutomaticOptions.ChooseEpochsOfCompact(
                _options, chosen.Epochs, rows.Count, severalClasses: _task.LabelKind == LabelKind.Class),
            Pieces = pieces,
            Rows = rows.Count,
            NumericSlots = numeric,
        };
    }

    private static long ProjectedParameters(NetworkDefinition definition) => definition.Projections.Sum(projection => projection.Weights);

    /// <summary>Learned once for all trials of so many pieces.</summary>
    private InputEncoder EncoderOf(FitRows rows, SlotKind[] kinds, int pieces)
    {
        if (!_encoders.TryGetValue(pieces, out InputEncoder? encoder))
        {
            encoder = Picture is { } picture
                ? rows.FitChannels(picture.Channels, PictureOptions.Order(_options, _start), _options.ScaleInputs)
                : rows.FitEncoder(kinds, pieces);
            _encoders.Add(pieces, encoder);
        }

        return encoder;
    }

    /// <summary>The categories that rows keep as numbers, and those that are seen in the slots they keep.</summary>
    private static IEnumerable<(int First, int Count)> RangesOf(FitRows rows, ReadOnlySpan<SlotKind> kinds)
    {
        IReadOnlyList<(int First, int Count)> groups = SlotKinds.Groups(rows.Slots, kinds);
        if (rows.Ranges is not { } ranges)
            return groups;
        // Neighbours among what is left may have had a category between them.
        IEnumerable<(int First, int Count)> left = groups
            .Where(group => ranges.RawSlotOf(group.First + group.Count - 1) - ranges.RawSlotOf(group.First) == group.Count - 1)
            .Select(group => (ranges.RawSlotOf(group.First), group.Count));
        return Enumerable.Range(0, ranges.Count).Select(range => (ranges[range].First, ranges[range].Count)).Concat(left);
    }

    /// <summary>Of the slots that rows keep, those that are known to be parts of categories and are kept by themselves.</summary>
    private static bool[] OutsideOfRanges(ReadOnlySpan<bool> categoricalSlots, FitRows rows)
    {
        if (rows.Ranges is not { } ranges)
            return categoricalSlots.ToArray();
        bool[] categorical = new bool[ranges.Slots];
        for (int slot = 0; slot < ranges.Numbers; slot++)
            categorical[slot] = categoricalSlots[ranges.RawSlotOf(slot)];
        return categorical;
    }

    /// <summary>What stood open and depends on the rows, in the words of the options, so that a person can set it.</summary>
    private IEnumerable<string> ChosenOptions(FitRows rows, AutomaticOptions chosen, NetworkDefinition definition, int pieces)
    {
        if (definition.Picture is not null && _options.Convolutions is null && _start is null)
            yield return $"Convolutions = [{PictureOptions.Describe(definition.Convolutions)}]";
        if (_options.RandomShift is null && Shift > 0)
            yield return Text($"RandomShift = {Shift}");
        if (_options.HiddenUnits is null && _start is null)
            yield return $"HiddenUnits = [{string.Join(", ", definition.HiddenUnits)}]";
        if (_options.BatchSize is null)
            yield return Text($"BatchSize = {chosen.BatchSize}");
        if (_options.MaximumNumberOfEpochs is null)
            yield return Text($"MaximumNumberOfEpochs = {chosen.Epochs}");
        if (_options.LearningRate is null)
            yield return Text($"LearningRate = {chosen.LearningRate:G4}");
        if (_options.NumberOfEnsembleMembers is null && _start is null)
            yield return Text($"NumberOfEnsembleMembers = {chosen.Members}");
        if (_options.ValidationFraction is null && !rows.HasValidation)
            yield return Text($"ValidationFraction = {chosen.ValidationFraction:G4}");
        if (_options.NumberOfInputPieces is null && _start is null)
            yield return Text($"NumberOfInputPieces = {pieces}");
    }

    private static string Text(FormattableString text) => FormattableString.Invariant(text);

    private TrainingSettings CreateSettings(FitRows rows, AutomaticOptions chosen) => new()
    {
        Objective = _task.Objective,
        TargetWeights = _task.TargetWeights is { } weights ? ConstantOutputs.WeightsWithout(weights, rows.ConstantTargets) : null,
        ClassWeights = ClassWeightOptions.IsBalanced(_options) ? BalancedWeights.Of(rows.Classes!.Weights) : GivenClassWeights,
        BatchSize = chosen.BatchSize,
        MaximumEpochs = chosen.Epochs,
        LearningRate = chosen.LearningRate,
        Optimizer = AutomaticOptions.ChooseOptimizer(_options),
        Schedule = AutomaticOptions.ChooseSchedule(_options),
        AveragedEpochs = AutomaticOptions.ChooseAveraging(
            _options, chosen.Epochs, numbers: _task.LabelKind == LabelKind.Number, sparse: rows.IsSparse),
        KeepsVarianceOfConstants = RareRows.Are(rows.Slots, Math.Min(_options.VirtualBatchSize ?? chosen.BatchSize, chosen.BatchSize)),
        Shuffle = _options.Shuffle,
        RandomShift = Shift,
        RandomHorizontalFlip = _options.RandomHorizontalFlip,
        EarlyStoppingPatience = AutomaticOptions.ChoosePatience(
            _options, chosen.Epochs, numbers: _task.LabelKind == LabelKind.Number),
        Products = _products,
    };

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
            throw _host.Except(
                e, $"{e.Message} Set NativeBlasLibrary to the name or path of a BLAS library, or MatrixMultiplication to Managed.");
        }
    }

    /// <summary>
    /// Weights that a row meets on its way through one network; a sparse row meets only those of its entries in the first layer.
    /// </summary>
    private static double WeightsOfRow(NetworkDefinition definition, InputEncoder encoder, FitRows rows)
    {
        if (definition.Convolutions.Length > 0)
            return definition.WeightsOfRow;
        // Of a slot's pieces a row reads two rows of a table, of the columns of a range of categories one.
        EncodedForm? form = definition.Plan.FormOf(encoder);
        double inputs = 2 * (form?.Table?.Slots ?? 0) + definition.ProjectedUnits, projected = 0;
        InputEncoder columns = form?.Front ?? encoder;
        if (definition.Projections.Count > 0 && encoder.Part<SparseSlots>() is { } many)
        {
            foreach (int slot in many.Slots)
                projected += rows.Slots[slot].NonZero;
            projected /= rows.Count;
        }
        if (rows.IsSparse)
            inputs += rows.EntriesOfRow - projected + columns.EntriesOfZeros;
        else
            inputs += columns.EncodedInputs - columns.OfCategories.Columns + columns.OfCategories.Ranges;
        double weights = inputs * definition.OutputsOf(0) + projected * SparseSlots.UsualUnits;
        for (int layer = 1; layer < definition.LinearCount; layer++)
            weights += (double)definition.InputsOf(layer) * definition.OutputsOf(layer);
        return weights;
    }

    /// <summary>
    /// Units of the hidden layers: those of the network to go on from, those asked for, or the default ones.
    /// </summary>
    private int[] HiddenUnits(long rows) => AutomaticOptions.ChooseHiddenUnits(
        _options, _start, rows, severalClasses: _task.LabelKind == LabelKind.Class);

    /// <summary>Whether slots may enter through a projection: where there is a layer behind it, and no normalization in front.</summary>
    private bool Projects => AllowsSparse && HiddenUnits(rows: long.MaxValue).Length > 0;

    private int Shift => AutomaticOptions.ChooseShift(
        _options, Picture, classes: _task.LabelKind is LabelKind.Binary or LabelKind.Class);

    private MapShape? Picture => PictureOptions.Picture(_options, _start);

    private BatchNormalizationPlacement Placement => AutomaticOptions.ChoosePlacement(_options, _start);

    /// <summary>The network that the others teach. What it learns from has no noise that dropout would have to keep it from.</summary>
    private NetworkDefinition DefineCompact(InputEncoder encoder, NetworkDefinition taughtBy, int members)
    {
        return Of(AutomaticOptions.ChooseHiddenUnitsOfCompact(
            _options, _start, taughtBy.HiddenUnits,
            share: units => Of(units).ParameterCount / (double)(members * taughtBy.ParameterCount)));

        NetworkDefinition Of(int[] hiddenUnits) => Define(encoder.EncodedInputs, hiddenUnits, dropoutRate: 0).Reading(encoder);
    }

    private NetworkDefinition Define(int inputs, int[] hiddenUnits) =>
        Define(inputs, hiddenUnits, _options.DropoutRate ?? AutomaticOptions.UsualDropoutRate);

    private NetworkDefinition Define(int inputs, int[] hiddenUnits, double dropoutRate) => new()
    {
        Inputs = inputs,
        Picture = Picture,
        PixelOrder = PictureOptions.Order(_options, _start),
        Convolutions = PictureOptions.Convolutions(_options, _start),
        AveragesPixels = PictureOptions.AveragesPixels(_options, _start),
        HiddenUnits = hiddenUnits,
        Outputs = _task.Outputs,
        Activation = AutomaticOptions.ChooseActivation(_options, _start),
        Placement = Placement,
        NormalizeOutputLayerInput = _options.NormalizeOutputLayerInput,
        Epsilon = _options.Epsilon,
        RunningStatisticsMomentum = _options.RunningStatisticsMomentum,
        Statistics = _options.Statistics,
        VirtualBatchSize = _options.VirtualBatchSize ?? 0,
        InitialGamma = _options.InitialGamma,
        DropoutRate = dropoutRate,
    };
}
