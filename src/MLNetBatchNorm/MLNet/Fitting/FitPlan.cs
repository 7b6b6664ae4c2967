using System.Collections.Immutable;
using MLNetBatchNorm.Distribution;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>All that one call of <c>Fit</c> has decided before it trains.</summary>
internal sealed class FitPlan
{
    /// <summary>Start of all random numbers.</summary>
    public required ulong Seed { get; init; }

    /// <summary>From raw slots to the inputs of all networks.</summary>
    public required InputEncoder Encoder { get; init; }

    /// <summary>The names of the slots, or null.</summary>
    public required SlotNames? SlotNames { get; init; }

    /// <summary>Slots that are one column of the table, or null.</summary>
    public required SlotRanges? SlotRanges { get; init; }

    /// <summary>The names of several targets, or null.</summary>
    public required SlotNames? TargetNames { get; init; }

    /// <summary>What the keys of classes stand for, or null.</summary>
    public required SlotNames? ClassNames { get; init; }

    /// <summary>The shape of all networks.</summary>
    public required NetworkDefinition Definition { get; init; }

    /// <summary>Epochs, batch, rate, number of networks.</summary>
    public required AutomaticOptions Chosen { get; init; }

    /// <summary>Number of times that each network is trained again.</summary>
    public required int Restarts { get; init; }

    /// <summary>How every network is trained, but for its seed.</summary>
    public required TrainingSettings Settings { get; init; }

    /// <summary>How the features of rows are encoded from which the size of errors is learned, and in a last slot the prediction.</summary>
    public required EncodingRule SpreadEncoding { get; init; }

    /// <summary>How frequent each class is where the model is used; null: as in training.</summary>
    public required double[]? ClassPriors { get; init; }

    /// <summary>Which rows are set aside for validation.</summary>
    public required ValidationSplit Split { get; init; }

    /// <summary>What the options leave open and was chosen: names of options, each with its value.</summary>
    public required IReadOnlyList<string> ChosenOptions { get; init; }

    /// <summary>The model to go on from, or null.</summary>
    public required TrainedNetwork? Start { get; init; }

    /// <summary>
    /// Whether all rows are of one label, so that there is nothing to train; a model to go on from learns from them all the same.
    /// </summary>
    public required bool IsConstant { get; init; }

    /// <summary>Pieces of a numeric slot at most.</summary>
    public required int Pieces { get; init; }

    /// <summary>Training rows, before any are set aside.</summary>
    public required long Rows { get; init; }

    /// <summary>Slots that may be cut into pieces.</summary>
    public required int NumericSlots { get; init; }

    /// <summary>The shape of the one network that all others teach, and that is the model; null: they are the model themselves.</summary>
    public NetworkDefinition? Compact { get; init; }

    /// <summary>Epochs of that network: what it learns has no noise that it could learn by heart if it were given time.</summary>
    public required int CompactEpochs { get; init; }

    private bool IsTaught => Compact is not null && !IsConstant;

    /// <summary>The plans of the trials, this one the first; empty where nothing is tried.</summary>
    public IReadOnlyList<FitPlan> Trials { get; private set; } = [];

    /// <summary>Networks of the model at most, where there are trials.</summary>
    public int MostNetworks { get; private set; }

    /// <summary>What is done where rows turn out to be too few to judge trials by; null where there are no trials.</summary>
    public FitPlan? Untried { get; private set; }

    /// <summary>Number of trainings of all networks, but for one that the others teach; of trials at most.</summary>
    public int NumberOfTrainings => Chosen.Members * (1 + Restarts) * Math.Max(1, Trials.Count);

    /// <summary>The same with trials.</summary>
    /// <param name="plans">The plan of each, the first being this.</param>
    /// <param name="mostNetworks">Networks of the model at most.</param>
    /// <param name="untried">The plan without trials.</param>
    public FitPlan WithTrials(IReadOnlyList<FitPlan> plans, int mostNetworks, FitPlan untried)
    {
        var plan = (FitPlan)MemberwiseClone();
        (plan.Trials, plan.MostNetworks, plan.Untried) = (plans, mostNetworks, untried);
        return plan;
    }

    /// <summary>What is kept of it with the model, of the training of the networks that are in it.</summary>
    public ChosenSettings ChosenSettings(FitRows rows) => new()
    {
        BatchSize = Chosen.BatchSize,
        MaximumNumberOfEpochs = IsTaught ? CompactEpochs : Chosen.Epochs,
        LearningRate = Chosen.LearningRate,
        ValidationFraction = IsTaught || rows.HasValidation ? 0 : Chosen.ValidationFraction,
        Seed = unchecked((int)Seed),
        NumberOfTrainingRows = rows.Count,
        LibraryVersion = LibraryBuild.Version,
    };

    /// <summary>The trainings, all of a network's one after the other.</summary>
    public NetworkTraining[] TrainingsOn(FitRows rows)
    {
        var trainings = new NetworkTraining[NumberOfTrainings];
        for (int i = 0; i < trainings.Length; i++)
            trainings[i] = TrainingOn(rows, new TrainingNumber(i, Chosen.Members, Restarts));
        return trainings;
    }

    /// <summary>One training of one network.</summary>
    public NetworkTraining TrainingOn(FitRows rows, TrainingNumber number) => new()
    {
        Number = number,
        Rows = rows,
        Split = Split,
        Encoder = Encoder,
        Definition = Definition,
        Settings = Settings with { Seed = number.SeedFrom(Seed) },
        Start = Start is null ? null : rows.Target.StartFrom(Start, number.Member),
    };

    /// <summary>The training of the network that all others teach.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="networks">The others, trained.</param>
    public NetworkTraining CompactTrainingOn(FitRows rows, IReadOnlyList<NetworkMember> networks)
    {
        var number = TrainingNumber.OfCompact(Chosen.Members, Restarts);
        return new NetworkTraining
        {
            Number = number,
            Rows = rows,
            Split = Split,
            Encoder = Encoder,
            Definition = Compact!,
            Settings = Settings with
            {
                Seed = number.SeedFrom(Seed),
                MaximumEpochs = CompactEpochs,
                Teacher = new Teacher(Encoder, [.. networks.Select(network => network.Parameters)]),
            },
            // What the networks of a model to go on from knew may not be in the new rows, which can be few.
            Start = Start is null ? null : new TrainingStart(networks[0].Parameters, rows.Target.Scales),
        };
    }

    /// <summary>What is said of this plan as a trial.</summary>
    public BatchNormNetworkTrial Describe(int number, int trained, double? score, double weight) => new()
    {
        Number = number,
        HiddenUnits = ImmutableArray.Create(Definition.HiddenUnits),
        Activation = Definition.Activation,
        Placement = Definition.Placement,
        DropoutRate = Definition.DropoutRate,
        BatchSize = Chosen.BatchSize,
        MaximumNumberOfEpochs = Chosen.Epochs,
        LearningRate = Chosen.LearningRate,
        WeightDecay = (Settings.Optimizer as AdamWOptimizer)?.WeightDecay,
        NumberOfInputPieces = Pieces,
        LabelSmoothing = (Settings.Objective as SoftmaxCrossEntropy)?.LabelSmoothing,
        NumberOfTrainedNetworks = trained,
        Score = score,
        Weight = weight,
    };
}
