using System.Globalization;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>Refuses options that cannot work, in ML.NET's kind of exception, before anything is trained.</summary>
internal static class OptionValidation
{
    /// <summary>
    /// A checked copy of <paramref name="options"/>, so that a trainer does not change when its caller reuses the object.
    /// </summary>
    public static T CheckedCopy<T>(IExceptionContext context, T options)
        where T : BatchNormNetworkOptions
    {
        context.CheckValue(options, nameof(options));
        T copy = options.Copy<T>();
        CheckColumnNames(context, copy);
        foreach (OptionRow row in OptionRow.Of(copy))
            CheckValue(context, row, row.Read(copy));
        if (copy.HiddenUnits is { } units)
            CheckHiddenUnits(context, units, mayBeEmpty: copy.InputShape is not null);
        PictureOptions.Check(context, copy);
        copy.Check(context);
        if (copy.Optimizer is { } optimizer)
            CheckPart(context, nameof(copy.Optimizer), optimizer.Validate);
        if (copy.LearningRateSchedule is { } schedule)
            CheckPart(context, nameof(copy.LearningRateSchedule), schedule.Validate);
        CheckCheckpoint(context, copy.Checkpoint);
        TrialOptions.Check(context, copy);
        CheckCombinations(context, copy);
        return copy;
    }

    private static void CheckColumnNames(IExceptionContext context, BatchNormNetworkOptions options)
    {
        CheckColumnName(context, nameof(options.LabelColumnName), options.LabelColumnName);
        CheckColumnName(context, nameof(options.FeatureColumnName), options.FeatureColumnName);
        if (options.ExampleWeightColumnName is not null)
            CheckColumnName(context, nameof(options.ExampleWeightColumnName), options.ExampleWeightColumnName);
        if (options.SamplingKeyColumnName is not null)
            CheckColumnName(context, nameof(options.SamplingKeyColumnName), options.SamplingKeyColumnName);
    }

    private static void CheckColumnName(IExceptionContext context, string option, string? name)
    {
        if (string.IsNullOrWhiteSpace(name))
            throw context.ExceptUserArg(option, $"{option} is {(name is null ? "null" : "empty")}; it must be the name of a column.");
    }

    /// <summary>What the option's own row has to say: the range of its numbers, the members of its enumeration.</summary>
    private static void CheckValue(IExceptionContext context, OptionRow row, object? value)
    {
        if (row.Range?.Complaint(row.Name, value) is { } complaint)
            throw context.ExceptUserArg(row.Name, complaint);
        if (value is Enum member && !Enum.IsDefined(row.Type, member))
        {
            throw context.ExceptUserArg(
                row.Name, $"{row.Name} is {member:D}; it must be one of {string.Join(", ", Enum.GetNames(row.Type))}.");
        }
    }

    private static void CheckHiddenUnits(IExceptionContext context, int[] units, bool mayBeEmpty)
    {
        const string Option = nameof(BatchNormNetworkOptions.HiddenUnits);
        const int Most = BatchNormNetworkOptions.MaximumNumberOfHiddenLayers;
        if (units.Length == 0 && !mayBeEmpty)
        {
            throw context.ExceptUserArg(
                Option,
                $"{Option} is empty; it must hold the number of units of each hidden layer, for example {{ 256, 128 }}, or be null.");
        }

        if (units.Length > Most)
        {
            throw context.ExceptUserArg(
                Option, $"{Option} has {units.Length} layers; at most {Most} are allowed. Two or three layers are usual.");
        }
        for (int layer = 1; layer < units.Length; layer++)
            CheckSize(context, units[layer - 1], units[layer], $"Hidden layer {layer + 1}");
    }

    /// <summary>Refuses a linear map whose weights do not fit into one array.</summary>
    public static void CheckSize(IExceptionContext context, int inputs, int outputs, string what)
    {
        if (PanelLayout.Length(inputs, outputs) > MaximumWeights)
        {
            throw context.ExceptUserArg(nameof(BatchNormNetworkOptions.HiddenUnits), string.Create(
                CultureInfo.InvariantCulture,
                $"{what} would map {inputs} inputs to {outputs} units, which is more than {MaximumWeights} weights. "
                + $"Use fewer units or fewer features."));
        }
    }

    /// <summary>Largest number of weights of one linear map, padded to panels: the memory is one array.</summary>
    private static int MaximumWeights => Array.MaxLength - 2 * PanelLayout.Width;

    /// <summary>Refuses levels of intervals of which one stands there twice, and too many.</summary>
    public static void CheckLevels(IExceptionContext context, double[] levels)
    {
        const string Option = nameof(BatchNormNetworkRegressionTrainer.Options.IntervalLevels);
        if (levels.Length > PredictionIntervals.MaximumLevels)
        {
            throw context.ExceptUserArg(
                Option, $"{Option} has {levels.Length} levels; it must have at most {PredictionIntervals.MaximumLevels}.");
        }
        if (levels.GroupBy(level => level).FirstOrDefault(same => same.Count() > 1) is { } twice)
        {
            throw context.ExceptUserArg(
                Option, string.Create(CultureInfo.InvariantCulture, $"{Option} has {twice.Key} twice; give each level once."));
        }
    }

    /// <summary>Refuses a loss whose settings are out of range.</summary>
    public static void CheckLoss(IExceptionContext context, RegressionLoss? loss)
    {
        const string Option = nameof(BatchNormNetworkRegressionTrainer.Options.Loss);
        if (loss is null)
            throw context.ExceptUserArg(Option, "Loss is null; give a loss, such as new SquaredLoss().");
        CheckPart(context, Option, loss.Validate);
    }

    /// <summary>Refuses a loss that is for a single number.</summary>
    public static void CheckLossOfTargets(IExceptionContext context, RegressionLoss? loss)
    {
        CheckLoss(context, loss);
        if (loss is not ITargetwiseLoss)
        {
            throw context.ExceptUserArg(
                nameof(BatchNormNetworkMultiOutputRegressionTrainer.Options.Loss),
                $"Loss is {loss!.GetType().Name}, which is for a single number. Use SquaredLoss or HuberLoss for several.");
        }
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

    private static void CheckCheckpoint(IExceptionContext context, CheckpointOptions? checkpoint)
    {
        const string Option = nameof(BatchNormNetworkOptions.Checkpoint);
        if (checkpoint is null)
            return;
        if (string.IsNullOrWhiteSpace(checkpoint.Path))
        {
            throw context.ExceptUserArg(
                Option,
                $"{Option}.Path is {(checkpoint.Path is null ? "null" : "empty")}; it must be the path of a file. "
                + $"Set {Option} to null for none.");
        }

        if (checkpoint is { IntervalInEpochs: null, IntervalInSeconds: null })
        {
            throw context.ExceptUserArg(
                Option,
                $"{Option}.IntervalInEpochs and {Option}.IntervalInSeconds are both null, so no checkpoint would ever be written. "
                + $"Set one of them, or {Option} to null.");
        }
    }

    private static void CheckCombinations(IExceptionContext context, BatchNormNetworkOptions options)
    {
        if (options.VirtualBatchSize > options.BatchSize)
        {
            throw context.ExceptUserArg(
                nameof(options.VirtualBatchSize),
                $"VirtualBatchSize is {options.VirtualBatchSize}, but BatchSize is {options.BatchSize}; "
                + "a virtual batch is a part of a batch. Lower it or set null.");
        }

        if (options.NativeBlasLibrary is not null && options.MatrixMultiplication != MatrixMultiplication.Native)
        {
            throw context.ExceptUserArg(
                nameof(options.NativeBlasLibrary),
                $"NativeBlasLibrary is '{options.NativeBlasLibrary}', but MatrixMultiplication is {options.MatrixMultiplication}, "
                + "which uses no library. Set it to Native, or the library to null.");
        }

        if (options.TrainingRunner is not null && options.MatrixMultiplication == MatrixMultiplication.Native)
        {
            throw context.ExceptUserArg(
                nameof(options.MatrixMultiplication),
                "MatrixMultiplication is Native, and TrainingRunner trains elsewhere: what a native library computes depends on the "
                + "machine. Set it to Managed, or TrainingRunner to null.");
        }

        BatchNormalizationPlacement placement = AutomaticOptions.ChoosePlacement(options, start: null);
        if (options.NormalizeOutputLayerInput && placement != BatchNormalizationPlacement.LayerInput)
        {
            throw context.ExceptUserArg(
                nameof(options.NormalizeOutputLayerInput),
                $"NormalizeOutputLayerInput is true, but Placement is {placement}; it needs Placement LayerInput. "
                + "Set it to false or change the placement.");
        }
    }
}
