using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// What ML.NET demands of every estimator and transformer of its own, and a little more. Any trainer or transform of this package passes
/// through it, with each shape of input it accepts.
/// </summary>
/// <remarks>
/// Beyond ML.NET's own list: the mapper's rows (what a prediction engine reads), cursors over no column, two cursors read in turns, sets of
/// cursors on threads, shuffled cursors, a model saved a second time after loading, loading under other cultures, and a second Fit of the
/// same instance. Values are compared exactly: nothing in this package may change by being saved, loaded or read in another way.
/// What is specific to trainers (label, feature and weight of each wrong type, missing values, weights) is not here.
/// </remarks>
internal sealed class EstimatorBattery
{
    /// <summary>Cultures whose decimal comma, digits or casing have broken programs.</summary>
    private static readonly string[] s_cultures = ["de-DE", "tr-TR", "ar-SA"];

    private readonly MLContext _context;
    private readonly IEstimator<ITransformer> _estimator;
    private readonly List<string> _findings = [];

    private EstimatorBattery(MLContext context, IEstimator<ITransformer> estimator)
    {
        _context = context;
        _estimator = estimator;
    }

    /// <summary>Runs everything and fails the test with all that was found.</summary>
    /// <param name="context">
    /// The context that made <paramref name="estimator"/>; saving goes through it, loading through fresh ones.
    /// </param>
    /// <param name="estimator">The estimator under test.</param>
    /// <param name="validFit">Data for both Fit and Transform. A few dozen rows are enough: it is read about thirty times.</param>
    /// <param name="validTransformOnly">
    /// Data for Transform that Fit must refuse, such as rows without a label column; null if there is no such thing.
    /// </param>
    /// <param name="fitOnly">
    /// Data that Fit accepts and the transformer fitted on <paramref name="validFit"/> must refuse, such as vectors of another width.
    /// </param>
    /// <param name="invalidInputs">Data that Fit and Transform must both refuse.</param>
    /// <param name="fitsAreEqual">
    /// Whether two calls of Fit with the same data give the same values. False for a trainer without a fixed seed.
    /// </param>
    public static void Check(
        MLContext context,
        IEstimator<ITransformer> estimator,
        IDataView validFit,
        IDataView? validTransformOnly = null,
        IDataView? fitOnly = null,
        IDataView[]? invalidInputs = null,
        bool fitsAreEqual = true)
    {
        IReadOnlyList<string> findings = Findings(context, estimator, validFit, validTransformOnly, fitOnly, invalidInputs, fitsAreEqual);
        if (findings.Count > 0)
            Assert.Fail($"{estimator.GetType().Name} breaks the rules of an ML.NET estimator:\n- {string.Join("\n- ", findings)}");
    }

    /// <summary>As <see cref="Check"/>, returning what was found instead of failing: for tests of the battery itself.</summary>
    public static IReadOnlyList<string> Findings(
        MLContext context,
        IEstimator<ITransformer> estimator,
        IDataView validFit,
        IDataView? validTransformOnly = null,
        IDataView? fitOnly = null,
        IDataView[]? invalidInputs = null,
        bool fitsAreEqual = true)
    {
        var battery = new EstimatorBattery(context, estimator);
        battery.Run(validFit, validTransformOnly, fitOnly, invalidInputs ?? [], fitsAreEqual);
        return battery._findings;
    }

    private void Run(IDataView validFit, IDataView? transformOnly, IDataView? fitOnly, IDataView[] invalidInputs, bool fitsAreEqual)
    {
        SchemaShape? promised = Do(
            "estimator.GetOutputSchema(valid input)", () => _estimator.GetOutputSchema(SchemaShape.Create(validFit.Schema)));
        if (transformOnly != null)
            EstimatorMustRefuse(transformOnly, "input for Transform only");
        for (int i = 0; i < invalidInputs.Length; i++)
            EstimatorMustRefuse(invalidInputs[i], $"invalid input {i}");
        if (fitOnly != null)
        {
            Do("estimator.GetOutputSchema(input for Fit only)", () => _estimator.GetOutputSchema(SchemaShape.Create(fitOnly.Schema)));
            Do("estimator.Fit(input for Fit only)", () => _estimator.Fit(fitOnly));
        }

        ITransformer? fitted = Do("estimator.Fit(valid input)", () => _estimator.Fit(validFit));
        if (fitted == null)
            return;
        DataViewSchema? loadedSchema = null;
        ITransformer? loaded = Do("Save and Load", () => SaveAndLoad(fitted, validFit.Schema, out loadedSchema));
        if (loadedSchema != null)
            Report("the input schema that came with the loaded model", SchemaComparison.VisibleDifferences(validFit.Schema, loadedSchema));

        RowTable? reference = CheckOnData(fitted, loaded, validFit, "valid input");
        if (transformOnly != null)
            CheckOnData(fitted, loaded, transformOnly, "input for Transform only");
        foreach ((ITransformer? transformer, string who) in new[] { (fitted, "fitted"), (loaded, "loaded") })
        {
            for (int i = 0; transformer != null && i < invalidInputs.Length; i++)
                TransformerMustRefuse(transformer, invalidInputs[i], $"{who} transformer", $"invalid input {i}");
            if (transformer != null && fitOnly != null)
                TransformerMustRefuse(transformer, fitOnly, $"{who} transformer", "input for Fit only");
        }

        if (promised != null)
        {
            Do(
                "comparing promised and delivered columns",
                () => ComparePromise(promised, SchemaShape.Create(fitted.GetOutputSchema(validFit.Schema))));
        }
        if (reference != null)
        {
            CheckCultures(fitted, validFit, reference, fitsAreEqual);
            CheckSecondFit(fitted, validFit, reference, fitsAreEqual);
        }

        Do("disposing the loaded transformer", () => (loaded as IDisposable)?.Dispose());
        Do("disposing the fitted transformer", () => (fitted as IDisposable)?.Dispose());
    }

    /// <summary>
    /// All checks of one fitted and one loaded transformer on one input. Returns what the fitted one gave with all columns read.
    /// </summary>
    private RowTable? CheckOnData(ITransformer fitted, ITransformer? loaded, IDataView data, string input)
    {
        DataViewSchema? schema = Do($"transformer.GetOutputSchema({input})", () => fitted.GetOutputSchema(data.Schema));
        IDataView? transformed = Do($"transformer.Transform({input})", () => fitted.Transform(data));
        if (schema == null || transformed == null)
            return null;
        Report($"the schema of Transform({input}) against GetOutputSchema", SchemaComparison.Differences(schema, transformed.Schema));

        RowTable? reference = Do(
            $"reading all columns of Transform({input})", () => ReadNoting(transformed, AllColumns(transformed), "all columns"));
        if (reference == null)
            return null;
        if (reference.Ids.Distinct().Count() != reference.Ids.Count)
            _findings.Add($"two rows of Transform({input}) have the same id");

        CheckMapper(fitted, data, schema, reference, $"fitted, {input}");
        CheckReading(transformed, reference, $"fitted, {input}");
        if (loaded == null)
            return reference;

        if (Do($"loaded.GetOutputSchema({input})", () => loaded.GetOutputSchema(data.Schema)) is { } loadedSchema)
            Report($"the loaded transformer's GetOutputSchema({input})", SchemaComparison.Differences(schema, loadedSchema));
        if (Do($"loaded.Transform({input})", () => loaded.Transform(data)) is { } loadedView)
        {
            List<string> differences = SchemaComparison.Differences(transformed.Schema, loadedView.Schema);
            Report($"the loaded transformer's Transform({input})", differences);
            if (differences.Count == 0)
            {
                CheckMapper(loaded, data, schema, reference, $"loaded, {input}");
                CheckReading(loadedView, reference, $"loaded, {input}");
            }
        }

        Do($"saving the loaded transformer again ({input})", () =>
        {
            ITransformer again = SaveAndLoad(loaded, data.Schema, out _);
            using var disposing = again as IDisposable;
            SameTransformed(again, data, reference, $"values after saving and loading twice ({input})");
        });
        return reference;
    }

    private void CheckMapper(ITransformer transformer, IDataView data, DataViewSchema schema, RowTable reference, string who)
    {
        if (!transformer.IsRowToRowMapper)
        {
            MustFail(
                $"GetRowToRowMapper of a transformer that says it is no row-to-row mapper ({who})",
                () => transformer.GetRowToRowMapper(data.Schema));
            return;
        }

        if (Do($"GetRowToRowMapper ({who})", () => transformer.GetRowToRowMapper(data.Schema)) is not { } mapper)
            return;
        if (!ReferenceEquals(mapper.InputSchema, data.Schema))
            _findings.Add($"mapper.InputSchema is not the object given to GetRowToRowMapper ({who})");
        List<string> differences = SchemaComparison.Differences(schema, mapper.OutputSchema);
        Report($"mapper.OutputSchema ({who})", differences);
        if (differences.Count > 0)
            return;
        foreach (int[] columns in Subsets(schema.Count))
        {
            Do($"mapper.GetRow of {Show(columns, schema)} ({who})", () =>
                Same(RowTable.ReadMapped(mapper, data, columns), reference, schema, $"mapper.GetRow of {Show(columns, schema)} ({who})"));
        }
    }

    private void CheckReading(IDataView view, RowTable reference, string who)
    {
        int[] all = AllColumns(view);
        foreach (int[] columns in Subsets(all.Length))
        {
            string what = $"a cursor over {Show(columns, view.Schema)} ({who})";
            Do(what, () => Same(ReadNoting(view, columns, what), reference, view.Schema, what));
        }

        string turns = $"two cursors read in turns ({who})";
        Do(turns, () =>
        {
            (RowTable first, RowTable second) = RowTable.ReadInterleaved(view, all);
            Same(first, reference, view.Schema, turns);
            Same(second, reference, view.Schema, turns);
        });

        RowTable sorted = reference.SortedById();
        string set = $"a set of cursors on threads ({who})";
        Do(set, () =>
        {
            var found = new List<string>();
            RowTable table = RowTable.ReadSet(view, all, 3, found);
            Report(set, found);
            Same(table.SortedById(), sorted, view.Schema, set);
        });

        string shuffled = $"a shuffled cursor ({who})";
        Do(shuffled, () =>
        {
            var found = new List<string>();
            RowTable table = RowTable.Read(view, all, found, new Random(17));
            Report(shuffled, found);
            if (view.CanShuffle)
                Same(table.SortedById(), sorted, view.Schema, shuffled);
            else
                Same(table, reference, view.Schema, shuffled + " of a view that cannot shuffle");
        });
    }

    private void CheckCultures(ITransformer fitted, IDataView data, RowTable reference, bool fitsAreEqual)
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        foreach (string culture in s_cultures)
        {
            try
            {
                CultureInfo.CurrentCulture = new CultureInfo(culture);
                Do($"Transform under culture {culture}", () => SameTransformed(fitted, data, reference, $"values under culture {culture}"));
                Do($"Save, Load and Transform under culture {culture}", () =>
                {
                    ITransformer loaded = SaveAndLoad(fitted, data.Schema, out _);
                    using var disposing = loaded as IDisposable;
                    SameTransformed(loaded, data, reference, $"values after saving and loading under culture {culture}");
                });
                Do($"Fit under culture {culture}", () =>
                {
                    ITransformer again = _estimator.Fit(data);
                    using var disposing = again as IDisposable;
                    if (fitsAreEqual)
                        SameTransformed(again, data, reference, $"values after Fit under culture {culture}");
                });
            }
            finally
            {
                CultureInfo.CurrentCulture = before;
            }
        }
    }

    private void CheckSecondFit(ITransformer fitted, IDataView data, RowTable reference, bool fitsAreEqual)
    {
        if (Do("a second Fit of the same instance", () => _estimator.Fit(data)) is not { } second)
            return;
        Do("reading after a second Fit", () =>
        {
            SameTransformed(fitted, data, reference, "values of the first transformer after a second Fit");
            Report(
                "the schema after a second Fit",
                SchemaComparison.Differences(fitted.GetOutputSchema(data.Schema), second.GetOutputSchema(data.Schema)));
            if (fitsAreEqual)
                SameTransformed(second, data, reference, "values of a second Fit");
        });
        (second as IDisposable)?.Dispose();
    }

    private void ComparePromise(SchemaShape promised, SchemaShape delivered)
    {
        SchemaShape.Column[] promises = promised.OrderBy(c => c.Name, StringComparer.Ordinal).ToArray();
        SchemaShape.Column[] deliveries = delivered.OrderBy(c => c.Name, StringComparer.Ordinal).ToArray();
        if (promises.Length != deliveries.Length)
            _findings.Add($"{promises.Length} columns were promised and {deliveries.Length} delivered");
        foreach ((SchemaShape.Column promise, SchemaShape.Column delivery) in promises.Zip(deliveries))
        {
            if (promise.Name != delivery.Name)
                _findings.Add($"column '{promise.Name}' was promised where '{delivery.Name}' was delivered");
            else if (!promise.IsCompatibleWith(delivery))
                _findings.Add($"column '{promise.Name}' promises more than is delivered: {Show(promise)} against {Show(delivery)}");
            else if (!delivery.IsCompatibleWith(promise))
                _findings.Add($"column '{promise.Name}' delivers more than was promised: {Show(delivery)} against {Show(promise)}");
        }
    }

    private void EstimatorMustRefuse(IDataView data, string input)
    {
        MustFail($"estimator.GetOutputSchema({input})", () => _estimator.GetOutputSchema(SchemaShape.Create(data.Schema)));
        MustFail($"estimator.Fit({input})", () => _estimator.Fit(data));
    }

    private void TransformerMustRefuse(ITransformer transformer, IDataView data, string who, string input)
    {
        MustFail($"{who}.GetOutputSchema({input})", () => transformer.GetOutputSchema(data.Schema));
        MustFail($"{who}.Transform({input})", () => transformer.Transform(data));
    }

    /// <summary>ML.NET's notion of a proper refusal: one of two exception types, marked as thrown by ML.NET's own checks.</summary>
    private void MustFail(string what, Action action)
    {
        try
        {
            action();
        }
        catch (Exception e)
        {
            Exception innermost = e;
            while (innermost.InnerException != null)
                innermost = innermost.InnerException;
            if (innermost is not (ArgumentOutOfRangeException or InvalidOperationException))
            {
                _findings.Add(
                    $"{what} failed with {innermost.GetType().Name} ({innermost.Message}) instead of ArgumentOutOfRangeException or "
                    + "InvalidOperationException");
            }
            else if (!innermost.IsMarked())
            {
                _findings.Add($"{what} failed with an unmarked {innermost.GetType().Name} ({innermost.Message}): throw through the host");
            }
            return;
        }

        _findings.Add($"{what} did not fail");
    }

    private ITransformer SaveAndLoad(ITransformer transformer, DataViewSchema schema, out DataViewSchema loadedSchema)
    {
        using var stream = new MemoryStream();
        _context.Model.Save(transformer, schema, stream);
        stream.Position = 0;
        return new MLContext().Model.Load(stream, out loadedSchema);
    }

    private RowTable ReadNoting(IDataView view, int[] columns, string what)
    {
        var found = new List<string>();
        RowTable table = RowTable.Read(view, columns, found);
        Report(what, found);
        return table;
    }

    private void SameTransformed(ITransformer transformer, IDataView data, RowTable reference, string what)
    {
        IDataView view = transformer.Transform(data);
        Same(ReadNoting(view, AllColumns(view), what), reference, view.Schema, what);
    }

    private void Same(RowTable actual, RowTable expected, DataViewSchema schema, string what)
    {
        if (actual.DifferenceFrom(expected, schema) is { } difference)
            _findings.Add($"{what}: {difference}");
    }

    private void Report(string what, List<string> found)
    {
        foreach (string finding in found.Distinct())
            _findings.Add($"{what}: {finding}");
    }

    private void Do(string what, Action action) => Do<object>(what, () =>
    {
        action();
        return null!;
    });

    private T? Do<T>(string what, Func<T> action) where T : class
    {
        try
        {
            return action();
        }
        catch (Exception e)
        {
            _findings.Add($"{what} failed: {e.GetType().Name}: {e.Message}");
            return null;
        }
    }

    private static int[] AllColumns(IDataView view) => Enumerable.Range(0, view.Schema.Count).ToArray();

    /// <summary>All columns, those with an even index, those with an odd one, each alone, and none.</summary>
    private static IEnumerable<int[]> Subsets(int count)
    {
        int[] all = Enumerable.Range(0, count).ToArray();
        yield return all;
        yield return all.Where(i => i % 2 == 0).ToArray();
        yield return all.Where(i => i % 2 == 1).ToArray();
        foreach (int column in all)
            yield return [column];
        yield return [];
    }

    private static string Show(int[] columns, DataViewSchema schema) =>
        columns.Length == 0 ? "no column" : "'" + string.Join("', '", columns.Select(i => schema[i].Name)) + "'";

    private static string Show(SchemaShape.Column column) =>
        $"{column.GetTypeString()} with annotations [{string.Join(", ", column.Annotations.Select(a => $"{a.Name} {a.GetTypeString()}"))}]";
}
