using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>The tables that the documents' examples train on.</summary>
internal static class SampleTables
{
    public static IDataView Tumours(MLContext mlContext) => mlContext.Data.LoadFromTextFile(
        Path.Combine(AppContext.BaseDirectory, "samples", "data", "breast_cancer.csv"),
        [new TextLoader.Column("Features", DataKind.Single, 0, 29), new TextLoader.Column("Label", DataKind.Boolean, 30)],
        separatorChar: ',', hasHeader: true);
}
