using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm;

/// <summary>
/// Whether a yes-or-no label has been put in the place of a key, as <c>OneVersusAll</c> and <c>PairwiseCoupling</c> do for each of their
/// fits: a trainer is not told, but the key is still in the schema, hidden behind the column of the same name.
/// </summary>
internal static class OneVersusAllNotice
{
    /// <summary>What to use instead; null: the label is no class of a key.</summary>
    public static string? Text(RoleMappedSchema schema)
    {
        DataViewSchema.Column label = schema.Label!.Value;
        foreach (DataViewSchema.Column column in schema.Schema)
        {
            // A key of two values is one yes or no.
            if (column.Name == label.Name && column.Index < label.Index && column.Type is KeyDataViewType { Count: > 2 and var classes })
            {
                return $"Label column '{label.Name}' stands for one of {classes} classes, as with OneVersusAll and PairwiseCoupling, which "
                    + "train and keep all networks once for each class or pair. MulticlassClassification.Trainers.BatchNormNetwork "
                    + "learns all classes with the networks of one model: it takes a fraction of the time and of the file. If it must be "
                    + "this way, set NumberOfEnsembleMembers = 1 and few HiddenUnits.";
            }
        }

        return null;
    }
}
