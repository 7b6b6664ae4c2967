using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Trainers;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>
/// <c>Transform</c> over a view of a million rows: ours, ML.NET's linear trainer, and the network's own time for the same rows one by one.
/// </summary>
/// <remarks>
/// transform CASE SECONDS LINEAR_SECONDS NETWORK_SECONDS RATIO: medians of rounds in turn; the ratio is ours to the sum of the linear
/// scorer's and the network's. Each pass asks for the probabilities of every row.
/// </remarks>
internal static class TransformCommand
{
    private const int Rounds = 5;

    public static int Run(string[] args)
    {
        int rows = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 1_000_000;
        NetworkCase c = NetworkCase.Get("small");
        var mlContext = new MLContext(seed: 1);
        IDataView data = NetworkCaseView.Create(mlContext, c, rows);
        IDataView few = mlContext.Data.TakeRows(data, 5000);
        var network = mlContext.MulticlassClassification.Trainers.BatchNormNetwork(new BatchNormNetworkMulticlassTrainer.Options
        {
            HiddenUnits = c.Hidden, MaximumNumberOfEpochs = 1, NumberOfInputPieces = 0, NumberOfEnsembleMembers = 1, Seed = 1,
        }).Fit(few);
        var linear = mlContext.MulticlassClassification.Trainers
            .LbfgsMaximumEntropy(new LbfgsMaximumEntropyMulticlassTrainer.Options { MaximumNumberOfIterations = 5 }).Fit(few);
        float[][] features = [.. few.GetColumn<float[]>("Features")];
        var scores = new float[c.Classes];

        var seconds = new double[3][];
        for (int method = 0; method < 3; method++)
            seconds[method] = new double[Rounds];
        for (int round = -1; round < Rounds; round++)              // the first round warms up
        {
            double[] now =
            [
                Time(() => Read(network.Transform(data))), Time(() => Read(linear.Transform(data))),
                Time(() => Score(network.Model, features, rows, scores)),
            ];
            for (int method = 0; method < 3 && round >= 0; method++)
                seconds[method][round] = now[method];
        }
        double[] median = [.. seconds.Select(s => s.Order().ElementAt(Rounds / 2))];
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"transform\t{c.Name}\t{median[0]:F3}\t{median[1]:F3}\t{median[2]:F3}\t{median[0] / (median[1] + median[2]):F2}"));
        return 0;
    }

    private static void Read(IDataView scored)
    {
        DataViewSchema.Column column = scored.Schema["Score"];
        using DataViewRowCursor cursor = scored.GetRowCursor([column]);
        ValueGetter<VBuffer<float>> getter = cursor.GetGetter<VBuffer<float>>(column);
        VBuffer<float> score = default;
        while (cursor.MoveNext())
            getter(ref score);
    }

    private static void Score(BatchNormNetworkMulticlassModelParameters model, float[][] features, int rows, float[] scores)
    {
        for (int row = 0; row < rows; row++)
            model.Score(features[row % features.Length], 1, scores);
    }

    private static double Time(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
