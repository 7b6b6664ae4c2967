using Microsoft.ML;
using Microsoft.ML.Data;

namespace WebScoring.Models;

/// <summary>
/// One <see cref="PredictionEngine{TSrc, TDst}"/> with the two objects it reads and fills. An engine serves one thread at a time, so
/// scorers are pooled; all of a model share its weights, and a row costs no allocation in here.
/// </summary>
internal sealed class RowScorer : IDisposable
{
    private readonly PredictionEngine<Input, Output> _engine;
    private readonly Input _input = new();
    private Output _output = new();

    public RowScorer(MLContext ml, ITransformer model, int featureCount)
    {
        var schema = SchemaDefinition.Create(typeof(Input));
        schema[LoadedModel.FeatureColumn].ColumnType = new VectorDataViewType(NumberDataViewType.Single, featureCount);
        _engine = ml.Model.CreatePredictionEngine<Input, Output>(model, new PredictionEngineOptions
        {
            InputSchemaDefinition = schema,
            // By default an engine disposes the model with itself: the first one that a full pool
            // throws away would take the model from all others.
            OwnsTransformer = false,
        });
    }

    /// <summary>The probability of each class, written to <paramref name="probabilities"/>.</summary>
    public void Score(float[] features, Span<float> probabilities)
    {
        _input.Features = features;
        _engine.Predict(_input, ref _output);
        _output.Score.CopyTo(probabilities);
    }

    public void Dispose() => _engine.Dispose();

    private sealed class Input
    {
        public float[] Features { get; set; } = [];
    }

    private sealed class Output
    {
        public VBuffer<float> Score { get; set; }
    }
}
