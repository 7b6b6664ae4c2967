using System.Globalization;
using Microsoft.ML.Runtime;

namespace MLNetBatchNorm;

/// <summary>What a row of each class counts for in the loss, beside a weight of its own.</summary>
internal static class ClassWeighting
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
                "UnbalancedSets is true, but ClassWeights are given, and only one of them can say what a class counts for. Set UnbalancedSets to false, or ClassWeights to null.");
        }

        int counting = Singles(weights).Count(weight => weight > 0);
        if (counting < 2)
        {
            throw context.ExceptUserArg(
                Option, $"{Option} has {counting} weights above 0; rows of a class with weight 0 are left out, so at least 2 are needed. Give every class that is to be learned a weight.");
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
            throw context.ExceptUserArg(Option, $"{Option} has {weights.Length} numbers, but there are {classes} classes. Give one weight for each: {order}.");
        return Singles(weights);
    }

    /// <summary>Whether the options ask for <see cref="Balanced"/>.</summary>
    public static bool IsBalanced(BatchNormNetworkOptions options) => options is BatchNormNetworkClassificationOptions { UnbalancedSets: true };

    /// <summary>
    /// Weights with which every class that has rows comes to the same total, and a row to 1 in the mean: <c>total / (classes * total of the class)</c>. A class
    /// without rows, of which training can say nothing, has weight 1.
    /// </summary>
    /// <param name="weightOfClass">Sum of the weights of the rows of each class.</param>
    public static float[] Balanced(double[] weightOfClass)
    {
        double total = weightOfClass.Sum();
        int classes = weightOfClass.Count(weight => weight > 0);
        return [.. weightOfClass.Select(weight => weight > 0 ? (float)(total / (classes * weight)) : 1)];
    }

    /// <summary>What a log says of balanced weights.</summary>
    public static string Text(float[] weights)
    {
        const int mostShown = 20;
        string shown = string.Join(", ", weights.Take(mostShown).Select(weight => weight.ToString("G4", CultureInfo.InvariantCulture)));
        return string.Create(CultureInfo.InvariantCulture, $"The rows of the {weights.Length} classes count for {shown}{(weights.Length > mostShown ? ", ..." : "")}.");
    }

    // In the precision in which they are used: a weight too small for it is 0.
    private static float[] Singles(double[] weights) => [.. weights.Select(weight => (float)weight)];
}
