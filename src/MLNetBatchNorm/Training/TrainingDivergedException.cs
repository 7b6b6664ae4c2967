using System.Globalization;

namespace MLNetBatchNorm.Training;

/// <summary>The loss or a parameter is no longer a finite number.</summary>
internal sealed class TrainingDivergedException : Exception
{
    /// <param name="epoch">Epoch, counted from 1.</param>
    /// <param name="step">Step, counted from 0 over all epochs.</param>
    /// <param name="learningRate">Rate of the step that failed.</param>
    public TrainingDivergedException(int epoch, long step, double learningRate)
        : this(epoch, learningRate, string.Create(
            CultureInfo.InvariantCulture,
            $"The loss is no longer a finite number in epoch {epoch}, step {step}, at learning rate {learningRate:G4}."))
    {
    }

    /// <param name="epoch">Epoch whose network it is, counted from 1.</param>
    /// <param name="learningRate">Rate of its last step.</param>
    /// <param name="message">A sentence that says what is no longer finite.</param>
    public TrainingDivergedException(int epoch, double learningRate, string message)
        : base(message)
    {
        Epoch = epoch;
        LearningRate = learningRate;
    }

    /// <summary>Epoch, counted from 1.</summary>
    public int Epoch { get; }

    /// <summary>Rate of the step that failed.</summary>
    public double LearningRate { get; }

    /// <summary>Which training it was; null as long as nobody has said.</summary>
    public TrainingNumber? Number { get; set; }
}
