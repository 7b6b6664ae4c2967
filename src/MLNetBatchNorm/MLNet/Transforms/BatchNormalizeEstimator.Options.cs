namespace MLNetBatchNorm;

public sealed partial class BatchNormalizeEstimator
{
    internal static class Defaults
    {
        public const BatchNormalizationStatistics Statistics = BatchNormalizationStatistics.PopulationPooled;
        public const double RunningStatisticsMomentum = 0.1;
        public const int BatchSize = 256;
        public const double Epsilon = 1e-5;
        public const long MaximumExampleCount = 1_000_000_000;
    }

    /// <summary>What to normalize and how, for <see cref="BatchNormalizeEstimator"/>. Read once, when the estimator is created.</summary>
    public sealed class Options
    {
        /// <summary>The columns, at least one, each output name once. All are fitted in the same pass over the data.</summary>
        /// <value>Empty: to be set.</value>
        public IReadOnlyList<ColumnOptions> Columns { get; set; } = [];

        /// <summary>Where mean and variance come from; the formulas are with the values of the enumeration.</summary>
        /// <value>
        /// <see cref="BatchNormalizationStatistics.PopulationPooled"/>: exact, and the same in any order of the rows. There is no training
        /// here that would need averages over batches; they are for reproducing a network's statistics, or the paper's.
        /// </value>
        public BatchNormalizationStatistics Statistics { get; set; } = Defaults.Statistics;

        /// <summary>
        /// Weight of the newest mini-batch in the running statistics, <c>running = (1 - m) * running + m * batch</c>; 0 &lt; m &lt;= 1.
        /// Has an effect only with <see cref="BatchNormalizationStatistics.RunningAverage"/>.
        /// </summary>
        /// <value>
        /// 0.1, PyTorch's default and direction; Keras and many texts write the complement, 0.9. The starting values, mean 0 and variance
        /// 1, keep the weight <c>0.9^t</c> after t batches: it takes 44 batches until they are below 1%.
        /// </value>
        public double RunningStatisticsMomentum { get; set; } = Defaults.RunningStatisticsMomentum;

        /// <summary>
        /// Rows of a mini-batch, 2 or more, in the order in which the data comes. Has no effect with
        /// <see cref="BatchNormalizationStatistics.PopulationPooled"/>.
        /// </summary>
        /// <value>
        /// 256: large enough that the statistics of one batch are steady, small enough that some thousands of rows make several batches.
        /// </value>
        /// <remarks>
        /// In a slot, missing values do not count towards its batch: a batch goes on until the slot has two values, and a single value left
        /// over at the end joins the batch before it, because one value has no variance.
        /// </remarks>
        public int BatchSize { get; set; } = Defaults.BatchSize;

        /// <summary>What is added to the variance under the root; above 0.</summary>
        /// <value>
        /// 1e-5, as in PyTorch. It keeps a constant slot from dividing by zero, and shrinks what has a variance near it: give slots of a
        /// tiny scale (variance below 1e-3 or so) a smaller value.
        /// </value>
        public double Epsilon { get; set; } = Defaults.Epsilon;

        /// <summary>Rows read at most in fitting; above 1.</summary>
        /// <value>1,000,000,000, as in ML.NET's own normalizers.</value>
        public long MaximumExampleCount { get; set; } = Defaults.MaximumExampleCount;
    }

    /// <summary>One column to normalize, with its scale and offset if they are not 1 and 0.</summary>
    /// <param name="name">Name of the output column.</param>
    /// <param name="inputColumnName">
    /// Name of the input column; null for the same as <paramref name="name"/>, which is then replaced.
    /// </param>
    /// <param name="gamma">See <see cref="Gamma"/>.</param>
    /// <param name="beta">See <see cref="Beta"/>.</param>
    public sealed class ColumnOptions(
        string name, string? inputColumnName = null, IReadOnlyList<double>? gamma = null, IReadOnlyList<double>? beta = null)
    {
        /// <summary>Name of the output column.</summary>
        public string Name { get; } = name;

        /// <summary>Name of the input column.</summary>
        public string InputColumnName { get; } = inputColumnName ?? name;

        /// <summary>
        /// The scale of each slot after normalization, as many finite values as the column has slots; null for 1 in every slot.
        /// </summary>
        /// <remarks>Nothing is learned here. Values come from a network trained elsewhere, or from a scale that is wanted.</remarks>
        public IReadOnlyList<double>? Gamma { get; } = gamma;

        /// <summary>
        /// The offset of each slot after normalization, as many finite values as the column has slots; null for 0 in every slot.
        /// </summary>
        public IReadOnlyList<double>? Beta { get; } = beta;
    }
}
