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
        Trials = trained.Trials;
        NumberOfTeachers = trained.Teachers;
        var members = ImmutableArray.CreateBuilder<BatchNormNetworkMember>();
        foreach (TrainedNetwork own in trained.Ensembles)
        {
            BatchNormNetworkEncoder encoder =
                own.Encoder == trained.Encoder ? Encoder : new BatchNormNetworkEncoder(own.Encoder, trained.SlotNames, trained.SlotRanges);
            foreach (NetworkMember member in own.Members)
            {
                members.Add(new BatchNormNetworkMember(member, encoder, members.Count, score)
                {
                    Weight = own.Share / own.Members.Count, Trial = own.Trial,
                });
            }
        }

        Members = members.ToImmutable();
    }

    /// <summary>Scores rows by one of the networks alone.</summary>
    internal delegate void MemberScorer(int member, ReadOnlySpan<float> features, int rows, Span<float> scores);

    /// <summary>
    /// The networks, as many as <see cref="BatchNormNetworkOptions.NumberOfEnsembleMembers"/> says, at least one. They have the same shape
    /// and the same encoder, and nothing else in common; the model's output is the mean of theirs. Where there were
    /// <see cref="Trials"/>, the networks of one trial have, those of others may have other shapes and encoders, and the output is the sum
    /// of theirs times <see cref="BatchNormNetworkMember.Weight"/>.
    /// </summary>
    public IReadOnlyList<BatchNormNetworkMember> Members { get; }

    /// <summary>
    /// Number of networks that have taught the one there is, with <see cref="BatchNormNetworkOptions.CompactModel"/>; 0 where networks have
    /// learned from labels, and in models of older versions.
    /// </summary>
    public int NumberOfTeachers { get; }

    /// <summary>
    /// What was tried before the networks were chosen, in the order of the trials' numbers, with
    /// <see cref="BatchNormNetworkOptions.NumberOfTrials"/> above 1; empty otherwise, and in models of older versions.
    /// </summary>
    public IReadOnlyList<BatchNormNetworkTrial> Trials { get; }

    /// <summary>
    /// How the slots of the feature column become what the first layer of each network reads; where there were <see cref="Trials"/>, of the
    /// first network.
    /// </summary>
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
