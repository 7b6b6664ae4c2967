using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>Short generated texts of many classes: ours, and on request ML.NET's linear trainer, behind the same pipeline.</summary>
/// <remarks>
/// <para>Lines <c>words CASE METHOD SEED acc VALUE logloss VALUE fit_s SECONDS cpu_s SECONDS peak_mb MEGABYTES slots NUMBER model_mb
/// MEGABYTES</c>. Time is that of <c>Fit</c> of the whole pipeline, features included; peak_mb is the largest working set during it above
/// that before. With <c>--cached</c> features are computed once in front of all, and only trainers are timed. With <c>--validation</c> a
/// quarter of the training rows takes the place of the test rows, and <c>Option=Value</c> sets options of ours.</para>
/// <para>Cases: <c>titles</c>, 40 classes and 3 to 12 words; <c>mixed</c>, the same beside a number and three categories that say
/// something of the class as well; <c>restaurants</c>, three classes, categories of 10, 200 and 2,000 values and a short text.</para>
/// </remarks>
internal static class WordsCommand
{
    private sealed class Row
    {
        public string Label { get; set; } = "";

        public string Text { get; set; } = "";

        public float Number { get; set; }

        public string Small { get; set; } = "";

        public string Middle { get; set; } = "";

        public string Large { get; set; } = "";
    }

    public static int Run(string[] args)
    {
        string[] flags = ["--peers", "--validation", "--cached"];
        string[] settings = [.. args.Where(argument => argument.Contains('=', StringComparison.Ordinal))];
        string[] names = [.. args.Except(settings).Except(flags).Where(argument => !int.TryParse(argument, out _))];
        int[] seeds = [.. args.Select(argument => int.TryParse(argument, out int seed) ? seed : 0).Where(seed => seed > 0)];
        foreach (string name in names.Length == 0 ? ["titles", "mixed", "restaurants"] : names)
        {
            foreach (int seed in seeds.Length == 0 ? [1] : seeds)
                Measure(name, seed, args, settings);
        }
        return 0;
    }

    private static void Measure(string name, int seed, string[] args, string[] settings)
    {
        var ml = new MLContext(seed);
        Row[] rows = name == "restaurants" ? [.. Restaurants(75_000, seed)] : [.. Titles(20_000, seed)];
        int training = rows.Length * 4 / 5;
        IDataView train = ml.Data.LoadFromEnumerable(rows[..training]), test = ml.Data.LoadFromEnumerable(rows[training..]);
        if (args.Contains("--validation"))
        {
            test = ml.Data.LoadFromEnumerable(rows[(training * 3 / 4)..training]);
            train = ml.Data.LoadFromEnumerable(rows[..(training * 3 / 4)]);
        }
        IEstimator<ITransformer> features = Features(ml, name);
        if (args.Contains("--cached"))
        {
            ITransformer fitted = features.Fit(train);
            (train, test) = (InMemory(ml, fitted.Transform(train)), InMemory(ml, fitted.Transform(test)));
        }
        foreach (string method in args.Contains("--peers") ? ["batchnorm", "sdca"] : (string[])["batchnorm"])
        {
            IEstimator<ITransformer> trainer = method == "sdca"
                ? ml.MulticlassClassification.Trainers.SdcaMaximumEntropy()
                : AccuracyCommand.Trainer(ml, "multiclass", "batchnorm", settings);
            IEstimator<ITransformer> pipeline = args.Contains("--cached") ? trainer : features.Append(trainer);
            Measure(ml, Text($"words\t{name}\t{method}\t{seed}"), pipeline, train, test);
        }
    }

    private static IEstimator<ITransformer> Features(MLContext ml, string name)
    {
        IEstimator<ITransformer> text = ml.Transforms.Conversion.MapValueToKey("Label").Append(
            ml.Transforms.Text.FeaturizeText("Words", nameof(Row.Text)));
        string[] categories = [nameof(Row.Small), nameof(Row.Middle), nameof(Row.Large)];
        if (name == "titles")
            return text.Append(ml.Transforms.CopyColumns("Features", "Words"));
        foreach (string category in categories)
            text = text.Append(ml.Transforms.Categorical.OneHotEncoding(category));
        if (name == "restaurants")
            return text.Append(ml.Transforms.Concatenate("Features", [.. categories, "Words"]));
        return text.Append(ml.Transforms.NormalizeMinMax(nameof(Row.Number)))
            .Append(ml.Transforms.Concatenate("Features", [nameof(Row.Number), .. categories, "Words"]));
    }

    private static IDataView InMemory(MLContext ml, IDataView view)
    {
        IDataView cached = ml.Data.Cache(view, "Features", nameof(Row.Label));
        using DataViewRowCursor cursor = cached.GetRowCursor(cached.Schema);
        while (cursor.MoveNext())
        {
        }
        return cached;
    }

    private static void Measure(MLContext ml, string name, IEstimator<ITransformer> pipeline, IDataView train, IDataView test)
    {
        FitMeasurement fit = FitMeasurement.Of(() => pipeline.Fit(train));
        ITransformer model = fit.Model;
        IDataView scored = model.Transform(test);
        MulticlassClassificationMetrics metrics = ml.MulticlassClassification.Evaluate(scored);
        using var stream = new MemoryStream();
        ml.Model.Save(model is IEnumerable<ITransformer> chain ? chain.Last() : model, scored.Schema, stream);
        Console.WriteLine(
            Text($"{name}\tacc\t{metrics.MicroAccuracy:F4}\tlogloss\t{metrics.LogLoss:F4}")
            + Text($"\tfit_s\t{fit.Seconds:F2}\tcpu_s\t{fit.ProcessorSeconds:F2}")
            + Text($"\tpeak_mb\t{(fit.Peak - fit.Before) >> 20}\tslots\t{((VectorDataViewType)scored.Schema["Features"].Type).Size}")
            + Text($"\tmodel_mb\t{stream.Length / 1e6:F1}"));
    }

    /// <summary>
    /// Words of the class, of a class that is often mixed up with it, and of all, by Zipf's law; roots with endings, so that parts of words
    /// say something too; one label in twenty is another one.
    /// </summary>
    private static IEnumerable<Row> Titles(int count, int seed)
    {
        const int classes = 40, wordsOfClass = 80, words = 9000;
        var random = new Random(seed);
        string[] all = [.. Enumerable.Range(0, words).Select(_ => Word(random))];
        string[][] own = [.. Enumerable.Range(0, classes).Select(_ =>
            Enumerable.Range(0, wordsOfClass).Select(_ => all[300 + random.Next(words - 300)]).ToArray())];
        var common = new Zipf(words);
        var ofClass = new Zipf(wordsOfClass);
        var sizes = new Zipf(classes);
        var large = new Zipf(1500);
        for (int row = 0; row < count; row++)
        {
            int label = sizes.Draw(random), near = (label ^ 1) % classes;
            string[] text = [.. Enumerable.Range(0, 3 + random.Next(10)).Select(_ => random.NextDouble() switch
            {
                < 0.22 => own[label][ofClass.Draw(random)],
                < 0.30 => own[near][ofClass.Draw(random)],
                _ => all[common.Draw(random)],
            } + Ending(random))];
            int shown = random.NextDouble() < 0.05 ? random.Next(classes) : label;
            yield return new Row
            {
                Label = $"area{shown}", Text = string.Join(' ', text), Number = (float)(Math.Sin(label) + Normal(random)),
                Small = $"s{(random.NextDouble() < 0.4 ? label % 7 : random.Next(10))}",
                Middle = $"m{(random.NextDouble() < 0.3 ? label * 3 : random.Next(150))}", Large = $"l{large.Draw(random)}",
            };
        }
    }

    /// <summary>A class that follows from effects of the categories and of words.</summary>
    private static IEnumerable<Row> Restaurants(int count, int seed)
    {
        const int words = 1500;
        var random = new Random(seed);
        string[] all = [.. Enumerable.Range(0, words).Select(_ => Word(random))];
        double[] effects = [.. all.Select(_ => Normal(random))];
        int[] sizes = [10, 200, 2000];
        double[][] ofCategories = [.. sizes.Select(size => Enumerable.Range(0, size).Select(_ => Normal(random)).ToArray())];
        Zipf[] draws = [.. sizes.Select(size => new Zipf(size))];
        var common = new Zipf(words);
        for (int row = 0; row < count; row++)
        {
            int[] categories = [.. draws.Select(draw => draw.Draw(random))];
            int[] text = [.. Enumerable.Range(0, 4 + random.Next(6)).Select(_ => common.Draw(random))];
            double score = text.Sum(word => effects[word]) / Math.Sqrt(text.Length);
            score += 0.5 * categories.Select((value, c) => ofCategories[c][value]).Sum() + 0.7 * Normal(random);
            yield return new Row
            {
                Label = score < -0.3 ? "low" : score < 0.8 ? "moderate" : "high",
                Text = string.Join(' ', text.Select(word => all[word] + Ending(random))),
                Small = $"s{categories[0]}", Middle = $"m{categories[1]}", Large = $"l{categories[2]}",
            };
        }
    }

    private static string Word(Random random)
    {
        const string consonants = "bcdfghklmnprstvw", vowels = "aeiou";
        int syllables = 1 + random.Next(3);
        return string.Concat(Enumerable.Range(0, syllables + 1).Select(
            _ => $"{consonants[random.Next(consonants.Length)]}{vowels[random.Next(vowels.Length)]}"));
    }

    private static string Ending(Random random) => random.Next(6) switch { 0 => "s", 1 => "ing", 2 => "ed", _ => "" };

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>Numbers from 0, the k-th with a weight of one over k + 3.</summary>
    private sealed class Zipf
    {
        private readonly double[] _sums;

        public Zipf(int count)
        {
            _sums = new double[count];
            double sum = 0;
            for (int k = 0; k < count; k++)
                _sums[k] = sum += 1.0 / (k + 3);
        }

        public int Draw(Random random)
        {
            int at = Array.BinarySearch(_sums, random.NextDouble() * _sums[^1]);
            return Math.Min(at < 0 ? ~at : at, _sums.Length - 1);
        }
    }
}
