using System.Globalization;

namespace MLNetBatchNorm.Training;

/// <summary>What a row of each class counts for if all classes are to count alike.</summary>
internal static class BalancedWeights
{
    /// <summary>
    /// Weights with which every class that has rows comes to the same total, and a row to 1 in the mean:
    /// <c>total / (classes * total of the class)</c>. A class without rows, of which training can say nothing, has weight 1.
    /// </summary>
    /// <param name="weightOfClass">Sum of the weights of the rows of each class.</param>
    public static float[] Of(double[] weightOfClass)
    {
        double total = weightOfClass.Sum();
        int classes = weightOfClass.Count(weight => weight > 0);
        return [.. weightOfClass.Select(weight => weight > 0 ? (float)(total / (classes * weight)) : 1)];
    }

    /// <summary>What a log says of them.</summary>
    public static string Text(float[] weights)
    {
        const int mostShown = 20;
        string shown = string.Join(", ", weights.Take(mostShown).Select(weight => weight.ToString("G4", CultureInfo.InvariantCulture)));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"The rows of the {weights.Length} classes count for {shown}{(weights.Length > mostShown ? ", ..." : "")}.");
    }
}
