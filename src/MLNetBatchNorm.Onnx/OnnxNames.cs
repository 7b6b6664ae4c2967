namespace MLNetBatchNorm;

/// <summary>What the inputs and outputs of the file are called, which is what ML.NET calls the columns.</summary>
internal static class OnnxNames
{
    public const string Features = "Features";
    public const string Score = "Score";
    public const string Probability = "Probability";
    public const string PredictedLabel = "PredictedLabel";
    public const string ScoreLowerBound = "ScoreLowerBound";
    public const string ScoreUpperBound = "ScoreUpperBound";

    /// <summary>Names of outputs.</summary>
    public static readonly string[] Outputs = [Score, Probability, PredictedLabel, ScoreLowerBound, ScoreUpperBound];
}
