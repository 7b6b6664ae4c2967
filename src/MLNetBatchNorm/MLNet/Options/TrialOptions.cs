using Microsoft.ML.Runtime;

namespace MLNetBatchNorm;

/// <summary>The options of trials: their checks, and what follows from them before any row is read.</summary>
internal static class TrialOptions
{
    /// <summary>
    /// Networks of one trial: four of five parts of the rows are set aside by one of them, which tells trials apart, and sixteen networks
    /// are then four trials.
    /// </summary>
    public const int MostNetworksOfTrial = 4;

    /// <summary>Refuses options that contradict each other.</summary>
    public static void Check(IExceptionContext context, BatchNormNetworkOptions options)
    {
        CheckSpace(context, options);
        if (options.NumberOfTrials is not > 1)
            return;
        int trials = options.NumberOfTrials.Value;
        if (options.NumberOfEnsembleMembers > trials)
        {
            throw context.ExceptUserArg(
                nameof(options.NumberOfEnsembleMembers),
                $"NumberOfEnsembleMembers is {options.NumberOfEnsembleMembers}, but NumberOfTrials is {trials}: the networks of the model "
                + "are chosen from the trials, and more than trials leave nothing to choose. Lower it, raise NumberOfTrials, or set it to "
                + "null.");
        }

        if (options.CompactModel)
        {
            throw context.ExceptUserArg(
                nameof(options.CompactModel),
                $"CompactModel is true, and NumberOfTrials is {trials}: one network is taught by networks of one shape, and those of "
                + "trials have several. Set CompactModel to false, or NumberOfTrials to 1 or null.");
        }

        if (options.NumberOfRestarts > 0)
        {
            throw context.ExceptUserArg(
                nameof(options.NumberOfRestarts),
                $"NumberOfRestarts is {options.NumberOfRestarts}, and NumberOfTrials is {trials}: each trial begins from random numbers of "
                + "its own already. Set NumberOfRestarts to 0, or NumberOfTrials to 1.");
        }
    }

    private static void CheckSpace(IExceptionContext context, BatchNormNetworkOptions options)
    {
        if (options.SearchSpace is null)
            return;
        foreach (OptionRow row in OptionRow.Of(options).Where(row => row.Owner == typeof(SearchSpace)))
        {
            if (row.Read(options) is not Array values)
                continue;
            if (values.Length == 0)
                throw context.ExceptUserArg(row.Name, $"{row.Name} is empty; give the values that trials may draw, or null.");
            Type element = values.GetType().GetElementType()!;
            for (int i = 0; element.IsEnum && i < values.Length; i++)
            {
                if (!Enum.IsDefined(element, values.GetValue(i)!))
                {
                    string names = string.Join(", ", Enum.GetNames(element));
                    throw context.ExceptUserArg(row.Name, $"{row.Name}[{i}] is {values.GetValue(i):D}; it must be one of {names}.");
                }
            }
        }
    }

    /// <summary>Trials at most, as far as is known before any row is read.</summary>
    /// <remarks>
    /// Whoever sets the number of networks, repeats their training, or wants one taught by them, has said what is to be trained; an effort
    /// does not try on top of it.
    /// </remarks>
    public static int MostTrials(BatchNormNetworkOptions options) => options.NumberOfTrials
        ?? (options.NumberOfEnsembleMembers is not null || options.NumberOfRestarts > 0 || options.CompactModel
            ? 1 : EffortRule.Of(options.Effort).Trials);

    /// <summary>Trainings of all trials at most.</summary>
    public static int MostTrainings(BatchNormNetworkOptions options)
    {
        int trials = MostTrials(options);
        return trials < 2 ? 0 : trials * Math.Min(MostNetworksOfTrial, AutomaticOptions.MostMembers(options, start: null));
    }

    /// <summary>Whether a trial may put a normalization in front of the first layer, which needs rows written out.</summary>
    public static bool MayNormalizeInput(BatchNormNetworkOptions options) =>
        MostTrials(options) > 1 && options.Placement is null
        && options.SearchSpace?.Placement?.Any(Network.Plan.NormalizesInput) == true;
}
