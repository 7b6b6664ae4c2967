using System.Diagnostics.CodeAnalysis;
using Google.Protobuf;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;
using MLNetBatchNorm.Training;
using MLNetBatchNorm;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.OnnxProtocol;

namespace Microsoft.ML;

/// <summary>
/// Adds <c>mlContext.Model.ConvertBatchNormNetworkToOnnx</c>, which writes a trained batch-normalized network as an ONNX file.
/// </summary>
/// <remarks>
/// <para>
/// The file has one input, the raw features [rows, slots] with NaN where a value is missing: scaling, missing values and pieces are part of
/// the network. Its outputs have the names of ML.NET's columns:
/// </para>
/// <list type="bullet">
/// <item>
/// <description>
/// binary: <c>Score</c> (the logit, float), <c>Probability</c> (float), <c>PredictedLabel</c> (bool), each [rows, 1];
/// </description>
/// </item>
/// <item>
/// <description>
/// multiclass: <c>Score</c> (probabilities, float) [rows, classes], <c>PredictedLabel</c> (uint32) [rows, 1], ML.NET's key, counted from 1;
/// </description>
/// </item>
/// <item><description>regression: <c>Score</c> (float) [rows, 1];</description></item>
/// <item>
/// <description>
/// several numbers: <c>Score</c> (float) [rows, targets]; several labels: <c>Score</c> (logits, float), <c>Probability</c> (float),
/// <c>PredictedLabel</c> (bool), each [rows, targets]. The names of the targets are in the file's metadata, under <c>Score.SlotNames</c>.
/// </description>
/// </item>
/// </list>
/// <para>
/// Scores agree with the model's to rounding in single precision. Of a pipeline, only the network is written. For a whole pipeline use
/// <c>ConvertToOnnx</c> of the package Microsoft.ML.OnnxConverter, in which the network takes part like the trainers of ML.NET itself.
/// </para>
/// </remarks>
[SuppressMessage(
    "ApiDesign", "RS0026:Do not add multiple public overloads with optional parameters",
    Justification = "They differ in the type of what they convert, which has no default.")]
public static class BatchNormNetworkOnnxCatalog
{
    /// <summary>Writes a trained batch-normalized network as an ONNX file.</summary>
    /// <param name="catalog">The model operations, <c>mlContext.Model</c>.</param>
    /// <param name="transformer">
    /// What <c>Fit</c> of one of the trainers returned, or what <c>mlContext.Model.Load</c>
    /// made of it again. A changed threshold is kept.
    /// </param>
    /// <param name="stream">Where to write; it is left open.</param>
    /// <param name="options">How to write; null: as the defaults of <see cref="BatchNormNetworkOnnxOptions"/> say.</param>
    /// <exception cref="ArgumentNullException"><paramref name="transformer"/> or <paramref name="stream"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="ArgumentException">
    /// <paramref name="transformer"/> is no such network, or a pipeline of more than the network; or
    /// <paramref name="stream"/> cannot be written to.
    /// </exception>
    /// <exception cref="InvalidOperationException">The network is larger than an ONNX file can be, 2 GiB.</exception>
    public static void ConvertBatchNormNetworkToOnnx(
        this ModelOperationsCatalog catalog, ITransformer transformer, Stream stream, BatchNormNetworkOnnxOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(transformer);
        BatchNormNetworkOnnxOptions copy = Check(stream, options);
        switch (TheOnly(transformer))
        {
            case BinaryPredictionTransformer<CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator>> binary:
                Name(copy, binary.FeatureColumnName);
                Write(NetworkModelFile.Binary(NetworkOf(binary.Model.SubModel), BinaryDecision.Of(binary), copy), stream);
                break;
            case ISingleFeaturePredictionTransformer<BatchNormNetworkMulticlassModelParameters> multiclass:
                Name(copy, multiclass.FeatureColumnName);
                Write(NetworkModelFile.Multiclass(NetworkOf(multiclass.Model), ClassNames(multiclass), copy), stream);
                break;
            case ISingleFeaturePredictionTransformer<BatchNormNetworkRegressionModelParameters> regression:
                Name(copy, regression.FeatureColumnName);
                Write(NetworkModelFile.Regression(NetworkOf(regression.Model), copy), stream);
                break;
            case ISingleFeaturePredictionTransformer<BatchNormNetworkMultiOutputRegressionModelParameters> numbers:
                Name(copy, numbers.FeatureColumnName);
                Write(NetworkModelFile.MultiOutput(NetworkOf(numbers.Model), numbers.Model.TargetNames, copy), stream);
                break;
            case ISingleFeaturePredictionTransformer<BatchNormNetworkMultiLabelModelParameters> labels:
                Name(copy, labels.FeatureColumnName);
                Write(NetworkModelFile.Labels(NetworkOf(labels.Model), labels.Model.TargetNames, copy), stream);
                break;
            default:
                throw new ArgumentException(
                    "The transformer is not a batch-normalized network; it must come from the Fit of a BatchNormNetwork trainer. "
                    + "Pipelines around one are written by ConvertToOnnx of Microsoft.ML.OnnxConverter.",
                    nameof(transformer));
        }
    }

    /// <summary>Writes a binary classifier, with the label true where the score is above 0.</summary>
    /// <inheritdoc cref="ConvertBatchNormNetworkToOnnx(
    ///     ModelOperationsCatalog, BatchNormNetworkRegressionModelParameters, Stream, BatchNormNetworkOnnxOptions?)"/>
    public static void ConvertBatchNormNetworkToOnnx(
        this ModelOperationsCatalog catalog, BatchNormNetworkBinaryModelParameters modelParameters, Stream stream,
        BatchNormNetworkOnnxOptions? options = null)
    {
        Write(
            catalog, modelParameters, stream, options,
            copy => NetworkModelFile.Binary(NetworkOf(modelParameters), BinaryDecision.Default, copy));
    }

    /// <summary>Writes a multiclass classifier. Model parameters do not know the names of the classes; the transformer does.</summary>
    /// <inheritdoc cref="ConvertBatchNormNetworkToOnnx(
    ///     ModelOperationsCatalog, BatchNormNetworkRegressionModelParameters, Stream, BatchNormNetworkOnnxOptions?)"/>
    public static void ConvertBatchNormNetworkToOnnx(
        this ModelOperationsCatalog catalog, BatchNormNetworkMulticlassModelParameters modelParameters, Stream stream,
        BatchNormNetworkOnnxOptions? options = null)
    {
        Write(
            catalog, modelParameters, stream, options,
            copy => NetworkModelFile.Multiclass(NetworkOf(modelParameters), null, copy));
    }

    /// <summary>Writes a regression.</summary>
    /// <param name="catalog">The model operations, <c>mlContext.Model</c>.</param>
    /// <param name="modelParameters">The network.</param>
    /// <param name="stream">Where to write; it is left open.</param>
    /// <param name="options">How to write; null: as the defaults of <see cref="BatchNormNetworkOnnxOptions"/> say.</param>
    /// <exception cref="ArgumentNullException"><paramref name="modelParameters"/> or <paramref name="stream"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="ArgumentException"><paramref name="stream"/> cannot be written to.</exception>
    /// <exception cref="InvalidOperationException">The network is larger than an ONNX file can be, 2 GiB.</exception>
    public static void ConvertBatchNormNetworkToOnnx(
        this ModelOperationsCatalog catalog, BatchNormNetworkRegressionModelParameters modelParameters, Stream stream,
        BatchNormNetworkOnnxOptions? options = null)
    {
        Write(
            catalog, modelParameters, stream, options,
            copy => NetworkModelFile.Regression(NetworkOf(modelParameters), copy));
    }

    /// <summary>Writes a regression of several numbers.</summary>
    /// <inheritdoc cref="ConvertBatchNormNetworkToOnnx(
    ///     ModelOperationsCatalog, BatchNormNetworkRegressionModelParameters, Stream, BatchNormNetworkOnnxOptions?)"/>
    public static void ConvertBatchNormNetworkToOnnx(
        this ModelOperationsCatalog catalog, BatchNormNetworkMultiOutputRegressionModelParameters modelParameters, Stream stream,
        BatchNormNetworkOnnxOptions? options = null)
    {
        Write(
            catalog, modelParameters, stream, options,
            copy => NetworkModelFile.MultiOutput(NetworkOf(modelParameters), modelParameters.TargetNames, copy));
    }

    /// <summary>Writes a classifier of several labels, each true where its score is above 0.</summary>
    /// <inheritdoc cref="ConvertBatchNormNetworkToOnnx(
    ///     ModelOperationsCatalog, BatchNormNetworkRegressionModelParameters, Stream, BatchNormNetworkOnnxOptions?)"/>
    public static void ConvertBatchNormNetworkToOnnx(
        this ModelOperationsCatalog catalog, BatchNormNetworkMultiLabelModelParameters modelParameters, Stream stream,
        BatchNormNetworkOnnxOptions? options = null)
    {
        Write(
            catalog, modelParameters, stream, options,
            copy => NetworkModelFile.Labels(NetworkOf(modelParameters), modelParameters.TargetNames, copy));
    }

    /// <summary>Checks what all forms of model parameters are given and writes what they become; the input has its usual name.</summary>
    private static void Write<TModel>(
        ModelOperationsCatalog catalog, TModel modelParameters, Stream stream, BatchNormNetworkOnnxOptions? options,
        Func<BatchNormNetworkOnnxOptions, ModelProto> convert)
        where TModel : class
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(modelParameters);
        Write(convert(Name(Check(stream, options), OnnxNames.Features)), stream);
    }

    private static BatchNormNetworkOnnxOptions Check(Stream stream, BatchNormNetworkOnnxOptions? options)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanWrite)
            throw new ArgumentException("The stream cannot be written to.", nameof(stream));
        return BatchNormNetworkOnnxOptions.CheckedCopy(options, nameof(options));
    }

    /// <summary>The input's name, unless the options have one; a column named like an output gives way to the usual name.</summary>
    private static BatchNormNetworkOnnxOptions Name(BatchNormNetworkOnnxOptions options, string featureColumnName)
    {
        options.InputName ??= OnnxNames.Outputs.Contains(featureColumnName) ? OnnxNames.Features : featureColumnName;
        return options;
    }

    /// <summary>The transformer itself, or the one transformer of a chain, which is what loading a model gives.</summary>
    private static ITransformer TheOnly(ITransformer transformer)
    {
        if (transformer is not IEnumerable<ITransformer> chain)
            return transformer;
        ITransformer[] steps = [.. chain];
        if (steps.Length == 1)
            return TheOnly(steps[0]);
        throw new ArgumentException(
            $"The transformer is a pipeline of {steps.Length} steps, of which this would write the network only. "
            + "Give the network, such as the pipeline's LastTransformer, and feed the file its feature column; "
            + "or write the whole pipeline by ConvertToOnnx of Microsoft.ML.OnnxConverter.",
            nameof(transformer));
    }

    private static TrainedNetwork NetworkOf(INetworkModel model) => model.Network;

    /// <summary>The names of the classes in the order of their keys; null if the keys stand for nothing.</summary>
    private static IReadOnlyList<string>? ClassNames(
        ISingleFeaturePredictionTransformer<BatchNormNetworkMulticlassModelParameters> transformer)
    {
        var schema = new DataViewSchema.Builder();
        schema.AddColumn(
            transformer.FeatureColumnName, new VectorDataViewType(NumberDataViewType.Single, transformer.Model.NumberOfFeatures));
        return ClassNameExtensions.FindClassNames(transformer.GetOutputSchema(schema.ToSchema())[OnnxNames.Score]);
    }

    private static void Write(ModelProto model, Stream stream) => model.WriteTo(stream);
}
