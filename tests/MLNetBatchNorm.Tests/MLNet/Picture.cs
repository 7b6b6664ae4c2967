using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>A small picture with every kind of label: a bright bar, upright or lying, somewhere on noise.</summary>
internal sealed class Picture
{
    public const int Height = 9;
    public const int Width = 10;
    public const int Channels = 2;

    public float[] Features { get; set; } = [];

    public bool IsUpright { get; set; }

    public string Class { get; set; } = "";

    public float Value { get; set; }

    /// <summary>Pictures in planar order; the second channel is the first one far from zero and of another scale.</summary>
    public static List<Picture> Rows(int count, int seed = 1, bool interleaved = false)
    {
        var random = new Random(seed);
        var rows = new List<Picture>(count);
        for (int n = 0; n < count; n++)
        {
            int kind = random.Next(3), length = 3 + random.Next(3), y = random.Next(Height), x = random.Next(Width);
            var picture = new float[Channels * Height * Width];
            for (int i = 0; i < Height * Width; i++)
            {
                int row = i / Width, column = i % Width;
                bool isOn = kind switch
                {
                    0 => column == x && Math.Abs(row - Height / 2) < length,
                    1 => row == y && Math.Abs(column - Width / 2) < length,
                    _ => false,
                };
                float value = (isOn ? 1 : 0) + 0.2f * random.NextSingle();
                int step = interleaved ? Channels : 1;
                picture[i * step] = value;
                picture[interleaved ? i * step + 1 : Height * Width + i] = 1000 + 7 * value;
            }
            rows.Add(new Picture
            {
                Features = picture, IsUpright = kind == 0, Class = NetworkExamples.Classes[kind], Value = 100 + 10 * kind,
            });
        }
        return rows;
    }

    /// <summary>A view with columns Features and Label.</summary>
    public static IDataView View(MLContext context, NetworkKind kind, IReadOnlyList<Picture> rows)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Picture));
        schema[nameof(Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, rows[0].Features.Length);
        IDataView all = context.Data.LoadFromEnumerable(rows, schema);
        IEstimator<ITransformer> label = kind switch
        {
            NetworkKind.Binary => context.Transforms.CopyColumns("Label", nameof(IsUpright)),
            NetworkKind.Multiclass => context.Transforms.Conversion.MapValueToKey(
                "Label", nameof(Class), keyOrdinality: ValueToKeyMappingEstimator.KeyOrdinality.ByValue),
            _ => context.Transforms.CopyColumns("Label", nameof(Value)),
        };
        return label.Append(context.Transforms.SelectColumns("Features", "Label")).Fit(all).Transform(all);
    }

    /// <summary>Options for these pictures.</summary>
    public static void Shape(BatchNormNetworkOptions options)
    {
        options.InputShape = new ImageShape(Height, Width, Channels);
        options.Convolutions =
            [new ConvolutionLayer(8, 3) { Pooling = PoolingKind.Maximum }, new ConvolutionLayer(20, 3) { Pooling = PoolingKind.Average }];
        options.HiddenUnits = [16];
        options.MaximumNumberOfEpochs = 8;
    }
}
