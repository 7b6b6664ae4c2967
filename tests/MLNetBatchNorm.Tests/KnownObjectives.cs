using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Tests;

/// <summary>One instance of each objective, by name for data rows.</summary>
internal static class KnownObjectives
{
    public static readonly Objective SoftmaxCrossEntropy = new SoftmaxCrossEntropy();
    public static readonly Objective BinaryCrossEntropy = new BinaryCrossEntropy();
    public static readonly Objective SquaredError = new SquaredLoss();
    public static readonly Objective Huber = new HuberLoss { Delta = 1 };
    public static readonly Objective Poisson = new PoissonLoss();
    public static readonly Objective Tweedie = new TweedieLoss();
    public static readonly Objective Quantile = new QuantileLoss();

    /// <summary>All of them; a test compares with what reflection finds.</summary>
    public static readonly IReadOnlyList<Objective> All =
        [SoftmaxCrossEntropy, BinaryCrossEntropy, SquaredError, Huber, Poisson, Tweedie, Quantile];

    public static Objective Named(string name) => name switch
    {
        nameof(SoftmaxCrossEntropy) => SoftmaxCrossEntropy,
        nameof(BinaryCrossEntropy) => BinaryCrossEntropy,
        nameof(SquaredError) => SquaredError,
        nameof(Huber) => Huber,
        nameof(Poisson) => Poisson,
        nameof(Tweedie) => Tweedie,
        nameof(Quantile) => Quantile,
        _ => throw new ArgumentException($"No objective has the name '{name}'.", nameof(name)),
    };

    /// <summary>The same kind of objective with what it takes of these parameters.</summary>
    public static Objective With(this Objective objective, double labelSmoothing = 0, double delta = 1, bool scalesTemperature = false) =>
        objective switch
    {
        MLNetBatchNorm.Objectives.SoftmaxCrossEntropy => new SoftmaxCrossEntropy(labelSmoothing, scalesTemperature),
        MLNetBatchNorm.Objectives.BinaryCrossEntropy => new BinaryCrossEntropy(scalesTemperature),
        HuberLoss => new HuberLoss { Delta = delta },
        TweedieLoss => new TweedieLoss { Power = 1 + delta / 2 },
        QuantileLoss => new QuantileLoss { Level = delta / 2 },
        _ => objective,
    };
}
