using System.Collections.Immutable;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>What a model has learned, for reading: its networks, how they read the feature column, and what the training used.</summary>
/// <remarks>
/// <para>The same for all tasks: the property <c>Network</c> of the model parameters, <c>model.Model.Network</c>, for binary
/// classification <c>model.Model.SubModel.Network</c>.</para>
/// <para>
/// Immutable and safe for any number of threads. It is made of the model's own numbers when it is asked for, and costs nothing until then.
/// </para>
/// </remarks>
public sealed class BatchNormNetwork
{
    internal BatchNormNetwork(TrainedNetwork trained, MemberScorer score)
    {
        ChosenSettings = trained.Chosen;
        NetworkDefinition definition = trained.Parameters.Definition;
        InputShape = definition.Picture is { } picture
            ? new ImageShape(picture.Height, picture.Width, picture.Channels) { Order = definition.PixelOrder }
            : null;
        ValidationMetricName = trained.Objective?.MetricName;
        Encoder = new BatchNormNetworkEncoder(trained.Encoder, trained.SlotNames, trained.SlotRanges);
        Members = trained.Members.Select((member, number) => new BatchNormNetworkMember(member, Encoder, number, score)).ToImmutableArray();
    }

    /// <summary>Scores rows by one of the networks alone.</summary>
    internal delegate void MemberScorer(int member, ReadOnlySpan<float> features, int rows, Span<float> scores);

    /// <summary>
    /// The networks, as many as <see cref="BatchNormNetworkOptions.NumberOfEnsembleMembers"/> says, at least one. They have the same shape
    /// and the same encoder, and nothing else in common; the model's output is the mean of theirs.
    /// </summary>
    public IReadOnlyList<BatchNormNetworkMember> Members { get; }

    /// <summary>How the slots of the feature column become what the first layer of each network reads.</summary>
    public BatchNormNetworkEncoder Encoder { get; }

    /// <summary>The size of pictures, <see cref="BatchNormNetworkOptions.InputShape"/>; null where rows are none.</summary>
    public ImageShape? InputShape { get; }

    /// <summary>
    /// What <see cref="EpochRecord.ValidationMetric"/> is of these networks, as in <see cref="TrainingProgress.ValidationMetricName"/>;
    /// null in models that format version 1 or 2 was saved in.
    /// </summary>
    public string? ValidationMetricName { get; }

    /// <summary>What the training used where options were left open; null in models that format version 1 or 2 was saved in.</summary>
    public ChosenSettings? ChosenSettings { get; }
}
