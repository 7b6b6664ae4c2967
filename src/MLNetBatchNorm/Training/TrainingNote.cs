namespace MLNetBatchNorm.Training;

/// <summary>Something about a training that a person should know.</summary>
/// <param name="Kind">How much it matters.</param>
/// <param name="Text">Whole sentences, in the invariant culture.</param>
internal readonly record struct TrainingNote(TrainingNoteKind Kind, string Text);
