using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNetBatchNorm;

/// <summary>
/// What all batch-normalized network trainers have in common: the shape of the network, how it normalizes, and how it is trained.
/// Every option has a default with which a newcomer's pipeline works on raw columns; change one at a time.
/// </summary>
/// <remarks>
/// <para>A trainer checks its options when it is created, and keeps a copy: changing this object afterwards has no effect on it.</para>
/// <para>
/// Where an option can be null, null stands for automatic: what is used then follows from the task and the size of the data, never from a
/// clock or the machine.
/// </para>
/// <para>
/// Options can be written as JSON and read again; what is no value stays out: <see cref="ValidationSet"/>, <see cref="Progress"/>,
/// <see cref="CancellationToken"/>, <see cref="TrainingRunner"/>. They can be bound to configuration, and validated there with
/// <c>ValidateDataAnnotations</c>; only what has a class of its own (<see cref="Optimizer"/>, <see cref="LearningRateSchedule"/>, a loss)
/// configuration cannot name.
/// </para>
/// <para>Options out of range end in an <see cref="ArgumentOutOfRangeException"/> that names the option, the value found and the
/// range.</para>
/// </remarks>
[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)]
public abstract partial class BatchNormNetworkOptions
{
    /// <summary>Most rows of a batch: beyond it one step sees a whole table, and memory for activations outgrows the data.</summary>
    internal const int MaximumBatchSize = 1 << 20;

    /// <summary>Most hidden layers. Feed-forward networks without shortcuts do not train well beyond a dozen.</summary>
    internal const int MaximumNumberOfHiddenLayers = 64;

    /// <summary>Most units of one hidden layer.</summary>
    internal const int MaximumNumberOfUnits = 1 << 16;

    private protected BatchNormNetworkOptions()
    {
    }

    /// <summary>Name of the label column; what it holds is said with each trainer.</summary>
    /// <value>Default Label.</value>
    public string LabelColumnName { get; set; } = DefaultColumnNames.Label;

    /// <summary>Name of the feature column, a known-sized vector of <see cref="float"/>; NaN stands for a missing value.</summary>
    /// <value>Default Features.</value>
    public string FeatureColumnName { get; set; } = DefaultColumnNames.Features;

    /// <summary>Name of the example weight column, a <see cref="float"/>: what each row counts for in the loss.</summary>
    /// <value>Default null: every row counts for 1. Rows whose weight is 0 or negative are left out.</value>
    public string? ExampleWeightColumnName { get; set; }

    /// <summary>
    /// Name of the column that says which rows belong together, such as a patient, a customer or a day: where rows are set aside for
    /// validation (<see cref="ValidationFraction"/>), rows of the same key are either all set aside or all trained on, in each network.
    /// Otherwise a network recognizes in the validation rows what it has learned by heart, training goes on too long, and the losses shown
    /// are too good.
    /// </summary>
    /// <value>Default null: each row is drawn by itself. It has no effect on validation rows that are given.</value>
    /// <remarks>
    /// <para>
    /// ML.NET's name for it: give <c>TrainTestSplit</c> and <c>CrossValidate</c> the same. A key may be text, a number, true or false, a
    /// time, a row's id or a key of any integer type, one for each row. A row whose key is missing (empty text, NaN, the key 0) is a group
    /// of its own.
    /// </para>
    /// <para>
    /// The part set aside is as near to the fraction as groups allow, and classes are not kept in proportion; but every class keeps a group
    /// to learn from. Where all rows have one key, none are set aside. Keys take 4 bytes a row of memory, also of rows in a file.
    /// </para>
    /// </remarks>
    public string? SamplingKeyColumnName { get; set; }

    /// <summary>
    /// How much time training and rows may take: from it and from the size of the data follow all options that are left null. What is set
    /// stays as it is.
    /// </summary>
    /// <value>
    /// Default <see cref="TrainingEffort.Balanced"/>, which is more accurate than boosted trees with their defaults on most tables.
    /// <see cref="TrainingEffort.Fast"/> trains in a fraction of the time and keeps most of that; <see cref="TrainingEffort.Best"/> takes
    /// some times as long.
    /// </value>
    public TrainingEffort Effort { get; set; }

    /// <summary>
    /// The size of the pictures, where each row of the feature column is one: the network then begins with convolutions, which look
    /// at every place of a picture in the same way. Height x width x channels must be the length of the column.
    /// </summary>
    /// <value>Default null: rows are no pictures.</value>
    /// <remarks>
    /// With a shape alone, the convolutions that suit its size are chosen, see <see cref="Convolutions"/>. Scaling is learned a channel,
    /// not a pixel: mean 0, deviation 1; a missing pixel is the mean. Sparse rows are written out. Signals are pictures of height 1.
    /// </remarks>
    public ImageShape? InputShape { get; set; }

    /// <summary>The convolutional layers in front of the <see cref="HiddenUnits"/>, first layer first.</summary>
    /// <value>
    /// Default null: none without <see cref="InputShape"/>. With one, pairs of layers of 3 x 3 with batch normalization, the second of a
    /// pair with maximum pooling of 2 x 2: 32 filters each, then 64, then 128, until a side has fewer than 8 pixels; pictures of fewer than
    /// 16 get a layer of 32 filters, and from 8 on one of 64 with pooling. 1 to 64 layers.
    /// </value>
    public ConvolutionLayer[]? Convolutions { get; set; }

    /// <summary>
    /// Whether the hidden layers read the mean of each channel over all pixels of the last map (global average pooling), and not
    /// every pixel.
    /// </summary>
    /// <value>
    /// Default false: the map is flattened, channel by channel, so that the layers behind know where something is. True takes far fewer
    /// weights. Only with <see cref="InputShape"/>.
    /// </value>
    public bool GlobalAveragePooling { get; set; }

    /// <summary>
    /// Pixels by which a picture is moved at most, down or up and to either side, each time that it is trained on: each epoch sees it in
    /// another place. What comes in at an edge repeats the pixels of the edge.
    /// </summary>
    /// <value>
    /// Default null: 1 where labels are classes, several of a row included, and both sides have at least 12 pixels, neither more than four
    /// times the other; else 0, because where something is may be the number that is asked for. Range [0, 64], and less than each side of
    /// more than one pixel. 0 where a single pixel decides, or where rows are signals, which would come to lie on one another (better are
    /// channels of height 1); 2 of 28 or 32 pixels makes up for missing pictures (docs/defaults.md). Only with <see cref="InputShape"/>;
    /// prediction moves nothing.
    /// </value>
    /// <remarks>
    /// Of all moves the small ones come up more often, none most often, and the last fifth of <see cref="MaximumNumberOfEpochs"/>, at least
    /// the last of several, sees pictures as they are: a class that is a place is learned all the same. A training that
    /// <see cref="EarlyStoppingPatience"/> ends before has none of these.
    /// </remarks>
    [OptionRange(0, 64, "Set 0 to leave pictures where they are; 1 of 16 pixels of a side is usual.")]
    public int? RandomShift { get; set; }

    /// <summary>Whether left and right of a picture change places in half of the times that it is trained on.</summary>
    /// <value>
    /// Default false. True where a mirrored picture has the same label, as of animals and things, and not of letters, digits and signals.
    /// Only with <see cref="InputShape"/>; prediction mirrors nothing, nor do the last epochs (<see cref="RandomShift"/>).
    /// </value>
    public bool RandomHorizontalFlip { get; set; }

    /// <summary>Number of units of each hidden layer, first layer first. A unit is one linear combination of the layer's inputs.</summary>
    /// <value>
    /// Default null: 128, 64; below 10,000 rows, where width costs little, 256, 128; for several classes 256, 256, 256. Of less effort
    /// fewer; for pictures 128. 1 to 64 layers; units of a layer in [1, 65536]. More units fit finer patterns and take more rows to
    /// train. Pictures may do without any hidden layer: an empty array.
    /// </value>
    /// <remarks>
    /// More than 512 slots of which rows have few, such as those of <c>FeaturizeText</c>, and categories of more than 2,048 values do not
    /// meet the first layer themselves: they are projected to 32 numbers (more than 65,536 slots to 16) and 8 numbers, which do.
    /// </remarks>
    [OptionRange(1, MaximumNumberOfUnits, "Give each hidden layer at least one unit, for example { 256, 128 }.")]
    public int[]? HiddenUnits { get; set; }

    /// <summary>The function applied to every hidden unit.</summary>
    /// <value>
    /// Default null: <see cref="ActivationFunction.ReLU"/>, <c>max(0, x)</c>, the one that batch normalization was introduced with and the
    /// cheapest to compute.
    /// </value>
    public ActivationFunction? Activation { get; set; }

    /// <summary>Where batch normalization stands relative to a hidden layer's linear map and its activation.</summary>
    /// <value>
    /// Default null: <see cref="BatchNormalizationPlacement.BeforeActivation"/>, the published order (Ioffe and Szegedy 2015, section 3.2).
    /// </value>
    public BatchNormalizationPlacement? Placement { get; set; }

    /// <summary>Whether the output layer's input is normalized as well.</summary>
    /// <value>
    /// Default false, the published form. True is allowed only with <see cref="BatchNormalizationPlacement.LayerInput"/>, where every other
    /// layer's input is normalized.
    /// </value>
    public bool NormalizeOutputLayerInput { get; set; }

    /// <summary>How the mean and variance that prediction uses are obtained from the training rows.</summary>
    /// <value>
    /// Default <see cref="BatchNormalizationStatistics.RunningAverage"/>, which costs nothing after training, and is what Keras and PyTorch
    /// do. With few steps or small batches <see cref="BatchNormalizationStatistics.Population"/> is more accurate and costs one more pass
    /// over the training rows (Wu and Johnson 2021, arXiv:2105.07576).
    /// </value>
    public BatchNormalizationStatistics Statistics { get; set; } = BatchNormalizationStatistics.RunningAverage;

    /// <summary>
    /// Added to a variance under the square root, so that a constant column does not divide by zero: <c>(x - mean) / sqrt(variance +
    /// epsilon)</c>.
    /// </summary>
    /// <value>
    /// Default 1E-05, as in PyTorch (Keras has 1e-3): far below the variance 1 of an initialized layer, far above the rounding error of a
    /// variance. Range (0, 1].
    /// </value>
    [OptionRange(0, 1, "Use the default 1E-05 unless the features' variances are far below it.", ExcludesMinimum = true)]
    public double Epsilon { get; set; } = 1e-5;

    /// <summary>
    /// Weight given to the newest mini-batch in the running statistics that prediction uses: <c>running = (1 - m) * running + m *
    /// batch</c>. Dimensionless.
    /// </summary>
    /// <value>
    /// Default 0.1, PyTorch's; Keras has the complement 0.99, which forgets ten times slower. Range (0, 1]. After t batches the initial
    /// value (mean 0, variance 1) still carries weight <c>0.9^t</c>: 1% is left after 44.
    /// </value>
    /// <remarks>
    /// <para>Direction and name follow PyTorch. Keras (0.99) and ONNX (0.9) write the complement: the weight of the old value.</para>
    /// <para>Not the optimizer's momentum, which is a property of the <see cref="Optimizer"/>.</para>
    /// <para>
    /// The stored variance is the unbiased one (divisor n - 1), as in PyTorch; the batch itself is normalized with the biased one (divisor
    /// n). Used with <see cref="BatchNormalizationStatistics.RunningAverage"/>. Source: Ioffe and Szegedy 2015, algorithm 2,
    /// arXiv:1502.03167.
    /// </para>
    /// </remarks>
    [OptionRange(
        0, 1, "It is the weight of the newest batch; if you have a value in Keras' direction, give its complement, such as 0.01 for 0.99.",
        ExcludesMinimum = true)]
    public double RunningStatisticsMomentum { get; set; } = 0.1;

    /// <summary>
    /// Rows of one virtual (ghost) batch: batch normalization takes its statistics over so many rows of a mini-batch at a time (Hoffer et
    /// al. 2017).
    /// </summary>
    /// <value>
    /// Default null: the whole mini-batch. Range [2, 1048576], and not above <see cref="BatchSize"/>. Smaller values add noise, which
    /// regularizes when batches are large.
    /// </value>
    [OptionRange(2, MaximumBatchSize, "Batch statistics need at least 2 rows; set null to take them over the whole batch.")]
    public int? VirtualBatchSize { get; set; }

    /// <summary>What every scale gamma of the batch normalizations starts at.</summary>
    /// <value>Default 1: the normalized value has variance 1 at the start (Ioffe and Szegedy 2015). Range [0, 100].</value>
    [OptionRange(0, 100, "Use the default 1, or a small value to start near a linear network.")]
    public double InitialGamma { get; set; } = 1;

    /// <summary>
    /// Probability that a hidden unit's value is replaced by zero in a training step; the others are divided by one minus the rate.
    /// </summary>
    /// <value>
    /// Default null: 0.1, lightly, because the noise of batch statistics regularizes already (Ioffe and Szegedy 2015, section 3.4). Range
    /// [0, 1). Raise it when the validation loss rises while the training loss falls. Prediction drops nothing.
    /// </value>
    [OptionRange(0, 1, "It is the share of hidden units dropped, not kept; set 0 to drop none.", ExcludesMaximum = true)]
    public double? DropoutRate { get; set; }

    /// <summary>
    /// Epochs over which weights are averaged, exponentially: <c>average += share (weights - average)</c> some sixteen times an epoch, so
    /// that after this many epochs a share has fallen to 1/e. The average, batch normalization's statistics included, is the network that
    /// is validated after each epoch and returned; the training loss is that of the weights themselves.
    /// </summary>
    /// <value>
    /// Default null: of classes 1, or a twenty-fourth of <see cref="MaximumNumberOfEpochs"/> where that is less; 0 for numbers, which are
    /// mostly learned to the last epoch, and for sparse rows, of which a step touches few weights and an average all. Range [0, 1000]. The
    /// average lies in the middle of the steps, as if the learning rate had been lowered already (Izmailov et al. 2018, arXiv:1803.05407):
    /// where few rows say little, the best epoch is an early one, and better for it. 0: the weights as the last step of an epoch leaves
    /// them; so it is with any value up to a sixteenth, or up to one step where an epoch has fewer than sixteen: 1 where it has one step.
    /// </value>
    [OptionRange(0, 1000, "0.5 to 2 are usual; set 0 to average nothing.")]
    public double? WeightAveragingEpochs { get; set; }

    /// <summary>Rows of one training step. Batch statistics and the gradient are taken over them.</summary>
    /// <value>
    /// Default null: the power of two nearest to a hundredth of the training rows, at least 32 and at most 256, so that an epoch has about
    /// a hundred steps. Range [2, 1048576]. A remainder of one row joins the batch before it.
    /// </value>
    [OptionRange(2, MaximumBatchSize, "Batch statistics need at least 2 rows; powers of two from 64 to 1024 are usual.")]
    public int? BatchSize { get; set; }

    /// <summary>Largest number of passes over the training rows.</summary>
    /// <value>
    /// Default null: up to 10,000 rows 72, then falling to 24 at 30,000, for several classes to 48 at 15,000; of pictures and words 24, of
    /// several classes from 10,000 rows on 48. Fewer where rows, features and networks are so many that training would take minutes, of
    /// pictures ten; the log says how many, and the choice depends on the data's size and <see cref="Effort"/> only. Range [1, 1000000].
    /// Training ends earlier when <see cref="EarlyStoppingPatience"/> runs out.
    /// </value>
    [OptionRange(1, 1_000_000, "Set the number of passes over the training rows.")]
    public int? MaximumNumberOfEpochs { get; set; }

    /// <summary>Length of a step; the highest rate of the <see cref="LearningRateSchedule"/>.</summary>
    /// <value>
    /// Default null: <c>0.006 sqrt(rows of a batch / 128)</c>, at most 0.01: the noise of Adam's steps falls with the square root of the
    /// batch (Malladi et al. 2022, arXiv:2205.10287). Range (0, 100]. If training diverges, lower it.
    /// </value>
    [OptionRange(0, 100, "Values from 0.0003 to 0.01 are usual.", ExcludesMinimum = true)]
    public double? LearningRate { get; set; }

    /// <summary>How gradients become steps.</summary>
    /// <value>
    /// Default null: <see cref="AdamWOptimizer"/> with its own defaults, that is with decoupled weight decay (Loshchilov and Hutter 2019).
    /// </value>
    public Optimizer? Optimizer { get; set; }

    /// <summary>How the learning rate changes in the course of training.</summary>
    /// <value>
    /// Default null: <see cref="OneCycleSchedule"/> with its own defaults (Smith and Topin 2019): a short warm-up for the untrained
    /// statistics, then annealing to almost zero.
    /// </value>
    public LearningRateSchedule? LearningRateSchedule { get; set; }

    /// <summary>Whether the rows are put into a new random order for every epoch.</summary>
    /// <value>
    /// Default true. In the order they came, rows would have the same company in every epoch, and those of a sorted table one class in a
    /// batch.
    /// </value>
    public bool Shuffle { get; set; } = true;

    /// <summary>
    /// Share of the training rows that is set aside to measure the loss after every epoch. The rows are drawn with the seed, for
    /// classification from each class alike; the model returned is the one with the lowest loss on them.
    /// </summary>
    /// <value>
    /// Default null: 0.2; for several classes, where a fifth is more than 2,000 rows, 2,000 rows, but not less than 0.1. Range [0, 1). 0:
    /// all rows train, there is no early stopping, and the last epoch is returned. Not used when a validation set is given to <c>Fit</c> or
    /// as <see cref="ValidationSet"/>.
    /// </value>
    [OptionRange(
        0, 1, "It is a share of the training rows, not a number of rows; set 0 to train on all of them.", ExcludesMaximum = true)]
    public double? ValidationFraction { get; set; }

    /// <summary>Training ends after so many epochs in a row without a lower validation loss.</summary>
    /// <value>
    /// Default null: two fifths of the epochs, at least 8 and at most 20, or 30 where labels are numbers, because the validation loss often
    /// rests while the rate is high and falls again while it is lowered. Range [0, 1000000]. 0: never stop early; the best epoch is
    /// returned all the same.
    /// </value>
    [OptionRange(0, 1_000_000, "Set 0 to never stop early.")]
    public int? EarlyStoppingPatience { get; set; }

    /// <summary>
    /// Whether numeric feature slots are scaled and smoothly clipped before the first layer: <c>t = (x - median) / spread</c>, then <c>t /
    /// sqrt(1 + (t / 3)^2)</c>. What is needed for it is learned from the training rows and saved with the model, so raw columns go in at
    /// prediction as well.
    /// </summary>
    /// <value>Default true. False: features enter as they are; missing values still become zero plus a learned effect.</value>
    /// <remarks>Slots that the <c>CategoricalSlotRanges</c> annotation covers (one-hot columns) are never scaled.</remarks>
    public bool ScaleInputs { get; set; } = true;

    /// <summary>
    /// Largest number of pieces into which a numeric slot is cut at its quantiles: <c>piece = clamp((x - start) / (end - start), 0, 1)</c>,
    /// each an input of the first layer beside the scaled slot. They let the network bend sharply where a tree would split (Gorishniy et
    /// al. 2022, arXiv:2203.05556).
    /// </summary>
    /// <value>
    /// Default null: 32, or so many that all numeric slots together get 1,024 pieces; none where that leaves fewer than 4 to a slot, and
    /// none for rows that do not fit <see cref="MemoryBudgetInMegabytes"/>. Range [0, 256]. Used only with
    /// <see cref="ScaleInputs"/>. Slots that hold two values only, whatever these are, are indicators and not numeric. A slot with few
    /// distinct values gets one piece between each two of them, and a value that many rows share has a piece of its own. Where such values
    /// have more than half of the rows (amounts that are mostly 0), the others are cut into up to four times as many pieces, of some 16
    /// rows each.
    /// </value>
    [OptionRange(0, AutomaticOptions.MostPieces, "16 to 48 are usual; set 0 for none, or null to let the number of slots decide.")]
    public int? NumberOfInputPieces { get; set; }

    /// <summary>
    /// Number of networks trained on different parts of the rows; the model predicts the mean of their outputs. Each sets aside another
    /// <see cref="ValidationFraction"/> of the rows, as in cross-validation, so that together they learn from all rows. Where there are
    /// threads enough they are trained side by side.
    /// </summary>
    /// <value>
    /// Default null: 8; fewer, down to 4, where all together would have more than 2^21 parameters, down to 1 where more than 2^23; down
    /// to 2 and then 1 where rows and features are so many that training would take minutes. <see cref="Effort"/> makes it 4 or 16.
    /// Set, it is what is trained: <see cref="TrainingEffort.Best"/> then tries nothing unless <see cref="NumberOfTrials"/> is set too.
    /// Range [1, 100]. Training and prediction take so many times as long; the errors of single networks partly cancel.
    /// </value>
    [OptionRange(1, 100, "5 networks already have most of the gain; set null to let the size of the data decide.")]
    public int? NumberOfEnsembleMembers { get; set; }

    /// <summary>
    /// Number of times that each network is trained again, on the same rows from other random numbers; the one with the lowest validation
    /// loss is kept. Without validation rows it is the one with the lowest training loss, which says less.
    /// </summary>
    /// <value>Default 0: each network is trained once, because the same time is better spent on networks. Range [0, 100]. Training has one
    /// time more work for each restart, side by side where there are threads enough; of a network's trainings that are done only the best
    /// stays in memory. Prediction and the model's size stay the same.</value>
    /// <remarks>
    /// <para>
    /// For a single network that has to be small or fast, and whose trainings end far apart. Where it may be an ensemble,
    /// <see cref="NumberOfEnsembleMembers"/> is the better use of the time: on four tables the best of four trainings was no better than
    /// one, within the noise, and four networks were better on each (docs/defaults.md).
    /// </para>
    /// <para>Going on from a trained network, restarts differ in the order of the rows and in dropout only.</para>
    /// </remarks>
    [OptionRange(0, 100, "Set 0 to train each network once; a few are enough to leave an unlucky start behind.")]
    public int NumberOfRestarts { get; set; }

    /// <summary>
    /// Memory for rows, in megabytes (2^20 bytes). Rows that come to more are kept in a temporary file and read in shuffled blocks, so that
    /// a table may be larger than memory.
    /// </summary>
    /// <value>
    /// Default 2048. Range [1, 1048576]. It is a fixed number, and not a share of the machine's memory, because rows read from a file come
    /// in another random order than rows in memory, and the model must not depend on the machine. 2 GB hold 16 million rows of 30 features,
    /// and nearly every machine has them.
    /// </value>
    /// <remarks>
    /// The file is made in <c>MLContext.TempFilePath</c> and is gone when <c>Fit</c> ends, however it ends. Weights, optimizer state and
    /// the memory of a batch are not counted. docs/large-data.md describes how such rows are shuffled, scaled and validated.
    /// </remarks>
    [OptionRange(1, 1 << 20, "It is the memory for rows; a few hundred are enough for a table of any size.")]
    public int MemoryBudgetInMegabytes { get; set; } = 2048;

    /// <summary>Start of all random numbers: initial weights, the validation split, the order of rows, dropout.</summary>
    /// <value>
    /// Default null: drawn once, when the trainer is created, from the random numbers of its <c>MLContext</c>. With the same seed, data and
    /// options the model is the same to the last bit, for every number of threads.
    /// </value>
    public int? Seed { get; set; }

    /// <summary>Number of threads that train. It has no influence on the result.</summary>
    /// <value>Default null: one for each processor the process may use. Range [1, 1024].</value>
    [OptionRange(1, 1024, "Set null to use every processor.")]
    public int? NumberOfThreads { get; set; }

    /// <summary>
    /// Runs the trainings of the networks somewhere else than on threads of this process, such as on the machines of a cluster: see the
    /// package <c>MLNetBatchNorm.Orleans</c> and docs/scale.md. The model is the same to the last bit.
    /// </summary>
    /// <value>
    /// Default null: they run on <see cref="NumberOfThreads"/> threads of this process. With a runner, which has threads of its own, that
    /// number has no effect, and <see cref="MatrixMultiplication.Native"/> is refused: its bits depend on the machine.
    /// </value>
    /// <remarks>Of a <see cref="Checkpoint"/> the networks that are trained to the end are kept, and not those under way.</remarks>
    [JsonIgnore]
    public TrainingRunner? TrainingRunner { get; set; }

    /// <summary>What multiplies matrices in training.</summary>
    /// <value>
    /// Default <see cref="MatrixMultiplication.Managed"/>: nothing to install, the same bits everywhere, and not slower than the native
    /// libraries it was measured against. Measure before choosing the other: see the README for when it pays.
    /// </value>
    public MatrixMultiplication MatrixMultiplication { get; set; }

    /// <summary>
    /// Name or path of the native library of <see cref="MatrixMultiplication.Native"/>, such as <c>libopenblas.so.0</c>: any that has the C
    /// interface of BLAS with 32-bit integers. <c>Fit</c> fails if it cannot be used.
    /// </summary>
    /// <value>
    /// Default null: <c>MklImports</c>, which Microsoft.ML.Mkl.Components puts next to the application. Leave it null with
    /// <see cref="MatrixMultiplication.Managed"/>.
    /// </value>
    /// <remarks>
    /// A library is asked to use one thread for each call, in the whole process, because the threads of the training call it side by side.
    /// </remarks>
    public string? NativeBlasLibrary { get; set; }

    /// <summary>
    /// File in which a long training keeps its state, so that it survives the end of its process: call <c>Fit</c> again with the same
    /// options, seed and rows, and it goes on from there to the same model, to the last bit.
    /// </summary>
    /// <value>Default null: nothing is kept.</value>
    /// <remarks>
    /// <para>Set <see cref="Seed"/> too: without it every trainer draws another one, and a checkpoint of another training is
    /// refused.</para>
    /// <para>A damaged file is reported to the log as an error, and the one before it is used; if that is damaged as well, training begins
    /// anew. A checkpoint that cannot be written is a warning, and training goes on; only when <c>Fit</c> begins it is an
    /// <see cref="System.IO.IOException"/>.</para>
    /// </remarks>
    public CheckpointOptions? Checkpoint { get; set; }

    /// <summary>
    /// Rows to measure the loss on after every epoch, instead of a share of the training rows; for pipelines, where only <c>Fit(data)</c>
    /// can be called. It needs the trainer's label and feature columns: pass it through the earlier steps of the pipeline first.
    /// </summary>
    /// <value>Default null. A validation set given to <c>Fit</c> goes before this one.</value>
    [JsonIgnore]
    public IDataView? ValidationSet { get; set; }

    /// <summary>Told about every finished epoch, with the time passed and an estimate of the time left.</summary>
    /// <value>
    /// Default null. It is called on the thread that called <c>Fit</c>; <see cref="Progress{T}"/> hands the report on to the thread it was
    /// created on.
    /// </value>
    [JsonIgnore]
    public IProgress<TrainingProgress>? Progress { get; set; }

    /// <summary>Ends a running <c>Fit</c> with an <see cref="OperationCanceledException"/>. The <c>MLContext</c> stays usable.</summary>
    /// <value>Default: cannot be cancelled this way.</value>
    [JsonIgnore]
    public CancellationToken CancellationToken { get; set; }

    /// <summary>Refuses values that those options cannot have which only this trainer has, beyond their ranges.</summary>
    internal virtual void Check(IExceptionContext context)
    {
    }

    /// <summary>A copy that shares nothing with this one that can be changed.</summary>
    internal T Copy<T>()
        where T : BatchNormNetworkOptions
    {
        var copy = (T)MemberwiseClone();
        copy.OwnParts();
        return copy;
    }

    /// <summary>Replaces every array and group of options by a copy of it.</summary>
    private protected virtual void OwnParts()
    {
        HiddenUnits = (int[]?)HiddenUnits?.Clone();
        Convolutions = Convolutions is null ? null : [.. Convolutions.Select(layer => layer?.Copy()!)];
        Checkpoint = Checkpoint?.Copy();
        SearchSpace = SearchSpace?.Copy();
    }
}
