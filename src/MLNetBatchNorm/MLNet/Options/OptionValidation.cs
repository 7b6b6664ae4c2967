using System.Globalization;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm;

/// <summary>Refuses options that cannot work, in ML.NET's kind of exception, before anything is trained.</summary>
internal static class OptionValidation
{
    /// <summary>A checked copy of <paramref name="options"/>, so that a trainer does not change when its caller reuses the object.</summary>
    public static T CheckedCopy<T>(IExceptionContext context, T options)
        where T : BatchNormNetworkOptions
    {
        context.CheckValue(options, nameof(options));
        T copy = options.Copy<T>();
        CheckColumnNames(context, copy);
        CheckHiddenUnits(context, copy.HiddenUnits);
        foreach (OptionRange range in OptionRange.All)
        {
            if (range.Read(copy) is { } value && !range.Contains(value))
                throw context.ExceptUserArg(range.Option, range.Complaint(value));
        }

        CheckEnumeration(context, nameof(copy.Activation), copy.Activation);
        CheckEnumeration(context, nameof(copy.Placement), copy.Placement);
        CheckEnumeration(context, nameof(copy.Statistics), copy.Statistics);
        CheckEnumeration(context, nameof(copy.MatrixMultiplication), copy.MatrixMultiplication);
        if (copy.Optimizer is null)
            throw context.ExceptUserArg(nameof(copy.Optimizer), "Optimizer is null; give an optimizer, such as new AdamWOptimizer().");
        if (copy.LearningRateSchedule is null)
            throw context.ExceptUserArg(nameof(copy.LearningRateSchedule), "LearningRateSchedule is null; give a schedule, such as new ConstantSchedule().");
        if (copy is BatchNormNetworkRegressionTrainer.Options regression)
            CheckLoss(context, regression.Loss);
        if (copy is BatchNormNetworkClassificationOptions classification)
            ClassWeighting.Check(context, classification);
        CheckPart(context, nameof(copy.Optimizer), copy.Optimizer.Validate);
        CheckPart(context, nameof(copy.LearningRateSchedule), copy.LearningRateSchedule.Validate);
        CheckCombinations(context, copy);
        return copy;
    }

    private static void CheckColumnNames(IExceptionContext context, BatchNormNetworkOptions options)
    {
        CheckColumnName(context, nameof(options.LabelColumnName), options.LabelColumnName);
        CheckColumnName(context, nameof(options.FeatureColumnName), options.FeatureColumnName);
        if (options.ExampleWeightColumnName is not null)
            CheckColumnName(context, nameof(options.ExampleWeightColumnName), options.ExampleWeightColumnName);
    }

    private static void CheckColumnName(IExceptionContext context, string option, string? name)
    {
        if (string.IsNullOrWhiteSpace(name))
            throw context.ExceptUserArg(option, $"{option} is {(name is null ? "null" : "empty")}; it must be the name of a column.");
    }

    private static void CheckHiddenUnits(IExceptionContext context, int[]? units)
    {
        const string Option = nameof(BatchNormNetworkOptions.HiddenUnits);
        if (units is null || units.Length == 0)
        {
            throw context.ExceptUserArg(
                Option, $"{Option} is {(units is null ? "null" : "empty")}; it must hold the number of units of each hidden layer, for example {{ 256, 128 }}.");
        }

        if (units.Length > OptionRange.MaximumNumberOfHiddenLayers)
        {
            throw context.ExceptUserArg(
                Option, $"{Option} has {units.Length} layers; at most {OptionRange.MaximumNumberOfHiddenLayers} are allowed. Two or three layers are usual.");
        }

        for (int layer = 0; layer < units.Length; layer++)
        {
            if (!OptionRange.Units.Contains(units[layer]))
            {
                throw context.ExceptUserArg(Option, string.Create(
                    CultureInfo.InvariantCulture, $"{Option}[{layer}] is {units[layer]}; it must be in {OptionRange.Units.Text}. {OptionRange.Units.Advice}"));
            }

            if (layer > 0)
                CheckSize(context, units[layer - 1], units[layer], $"Hidden layer {layer + 1}");
        }
    }

    /// <summary>Refuses a linear map whose weights do not fit into one array.</summary>
    public static void CheckSize(IExceptionContext context, int inputs, int outputs, string what)
    {
        if (PanelLayout.Length(inputs, outputs) > MaximumWeights)
        {
            throw context.ExceptUserArg(nameof(BatchNormNetworkOptions.HiddenUnits), string.Create(
                CultureInfo.InvariantCulture, $"{what} would map {inputs} inputs to {outputs} units, which is more than {MaximumWeights} weights. Use fewer units or fewer features."));
        }
    }

    /// <summary>Largest number of weights of one linear map, padded to panels: the memory is one array.</summary>
    private static int MaximumWeights => Array.MaxLength - 2 * PanelLayout.Width;

    private static void CheckEnumeration<T>(IExceptionContext context, string option, T value)
        where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
            throw context.ExceptUserArg(option, $"{option} is {value:D}; it must be one of {string.Join(", ", Enum.GetNames<T>())}.");
    }

    private static void CheckLoss(IExceptionContext context, RegressionLoss? loss)
    {
        const string Option = nameof(BatchNormNetworkRegressionTrainer.Options.Loss);
        if (loss is null)
            throw context.ExceptUserArg(Option, "Loss is null; give a loss, such as new SquaredLoss().");
        CheckPart(context, Option, loss.Validate);
    }

    /// <summary>Losses, optimizers and schedules know their own ranges, and nothing of ML.NET's exceptions.</summary>
    private static void CheckPart(IExceptionContext context, string option, Action validate)
    {
        try
        {
            validate();
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw context.ExceptUserArg(option, $"{option}: {e.Message}");
        }
    }

    private static void CheckCombinations(IExceptionContext context, BatchNormNetworkOptions options)
    {
        if (options.VirtualBatchSize > options.BatchSize)
        {
            throw context.ExceptUserArg(
                nameof(options.VirtualBatchSize),
                $"VirtualBatchSize is {options.VirtualBatchSize}, but BatchSize is {options.BatchSize}; a virtual batch is a part of a batch. Lower it or set null.");
        }

        if (options.NativeBlasLibrary is not null && options.MatrixMultiplication != MatrixMultiplication.Native)
        {
            throw context.ExceptUserArg(
                nameof(options.NativeBlasLibrary),
                $"NativeBlasLibrary is '{options.NativeBlasLibrary}', but MatrixMultiplication is {options.MatrixMultiplication}, which uses no library. Set it to Native, or the library to null.");
        }

        if (options.CheckpointPath is not null && string.IsNullOrWhiteSpace(options.CheckpointPath))
            throw context.ExceptUserArg(nameof(options.CheckpointPath), "CheckpointPath is empty; it must be the path of a file, or null for no checkpoints.");

        if (options is { CheckpointPath: not null, CheckpointIntervalInEpochs: null, CheckpointIntervalInSeconds: null })
        {
            throw context.ExceptUserArg(
                nameof(options.CheckpointIntervalInSeconds),
                "CheckpointIntervalInEpochs and CheckpointIntervalInSeconds are both null, so no checkpoint would ever be written. Set one of them, or CheckpointPath to null.");
        }

        if (options.NormalizeOutputLayerInput && options.Placement != BatchNormalizationPlacement.LayerInput)
        {
            throw context.ExceptUserArg(
                nameof(options.NormalizeOutputLayerInput),
                $"NormalizeOutputLayerInput is true, but Placement is {options.Placement}; it needs Placement LayerInput. Set it to false or change the placement.");
        }
    }
}
