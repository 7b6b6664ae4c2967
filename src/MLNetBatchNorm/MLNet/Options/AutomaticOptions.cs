using System.Collections.Immutable;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>
/// What one call of <c>Fit</c> does where the options leave it open: chosen by the size of the data, never
/// by a clock, so that it is the same everywhere.
/// </summary>
/// <remarks>The experiments behind the numbers are in docs/defaults.md.</remarks>
/// <param name="BatchSize">Rows of a step.</param>
/// <param name="Epochs">Passes over the rows.</param>
/// <param name="Members">Networks.</param>
/// <param name="LearningRate">Highest rate.</param>
/// <param name="ValidationFraction">Share of the rows that is set aside.</param>
internal sealed record AutomaticOptions(int BatchSize, int Epochs, int Members, double LearningRate, double ValidationFraction)
{
    /// <summary>Behind convolutions one layer is enough: what there is to find has been found, and a flattened map is wide.</summary>
    public static readonly ImmutableArray<int> HiddenUnitsOfPictures = [128];

    /// <summary>The activation batch normalization was introduced with and the cheapest to compute.</summary>
    public const ActivationFunction UsualActivation = ActivationFunction.ReLU;

    /// <summary>The order of Ioffe and Szegedy 2015, section 3.2.</summary>
    public const BatchNormalizationPlacement UsualPlacement = BatchNormalizationPlacement.BeforeActivation;

    /// <summary>Light: the noise of mini-batch statistics regularizes already (Ioffe and Szegedy 2015, section 3.4).</summary>
    public const double UsualDropoutRate = 0.1;

    /// <summary>None: smoothing changes the probabilities away from the observed frequencies, so it has to be asked for.</summary>
    public const double UsualLabelSmoothing = 0;

    /// <summary>Trainings of so many epochs average weights over one of them, shorter ones over as much of one.</summary>
    public const double EpochsOfLongTrainings = 24;

    /// <summary>
    /// Share of the epochs after which training ends if none of them has been better: the validation loss often rests while the rate is
    /// high and falls again while it is lowered. Where it does not, the best epoch is mostly among the first.
    /// </summary>
    public const double PatienceShare = 0.4;

    /// <summary>Epochs of patience at least, and at most.</summary>
    public const int SmallestPatience = 8;

    /// <inheritdoc cref="SmallestPatience"/>
    public const int LargestPatience = 20;

    /// <summary>
    /// The same of numbers. Their weights are not averaged, so that the validation loss falls only when the rate does: it must not run out
    /// in the middle of the long cycles of small tables (wine).
    /// </summary>
    public const int LargestPatienceOfNumbers = 30;

    /// <summary>
    /// An epoch has about so many steps: batch statistics are noisy enough to regularize, and small tables get enough steps.
    /// </summary>
    public const int StepsOfAnEpoch = 100;

    /// <summary>Below it the noise of batch statistics costs accuracy.</summary>
    public const int SmallestBatch = 32;

    /// <summary>Above it accuracy falls at the same number of epochs, and speed no longer rises.</summary>
    public const int LargestBatch = 256;

    /// <summary>
    /// Rows from which a table is a larger one: its layers for two classes and numbers are narrower, those of several classes are trained
    /// longer, and from here on the most epochs of a small table fall with the rows.
    /// </summary>
    public const int RowsOfLargerTables = 10_000;

    /// <summary>
    /// A cycle of the learning rate of fewer epochs than this anneals too fast; from there on networks are saved instead.
    /// </summary>
    public const int FewestEpochs = 8;

    /// <summary>
    /// Rate for a batch of 128 rows; others follow the square root of their rows, as the noise of Adam's steps
    /// does (Malladi et al. 2022, arXiv:2205.10287).
    /// </summary>
    public const double RateAtBatch128 = 0.006;

    /// <summary>Beyond it training gets restless at any batch.</summary>
    public const double HighestRate = 0.01;

    /// <summary>
    /// A fifth: enough rows to tell epochs apart, the share used by Gorishniy et al. 2021 and Holzmueller et al. 2024 (arXiv:2407.04491).
    /// </summary>
    public const double LargestValidationFraction = 0.2;

    /// <summary>
    /// Where so many rows of several classes are less than a fifth they are enough, as long as they are not less than
    /// <see cref="SmallestValidationFraction"/>: such tables are mostly learned to the last epoch, and rows to train on are worth more than
    /// a sharper choice of it. For yes or no and for numbers it is the other way round.
    /// </summary>
    public const int EnoughValidationRows = 2_000;

    /// <summary>More rows to train on than nine of ten would make no difference.</summary>
    public const double SmallestValidationFraction = 0.1;

    /// <summary>Fine enough for the jumps of real tables; twice as many gained nothing.</summary>
    public const int UsualPieces = 32;

    /// <summary>Pieces of a slot at most, whoever chooses them: more than percentiles say little that the scaled slot does not.</summary>
    public const int MostPieces = 256;

    /// <summary>Pieces beside all slots at most: they decide the size of the first layer.</summary>
    public const int LargestNumberOfAllPieces = 1024;

    /// <summary>The same in trials, of which some draw finer pieces.</summary>
    public const int LargestNumberOfTrialPieces = 2 * LargestNumberOfAllPieces;

    /// <summary>Coarser pieces than this say little that the scaled slot does not.</summary>
    public const int FewestPieces = 4;

    /// <summary>
    /// Parameters of all networks together, a model of 16 MB: of wide tables, such as those of
    /// words, networks are saved before it gets larger.
    /// </summary>
    public const long LargestNumberOfAllParameters = 1 << 23;

    /// <summary>
    /// The same of what projects categories of very many values and words to few numbers, by itself: another 32 MB. A row meets few of
    /// these, and nothing is gained by having them in fewer networks but memory.
    /// </summary>
    public const long LargestNumberOfProjectedParameters = 1 << 24;

    /// <summary>A model is kept small only as long as there are so many networks: they have most of the gain.</summary>
    public const int FewestMembersOfSmallModels = 4;

    /// <summary>
    /// Pictures may take so many times the work, minutes for some ten thousand: a pixel meets each weight of a kernel, and the bound of
    /// tables would leave one network and few epochs.
    /// </summary>
    public const int WorkOfPictures = 40;

    /// <summary>
    /// Pixels of both sides from which on pictures are moved in training: of 8 one is an eighth, gained little (digits), and few thin lines
    /// at an edge were lost by it.
    /// </summary>
    public const int SmallestMovedSide = 12;

    /// <summary>
    /// Times that the longer side of a moved picture is as long as the shorter one, at most: what is longer is mostly signals one below the
    /// other, and a move would make one signal out of another.
    /// </summary>
    public const int MostLopsided = 4;

    /// <summary>Pixels by which they are moved: two of 14 or 16 gained half as much.</summary>
    public const int UsualShift = 1;

    /// <summary>Numbers of all pictures of a batch in their largest map at most, where the batch is chosen: 512 MB.</summary>
    public const long LargestMapOfBatch = 1 << 27;

    /// <summary>
    /// Epochs of a network that is taught by others, for each of theirs: one keeps most of their gain, two nearly all of it, three no more.
    /// </summary>
    public const int EpochsOfCompact = 2;

    /// <summary>
    /// Part of the parameters of those who teach it that such a network has at most where it is wider than they are: of eight of a usual
    /// table it has little more than a quarter, of two it would have as many as both.
    /// </summary>
    public const double LargestShareOfCompact = 1.0 / 3;

    /// <summary>Units of the hidden layers.</summary>
    /// <param name="options">What is set stays as it is.</param>
    /// <param name="start">The network that training goes on from, or null; it has the layers it has.</param>
    /// <param name="rows">Training rows, before any are set aside.</param>
    /// <param name="severalClasses">Whether the label is one of several classes.</param>
    public static int[] ChooseHiddenUnits(BatchNormNetworkOptions options, TrainedNetwork? start, long rows, bool severalClasses)
    {
        EffortRule rule = EffortRule.Of(options.Effort);
        ImmutableArray<int> units = severalClasses ? rule.HiddenUnitsOfSeveralClasses
            : rows < RowsOfLargerTables ? rule.HiddenUnitsOfSmallTables : rule.HiddenUnits;
        if (options.InputShape is not null)
            units = HiddenUnitsOfPictures;
        return start?.Parameters.Definition.HiddenUnits ?? options.HiddenUnits ?? [.. units];
    }

    /// <summary>
    /// Units of the hidden layers of a network that is taught by others: for two classes and numbers those of small tables, also where the
    /// others are narrower. Where labels are sharp (bike sharing), one of their layers was worse than they are themselves.
    /// Not where that would be a large part of what few networks are.
    /// </summary>
    /// <param name="options">What is set stays as it is.</param>
    /// <param name="start">The model that training goes on from, or null; the network begins as one of its networks.</param>
    /// <param name="taughtBy">Those of the networks that teach.</param>
    /// <param name="share">How large a network of such layers is, of all that teach together.</param>
    public static int[] ChooseHiddenUnitsOfCompact(
        BatchNormNetworkOptions options, TrainedNetwork? start, int[] taughtBy, Func<int[], double> share)
    {
        ImmutableArray<int> units = EffortRule.Of(options.Effort).HiddenUnitsOfSmallTables;
        bool areNarrower = taughtBy.Length == units.Length && taughtBy[0] < units[0];
        return areNarrower && start is null && options.HiddenUnits is null && options.InputShape is null
            && share([.. units]) <= LargestShareOfCompact ? [.. units] : taughtBy;
    }

    /// <summary>Where batch normalization stands.</summary>
    public static BatchNormalizationPlacement ChoosePlacement(BatchNormNetworkOptions options, TrainedNetwork? start) =>
        options.Placement ?? start?.Parameters.Definition.Placement ?? UsualPlacement;

    /// <summary>The function of the hidden units.</summary>
    public static ActivationFunction ChooseActivation(BatchNormNetworkOptions options, TrainedNetwork? start) =>
        options.Activation ?? start?.Parameters.Definition.Activation ?? UsualActivation;

    /// <summary>Decoupled weight decay (Loshchilov and Hutter 2019).</summary>
    public static Optimizer ChooseOptimizer(BatchNormNetworkOptions options) => options.Optimizer ?? new AdamWOptimizer();

    /// <summary>One cycle (Smith and Topin 2019): a short warm-up for the untrained statistics, then annealing to almost zero.</summary>
    public static LearningRateSchedule ChooseSchedule(BatchNormNetworkOptions options) =>
        options.LearningRateSchedule ?? new OneCycleSchedule();

    /// <summary>Pieces of numeric slots.</summary>
    /// <param name="options">What is set stays as it is.</param>
    public static PieceRule ChoosePieces(BatchNormNetworkOptions options) =>
        options.NumberOfInputPieces is { } pieces ? new PieceRule(pieces)
        : options.InputShape is not null ? new PieceRule(0)
        : new PieceRule(UsualPieces, LargestNumberOfAllPieces, FewestPieces);

    /// <summary>Everything, once the encoder and so the size of a network is known.</summary>
    /// <param name="options">What is set stays as it is.</param>
    /// <param name="rows">Training rows, before any are set aside.</param>
    /// <param name="weights">Weights of one network that a row meets.</param>
    /// <param name="parameters">Parameters of one network, those of projections included.</param>
    /// <param name="start">The model that training goes on from, or null; it has as many networks as it has.</param>
    /// <param name="severalClasses">Whether the label is one of several classes.</param>
    /// <param name="largestMap">Numbers of the largest map of a picture; 0 where rows are none.</param>
    /// <param name="projected">How many of the parameters are those of projections.</param>
    /// <param name="sparse">Whether rows keep only the features that are not zero, as those of words do.</param>
    public static AutomaticOptions Choose(
        BatchNormNetworkOptions options, long rows, double weights, long parameters, TrainedNetwork? start,
        bool severalClasses = false, long largestMap = 0, long projected = 0, bool sparse = false)
    {
        EffortRule rule = EffortRule.Of(options.Effort);
        double least = severalClasses ? SmallestValidationFraction : LargestValidationFraction;
        double validation = options.ValidationFraction
            ?? Math.Clamp(EnoughValidationRows / (double)Math.Max(1, rows), least, LargestValidationFraction);
        // Two operations for each weight and row forward, four backward.
        double affordable = rule.LargestWork * (largestMap > 0 ? WorkOfPictures : 1) / (6.0 * weights * rows * (1 - validation));
        bool choosesMembers = options.NumberOfEnsembleMembers is null && start is null;
        int members = MostMembers(options, start);
        int usual = UsualEpochs(options, rows, severalClasses);
        // Only what time is left by all networks: of small tables that are wide none is given up for it.
        int most = largestMap > 0 || sparse ? usual : MostEpochs(rule, rows, usual);
        if (choosesMembers)
        {
            double each = Math.Max(1, parameters - projected);
            members = Fitting(rule.UsualNumberOfAllParameters / each, Math.Min(FewestMembersOfSmallModels, members), members);
            members = FittingModel(parameters, projected, members);
            members = Fitting(affordable / (options.MaximumNumberOfEpochs ?? usual), Math.Min(rule.FewMembers, members), members);
        }
        int epochs = options.MaximumNumberOfEpochs ?? Fitting(affordable / members, FewestEpochs, most);
        if (choosesMembers)
            members = Fitting(affordable / epochs, 1, members);
        int batch = ChooseBatchSize(options, rows, largestMap);
        return new AutomaticOptions(
            batch, epochs, members, options.LearningRate ?? RateFor(batch), validation);
    }

    /// <summary>
    /// Epochs of a table where no time is to be saved: as many rows are visited as in those of a small table of
    /// <see cref="RowsOfLargerTables"/>. Of fewer rows an epoch has fewer steps, of more the usual epochs have enough.
    /// </summary>
    private static int MostEpochs(EffortRule rule, long rows, int usual) => Fitting(
        rule.EpochsOfSmallTables * (double)RowsOfLargerTables / Math.Max(1, rows), usual, Math.Max(usual, rule.EpochsOfSmallTables));

    /// <summary>The rate that suits a batch of so many rows.</summary>
    public static double RateFor(int batch) => Math.Min(HighestRate, RateAtBatch128 * Math.Sqrt(batch / 128.0));

    /// <summary>Networks that trials may choose for the model: as many as fit into it, whatever their training takes.</summary>
    /// <param name="options">What is set stays as it is.</param>
    /// <param name="parameters">Parameters of one network, those of projections included.</param>
    /// <param name="projected">How many of the parameters are those of projections.</param>
    public static int ChooseMembersOfTrials(BatchNormNetworkOptions options, long parameters, long projected) =>
        options.NumberOfEnsembleMembers ?? FittingModel(parameters, projected, EffortRule.Of(options.Effort).Members);

    /// <summary>Of so many networks those that fit into a model; what projects has a bound of its own.</summary>
    private static int FittingModel(long parameters, long projected, int members)
    {
        members = Fitting(LargestNumberOfAllParameters / (double)Math.Max(1, parameters - projected), 1, members);
        return Fitting(LargestNumberOfProjectedParameters / (double)Math.Max(1, projected), 1, members);
    }

    /// <summary>Number of configurations that are tried; 1: only that of the options.</summary>
    /// <param name="options">What is set stays as it is.</param>
    /// <param name="rows">Training rows, before any are set aside.</param>
    /// <param name="weights">Weights of one network that a row meets.</param>
    /// <param name="chosen">What trial 0 would come to.</param>
    /// <param name="canJudge">Whether there are rows to judge trials by, and nothing that they do not go with.</param>
    public static int ChooseTrials(
        BatchNormNetworkOptions options, long rows, double weights, AutomaticOptions chosen, bool canJudge)
    {
        if (options.NumberOfTrials is { } trials)
            return trials;
        if (!canJudge || rows < FewestRowsOfTrials || TrialOptions.MostTrials(options) == 1)
            return 1;
        EffortRule rule = EffortRule.Of(options.Effort);
        double work = 6.0 * weights * rows * (1 - chosen.ValidationFraction) * chosen.Epochs;
        double networks = rule.LargestWork / work, affordable = networks / TrainingsOfTrial;
        double few = networks / (TrialOptions.MostNetworksOfTrial * LongerTrials);
        return Fitting(affordable < FewestTrialsOfRungs ? few : affordable, 1, rule.Trials);
    }

    /// <summary>
    /// Rows from which an effort tries configurations: a network that sets a fifth aside then judges on 300. With fewer, what is chosen is
    /// chosen by luck.
    /// </summary>
    public const int FewestRowsOfTrials = 3_000;

    /// <summary>Networks that are trained for each trial, in the mean over those that are given up early.</summary>
    private const double TrainingsOfTrial = 3;

    /// <summary>
    /// Times the usual epochs that trials have in the mean where there are few of them: the first three have up to three times.
    /// </summary>
    private const int LongerTrials = 2;

    /// <summary>Of fewer trials hardly any are given up, because the model needs that many, and all train all of their networks.</summary>
    private const int FewestTrialsOfRungs = 8;

    /// <summary>
    /// Epochs of the network that others teach: of small tables, whose networks train long to find what is sharp, as many as these; it is
    /// told where to look, and never ends early.
    /// </summary>
    /// <param name="options">What is set stays as it is.</param>
    /// <param name="taughtBy">Those of the networks that teach.</param>
    /// <param name="rows">Training rows.</param>
    /// <param name="severalClasses">Whether the label is one of several classes.</param>
    public static int ChooseEpochsOfCompact(BatchNormNetworkOptions options, int taughtBy, long rows, bool severalClasses)
    {
        int twice = EpochsOfCompact * taughtBy;
        return options.MaximumNumberOfEpochs is null
            ? Math.Max(taughtBy, Math.Min(twice, EpochsOfCompact * UsualEpochs(options, rows, severalClasses)))
            : twice;
    }

    private static int UsualEpochs(BatchNormNetworkOptions options, long rows, bool severalClasses)
    {
        EffortRule rule = EffortRule.Of(options.Effort);
        return severalClasses && rows >= RowsOfLargerTables ? rule.EpochsOfSeveralClasses : rule.Epochs;
    }

    /// <summary>Epochs without a lower validation loss after which training ends.</summary>
    /// <param name="options">What is set stays as it is.</param>
    /// <param name="epochs">Epochs at most.</param>
    /// <param name="numbers">Whether labels are numbers.</param>
    public static int ChoosePatience(BatchNormNetworkOptions options, int epochs, bool numbers) => options.EarlyStoppingPatience
        ?? Math.Clamp(
            (int)Math.Ceiling(PatienceShare * epochs), SmallestPatience, numbers ? LargestPatienceOfNumbers : LargestPatience);

    /// <summary>The same of a trial, whose cycles may be much longer: the loss rests as much longer while the rate is high.</summary>
    public static int PatienceOfTrial(int epochs) => Math.Max(SmallestPatience, (int)Math.Ceiling(PatienceShare * epochs));

    /// <summary>
    /// Epochs over which weights are averaged: a short training of few epochs must not lag behind by a whole one. Numbers are mostly
    /// learned to the last epoch, where the rate has fallen and an average only lags. Of sparse rows a step touches few weights, and an
    /// average touches all.
    /// </summary>
    public static double ChooseAveraging(BatchNormNetworkOptions options, int epochs, bool numbers, bool sparse) =>
        options.WeightAveragingEpochs ?? (numbers || sparse ? 0 : Math.Min(1, epochs / EpochsOfLongTrainings));

    /// <summary>
    /// Pixels by which pictures are moved in training. A class is mostly the same one pixel further; a number may be the place itself.
    /// Of signals nothing is known, nor of several as the rows of a picture.
    /// </summary>
    /// <param name="options">What is set stays as it is.</param>
    /// <param name="picture">The size of the pictures; null where rows are none.</param>
    /// <param name="classes">Whether the label is a class, yes and no included.</param>
    public static int ChooseShift(BatchNormNetworkOptions options, MapShape? picture, bool classes)
    {
        if (options.RandomShift is { } shift)
            return shift;
        if (!classes || picture is not { } shape)
            return 0;
        int shorter = Math.Min(shape.Height, shape.Width), longer = Math.Max(shape.Height, shape.Width);
        return shorter >= SmallestMovedSide && longer <= MostLopsided * shorter ? UsualShift : 0;
    }

    /// <summary>No more networks than this will be trained, as far as is known before any row is read.</summary>
    public static int MostMembers(BatchNormNetworkOptions options, TrainedNetwork? start) =>
        options.NumberOfEnsembleMembers ?? start?.Members.Count ?? EffortRule.Of(options.Effort).Members;

    private static int ChooseBatchSize(BatchNormNetworkOptions options, long rows, long largestMap)
    {
        if (options.BatchSize is { } size)
            return size;
        int exponent = (int)Math.Round(Math.Log2(Math.Max(1, rows / (double)StepsOfAnEpoch)));
        int chosen = (int)Math.Clamp(1L << exponent, SmallestBatch, LargestBatch);
        while (chosen > 2 && chosen * largestMap > LargestMapOfBatch)
            chosen /= 2;
        return Math.Max(chosen, options.VirtualBatchSize ?? 0);
    }

    private static int Fitting(double wanted, int least, int most) => (int)Math.Clamp(wanted, least, most);
}
