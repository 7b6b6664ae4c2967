namespace MLNetBatchNorm.Training;

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
