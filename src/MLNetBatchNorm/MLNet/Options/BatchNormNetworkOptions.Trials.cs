namespace MLNetBatchNorm;

public abstract partial class BatchNormNetworkOptions
{
    /// <summary>Most trials: more only find what suits the rows that judge.</summary>
    internal const int MaximumNumberOfTrials = 1000;

    /// <summary>
    /// Number of configurations that are tried: networks are trained with different layers, rates, regularization and encodings, and the
    /// model is a weighted mean of the networks of those that were best together on rows that they had not seen. What an option has been
    /// set to stays as it is in all trials; what is null is drawn from the <see cref="SearchSpace"/>, where that is null too
    /// but for the first three trials, which from 3,000 rows on train longer.
    /// </summary>
    /// <value>
    /// Default null: 1, nothing is tried; with <see cref="TrainingEffort.Best"/> 16 from 3,000 rows on, fewer where rows and features are
    /// so many that training would take long, and 1 where <see cref="NumberOfEnsembleMembers"/> or <see cref="NumberOfRestarts"/> is set
    /// or less than 300 rows would judge. Range [1, 1000]. Training takes about as long as four times so many networks.
    /// </value>
    /// <remarks>
    /// <para>
    /// Trial 0 has the options as they were given. Each trial trains up to 4 networks, which set different rows aside: half of these choose
    /// the epoch, the other half judge. Trials that judge badly after the first network or two are given up (successive halving:
    /// Jamieson and Talwalkar 2016, arXiv:1502.07943); every network is trained through a full cycle of the learning rate. Among those that
    /// are left weights are chosen greedily (Caruana et al. 2004), for a model of at most <see cref="NumberOfEnsembleMembers"/> networks:
    /// a trial brings all of its own, so that 16 networks are those of 4 trials. <c>model.Network.Trials</c> says what was tried and what
    /// came of it.
    /// </para>
    /// <para>
    /// It needs rows to judge by: <see cref="ValidationFraction"/> above 0, or a validation set. Training does not go on from another
    /// model, nor is it repeated (<see cref="NumberOfRestarts"/>). With prediction intervals half of the rows that would judge measure
    /// errors instead. The model is a function of data, options and seed, as any other.
    /// </para>
    /// </remarks>
    [OptionRange(1, MaximumNumberOfTrials, "16 to 64 are usual; set 1 to try nothing, or null to let Effort decide.")]
    public int? NumberOfTrials { get; set; }

    /// <summary>What trials draw for the options that are null.</summary>
    /// <value>
    /// Default null: values around what each option comes to by the size of the data. Where nothing is tried it has no effect, and a
    /// warning says so.
    /// </value>
    public SearchSpace? SearchSpace { get; set; }
}
