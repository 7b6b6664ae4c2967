using Microsoft.ML;
using Microsoft.ML.Data;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>
/// A case's random rows as ML.NET sees them: a view over objects in memory, the most common source, and not the cheapest to read.
/// </summary>
internal static class NetworkCaseView
{
    private sealed class Example
    {
        public required float[] Features { get; init; }

        public required uint Label { get; init; }
    }

    /// <summary>
    /// Normal features in the column Features, random classes as keys in the column Label (in objects, a key counts from 0).
    /// </summary>
    public static IDataView Create(MLContext mlContext, NetworkCase c, int rows)
    {
        var examples = new Example[rows];
        var random = new RandomStream(1, 0);
        for (int r = 0; r < rows; r++)
        {
            examples[r] = new Example { Features = new float[c.Inputs], Label = (uint)random.Next(c.Classes) };
            NetworkCase.FillNormal(examples[r].Features, ref random);
        }
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Example));
        schema[nameof(Example.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, c.Inputs);
        schema[nameof(Example.Label)].ColumnType = new KeyDataViewType(typeof(uint), c.Classes);
        return mlContext.Data.LoadFromEnumerable(examples, schema);
    }
}
