using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Training;

/// <summary>Classes of so few rows that validation says little of them.</summary>
internal static class ThinClasses
{
    /// <summary>What a log says of them, once for all networks; null: there are none, or no rows are set aside.</summary>
    public static string? Text(ClassSummary classes, ValidationSplit split)
    {
        if (split.Fraction == 0)
            return null;
        int enough = (int)Math.Ceiling(1 / split.Fraction);
        int thin = classes.Rows.Count(rows => rows > 0 && rows < enough), single = classes.Rows.Count(rows => rows == 1);
        if (thin == 0)
            return null;
        string ofOneRow = single == 0
            ? ""
            : FormattableString.Invariant($" {single} of them have a single row, which every network learns and none is validated by.");
        return FormattableString.Invariant($"{thin} of {classes.Present} classes have fewer than {enough} rows, ")
            + "so that not every network has one of theirs set aside for validation." + ofOneRow;
    }
}
