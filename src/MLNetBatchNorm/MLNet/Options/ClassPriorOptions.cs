using Microsoft.ML.Runtime;

namespace MLNetBatchNorm;

/// <summary>What the options say of how frequent each class is where the model is used.</summary>
internal static class ClassPriorOptions
{
    private const string Option = nameof(BatchNormNetworkClassificationOptions.ClassPriors);

    /// <summary>The priors that the options give, or null.</summary>
    /// <param name="context">Whose exception it is if there are more or fewer than classes.</param>
    /// <param name="options">Checked options of any of the trainers.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="order">What stands in which place, for the message.</param>
    public static double[]? Given(IExceptionContext context, BatchNormNetworkOptions options, int classes, string order)
    {
        if (options is not BatchNormNetworkClassificationOptions { ClassPriors: { } priors })
            return null;
        if (priors.Length != classes)
        {
            throw context.ExceptUserArg(
                Option, $"{Option} has {priors.Length} numbers, but there are {classes} classes. Give one for each: {order}.");
        }
        return priors;
    }
}
