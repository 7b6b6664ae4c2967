using Microsoft.ML.Data;

namespace MLNetBatchNorm.Samples;

/// <summary>Thirty numbers, of which two have an influence together and one alone.</summary>
internal sealed class Measurement
{
    private const int Slots = 30;

    [VectorType(Slots)]
    public float[] Features { get; set; } = new float[Slots];

    public float Label { get; set; }

    /// <summary>Makes the rows anew each time they are read, always the same ones; only one is in memory.</summary>
    public static IEnumerable<Measurement> Generate(int count, int seed)
    {
        var random = new Random(seed);
        for (int i = 0; i < count; i++)
        {
            var row = new Measurement();
            for (int slot = 0; slot < Slots; slot++)
                row.Features[slot] = random.NextSingle() * 2 - 1;
            row.Label = row.Features[0] * row.Features[1] + row.Features[2] + 0.1f * (random.NextSingle() - 0.5f);
            yield return row;
        }
    }
}
