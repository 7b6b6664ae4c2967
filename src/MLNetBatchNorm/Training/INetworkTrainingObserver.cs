using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>Told about all that happens in one training; called on the thread that trains.</summary>
internal interface INetworkTrainingObserver : ITrainingObserver
{
    /// <summary>The rows are there, and the first epoch begins, or the one at which an interrupted training goes on.</summary>
    /// <param name="rows">Rows that it learns from.</param>
    /// <param name="validationRows">Rows that choose the best epoch.</param>
    void Started(int rows, int validationRows);

    /// <summary>There is something that a person should know.</summary>
    void Noted(TrainingNote note);
}
