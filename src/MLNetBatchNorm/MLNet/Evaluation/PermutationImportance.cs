using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm;

/// <summary>
/// What each slot of the features is worth to each of several targets: how much worse they are predicted once its values are shuffled among
/// the rows (Breiman 2001).
/// </summary>
internal sealed class PermutationImportance
{
    /// <summary>Rows that are scored at once, at most.</summary>
    private const int MostBlockRows = 4096;

    /// <summary>Numbers that a block holds, at most: 16 MB. One row may be more.</summary>
    private const int MostBlockNumbers = 1 << 22;

    private readonly BatchNormNetworkMultiOutputModelParametersBase _model;
    private readonly ITargetwiseLoss _measure;
    private readonly List<float[]> _features = [];
    private readonly List<float[]> _labels = [];
    private readonly int _blockRows;
    private readonly float[] _block;
    private readonly float[] _scores;

    private PermutationImportance(BatchNormNetworkMultiOutputModelParametersBase model, ITargetwiseLoss measure)
    {
        _model = model;
        _measure = measure;
        _blockRows = BlockRows(model.NumberOfFeatures, model.NumberOfTargets);
        _block = new float[_blockRows * model.NumberOfFeatures];
        _scores = new float[_blockRows * model.NumberOfTargets];
    }

    /// <summary>Rows that are scored at once: fewer where each has very many slots or targets.</summary>
    internal static int BlockRows(int slots, int targets) => Math.Clamp(MostBlockNumbers / Math.Max(slots, targets), 1, MostBlockRows);

    /// <summary>Measures every slot, in their order.</summary>
    /// <param name="host">Whose exceptions they are; its random numbers shuffle if there is no seed.</param>
    /// <param name="model">A model of several targets, or a pipeline that ends with one.</param>
    /// <param name="data">Rows as the model takes them, with their label.</param>
    /// <param name="label">The name of the label column.</param>
    /// <param name="permutations">How often each slot is shuffled.</param>
    /// <param name="seed">Decides how; null: the host's random numbers.</param>
    /// <param name="measure">Has the metric.</param>
    public static IReadOnlyList<MultiOutputFeatureImportance> Measure<TModel>(
        IHost host, ITransformer model, IDataView data, string label, int permutations, int? seed, ITargetwiseLoss measure)
        where TModel : BatchNormNetworkMultiOutputModelParametersBase
    {
        host.CheckValue(model, nameof(model));
        host.CheckValue(data, nameof(data));
        host.CheckNonEmpty(label, nameof(label));
        host.CheckParam(permutations > 0, nameof(permutations), "There must be at least one permutation.");
        ITransformer[] steps = [.. Steps(model)];
        if (steps[^1] is not ISingleFeaturePredictionTransformer<TModel> network)
        {
            throw host.ExceptParam(
                nameof(model),
                $"The model ends with {steps[^1].GetType().Name}; it must end with what Fit of a trainer of several targets returned, "
                + $"a transformer of {typeof(TModel).Name}.");
        }

        IDataView rows = new TransformerChain<ITransformer>(steps[..^1]).Transform(data);
        var importance = new PermutationImportance(network.Model, measure);
        DataViewSchema.Column features = importance.Read(host, rows, network.FeatureColumnName, label);
        return importance.MeasureAll(
            ScoredTargets.NamesOf(features, network.Model.NumberOfFeatures), permutations, unchecked((ulong)(seed ?? host.Rand.Next())));
    }

    private static IEnumerable<ITransformer> Steps(ITransformer model) =>
        model is IEnumerable<ITransformer> chain ? chain.SelectMany(Steps) : [model];

    private DataViewSchema.Column Read(IHost host, IDataView rows, string featureColumnName, string label)
    {
        if (rows.Schema.GetColumnOrNull(label) is not { } labels)
            throw host.ExceptSchemaMismatch(nameof(rows), "label", label);
        if (labels.Type is not VectorDataViewType { IsKnownSize: true } type
            || type.Size != _model.NumberOfTargets
            || !(type.ItemType is BooleanDataViewType || type.ItemType == NumberDataViewType.Single))
        {
            throw host.ExceptSchemaMismatch(
                nameof(rows), "label", label, $"a vector of {_model.NumberOfTargets} targets, Single or Boolean", labels.Type.ToString());
        }

        DataViewSchema.Column features = rows.Schema[featureColumnName];
        using DataViewRowCursor cursor = rows.GetRowCursor([labels, features]);
        var labelReader = new LabelReader(host, cursor, labels);
        Func<float[]> readFeatures = ScoredTargets.Values(host, cursor, features);
        while (cursor.MoveNext())
        {
            ReadOnlySpan<float> targets = labelReader.Read();
            if (!targets.ContainsAnyExcept(float.NaN))
                continue;
            _labels.Add(targets.ToArray());
            _features.Add(readFeatures());
        }

        if (_labels.Count == 0)
            throw host.Except($"There is no row with a value in label column '{label}'.");
        return features;
    }

    private IReadOnlyList<MultiOutputFeatureImportance> MeasureAll(IReadOnlyList<string> names, int permutations, ulong seed)
    {
        double[] before = Metrics(-1, []);
        double meanBefore = TargetMean.Of(before, metric => metric);
        int[] order = new int[_labels.Count];
        var all = new MultiOutputFeatureImportance[names.Count];
        for (int slot = 0; slot < all.Length; slot++)
        {
            var changes = new double[permutations][];
            var meanChanges = new double[permutations];
            for (int repetition = 0; repetition < permutations; repetition++)
            {
                for (int row = 0; row < order.Length; row++)
                    order[row] = row;
                new RandomStream(seed, RandomStream.Mix(RandomPurpose.ShuffledFeature + (ulong)((long)slot * permutations + repetition)))
                    .Shuffle(order);
                double[] after = Metrics(slot, order);
                changes[repetition] = [.. after.Select((metric, target) => metric - before[target])];
                meanChanges[repetition] = TargetMean.Of(after, metric => metric) - meanBefore;
            }

            all[slot] = new MultiOutputFeatureImportance(
                slot, names[slot],
                [.. before.Select((_, target) => new MetricChange(changes.Select(ofAll => ofAll[target])))],
                new MetricChange(meanChanges));
        }

        return all;
    }

    /// <summary>The metric of each target, a slot's values being those of other rows.</summary>
    /// <param name="slot">The slot; -1: none.</param>
    /// <param name="order">From which row each row has the slot's value.</param>
    private double[] Metrics(int slot, ReadOnlySpan<int> order)
    {
        int slots = _model.NumberOfFeatures, targets = _model.NumberOfTargets;
        var scores = new float[_labels.Count][];
        for (int first = 0; first < scores.Length; first += _blockRows)
        {
            int rows = Math.Min(_blockRows, scores.Length - first);
            for (int row = 0; row < rows; row++)
            {
                _features[first + row].CopyTo(_block, row * slots);
                if (slot >= 0)
                    _block[row * slots + slot] = _features[order[first + row]][slot];
            }

            _model.Score(_block.AsMemory(0, rows * slots), rows, _scores, Environment.ProcessorCount);
            for (int row = 0; row < rows; row++)
                scores[first + row] = _scores.AsSpan(row * targets, targets).ToArray();
        }

        return [.. Enumerable.Range(0, targets).Select(target => Metric(target, scores))];
    }

    /// <summary>Of the rows that have the target, and that could be scored.</summary>
    private double Metric(int target, float[][] scores)
    {
        int[] rows = [.. Enumerable.Range(0, scores.Length)
            .Where(row => !float.IsNaN(_labels[row][target]) && float.IsFinite(scores[row][target]))];
        return _measure.MetricOfTarget(
            [.. rows.Select(row => scores[row][target])], [.. rows.Select(row => _labels[row][target])], [], new ulong[2 * rows.Length]);
    }
}
