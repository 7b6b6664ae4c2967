using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Gives what the first linear map of each network makes of rows, for those who know it without the rows.</summary>
internal interface IFirstLayerRows
{
    /// <summary>Writes the first <paramref name="rows"/> rows of what the first map of a network puts out.</summary>
    void Fill(int member, int rows, PanelMatrix output);
}
