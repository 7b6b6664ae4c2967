using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Reporting;

/// <summary>Results of regression.</summary>
internal sealed class RegressionResults(
    CountedRows rows, float[] labels, float[] predictions, (double Lower, double Upper)[][]? bounds = null) : HeldOutResults(rows)
{
    /// <summary>The bounds of each row, level by level; null where the model has none.</summary>
    public (double Lower, double Upper)[][]? Bounds { get; } = bounds is null ? null : [.. rows.Take(bounds, row => row)];

    public IReadOnlyList<double> Labels { get; } = rows.Take(labels, label => (double)label);

    public IReadOnlyList<double> Predictions { get; } = rows.Take(predictions, prediction => (double)prediction);

    protected override string? WhyUndefined => Labels.Distinct().Count() < 2 ? "R² is not defined where all labels are equal" : null;

    public static RegressionResults Read(DataViewSchema.Column label, IDataView inputs, IDataView scored)
    {
        float[] labels = [.. inputs.GetColumn<float>(label)];
        float[] predictions = [.. scored.GetColumn<float>("Score")];
        return new RegressionResults(
            new CountedRows(labels.Length, i => float.IsFinite(labels[i]), i => float.IsFinite(predictions[i])), labels, predictions,
            ReadBounds(scored));
    }

    private static (double, double)[][]? ReadBounds(IDataView scored)
    {
        if (scored.Schema.GetColumnOrNull("ScoreLowerBound") is not { } lower || scored.Schema.GetColumnOrNull(
            "ScoreUpperBound") is not { } upper)
            return null;
        return [.. Read(lower).Zip(Read(upper), (low, high) => low.Zip(high, (l, h) => ((double)l, (double)h)).ToArray())];

        IEnumerable<float[]> Read(DataViewSchema.Column column) => column.Type is VectorDataViewType
            ? scored.GetColumn<float[]>(column)
            : scored.GetColumn<float>(column).Select(value => new[] { value });
    }
}
