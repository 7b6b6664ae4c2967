using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;
using MLNetBatchNorm.Tests.MLNet;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>
/// Whole pipelines over rows of several types: numbers with values missing, a category, text, and a label for every task.
/// </summary>
internal sealed class RidePipelines(MLContext context)
{
    /// <summary>Other steps in front of a regression, or in place of one, by a name that tests can be given.</summary>
    private readonly Dictionary<string, Func<TransformsCatalog, IEstimator<ITransformer>>> _steps = new()
    {
        ["BatchNormalize"] = t => t.Concatenate("Features", "Distance", "Passengers").Append(t.BatchNormalize("Normalized", "Features"))
            .Append(t.CopyColumns("Features", "Normalized")),
        ["Columns of other types"] = t => t.Conversion
            .ConvertType([new("D", "Precise"), new("I", "Stops"), new("B", "Night")], DataKind.Single)
            .Append(t.Concatenate("Features", "D", "I", "B")),
        ["Missing values as a column"] = t => t.IndicateMissingValues("Missing", "Hour").Append(t.Conversion.ConvertType("Missing"))
            .Append(t.ReplaceMissingValues("Hour")).Append(t.Concatenate("Features", "Distance", "Hour", "Missing")),
        ["Missing values replaced"] = t => t
            .ReplaceMissingValues("Hour", replacementMode: MissingValueReplacingEstimator.ReplacementMode.Mean)
            .Append(t.Concatenate("Features", "Distance", "Hour")),
        ["NormalizeMinMax"] = t => Numbers(t).Append(t.NormalizeMinMax("Features")),
        ["NormalizeMeanVariance"] = t => Numbers(t).Append(t.NormalizeMeanVariance("Features")),
        ["NormalizeRobustScaling"] = t => Numbers(t).Append(t.NormalizeRobustScaling("Features")),
        ["NormalizeLpNorm"] = t => t.Concatenate("Features", "Distance", "Passengers").Append(t.NormalizeLpNorm("Features")),
        ["MapValue"] = t => t.Conversion.MapValue("Paid", [new KeyValuePair<string, float>("cash", 1), new("card", 2)], "Payment")
            .Append(t.Concatenate("Features", "Distance", "Paid")),
        ["OneHotHashEncoding"] = t => t.Categorical.OneHotHashEncoding("Paid", "Payment", numberOfBits: 4)
            .Append(t.Concatenate("Features", "Distance", "Paid")),
        ["Words"] = t => t.Text.TokenizeIntoWords("Words", "Remark").Append(t.Conversion.MapValueToKey("Words"))
            .Append(t.Text.ProduceNgrams("Grams", "Words", ngramLength: 2)).Append(t.Concatenate("Features", "Distance", "Grams")),
        ["Word bags"] = t => t.Text.ProduceWordBags("Features", "Remark", ngramLength: 1),

        ["NormalizeLogMeanVariance"] = t => Numbers(t).Append(t.NormalizeLogMeanVariance("Features")),
        ["NormalizeBinning"] = t => Numbers(t).Append(t.NormalizeBinning("Features")),
        ["NormalizeText"] = t => t.Text.NormalizeText("Plain", "Remark").Append(t.Text.ProduceWordBags("Features", "Plain")),
        ["NormalizeText in place"] = t => t.Text.NormalizeText("Remark").Append(t.Text.ProduceWordBags("Features", "Remark")),
        ["FeaturizeText"] = t => t.Text.FeaturizeText("Features", "Remark"),
    };

    public IDataView Rows(int count, int seed = 1) => context.Data.LoadFromEnumerable(Ride.Generate(count, seed));

    /// <summary>The pipeline of a name: the three tasks, calibrators, one versus all, or a step in front of a regression.</summary>
    public IEstimator<ITransformer> Named(string name)
    {
        TransformsCatalog t = context.Transforms;
        IEstimator<ITransformer> features = Columns(t);
        return name switch
        {
            "Regression" => features.Append(Regression()),
            "Binary" => features.Append(Binary()),
            "Multiclass" => features.Append(t.Conversion.MapValueToKey("Key", "Class")).Append(Multiclass())
                .Append(t.Conversion.MapKeyToValue("PredictedLabel")),
            "Multiclass, keys" => features.Append(t.Conversion.MapValueToKey("Key", "Class")).Append(Multiclass()),
            "OneVersusAll" => features.Append(t.Conversion.MapValueToKey("Key", "Class"))
                .Append(context.MulticlassClassification.Trainers.OneVersusAll(Binary("Key"), "Key"))
                .Append(t.Conversion.MapKeyToValue("PredictedLabel")),
            "OneVersusAll of L-BFGS" => t.Concatenate("Features", "Distance", "Passengers")
                .Append(t.Conversion.MapValueToKey("Key", "Class"))
                .Append(context.MulticlassClassification.Trainers
                    .OneVersusAll(context.BinaryClassification.Trainers.LbfgsLogisticRegression("Key"), "Key")),
            "PairwiseCoupling" => features.Append(t.Conversion.MapValueToKey("Key", "Class"))
                .Append(context.MulticlassClassification.Trainers.PairwiseCoupling(Binary("Key"), "Key")),
            "Platt" => features.Append(Binary()).Append(context.BinaryClassification.Calibrators.Platt("IsLong")),
            "Platt, fixed" => features.Append(Binary()).Append(context.BinaryClassification.Calibrators.Platt(-1.5, 0.1)),
            "Naive" => features.Append(Binary()).Append(context.BinaryClassification.Calibrators.Naive("IsLong")),
            "Isotonic" => features.Append(Binary()).Append(context.BinaryClassification.Calibrators.Isotonic("IsLong")),
            "Two networks" => features.Append(Regression()).Append(t.CopyColumns("Price", "Score")).Append(Binary()),
            _ => _steps[name](t).Append(Regression()),
        };
    }

    /// <summary>A one-hot category beside numbers, one of them with values missing.</summary>
    public static IEstimator<ITransformer> Columns(TransformsCatalog transforms) =>
        transforms.Categorical.OneHotEncoding("Paid", "Payment").Append(transforms.Concatenate("Features", "Distance", "Hour", "Paid"));

    public BatchNormNetworkMulticlassTrainer Multiclass() => context.MulticlassClassification.Trainers.BatchNormNetwork(
        Options<BatchNormNetworkMulticlassTrainer.Options>("Key"));

    private static IEstimator<ITransformer> Numbers(TransformsCatalog transforms) => transforms.Concatenate("Features", "Distance", "Hour");

    private static T Options<T>(string label)
        where T : BatchNormNetworkOptions, new() => NetworkExamples.QuickOptions<T>(options =>
    {
        options.LabelColumnName = label;
        options.HiddenUnits = [7, 5];
        options.MaximumNumberOfEpochs = 2;
        options.NumberOfInputPieces = 3;
        options.NumberOfEnsembleMembers = 2;
        options.LearningRate = 0.05;
    });

    private BatchNormNetworkRegressionTrainer Regression() =>
        context.Regression.Trainers.BatchNormNetwork(Options<BatchNormNetworkRegressionTrainer.Options>("Amount"));

    private BatchNormNetworkBinaryTrainer Binary(string label = "IsLong") =>
        context.BinaryClassification.Trainers.BatchNormNetwork(Options<BatchNormNetworkBinaryTrainer.Options>(label));
}

/// <summary>One row of <see cref="RidePipelines"/>.</summary>
internal class Ride : RideWithoutLabels
{
    public float Amount { get; set; }

    public bool IsLong { get; set; }

    public string Class { get; set; } = "";

    /// <summary>
    /// Rows of which every third lacks its hour; from the second seed on, some have a kind of payment that was not in the first.
    /// </summary>
    public static List<Ride> Generate(int count, int seed)
    {
        var random = new Random(seed);
        string[] words = ["red", "green", "blue", "fast", "slow"];
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            float distance = 5 * random.NextSingle();
            int hour = random.Next(24);
            string payment = seed > 1 && i % 7 == 0 ? "cheque" : random.Next(2) == 0 ? "cash" : "card";
            return new Ride
            {
                Distance = distance,
                Hour = i % 3 == 0 ? float.NaN : hour,
                Passengers = 1 + random.Next(4),
                Precise = distance / 3.0,
                Stops = random.Next(5),
                Night = hour > 20,
                Payment = payment,
                Remark = string.Join(' ', Enumerable.Range(0, 3).Select(_ => words[random.Next(words.Length)])),
                Amount = 2 * distance + (hour > 20 ? 5 : 0) - (payment == "cash" ? 3 : 0),
                IsLong = distance + random.NextSingle() > 3,
                Class = distance < 1.5f ? "short" : distance < 3 ? "medium" : "long",
            };
        })];
    }
}

/// <summary>What is known of a ride when its price is asked for.</summary>
internal class RideWithoutLabels
{
    public float Distance { get; set; }

    public float Hour { get; set; }

    public float Passengers { get; set; }

    public double Precise { get; set; }

    public int Stops { get; set; }

    public bool Night { get; set; }

    public string Payment { get; set; } = "";

    public string Remark { get; set; } = "";
}
