using Microsoft.ML;

namespace QuickStart;

/// <summary>What one task came to.</summary>
/// <param name="Name">What was learned.</param>
/// <param name="Measure">How the two trainers are compared; more is better.</param>
/// <param name="Network">The measure of the batch-normalized network on the held-out rows.</param>
/// <param name="Linear">The measure of the linear trainer on the same rows.</param>
/// <param name="LinearTrainer">Which linear trainer.</param>
/// <param name="Required">What <paramref name="Network"/> has to reach.</param>
/// <param name="Model">The trained pipeline.</param>
/// <param name="HeldOut">The held-out rows, as the pipeline takes them.</param>
internal sealed record TaskResult(
    string Name, string Measure, double Network, double Linear, string LinearTrainer, double Required,
    ITransformer Model, IDataView HeldOut)
{
    /// <summary>Whether the network reached what it has to.</summary>
    public bool IsGoodEnough => Network >= Required;
}
