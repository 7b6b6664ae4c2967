using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Proof;

/// <summary>From a case to a hash.</summary>
internal static class Runs
{
    public static string Hash(Case of)
    {
        using var hash = new BitHash();
        var context = new MLContext(1);
        bool isSpilled = false;
        context.Log += (_, e) => isSpilled |= ModelHash.SaysThatRowsAreSpilled(e.RawMessage);
        (IDataView training, IDataView validation, IDataView heldOut) = Tables.Load(context, of.Settings.Table);

        ITransformer model = Train(context, of.Settings, training, validation);
        if (isSpilled != of.Settings.IsSpilled)
            throw new InvalidOperationException($"{of.Name}: the rows were {(isSpilled ? "" : "not ")}spilled.");
        if (of.Settings.Saved)
            model = SaveAndLoad(context, model, training.Schema);
        ModelHash.AddNetworks(hash, context, model);
        AddScores(hash, model, heldOut);
        return hash.Take();
    }

    /// <summary>BatchNormalize, with each kind of statistics, with gamma and beta, and as a part of a network.</summary>
    public static IEnumerable<(string Name, string Hash, string? SameAs)> OfTransform()
    {
        using var bits = new BitHash();
        var context = new MLContext(1);
        (IDataView training, _, IDataView heldOut) = Tables.Load(context, TableKind.Plain);
        const string Output = "Output", Numbers = nameof(Tables.Row.Numbers);
        foreach (BatchNormalizationStatistics kind in Enum.GetValues<BatchNormalizationStatistics>())
        {
            string hash = OfTransformer(ModelHash.FitNormalization(context, training, Output, Numbers, kind, batch: 32));
            // Nothing is learned between two batches, so that these two are one.
            bool isSame = kind == BatchNormalizationStatistics.Population;
            yield return (Name(kind), hash, isSame ? Name(BatchNormalizationStatistics.Cumulative) : null);
        }

        double[] gamma = [.. Enumerable.Range(1, Tables.Numbers).Select(i => 0.5 * i)], beta = [.. gamma.Select(g => 1 - g)];
        BatchNormalizeTransformer scaled = ModelHash.FitNormalization(context, training, Output, Numbers, null, null, 0.01, gamma, beta);
        yield return ("BatchNormalize, gamma and beta", OfTransformer(scaled), null);
        BatchNormalizeTransformer single = ModelHash.FitNormalization(context, training, Output, nameof(Tables.Row.Value), mostRows: 300);
        yield return ("BatchNormalize, one number, 300 rows", OfTransformer(single), null);

        ITransformer network = Train(context, Settings.Quick(NetworkTask.Regression) with { Units = [Tables.Numbers] }, training, training);
        BatchNormalizeTransformer part = ModelHash.FirstNormalization(context, network, Output, Numbers);
        yield return ("BatchNormalize, of a network", OfTransformer(part), null);

        static string Name(BatchNormalizationStatistics kind) => $"BatchNormalize, {kind}";

        string OfTransformer(BatchNormalizeTransformer transformer)
        {
            ModelHash.AddNormalization(bits, transformer.GetBatchNormalizationParameters(0));
            AddColumn(bits, transformer.Transform(heldOut), Output);
            return bits.Take();
        }
    }

    /// <summary>The models of the tests that earlier builds saved.</summary>
    public static IEnumerable<(string Name, string Hash, string? SameAs)> OfGoldenModels()
    {
        using var hash = new BitHash();
        string[] paths = [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Golden"), "*.zip").Order(StringComparer.Ordinal)];
        if (paths.Length == 0)
            throw new InvalidOperationException("There are no golden models beside the program.");
        foreach (string path in paths)
        {
            var context = new MLContext(1);
            ITransformer model = context.Model.Load(path, out DataViewSchema schema);
            int slots = ((VectorDataViewType)schema["Features"].Type).Size;
            SchemaDefinition definition = SchemaDefinition.Create(typeof(Tables.Row));
            definition[nameof(Tables.Row.Numbers)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, slots);
            definition[nameof(Tables.Row.Numbers)].ColumnName = "Features";
            Tables.Row[] rows = Tables.HeldOut(slots);
            // These models were trained on numbers about 0; 1000 would only show where they saturate.
            foreach (Tables.Row row in rows)
                row.Numbers[0] = (row.Numbers[0] - 1000) / 3;
            ModelHash.AddNetworks(hash, context, model);
            AddScores(hash, model, context.Data.LoadFromEnumerable(rows, definition));
            yield return ($"golden {Path.GetFileNameWithoutExtension(path)}", hash.Take(), null);
        }
    }

    private static ITransformer Train(MLContext context, Settings settings, IDataView training, IDataView validation)
    {
        ITransformer? start = settings.Start is null ? null : Train(context, settings.Start, training, validation);
        if (!settings.Interrupted)
            return ModelHash.Train(context, settings, training, validation, start, null, null, default);

        string folder = Directory.CreateTempSubdirectory("batchnorm-proof-").FullName;
        try
        {
            string checkpoint = Path.Combine(folder, "checkpoint");
            using var source = new CancellationTokenSource();
            try
            {
                Run(epoch => CancelAt(epoch, 2, source), source.Token);
                throw new InvalidOperationException("The training was not cancelled.");
            }
            catch (OperationCanceledException)
            {
            }

            int beginnings = 0;
            ITransformer model = Run(epoch => beginnings += epoch == 1 ? 1 : 0, default);
            if (beginnings == (settings.Members ?? 1))
                throw new InvalidOperationException("The training began anew instead of going on.");
            return model;

            ITransformer Run(Action<int> epochDone, CancellationToken cancellation) =>
                ModelHash.Train(context, settings, training, validation, start, checkpoint, epochDone, cancellation);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void CancelAt(int epoch, int last, CancellationTokenSource source)
    {
        if (epoch == last)
            source.Cancel();
    }

    private static ITransformer SaveAndLoad(MLContext context, ITransformer model, DataViewSchema schema)
    {
        using var stream = new MemoryStream();
        context.Model.Save(model, schema, stream);
        stream.Position = 0;
        return context.Model.Load(stream, out _);
    }

    /// <summary>Adds what the model makes of rows one by one, and of all at once.</summary>
    private static void AddScores(BitHash hash, ITransformer model, IDataView rows)
    {
        IDataView scored = model.Transform(rows);
        AddColumn(hash, scored, "Score");
        if (scored.Schema.GetColumnOrNull("Probability") is not null)
            AddColumn(hash, scored, "Probability");
        float[][] features = [.. rows.GetColumn<float[]>("Features")];
        ModelHash.AddScoresAtOnce(hash, model, [.. features.SelectMany(row => row)], features.Length);
    }

    private static void AddColumn(BitHash hash, IDataView view, string name)
    {
        if (view.Schema[name].Type is VectorDataViewType)
        {
            foreach (float[] values in view.GetColumn<float[]>(name))
                hash.Add(values.AsSpan());
            return;
        }

        hash.Add(view.GetColumn<float>(name).ToArray().AsSpan());
    }
}
