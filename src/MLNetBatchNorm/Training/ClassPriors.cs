using System.Globalization;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>Puts probabilities into a world in which the classes are as frequent as one says.</summary>
/// <remarks>
/// By Bayes' rule the odds of two classes are those of what their rows look like times those of how frequent they are. A network learns the
/// product for the frequencies of its training rows, each times its class's weight; other frequencies are a number that is added to each
/// output, the same for all rows (Elkan 2001, theorem 2; Saerens, Latinne and Decaestecker 2002, equation 4).
/// </remarks>
internal static class ClassPriors
{
    /// <summary>What is added to the logit of each class.</summary>
    /// <param name="priors">How frequent each class is to be, up to a common factor; above 0.</param>
    /// <param name="weightOfClass">Sum of the weights of the training rows of each class.</param>
    /// <param name="classWeights">What a row of each class counts for beside; null: 1.</param>
    /// <returns>
    /// Of a class without training rows, of which training can say nothing, 0; of the others the logarithm of the prior's part of all of
    /// theirs divided by that of the training.
    /// </returns>
    public static double[] Shifts(ReadOnlySpan<double> priors, ReadOnlySpan<double> weightOfClass, float[]? classWeights)
    {
        double[] learned = weightOfClass.ToArray(), wanted = priors.ToArray();
        for (int c = 0; c < learned.Length; c++)
        {
            learned[c] *= classWeights?[c] ?? 1;
            if (learned[c] == 0)
                wanted[c] = 0;
        }

        double ofLearned = learned.Sum(), ofWanted = wanted.Sum();
        return [.. learned.Zip(wanted, (was, becomes) => was == 0 ? 0 : Math.Log(becomes / ofWanted / (was / ofLearned)))];
    }

    /// <summary>What that is for each output of a network: the logit of each class, or of two classes that of true.</summary>
    public static float[] OfOutputs(double[] shifts, int outputs) =>
        outputs == 1 ? [(float)(shifts[1] - shifts[0])] : [.. shifts.Select(shift => (float)shift)];

    /// <summary>Adds a model's <see cref="TrainedNetwork.OutputShifts"/> to the last biases of all its networks.</summary>
    public static void Add(TrainedNetwork model)
    {
        foreach (NetworkMember network in model.Ensembles.SelectMany(own => own.Members))
        {
            Span<float> bias = network.Parameters.Linear[^1].Bias!.Span;
            for (int output = 0; output < model.OutputShifts!.Count; output++)
                bias[output] += model.OutputShifts[output];
        }
    }

    /// <summary>
    /// One of a model's networks as it was trained, without the model's shifts: a training that goes on from it would have to unlearn them,
    /// and add its own to what is left of them.
    /// </summary>
    public static NetworkParameters Without(TrainedNetwork model, int member)
    {
        NetworkParameters parameters = model.Members[member].Parameters;
        if (model.OutputShifts is not { } shifts)
            return parameters;
        parameters = parameters.Clone();
        Span<float> bias = parameters.Linear[^1].Bias!.Span;
        for (int output = 0; output < shifts.Count; output++)
            bias[output] -= shifts[output];
        return parameters;
    }

    /// <summary>What a log says of them.</summary>
    public static string Text(double[] shifts)
    {
        const int mostShown = 20;
        string shown = string.Join(", ", shifts.Take(mostShown).Select(shift => shift.ToString("G4", CultureInfo.InvariantCulture)));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"ClassPriors: {shown}{(shifts.Length > mostShown ? ", ..." : "")} were added to the logits of the {shifts.Length} classes.");
    }
}
