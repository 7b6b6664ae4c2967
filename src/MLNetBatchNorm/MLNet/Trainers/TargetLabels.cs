using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm;

/// <summary>What the trainers of several targets have in common: a label column that is a vector.</summary>
internal static class TargetLabels
{
    /// <summary>Refuses a label column that is no vector of known size of one of the types.</summary>
    /// <param name="host">Whose exception it is.</param>
    /// <param name="label">The column.</param>
    /// <param name="types">Types of its slots that can be learned.</param>
    public static void Check(IHost host, SchemaShape.Column label, params DataViewType[] types)
    {
        if (label is { Kind: SchemaShape.Column.VectorKind.Vector, IsKey: false } && types.Contains(label.ItemType))
            return;
        string needed = $"a vector of known size of {string.Join(" or ", types.Select(type => type.ToString()))}, a slot for each target";
        string others = label switch
        {
            { IsKey: true } => "; one of several classes in each slot takes a trainer for several classes for each",
            { Kind: SchemaShape.Column.VectorKind.VariableVector } => "; every row needs the same targets, NaN where one is missing",
            { Kind: SchemaShape.Column.VectorKind.Scalar } => "; Concatenate makes one of columns",
            _ => "",
        };
        throw host.ExceptSchemaMismatch(nameof(label), "label", label.Name, needed + others, label.GetTypeString());
    }

    /// <summary>The annotations of the score column, of which the names of slots are those of the label.</summary>
    public static SchemaShape Annotations(SchemaShape inputSchema, string labelColumnName, bool isNormalized = false)
    {
        IEnumerable<SchemaShape.Column> names = inputSchema.TryFindColumn(labelColumnName, out SchemaShape.Column label)
            ? label.Annotations.Where(annotation => annotation.Name == AnnotationUtils.Kinds.SlotNames)
            : [];
        return new SchemaShape(names.Concat(AnnotationUtils.GetTrainerOutputAnnotation(isNormalized)));
    }

    /// <summary>What each target counts for, 1 in the mean. Refuses more targets than a network can have, and weights of others.</summary>
    public static float[] Weights(IHost host, RoleMappedData trainingSet, BatchNormNetworkMultiOutputOptions options)
    {
        DataViewSchema.Column label = trainingSet.Schema.Label!.Value;
        int targets = LabelReader.CountOf(label);
        if (targets > NetworkDefinition.MaximumUnits)
        {
            throw host.Except(
                $"Label column '{label.Name}' has {targets} targets; at most {NetworkDefinition.MaximumUnits} can be learned.");
        }

        if (options.TargetWeights is not { } given)
            return [.. Enumerable.Repeat(1f, targets)];
        if (given.Length != targets)
        {
            throw host.ExceptUserArg(
                nameof(options.TargetWeights),
                $"{nameof(options.TargetWeights)} has {given.Length} numbers, but label column '{label.Name}' has {targets} targets. "
                + "Give one weight for each, in the order of its slots.");
        }

        double mean = given.Sum() / targets;
        return [.. given.Select(weight => (float)(weight / mean))];
    }
}
