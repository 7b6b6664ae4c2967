namespace MLNetBatchNorm;

/// <summary>
/// Where and how often a training keeps its state, so that it survives the end of its process: see
/// <see cref="BatchNormNetworkOptions.Checkpoint"/>.
/// </summary>
public sealed class CheckpointOptions
{
    /// <summary>The file. Its folder must exist.</summary>
    /// <value>Default null, which is refused: a checkpoint needs a file.</value>
    /// <remarks>
    /// <para>
    /// Beside the file there are one with <c>.previous</c> and, for moments, one with <c>.temporary</c> behind the name; each training of a
    /// network but the first has its own, with its number behind the name (first all restarts of the first network). All are removed when
    /// <c>Fit</c> succeeds or training diverges.
    /// </para>
    /// <para>One path is for one <c>Fit</c> at a time; cross-validation and one-versus-all, which fit several times, can use it only as
    /// long as none is interrupted.</para>
    /// </remarks>
    public string? Path { get; set; }

    /// <summary>Number of epochs after which the state is written again.</summary>
    /// <value>Default null: only <see cref="IntervalInSeconds"/> decides. Range [1, 1000000]. With both set, whichever comes first.</value>
    [OptionRange(1, 1_000_000, "Set null to go by Checkpoint.IntervalInSeconds alone.")]
    public int? IntervalInEpochs { get; set; }

    /// <summary>Seconds after which the state is written again, at the end of the epoch under way then.</summary>
    /// <value>
    /// Default 60: a minute is what a restart may cost, and writing takes a small part of it even for large networks. Range [0, 1000000].
    /// 0: after every epoch; null: only <see cref="IntervalInEpochs"/> decides.
    /// </value>
    [OptionRange(0, 1_000_000, "Set 0 to write after every epoch.")]
    public double? IntervalInSeconds { get; set; } = 60;

    internal CheckpointOptions Copy() => (CheckpointOptions)MemberwiseClone();
}
