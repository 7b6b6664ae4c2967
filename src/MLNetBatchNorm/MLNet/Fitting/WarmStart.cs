using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>Finds the network that training is to go on from, and refuses one of another kind or shape.</summary>
internal static class WarmStart
{
    /// <summary>The network of an initial predictor, which may be wrapped in a calibrator; null if there is none.</summary>
    public static TrainedNetwork? From<TModel>(IHost host, IPredictor? initialPredictor)
        where TModel : class
    {
        object? model = (initialPredictor as IWeaklyTypedCalibratedModelParameters)?.WeaklyTypedSubModel ?? initialPredictor;
        return model switch
        {
            null => null,
            TModel and INetworkModel network => network.Network,
            _ => throw host.ExceptParam(
                "modelParameters", $"The initial model is a {model.GetType().Name}; training can go on only from a {typeof(TModel).Name}."),
        };
    }

    /// <summary>Refuses a network whose layers are not those the options ask for: its weights would have no place.</summary>
    public static void CheckShape(IHost host, TrainedNetwork start, int slots, NetworkTask task, BatchNormNetworkOptions options)
    {
        NetworkDefinition definition = start.Parameters.Definition;
        if (start.Others.Count > 0)
        {
            throw host.ExceptParam(
                "modelParameters",
                $"The initial model has networks of {start.Ensembles.Count} trials, of several shapes (NumberOfTrials); training can go on "
                + "only from networks of one. Give a model that was trained with NumberOfTrials 1.");
        }
        CheckOutputs(host, start, task.Objective);
        Require(host, "feature slots", start.Encoder.RawInputs.ToString(), slots.ToString());
        Require(host, "outputs", definition.Outputs.ToString(), task.Outputs.ToString());
        Require(
            host, nameof(options.NumberOfEnsembleMembers), start.Members.Count.ToString(),
            (options.NumberOfEnsembleMembers ?? start.Members.Count).ToString());
        // What is left open is the network's own.
        Require(
            host, nameof(options.HiddenUnits), string.Join(", ", definition.HiddenUnits),
            string.Join(", ", options.HiddenUnits ?? definition.HiddenUnits));
        string[] pictures = [PictureText(definition.Picture, definition.PixelOrder), PictureOptions.Describe(definition.Convolutions)];
        Require(
            host, nameof(options.InputShape), pictures[0],
            options.InputShape is null ? pictures[0]
                : PictureText(PictureOptions.Picture(options, start: null), PictureOptions.Order(options, start: null)));
        Require(
            host, nameof(options.Convolutions), pictures[1],
            options.Convolutions is null ? pictures[1] : PictureOptions.Describe(PictureOptions.Convolutions(options, start: null)));
        Require(
            host, nameof(options.GlobalAveragePooling), definition.AveragesPixels.ToString(),
            (options.GlobalAveragePooling || (options.InputShape is null && definition.AveragesPixels)).ToString());
        Require(
            host, nameof(options.Activation), definition.Activation.ToString(),
            AutomaticOptions.ChooseActivation(options, start).ToString());
        Require(
            host, nameof(options.Placement), definition.Placement.ToString(), AutomaticOptions.ChoosePlacement(options, start).ToString());
        Require(
            host, nameof(options.NormalizeOutputLayerInput), definition.NormalizeOutputLayerInput.ToString(),
            options.NormalizeOutputLayerInput.ToString());
    }

    private static string PictureText(MapShape? picture, PixelOrder order) => picture is { } shape ? $"{shape} {order}" : "none";

    /// <summary>
    /// Refuses logarithms of labels where labels are trained, and the other way: the network would have to learn all anew.
    /// </summary>
    private static void CheckOutputs(IHost host, TrainedNetwork start, Objective objective)
    {
        bool found = start.Objective?.PredictsLogarithm ?? false;
        if (found == objective.PredictsLogarithm)
            return;
        throw host.ExceptParam(
            "modelParameters",
            $"The initial model was trained with {start.Objective?.Name ?? "squared error"}, whose outputs are "
            + $"{(found ? "logarithms of labels" : "labels")}; Loss is {objective.Name}, whose outputs are "
            + $"{(found ? "labels" : "logarithms of labels")}. Give a model that was trained with a loss of the same kind, or none.");
    }

    private static void Require(IHost host, string what, string found, string needed)
    {
        if (found != needed)
        {
            throw host.ExceptParam(
                "modelParameters",
                $"The initial model has {what} {found}, the training asks for {needed}. "
                + "Give a model of the same shape, or change the options to its shape.");
        }
    }
}
