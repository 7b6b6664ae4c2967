// What if the rows are more than memory should hold? The same rows, never all in memory at
// once, with a budget of 8 MB and with room for all.
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNetBatchNorm;
using MLNetBatchNorm.Samples;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
const int Rows = 200_000;
double streamed = Train(budget: 8), held = Train(budget: 2048);
Console.WriteLine($"R2 from a file {streamed:F4}, from memory {held:F4}");
Console.WriteLine($"as good: {(streamed > held - 0.01 ? "yes" : "no")}");
return streamed > held - 0.01 ? 0 : 1;

double Train(int budget)
{
    var ml = new MLContext(seed: 42);
    // The log says where the rows went.
    ml.Log += (_, message) =>
    {
        if (message.Message.Contains("temporary file"))
            Console.WriteLine(message.Message.Split(" in '")[0][message.Message.IndexOf(Rows.ToString(), StringComparison.Ordinal)..]);
    };
    var model = ml.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
    {
        HiddenUnits = [64, 32],
        MaximumNumberOfEpochs = 3,
        MemoryBudgetInMegabytes = budget,
    }).Fit(ml.Data.LoadFromEnumerable(Measurement.Generate(Rows, seed: 1)));
    return ml.Regression.Evaluate(model.Transform(ml.Data.LoadFromEnumerable(Measurement.Generate(10_000, seed: 2)))).RSquared;
}
