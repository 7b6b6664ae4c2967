using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>
/// All there is to a trained model, in the form in which it is saved: how inputs are encoded, and the networks behind the encoder.
/// </summary>
/// <remarks>
/// A model of several networks predicts the mean of their outputs. They have the same shape and
/// the same encoder, and nothing else in common. A model that trials have chosen is a weighted mean of several such: itself and
/// <see cref="Others"/>.
/// </remarks>
internal sealed class TrainedNetwork
{
    /// <summary>Joins the parts; the encoder's columns must be every network's inputs.</summary>
    public TrainedNetwork(InputEncoder encoder, IReadOnlyList<NetworkMember> members, ChosenSettings? chosen = null)
    {
        ArgumentOutOfRangeException.ThrowIfZero(members.Count, nameof(members));
        foreach (NetworkMember member in members)
        {
            if (encoder.EncodedInputs != member.Parameters.Definition.Inputs)
            {
                throw new ArgumentException(
                    $"The encoder makes {encoder.EncodedInputs} columns, a network reads {member.Parameters.Definition.Inputs}.",
                    nameof(encoder));
            }
            if (member.Parameters.Definition != Definition(members))
                throw new ArgumentException("The networks of an ensemble must share one definition.", nameof(members));
        }
        Encoder = encoder;
        Members = members;
        Chosen = chosen;
    }

    /// <summary>A model of a single network.</summary>
    public TrainedNetwork(InputEncoder encoder, NetworkParameters parameters, TrainingHistory history)
        : this(encoder, [new NetworkMember(parameters, history)])
    {
    }

    /// <summary>From raw slots to the networks' inputs.</summary>
    public InputEncoder Encoder { get; }

    /// <summary>The networks, at least one.</summary>
    public IReadOnlyList<NetworkMember> Members { get; }

    /// <summary>What the networks have learned.</summary>
    public IReadOnlyList<NetworkParameters> Networks => [.. Members.Select(member => member.Parameters)];

    /// <summary>The networks of <see cref="Members"/> as they score; folded once, when they are first asked for.</summary>
    public FoldedNetwork Folded => field ??= FoldedNetwork.Create(Encoder, Networks);

    /// <summary>The whole model as it scores.</summary>
    public FoldedModel Model => field ??= new FoldedModel([.. Ensembles.Select(own => (own.Folded, own.Share))]);

    /// <summary>Whether every folded weight is finite, so that finite features cannot give NaN by way of an infinite weight.</summary>
    public bool IsFinite => Model.IsFinite && Intervals?.Spread is not { IsFinite: false };

    /// <summary>What the training used; null where an old model did not keep it.</summary>
    public ChosenSettings? Chosen { get; }

    /// <summary>
    /// What makes scores of the mean of the networks' outputs; of classes these are logits, and probabilities are asked for.
    /// </summary>
    public OutputLink ScoreLink => (Objective, Scales) switch
    {
        ({ Labels.Kind: LabelKind.Number }, { Only: null } several) => new ScaledTargetsLink(several),
        ({ Labels.Kind: LabelKind.Number }, _) => Objective.LinkOf(Scale),
        _ => OutputLink.Identity,
    };

    /// <summary>
    /// What training minimized, with its parameters at their defaults once it was read; null in models of versions 1 and 2 of the format.
    /// </summary>
    public Objective? Objective { get; init; }

    /// <summary>
    /// What makes labels' units of the mean of the networks' outputs; null where these are scores already: classes' logits, and
    /// predictions of
    /// versions 1 and 2 of the format, which had the scale in each network's last map.
    /// </summary>
    public TargetScales? Scales { get; init; }

    /// <summary>The scale where there is one target, or null; see <see cref="Scales"/>.</summary>
    public TargetScale? Scale
    {
        get => Scales?.Only;
        init => Scales = value is null ? null : new TargetScales([value]);
    }

    /// <summary>
    /// Whether a target is said to be the same of every row, as one is that was the same in all rows of the training set.
    /// </summary>
    public bool IsConstant(int target) =>
        Ensembles.All(own => own.Members.All(member => member.Parameters.Linear[^1].IsConstant(target)));

    /// <summary>The names of the targets, where there are several; null where they have none.</summary>
    public SlotNames? TargetNames { get; init; }

    /// <summary>
    /// What the keys of classes stand for; null where they do not say it. Kept to refuse other ones when training goes on.
    /// </summary>
    public SlotNames? ClassNames { get; init; }

    /// <summary>
    /// What the priors of the classes (<see cref="ClassPriors"/>) have added to the last bias of each output, in all networks; null where
    /// there were none. Kept to take it out again when training goes on.
    /// </summary>
    public IReadOnlyList<float>? OutputShifts { get; init; }

    /// <summary>
    /// Number of networks that have taught the only one, which has taken their place; 0: it has learned from labels, as all others have.
    /// </summary>
    public int Teachers { get; init; }

    /// <summary>What makes bounds of scores; null where none were asked for.</summary>
    public PredictionIntervals? Intervals { get; init; }

    /// <summary>The names of the feature column's slots; null where it had none, and in models of versions 1 and 2 of the format.</summary>
    public SlotNames? SlotNames { get; init; }

    /// <summary>
    /// Slots that are one column of the table, such as those of a one-hot column; null where there are none, and where an old model did
    /// not keep them.
    /// </summary>
    public SlotRanges? SlotRanges { get; init; }

    /// <summary>The part that the mean of <see cref="Members"/> has in the output of the model; 1 where there are no others.</summary>
    public double Share { get; init; } = 1;

    /// <summary>Number of the trial that these networks are of; 0: that of the options as they were given.</summary>
    public int Trial { get; init; }

    /// <summary>
    /// Networks of other trials, with shapes and encoders of their own, whose means have the rest of the output. Of these nothing counts
    /// but encoder, members, share and trial.
    /// </summary>
    public IReadOnlyList<TrainedNetwork> Others { get; init; } = [];

    /// <summary>All that share the output: this one, then the others.</summary>
    public IReadOnlyList<TrainedNetwork> Ensembles => [this, .. Others];

    /// <summary>What was tried before these networks were chosen; empty where nothing was.</summary>
    public IReadOnlyList<BatchNormNetworkTrial> Trials { get; init; } = [];

    /// <summary>Unfolded weights, gamma, beta and frozen statistics of the first network.</summary>
    public NetworkParameters Parameters => Members[0].Parameters;

    /// <summary>The course of the first network's training.</summary>
    public TrainingHistory History => Members[0].History;

    private static NetworkDefinition Definition(IReadOnlyList<NetworkMember> members) => members[0].Parameters.Definition;
}
