namespace MLNetBatchNorm.Training;

/// <summary>Something about a training that a person should know.</summary>
/// <param name="Kind">How much it matters.</param>
/// <param name="Text">Whole sentences, in the invariant culture.</param>
internal readonly record struct TrainingNote(TrainingNoteKind Kind, string Text);

/// <summary>How much a note matters.</summary>
internal enum TrainingNoteKind
{
    /// <summary>All is as it should be.</summary>
    Information,

    /// <summary>Training goes on without something.</summary>
    Warning,

    /// <summary>Something is broken, and training goes on as if it were not there.</summary>
    Error,
}
