using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm;

/// <summary>Draws the options of trials: a copy of the options as they were given, with values for what they leave open.</summary>
/// <remarks>
/// A trial is a function of the seed, its number, the options and what trial 0 came to. Every option draws its numbers whether it is free
/// or not, so that setting one does not change what the others draw.
/// </remarks>
internal static class TrialDrawing
{
    private static readonly int[] s_moreLayers = [0, 1];
    private static readonly double[] s_unitFactors = [0.5, 1, 2];
    private static readonly ActivationFunction[] s_activations =
        [ActivationFunction.ReLU, ActivationFunction.SiLU, ActivationFunction.Mish];
    private static readonly BatchNormalizationPlacement[] s_placements =
        [BatchNormalizationPlacement.BeforeActivation, BatchNormalizationPlacement.AfterActivation];
    private static readonly double[] s_dropoutRates = [0, 0.05, 0.1, 0.2];
    private static readonly double[] s_batchFactors = [0.5, 1, 2];
    private static readonly double[] s_epochFactors = [0.5, 1, 2, 3];
    private static readonly double[] s_weightDecays = [0.001, 0.01, 0.03, 0.1];
    private static readonly double[] s_pieceFactors = [0.5, 1, 2, 4];
    private static readonly double[] s_labelSmoothings = [0, 0.03];

    /// <summary>Learning rates are drawn between these times what the option comes to: restless above, too few steps below.</summary>
    private const double LowestRateFactor = 0.25;

    /// <inheritdoc cref="LowestRateFactor"/>
    private const double HighestRateFactor = 2;

    /// <summary>
    /// Part of the trials in which an option without values of the user's keeps its default: what differs in everything is rarely good.
    /// </summary>
    private const double KeptShare = 0.5;

    /// <summary>Epochs of a trial at most, where fewer are usual: about as many as were measured (docs/defaults.md, "Trials").</summary>
    private const int LargestNumberOfEpochs = 108;

    /// <summary>
    /// What the first trials differ in from the defaults, where no space is given: the directions that gained on tables that are learned to
    /// the last epoch (docs/defaults.md, "Trials"). Networks that learn labels nearly by heart are worse by themselves than the mean of
    /// several is, so that these are not given up for what one network says.
    /// </summary>
    private static readonly Direction[] s_directions =
    [
        new(Epochs: 3, Pieces: 4, DropoutRate: 0),
        new(Epochs: 3, Pieces: 4, DropoutRate: null),
        new(Epochs: 3, Pieces: 2, DropoutRate: 0.05, MoreLayers: 1),
    ];

    /// <summary>Directions that are not given up for what one of their networks says.</summary>
    private const int KeptDirections = 2;

    /// <summary>Trials that are not given up before the model is chosen: the defaults, and what stands against them.</summary>
    /// <param name="options">As they were given.</param>
    /// <param name="usual">What trial 0 came to.</param>
    public static int KeptTrials(BatchNormNetworkOptions options, FitPlan usual) =>
        1 + Math.Min(KeptDirections, Directions(options, usual).Count);

    /// <summary>The options of a trial but the first.</summary>
    /// <param name="options">As they were given.</param>
    /// <param name="usual">What trial 0 came to.</param>
    /// <param name="trial">Number of the trial, from 1.</param>
    public static BatchNormNetworkOptions Draw(BatchNormNetworkOptions options, FitPlan usual, int trial)
    {
        IReadOnlyList<BatchNormNetworkOptions> directions = Directions(options, usual);
        if (trial <= directions.Count)
            return directions[trial - 1];
        BatchNormNetworkOptions drawn = options.Copy<BatchNormNetworkOptions>();
        SearchSpace space = options.SearchSpace ?? new SearchSpace();
        var random = new RandomStream(usual.Seed, RandomPurpose.TrialOptions + (ulong)trial);
        int[] usualUnits = usual.Definition.HiddenUnits;
        int widest = usualUnits.Length == 0 ? AutomaticOptions.HiddenUnitsOfPictures[0] : usualUnits.Max();
        int? layers = Pick(
            ref random, space.NumberOfHiddenLayers, [.. s_moreLayers.Select(more => Math.Max(1, usualUnits.Length + more))]);
        int? units = Pick(ref random, space.NumberOfUnits, [.. s_unitFactors.Select(factor => Math.Max(1, (int)(factor * widest)))]);
        if (drawn.HiddenUnits is null && (layers is not null || units is not null))
            drawn.HiddenUnits = [.. Enumerable.Repeat(units ?? widest, layers ?? Math.Max(1, usualUnits.Length))];
        // Drawn first and set then: an assignment that an option makes needless would draw nothing, and move all draws behind it.
        ActivationFunction? activation = Pick(ref random, space.Activation, s_activations);
        BatchNormalizationPlacement? placement = Pick(ref random, space.Placement, s_placements);
        double? dropoutRate = Pick(ref random, space.DropoutRate, s_dropoutRates);
        int usualBatch = usual.Chosen.BatchSize;
        int? batch = Pick(ref random, space.BatchSize, BatchesAround(usualBatch, usual.Definition.LargestMap));
        int usualEpochs = usual.Chosen.Epochs;
        int? epochs = Pick(
            ref random, space.MaximumNumberOfEpochs, [.. s_epochFactors.Select(factor => Epochs(usual, factor))]);
        drawn.Activation ??= activation;
        drawn.Placement ??= placement;
        drawn.DropoutRate ??= dropoutRate;
        drawn.BatchSize ??= Math.Max(options.VirtualBatchSize ?? 0, batch ?? usualBatch);
        drawn.MaximumNumberOfEpochs ??= epochs ?? usualEpochs;
        double factor = LowestRateFactor * Math.Pow(HighestRateFactor / LowestRateFactor, random.NextDouble());
        double? rate = Pick(ref random, space.LearningRate, [factor * AutomaticOptions.RateFor(drawn.BatchSize.Value)]);
        drawn.LearningRate ??= rate;
        double? decay = Pick(ref random, space.WeightDecay, s_weightDecays);
        if (drawn.Optimizer is null && decay is { } strength)
            drawn.Optimizer = new AdamWOptimizer { WeightDecay = strength };
        int usualPieces = usual.Pieces;
        int? pieces = Pick(ref random, space.NumberOfInputPieces, [.. s_pieceFactors.Select(factor => Pieces(usual, factor))]);
        drawn.NumberOfInputPieces ??= pieces ?? usualPieces;
        double? smoothing = Pick(ref random, space.LabelSmoothing, s_labelSmoothings);
        if (drawn is BatchNormNetworkMulticlassTrainer.Options several)
            several.LabelSmoothing ??= smoothing;
        drawn.EarlyStoppingPatience ??= AutomaticOptions.PatienceOfTrial(drawn.MaximumNumberOfEpochs.Value);
        return drawn;
    }

    /// <summary>
    /// The directions that lead somewhere: of what is set nothing is left to differ in; pictures and words, which have no pieces, are not
    /// learned by heart so; and with few rows what is learned by heart is chosen by luck.
    /// </summary>
    private static IReadOnlyList<BatchNormNetworkOptions> Directions(BatchNormNetworkOptions options, FitPlan usual)
    {
        if (options.SearchSpace is not null || usual.Pieces == 0 || usual.NumericSlots == 0
            || usual.Rows < AutomaticOptions.FewestRowsOfTrials)
        {
            return [];
        }

        var known = new HashSet<(int, int, double, int)>
        {
            (usual.Chosen.Epochs, usual.Pieces, usual.Definition.DropoutRate, usual.Definition.HiddenUnits.Length),
        };
        return
        [
            .. s_directions.Select(direction => Draw(options, usual, direction)).Where(drawn => known.Add((
                drawn.MaximumNumberOfEpochs!.Value, drawn.NumberOfInputPieces!.Value,
                drawn.DropoutRate ?? usual.Definition.DropoutRate, (drawn.HiddenUnits ?? usual.Definition.HiddenUnits).Length))),
        ];
    }

    private static BatchNormNetworkOptions Draw(BatchNormNetworkOptions options, FitPlan usual, Direction direction)
    {
        BatchNormNetworkOptions drawn = options.Copy<BatchNormNetworkOptions>();
        int[] usualUnits = usual.Definition.HiddenUnits;
        drawn.MaximumNumberOfEpochs ??= Epochs(usual, direction.Epochs);
        drawn.NumberOfInputPieces ??= Pieces(usual, direction.Pieces);
        drawn.DropoutRate ??= direction.DropoutRate;
        if (direction.MoreLayers > 0 && usualUnits.Length > 0)
            drawn.HiddenUnits ??= [.. usualUnits, .. Enumerable.Repeat(usualUnits[^1], direction.MoreLayers)];
        drawn.EarlyStoppingPatience ??= AutomaticOptions.PatienceOfTrial(drawn.MaximumNumberOfEpochs.Value);
        return drawn;
    }

    private static int Epochs(FitPlan usual, double factor) => Times(factor, usual.Chosen.Epochs, LargestNumberOfEpochs, least: 1);

    /// <summary>Of many slots no more pieces than all may have, so that models stay small.</summary>
    private static int Pieces(FitPlan usual, double factor)
    {
        long most = AutomaticOptions.LargestNumberOfTrialPieces / Math.Max(1, usual.NumericSlots);
        return Times(factor, usual.Pieces, Math.Min(AutomaticOptions.MostPieces, most), least: 0);
    }

    /// <summary>Times what is usual, but no more than the most, unless that is usual.</summary>
    private static int Times(double factor, int usual, long most, int least) =>
        (int)Math.Clamp(factor * usual, least, Math.Max(usual, most));

    private sealed record Direction(int Epochs, int Pieces, double? DropoutRate, int MoreLayers = 0);

    /// <summary>Batches that are drawn around the usual one, in the bounds in which that is chosen itself.</summary>
    /// <param name="usual">What the option comes to: below the smallest of tables where pictures are large.</param>
    /// <param name="largestMap">Numbers of the largest map of a picture; 0 where rows are none.</param>
    internal static int[] BatchesAround(int usual, long largestMap)
    {
        long most = largestMap == 0 ? BatchNormNetworkOptions.MaximumBatchSize
            : Math.Min(BatchNormNetworkOptions.MaximumBatchSize, Math.Max(usual, AutomaticOptions.LargestMapOfBatch / largestMap));
        return [.. s_batchFactors.Select(factor =>
            (int)Math.Clamp((long)(factor * usual), Math.Min(AutomaticOptions.SmallestBatch, usual), most))];
    }

    /// <summary>One of the user's values, or of ours, or null for the default.</summary>
    private static T? Pick<T>(ref RandomStream random, T[]? given, T[] usual)
        where T : struct
    {
        bool isKept = random.NextDouble() < KeptShare;
        ulong bits = random.NextUInt64();
        T[] values = given ?? usual;
        return isKept && given is null ? null : values[(int)Math.BigMul(bits, (ulong)values.Length, out _)];
    }
}
