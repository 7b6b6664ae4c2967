using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;

namespace MLNetBatchNorm.WebScoring.Tests;

/// <summary>
/// A model zip, and what it answers outside of the service: loaded anew and run over a table with
/// Transform, while the service uses prediction engines.
/// </summary>
internal sealed class OfflineModel
{
    private static readonly ConcurrentDictionary<int, OfflineModel> s_bySeed = [];

    public OfflineModel(byte[] zip)
    {
        Zip = zip;
        Version = Convert.ToHexStringLower(SHA256.HashData(zip));
        var ml = new MLContext();
        ITransformer model = ml.Model.Load(new MemoryStream(zip), out _);
        IDataView scored = model.Transform(ml.Data.LoadFromEnumerable(DigitsTable.Rows.Select(row => new Row { Features = row })));
        VBuffer<ReadOnlyMemory<char>> names = default;
        scored.Schema["Score"].GetSlotNames(ref names);
        Classes = [.. names.DenseValues().Select(name => name.ToString())];
        Probabilities = [.. scored.GetColumn<float[]>("Score")];
        Predictions = [.. scored.GetColumn<uint>("PredictedLabel").Select(key => Classes[key - 1])];
    }

    public byte[] Zip { get; }

    public string Version { get; }

    public string[] Classes { get; }

    /// <summary>For each row of <see cref="DigitsTable"/>.</summary>
    public float[][] Probabilities { get; }

    /// <summary>ML.NET's PredictedLabel for each row of <see cref="DigitsTable"/>.</summary>
    public string[] Predictions { get; }

    /// <summary>A small network, trained for a moment: another one for each seed.</summary>
    public static OfflineModel Of(int seed) => s_bySeed.GetOrAdd(seed, static number => new OfflineModel(Train(number)));

    /// <summary>Whether an answer for a row is this model's, to the last bit.</summary>
    public bool Gives(int row, string prediction, ReadOnlySpan<float> probabilities) =>
        prediction == Predictions[row]
            && MemoryMarshal.AsBytes(probabilities).SequenceEqual(MemoryMarshal.AsBytes(Probabilities[row].AsSpan()));

    /// <summary>A zip of a model that predicts a number: nothing that the service can serve.</summary>
    public static byte[] RegressionZip()
    {
        var ml = new MLContext(1);
        IDataView table = ml.Data.LoadFromEnumerable(
            DigitsTable.Rows.Take(50).Select((row, i) => new Row { Features = row, Label = i % 10 }));
        return Save(ml, ml.Regression.Trainers.LbfgsPoissonRegression().Fit(table), table);
    }

    private static byte[] Train(int seed)
    {
        var ml = new MLContext(seed);
        IDataView table = ml.Data.LoadFromEnumerable(
            DigitsTable.Rows.Select((row, i) => new LabelledRow { Features = row, Digit = DigitsTable.Labels[i] }));
        IDataView labelled = ml.Transforms.Conversion.MapValueToKey(
            "Label", "Digit", keyOrdinality: ValueToKeyMappingEstimator.KeyOrdinality.ByValue).Fit(table).Transform(table);
        var network = ml.MulticlassClassification.Trainers.BatchNormNetwork(hiddenUnits: [32], maximumNumberOfEpochs: 2).Fit(labelled);
        return Save(ml, network, ml.Transforms.SelectColumns("Features").Fit(table).Transform(table));
    }

    private static byte[] Save(MLContext ml, ITransformer model, IDataView table)
    {
        var zip = new MemoryStream();
        ml.Model.Save(model, table.Schema, zip);
        return zip.ToArray();
    }

    private sealed class Row
    {
        [VectorType(DigitsTable.Features)]
        public float[] Features { get; set; } = [];

        public float Label { get; set; }
    }

    private sealed class LabelledRow
    {
        [VectorType(DigitsTable.Features)]
        public float[] Features { get; set; } = [];

        public string Digit { get; set; } = "";
    }
}
