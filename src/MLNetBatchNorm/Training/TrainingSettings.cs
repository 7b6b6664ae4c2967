using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Training;

/// <summary>Everything that decides how a network is trained, apart from its shape.</summary>
[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)]
internal sealed record TrainingSettings
{
    /// <summary>
    /// Part of the epochs of a rung, its last ones, that see pictures as they are: what is scored is not changed either (Touvron et al.
    /// 2019, arXiv:1906.06423), and what a place says to the pixel is learned then. A fifth costs nothing where place says nothing; nearly
    /// a third did. Of few epochs it is one, and none of a single one.
    /// </summary>
    private const double UnchangedShare = 0.2;

    /// <summary>What is minimized, and all that follows from it.</summary>
    public required Objective Objective { get; init; }

    /// <summary>
    /// What a row counts for by its class, times its own weight if it has one; null: nothing
    /// but that. Only where targets are class numbers.
    /// </summary>
    public float[]? ClassWeights { get; init; }

    /// <summary>
    /// What each of several targets of a row counts for, 0 where nothing is to be learned of it; null: a row has a single target, which it
    /// always has.
    /// </summary>
    public float[]? TargetWeights { get; init; }

    /// <summary>Rows of a mini-batch.</summary>
    public int BatchSize { get; init; } = 256;

    /// <summary>Passes over the training rows at most, in each rung.</summary>
    public int MaximumEpochs { get; init; } = 20;

    /// <summary>
    /// Number of rungs, each a full cycle of the learning rate: at the end of a cycle networks can be compared,
    /// inside of one their ranks mislead. A training of more rungs goes on from the state that one of fewer has left,
    /// with the bits of having had them from the start.
    /// </summary>
    public int Rungs { get; init; } = 1;

    /// <summary>Passes over the training rows at most, in all rungs.</summary>
    public int EpochsOfAllRungs => MaximumEpochs * Rungs;

    /// <summary>The schedule's reference rate.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>The update rule.</summary>
    public Optimizer Optimizer { get; init; } = new AdamWOptimizer();

    /// <summary>The rate of each step.</summary>
    public LearningRateSchedule Schedule { get; init; } = new ConstantSchedule();

    /// <summary>Epochs over which parameters are averaged, see <see cref="WeightAverage"/>; 0: not at all.</summary>
    public double AveragedEpochs { get; init; }

    /// <summary>
    /// Whether batches in which a column is constant leave its running variance as it is: where nearly all rows are alike
    /// (<see cref="RareRows"/>).
    /// </summary>
    public bool KeepsVarianceOfConstants { get; init; }

    /// <summary>Whether every epoch visits the rows in a new random order.</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>Pixels by which pictures are moved at most in each step of training.</summary>
    public int RandomShift { get; init; }

    /// <summary>Whether left and right of pictures change places in half of the steps.</summary>
    public bool RandomHorizontalFlip { get; init; }

    /// <summary>Whether an epoch changes its pictures, if any does.</summary>
    /// <param name="epoch">Number of the epoch, from 1, of all rungs.</param>
    public bool ChangesPictures(int epoch) =>
        (epoch - 1) % MaximumEpochs < Math.Max(1, MaximumEpochs - Math.Max(1, (int)(UnchangedShare * MaximumEpochs)));

    /// <summary>
    /// Epochs of a rung without a better validation loss in it after which training stops; 0: never. The
    /// best epoch's parameters are kept in any case.
    /// </summary>
    public int EarlyStoppingPatience { get; init; }

    /// <summary>Seed of row order and dropout.</summary>
    public ulong Seed { get; init; }

    /// <summary>The networks whose outputs are learned instead of the labels; null: the labels are learned.</summary>
    [JsonIgnore]
    public Teacher? Teacher { get; init; }

    /// <summary>
    /// What multiplies the matrices. With native products the result depends on the library, the processor and the number of threads.
    /// </summary>
    [JsonIgnore]
    public MatrixProducts Products { get; init; } = MatrixProducts.Managed;
}
