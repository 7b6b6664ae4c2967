using System.Security.Cryptography;
using Microsoft.Extensions.ObjectPool;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace WebScoring.Models;

/// <summary>
/// A model that answers: everything that belongs to one version stands in this one object, so a request that takes it once cannot mix two
/// versions. It never changes. When another model takes its place, requests under way keep theirs;
/// the last one leaves it to the garbage collector.
/// </summary>
internal sealed class LoadedModel
{
    /// <summary>The input column: a vector of numbers of known length.</summary>
    public const string FeatureColumn = "Features";

    /// <summary>The output column: one probability a class, its slots named after the classes.</summary>
    public const string ScoreColumn = "Score";

    private readonly ObjectPool<RowScorer> _scorers;

    private LoadedModel(string version, long bytes, MLContext ml, ITransformer model, DataViewSchema inputSchema)
    {
        Version = version;
        Bytes = bytes;
        LoadedAt = DateTimeOffset.UtcNow;
        (FeatureCount, FeatureNames) = Features(inputSchema);
        Classes = ClassesOf(model.GetOutputSchema(inputSchema));
        // Keeps two engines a core. A burst may create more, which are used once and dropped.
        _scorers = new DefaultObjectPoolProvider().Create(new ScorerPolicy(() => new RowScorer(ml, model, FeatureCount)));
        // The first engine now and not with the first request: it shows that the model can score a row, or the file is refused.
        Score([new float[FeatureCount]]);
    }

    /// <summary>SHA-256 of the zip in hexadecimal, what <c>sha256sum</c> prints: the same content is the same version everywhere.</summary>
    public string Version { get; }

    /// <summary>The zip's length.</summary>
    public long Bytes { get; }

    /// <summary>When it was loaded.</summary>
    public DateTimeOffset LoadedAt { get; }

    /// <summary>How many numbers a row has.</summary>
    public int FeatureCount { get; }

    /// <summary>The features' names; empty if the model does not know them.</summary>
    public IReadOnlyList<string> FeatureNames { get; }

    /// <summary>The classes, in the order of the probabilities.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>The version of a model zip, without loading it.</summary>
    public static string VersionOf(byte[] zip) => Convert.ToHexStringLower(SHA256.HashData(zip));

    /// <summary>Loads a zip.</summary>
    /// <exception cref="UnusableModelException">
    /// It is no model, or none that reads a vector "Features" and gives class probabilities.
    /// </exception>
    public static LoadedModel Load(byte[] zip)
    {
        var ml = new MLContext();
        try
        {
            ITransformer model = ml.Model.Load(new MemoryStream(zip, writable: false), out DataViewSchema? inputSchema);
            return inputSchema is null
                ? throw new UnusableModelException("The model was saved without its input schema: give it to mlContext.Model.Save.")
                : new LoadedModel(VersionOf(zip), zip.Length, ml, model, inputSchema);
        }
        catch (Exception exception) when (exception is not UnusableModelException)
        {
            // A file from outside fails in every way that zip reading and ML.NET's loaders have; none of them may end the server.
            throw new UnusableModelException($"The file is not a model that can be served: {exception.Message}", exception);
        }
    }

    /// <summary>Scores rows, each of <see cref="FeatureCount"/> numbers, with one engine of the pool.</summary>
    public ScoredRow[] Score(IReadOnlyList<float[]> rows)
    {
        RowScorer scorer = _scorers.Get();
        var scored = new ScoredRow[rows.Count];
        for (int i = 0; i < scored.Length; i++)
        {
            var probabilities = new float[Classes.Count];
            scorer.Score(rows[i], probabilities);
            scored[i] = new ScoredRow(Classes[IndexOfLargest(probabilities)], probabilities);
        }

        // Not in a finally: an engine that threw does not go back into the pool.
        _scorers.Return(scorer);
        return scored;
    }

    /// <summary>The first of the largest, as ML.NET chooses PredictedLabel.</summary>
    private static int IndexOfLargest(ReadOnlySpan<float> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
        {
            if (values[i] > values[best])
                best = i;
        }

        return best;
    }

    private static (int Count, string[] Names) Features(DataViewSchema schema)
    {
        if (schema.GetColumnOrNull(FeatureColumn) is not
                { Type: VectorDataViewType { IsKnownSize: true, ItemType: NumberDataViewType type } vector } column
            || type != NumberDataViewType.Single)
        {
            throw new UnusableModelException(
                $"The model must read a column '{FeatureColumn}', a vector of Single of known size; it reads: {Describe(schema)}.");
        }

        return (vector.Size, SlotNames(column));
    }

    private static IReadOnlyList<string> ClassesOf(DataViewSchema schema)
    {
        if (schema.GetColumnOrNull(ScoreColumn) is not { Type: VectorDataViewType { IsKnownSize: true } })
        {
            throw new UnusableModelException(
                $"The model must give a column '{ScoreColumn}' with one probability a class; it gives: {Describe(schema)}.");
        }
        return schema.GetClassNames(ScoreColumn);
    }

    private static string[] SlotNames(DataViewSchema.Column column)
    {
        if (!column.HasSlotNames())
            return [];
        VBuffer<ReadOnlyMemory<char>> names = default;
        column.GetSlotNames(ref names);
        return [.. names.DenseValues().Select(name => name.ToString())];
    }

    private static string Describe(DataViewSchema schema) =>
        string.Join(", ", schema.Where(column => !column.IsHidden).Select(column => $"'{column.Name}' ({column.Type})"));

    private sealed class ScorerPolicy(Func<RowScorer> create) : PooledObjectPolicy<RowScorer>
    {
        public override RowScorer Create() => create();

        public override bool Return(RowScorer obj) => true;
    }
}

/// <summary>A model file that cannot be served; the message is for the operator.</summary>
internal sealed class UnusableModelException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>One row's answer.</summary>
/// <param name="Prediction">The class with the largest probability.</param>
/// <param name="Probabilities">One a class, in the order of the classes.</param>
internal sealed record ScoredRow(string Prediction, float[] Probabilities);
