using System.Globalization;
using Microsoft.ML.Runtime;

namespace MLNetBatchNorm;

/// <summary>What the options say that a row of each class counts for in the loss, beside a weight of its own.</summary>
internal static class ClassWeightOptions
{
    private const string Option = nameof(BatchNormNetworkClassificationOptions.ClassWeights);

    /// <summary>Refuses weights that cannot be, whatever the number of classes.</summary>
    public static void Check(IExceptionContext context, BatchNormNetworkClassificationOptions options)
    {
        if (options.ClassWeights is not { } weights)
            return;
        if (options.UnbalancedSets)
        {
            throw context.ExceptUserArg(
                nameof(options.UnbalancedSets),
                "UnbalancedSets is true, but ClassWeights are given, and only one of them can say what a class counts for. "
                + "Set UnbalancedSets to false, or ClassWeights to null.");
        }

        int counting = Singles(weights).Count(weight => weight > 0);
        if (counting < 2)
        {
            throw context.ExceptUserArg(
                Option,
                $"{Option} has {counting} weights above 0; rows of a class with weight 0 are left out, so at least 2 are needed. "
                + "Give every class that is to be learned a weight.");
        }
    }

    /// <summary>The weights that the options give, or null.</summary>
    /// <param name="context">Whose exception it is if there are more or fewer than classes.</param>
    /// <param name="options">Checked options of any of the trainers.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="order">What stands in which place, for the message.</param>
    public static float[]? Given(IExceptionContext context, BatchNormNetworkOptions options, int classes, string order)
    {
        if (options is not BatchNormNetworkClassificationOptions { ClassWeights: { } weights })
            return null;
        if (weights.Length != classes)
        {
            throw context.ExceptUserArg(
                Option, $"{Option} has {weights.Length} numbers, but there are {classes} classes. Give one weight for each: {order}.");
        }
        return Singles(weights);
    }

    /// <summary>Whether the options ask for <see cref="Training.BalancedWeights"/>.</summary>
    public static bool IsBalanced(BatchNormNetworkOptions options) =>
        options is BatchNormNetworkClassificationOptions { UnbalancedSets: true };

    // In the precision in which they are used: a weight too small for it is 0.
    private static float[] Singles(double[] weights) => [.. weights.Select(weight => (float)weight)];
}
