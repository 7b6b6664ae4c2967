namespace WebScoring.Models;

/// <summary>
/// Which model answers now. One thread writes (<see cref="ModelWatcher"/>), every request reads: a request takes <see cref="State"/> once
/// and works with what it got. Replacing is one reference assignment, so there is no moment without a model and none with half of one.
/// </summary>
internal sealed class ModelStore
{
    private volatile ModelState _state = new(null, "The model has not been loaded yet.", null);

    public ModelState State => _state;

    /// <summary>From here on this model answers, and what was wrong with the file is over.</summary>
    public void Use(LoadedModel model) => _state = new ModelState(model, "", null);

    /// <summary>The file on disk cannot be used; the model that answers stays.</summary>
    public void Report(ModelFault fault) => _state = _state with { Fault = fault };

    /// <summary>The file on disk is again the model that answers.</summary>
    public void ClearFault() => _state = _state with { Fault = null };

    /// <summary>What a client is told while there is no model.</summary>
    public void SayWhatIsGoingOn(string activity) => _state = _state with { Activity = activity };
}

/// <summary>One moment of the store.</summary>
/// <param name="Model">The model that answers, or null.</param>
/// <param name="Activity">While there is none: what is being done about it.</param>
/// <param name="Fault">What is wrong with the file on disk, or null.</param>
internal sealed record ModelState(LoadedModel? Model, string Activity, ModelFault? Fault);

/// <summary>Why the file on disk is not the model that answers.</summary>
internal sealed record ModelFault(string File, string Reason, DateTimeOffset Since);
