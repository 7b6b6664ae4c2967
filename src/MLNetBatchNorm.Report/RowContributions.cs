using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Reporting;

/// <summary>
/// What the columns of one held-out row contribute to its score; with several classes, to that of the class it is taken for.
/// </summary>
/// <param name="Row">Number of the row, from 0.</param>
/// <param name="Output">The score that is explained.</param>
/// <param name="Features">The row as the network reads it.</param>
/// <param name="Columns">The contributions.</param>
/// <param name="Sizes">The mean magnitude of each column's contributions to all scores.</param>
/// <param name="Base">What they are added to.</param>
/// <param name="Score">What they add up to.</param>
internal sealed record RowContributions(
    int Row, int Output, float[] Features, IReadOnlyList<ColumnContribution> Columns, double[] Sizes, double Base, double Score)
{
    /// <summary>Explains rows that are spread over all; those whose score is no number are left out.</summary>
    /// <param name="network">The network.</param>
    /// <param name="inputs">The columns it reads.</param>
    /// <param name="count">Number of rows at most.</param>
    public static IReadOnlyList<RowContributions> Measure(ReportedNetwork network, IDataView inputs, int count)
    {
        long rows = 0;
        using (DataViewRowCursor cursor = inputs.GetRowCursor([]))
        {
            while (cursor.MoveNext())
                rows++;
        }

        long step = Math.Max(1, (rows + count - 1) / count);
        return
        [
            .. inputs.GetColumn<float[]>(network.Predictor.FeatureColumnName)
                .Select((features, row) => (features, row))
                .Where(pair => pair.row % step == 0)
                .Select(pair => Explain(network, pair.features, pair.row))
                .OfType<RowContributions>(),
        ];
    }

    /// <summary>A column's name and what the row has there.</summary>
    public string Describe(BatchNormNetworkEncoder encoder, ColumnContribution column)
    {
        float value = Features[column.FirstSlot];
        if (column.NumberOfSlots == 1)
            return $"{column.Name} = {Text(value)}";
        int set = Enumerable.Range(column.FirstSlot, column.NumberOfSlots)
            .FirstOrDefault(slot => Features[slot] is not (0 or float.NaN), -1);
        string? name = set < 0 ? "none" : encoder.Slots[set].Name;
        // Behind the column's name and a point.
        return name is not null && name.Length > column.Name.Length + 1 && name.StartsWith(column.Name, StringComparison.Ordinal)
            ? $"{column.Name} = {name[(column.Name.Length + 1)..]}"
            : $"{column.Name} = {name ?? string.Create(CultureInfo.InvariantCulture, $"slot {set}")}";
    }

    private static string Text(float value) => float.IsNaN(value) ? "missing"
        : float.IsFinite(value) ? value.ToString("G4", CultureInfo.InvariantCulture)
        : value > 0 ? "infinite" : "infinite, negative";

    private static RowContributions? Explain(ReportedNetwork network, float[] features, int row)
    {
        IReadOnlyList<float> nothing = network.ContributionBase!;
        int outputs = nothing.Count;
        float[] contributions = new float[outputs * features.Length];
        network.Explain(features, 1, contributions);
        double[] scores = [.. Enumerable.Range(0, outputs).Select(
            o => nothing[o] + Of(o).Sum(contribution => (double)contribution))];
        if (!scores.All(double.IsFinite))
            return null;
        int output = Array.IndexOf(scores, scores.Max());
        IReadOnlyList<ColumnContribution>[] columns = [.. Enumerable.Range(0, outputs).Select(o => network.Encoder.SumByColumn(Of(o)))];
        double[] sizes =
        [
            .. Enumerable.Range(0, columns[0].Count).Select(column => columns.Average(of => Math.Abs((double)of[column].Contribution))),
        ];
        return new RowContributions(row, output, features, columns[output], sizes, nothing[output], scores[output]);

        float[] Of(int o) => contributions[(o * features.Length)..((o + 1) * features.Length)];
    }
}
