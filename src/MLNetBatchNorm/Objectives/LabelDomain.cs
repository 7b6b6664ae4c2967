namespace MLNetBatchNorm.Objectives;

/// <summary>Which labels an objective can learn.</summary>
/// <param name="Kind">What a label means.</param>
/// <param name="Contains">Whether a label that is not missing is one of them.</param>
/// <param name="Need">What a label must be, for messages: "A label must be ...".</param>
internal sealed record LabelDomain(LabelKind Kind, Func<float, bool> Contains, string Need)
{
    /// <summary>The least label there is, below which no bound of a label lies either.</summary>
    public float Least { get; init; } = -float.MaxValue;

    /// <summary>What a target of several must be, which may be missing in any case.</summary>
    public string NeedOfTarget => Kind == LabelKind.Number ? "a finite number" : Kind == LabelKind.Binary ? "false or true, 0 or 1" : Need;

    /// <summary>False or true, as 0 or 1.</summary>
    public static readonly LabelDomain YesNo = new(LabelKind.Binary, label => label is 0 or 1, "false or true") { Least = 0 };

    /// <summary>The number of a class, from 0.</summary>
    public static readonly LabelDomain Class = new(
        LabelKind.Class, label => label >= 0 && label == MathF.Floor(label), "the key of a class") { Least = 0 };

    /// <summary>Any finite number.</summary>
    public static readonly LabelDomain Number = new(LabelKind.Number, float.IsFinite, "a finite number; use NaN for a missing label");
}
