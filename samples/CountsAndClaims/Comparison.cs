using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Samples;

/// <summary>Trainers of one label side by side: the deviance of each on policies that none has seen.</summary>
/// <remarks>
/// Labels are rates, and weights the years: a rate of three months says a quarter of one of a year. A deviance is undefined for
/// predictions that are not above 0; they count as a hundredth of the mean.
/// </remarks>
/// <param name="ml">The context.</param>
/// <param name="label">The label's column.</param>
/// <param name="power">Tweedie's power; 1 is Poisson's deviance.</param>
/// <param name="truth">What the process expects of a policy.</param>
internal sealed class Comparison(MLContext ml, string label, double power, Func<Policy, double> truth)
{
    private readonly Policy[] _test = Policy.Generate(20_000, seed: 2);
    private readonly IDataView _training = ml.Data.LoadFromEnumerable(Policy.Generate(20_000, seed: 1));

    /// <summary>Trains each, and prints a line for it; gives the deviances in the same order.</summary>
    public double[] Run(params (string Name, IEstimator<ITransformer> Trainer)[] trainers)
    {
        IDataView test = ml.Data.LoadFromEnumerable(_test);
        float[] labels = [.. test.GetColumn<float>(label)];
        double best = Deviance(labels, [.. _test.Select(truth)]);
        Console.WriteLine($"{label,-34} deviance  above the truth's  not above 0  predicted total / observed");
        double[] deviances = new double[trainers.Length];
        for (int i = 0; i < trainers.Length; i++)
        {
            ITransformer model = ml.Transforms.Categorical.OneHotEncoding("Use")
                .Append(ml.Transforms.Concatenate("Numbers", "Age", "Power", "Value", "Traffic"))
                .Append(ml.Transforms.NormalizeMeanVariance("Numbers", fixZero: false))
                .Append(ml.Transforms.Concatenate("Features", "Numbers", "Use"))
                .Append(trainers[i].Trainer).Fit(_training);
            double[] scores = [.. model.Transform(test).GetColumn<float>("Score").Select(score => (double)score)];
            deviances[i] = Deviance(labels, scores);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  {trainers[i].Name,-30} {deviances[i],10:F3} {deviances[i] - best,17:F3} {scores.Count(score => !(score > 0)),12} "
                + $"{Total(scores) / Total([.. labels.Select(rate => (double)rate)]),27:F3}"));
        }

        return deviances;
    }

    private double Deviance(float[] labels, double[] scores)
    {
        double least = 0.01 * Total([.. labels.Select(rate => (double)rate)]) / _test.Sum(policy => policy.Years);
        return _test.Select((policy, i) => policy.Years * OfOne(labels[i], Math.Max(least, scores[i]))).Sum()
            / _test.Sum(policy => policy.Years);
    }

    /// <summary>Tweedie's deviance of one label (Jorgensen 1987); at power 1 Poisson's.</summary>
    private double OfOne(double y, double m) => power == 1
        ? 2 * ((y > 0 ? y * Math.Log(y / m) : 0) - y + m)
        : 2 * (Math.Pow(y, 2 - power) / ((1 - power) * (2 - power)) - y * Math.Pow(m, 1 - power) / (1 - power)
            + Math.Pow(m, 2 - power) / (2 - power));

    private double Total(double[] rates) => _test.Zip(rates, (policy, rate) => policy.Years * rate).Sum();
}
