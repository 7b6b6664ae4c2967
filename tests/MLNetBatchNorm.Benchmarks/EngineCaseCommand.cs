using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>
/// One row at a time of a network of <c>throughput</c>: <see cref="PredictionEngine{TSrc, TDst}"/> over our model, and ONNX Runtime over
/// the file it was exported to, on one thread.
/// </summary>
/// <remarks>
/// engine-case CASE MICROSECONDS BYTES OTHERS_MICROSECONDS RATIO: medians of rounds in which the two take turns, what a call of ours
/// allocates, and how many times ours is as fast. ONNX Runtime gets its input and output memory once, as a careful caller would.
/// </remarks>
internal static class EngineCaseCommand
{
    private const int Rounds = 15;
    private const double RoundSeconds = 0.1;

    public static int Run(string[] cases)
    {
        foreach (string name in cases)
            Compare(NetworkCase.Get(name));
        return 0;
    }

    private static void Compare(NetworkCase c)
    {
        var mlContext = new MLContext(seed: 1);
        BatchNormNetworkMulticlassModelParameters model = c.TrainBriefly(mlContext, out ITransformer transformer);
        using var stream = new MemoryStream();
        mlContext.Model.ConvertBatchNormNetworkToOnnx(model, stream);

        float[] features = new float[c.Inputs];
        var random = new RandomStream(2, 0);
        NetworkCase.FillNormal(features, ref random);
        using var onnx = new OnnxScorer(stream.ToArray(), features, 1, c);
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, c.Inputs);
        using var engine = mlContext.Model.CreatePredictionEngine<Row, Prediction>(transformer, inputSchemaDefinition: schema);
        var row = new Row { Features = features };
        var prediction = new Prediction();

        long bytes = 0, calls = 0;
        double Measure(Action call)
        {
            long before = GC.GetAllocatedBytesForCurrentThread(), count = 0;
            var clock = Stopwatch.StartNew();
            do
            {
                for (int i = 0; i < 8; i++)
                    call();
                count += 8;
            }
            while (clock.Elapsed.TotalSeconds < RoundSeconds);
            double microseconds = clock.Elapsed.TotalMicroseconds / count;
            bytes = GC.GetAllocatedBytesForCurrentThread() - before;
            calls = count;
            return microseconds;
        }

        void Predict() => engine.Predict(row, ref prediction);
        for (int warmUp = 0; warmUp < 3; warmUp++)
        {
            Measure(Predict);
            Measure(onnx.Run);
            Thread.Sleep(200);                         // tiered compilation replaces code in the background
        }
        double[] ours = new double[Rounds], theirs = new double[Rounds];
        double bytesOfCall = 0;
        for (int round = 0; round < Rounds; round++)
        {
            theirs[round] = Measure(onnx.Run);
            ours[round] = Measure(Predict);
            bytesOfCall = (double)bytes / calls;
        }
        double our = ours.Order().ElementAt(Rounds / 2), their = theirs.Order().ElementAt(Rounds / 2);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"engine-case\t{c.Name}\t{our:F3}\t{bytesOfCall:F1}\t{their:F3}\t{their / our:F2}"));
    }

    private sealed class Row
    {
        public float[] Features { get; set; } = [];
    }

    private sealed class Prediction
    {
        public float[] Score { get; set; } = [];
    }
}
