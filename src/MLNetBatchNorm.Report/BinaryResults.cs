using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Reporting;

/// <summary>Results of binary classification.</summary>
internal sealed class BinaryResults(CountedRows rows, bool[] labels, float[] probabilities, bool[] decisions) : HeldOutResults(rows)
{
    public IReadOnlyList<bool> Labels { get; } = rows.Take(labels, label => label);

    /// <summary>The probability of true.</summary>
    public IReadOnlyList<double> Probabilities { get; } = rows.Take(probabilities, p => (double)p);

    public IReadOnlyList<bool> Decisions { get; } = rows.Take(decisions, decision => decision);

    protected override string? WhyUndefined =>
        Labels.Distinct().Count() < 2 ? "the area under the ROC curve is not defined where all rows are of one class" : null;

    public static BinaryResults Read(DataViewSchema.Column label, IDataView inputs, IDataView scored)
    {
        bool[] labels = [.. inputs.GetColumn<bool>(label)];
        float[] probabilities = [.. scored.GetColumn<float>("Probability")];
        bool[] decisions = [.. scored.GetColumn<bool>("PredictedLabel")];
        return new BinaryResults(
            new CountedRows(labels.Length, _ => true, i => float.IsFinite(probabilities[i])), labels, probabilities, decisions);
    }
}
