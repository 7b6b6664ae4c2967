using Microsoft.ML.Runtime;
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
            WarmStart.CheckShape(host, start, slots, task.Outputs, options);
        _products = CreateProducts();
        string order = task.LabelKind == LabelKind.Binary ? "that of false, that of true" : "in the order of the label's keys";
        GivenClassWeights = ClassWeighting.Given(host, options, task.Classes, order);
    }

    /// <summary>What the options say that a row of each class counts for, or null.</summary>
    public float[]? GivenClassWeights { get; }

    /// <summary>Whether sparse rows may stay sparse.</summary>
    /// <remarks>Normalization of the input itself would fill every column, and a network that goes on from another keeps its encoder.</remarks>
    public bool AllowsSparse => !Network.Plan.NormalizesInput(Placement) && (_start is null || _start.Encoder.KeepsZero);

    /// <summary>Trainings of all networks at most, as far as is known before any row is read.</summary>
    public int MostTrainings => AutomaticOptions.MostMembers(_options, _start) * (1 + _options.NumberOfRestarts);

    /// <summary>Refuses a first layer that does not fit into one array.</summary>
    /// <param name="sparse">Whether rows are sparse, which may make layers narrower.</param>
    public void CheckSize(bool sparse) => OptionValidation.CheckSize(_host, _slots, HiddenUnits(sparse)[0], "The first hidden layer");

    /// <summary>Learns how features are encoded; a network that goes on from another keeps its encoder.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="categoricalSlots">Slots that are not to be scaled.</param>
    public InputEncoder Encode(FitRows rows, ReadOnlySpan<bool> categoricalSlots)
    {
        if (_start is not null)
            return _start.Encoder;
        if (rows.IsSparse)
            return rows.FitEncoder([], _options.ScaleInputs, 0);
        bool[] passUnscaled = new bool[_slots];
        if (_options.ScaleInputs)
            categoricalSlots.CopyTo(passUnscaled);
        else
            Array.Fill(passUnscaled, true);
        int pieces = AutomaticOptions.ChoosePieces(_options, numericSlots: passUnscaled.Count(pass => !pass), none: rows.IsSpilled);
        return rows.FitEncoder(passUnscaled, _options.ScaleInputs, pieces);
    }

    /// <summary>Everything else.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="encoder">How their features are encoded.</param>
    public FitPlan Plan(FitRows rows, InputEncoder encoder)
    {
        NetworkDefinition definition = Define(encoder, HiddenUnits(rows.IsSparse));
        AutomaticOptions chosen = AutomaticOptions.Choose(
            _options, rows.Count, WeightsOfRow(definition, rows), isSingle: rows.IsSparse || rows.IsSpilled, _start,
            severalClasses: _task.LabelKind == LabelKind.Class);
        return new FitPlan
        {
            Seed = _seed,
            Encoder = encoder,
            Definition = definition,
            Chosen = chosen,
            Restarts = _options.NumberOfRestarts,
            Settings = CreateSettings(rows, chosen),
            Split = new ValidationSplit(chosen.ValidationFraction, _seed, ByClass: _task.LabelKind != LabelKind.Number),
            Start = _start,
        };
    }

    private TrainingSettings CreateSettings(FitRows rows, AutomaticOptions chosen) => new()
    {
        Objective = _task.Objective,
        ClassWeights = ClassWeighting.IsBalanced(_options) ? ClassWeighting.Balanced(rows.WeightOfClass) : GivenClassWeights,
        BatchSize = chosen.BatchSize,
        MaximumEpochs = chosen.Epochs,
        LearningRate = chosen.LearningRate,
        Optimizer = AutomaticOptions.ChooseOptimizer(_options),
        Schedule = AutomaticOptions.ChooseSchedule(_options),
        Shuffle = _options.Shuffle,
        EarlyStoppingPatience = _options.EarlyStoppingPatience ?? AutomaticOptions.UsualEarlyStoppingPatience,
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

    /// <summary>Weights that a row meets on its way through one network; a sparse row meets only those of its entries in the first layer.</summary>
    private static double WeightsOfRow(NetworkDefinition definition, FitRows rows)
    {
        double weights = (rows.IsSparse ? rows.EntriesOfRow : definition.Inputs) * definition.OutputsOf(0);
        for (int layer = 1; layer < definition.LinearCount; layer++)
            weights += (double)definition.InputsOf(layer) * definition.OutputsOf(layer);
        return weights;
    }

    /// <summary>Units of the hidden layers: those of the network to go on from, those asked for, or the default ones, fitted to sparse features.</summary>
    private int[] HiddenUnits(bool sparse) => AutomaticOptions.ChooseHiddenUnits(
        _options, _start, severalClasses: _task.LabelKind == LabelKind.Class, sparseSlots: sparse ? _slots : 0);

    private BatchNormalizationPlacement Placement => AutomaticOptions.ChoosePlacement(_options, _start);

    private NetworkDefinition Define(InputEncoder encoder, int[] hiddenUnits) => new()
    {
        Inputs = encoder.EncodedInputs,
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
        DropoutRate = _options.DropoutRate ?? AutomaticOptions.UsualDropoutRate,
    };
}
