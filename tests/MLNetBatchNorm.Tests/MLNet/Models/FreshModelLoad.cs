using System.Globalization;
using System.Text;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Saves a model and its input, loads and applies it in a fresh process, and compares schema and values, bit for bit.</summary>
internal sealed class FreshModelLoad : IFreshProcessTask
{
    /// <summary>For any transformer or trained model of this package, alone or in a chain.</summary>
    /// <param name="context">The context the model was made in.</param>
    /// <param name="model">The model.</param>
    /// <param name="input">What it is applied to. Hidden columns and annotations that ML.NET cannot save are not passed on.</param>
    /// <param name="culture">The culture of the fresh process.</param>
    public static void Check(MLContext context, ITransformer model, IDataView input, string culture = "")
    {
        string folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;
        try
        {
            string modelPath = Path.Combine(folder, "model.zip");
            string inputPath = Path.Combine(folder, "input.idv");
            context.Model.Save(model, input.Schema, modelPath);
            using (FileStream stream = File.Create(inputPath))
                context.Data.SaveAsBinary(input, stream, keepHidden: false);

            // The reference reads the same file, so that what the file cannot hold makes no difference.
            string expected = Describe(model.Transform(context.Data.LoadFromBinary(inputPath)));
            Assert.AreEqual(expected, FreshProcess.Run<FreshModelLoad>(modelPath, inputPath, culture));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    public static void Run(string[] arguments, TextWriter output)
    {
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = new CultureInfo(arguments[2]);
        if (FreshProcess.IsLibraryLoaded())
            throw new InvalidOperationException("The library is loaded before the model is: the test would not show how it is found.");
        var context = new MLContext();
        ITransformer model = context.Model.Load(arguments[0], out _);
        output.Write(Describe(model.Transform(context.Data.LoadFromBinary(arguments[1]))));
    }

    /// <summary>Columns, types, annotations and all values as text that tells any two numbers apart.</summary>
    private static string Describe(IDataView view)
    {
        var text = new StringBuilder();
        int[] columns = view.Schema.Where(c => !c.IsHidden).Select(c => c.Index).ToArray();
        foreach (int column in columns)
        {
            DataViewSchema.Annotations annotations = view.Schema[column].Annotations;
            string kinds = string.Join(", ", annotations.Schema.Select(a => $"{a.Name} {a.Type}").Order(StringComparer.Ordinal));
            text.Append(CultureInfo.InvariantCulture, $"{view.Schema[column].Name} {view.Schema[column].Type} [{kinds}]\n");
        }

        foreach (object?[] row in RowTable.Read(view, columns, []).Rows)
            text.Append(string.Join("\t", row.Select(Show))).Append('\n');
        return text.ToString();
    }

    private static string Show(object? value) =>
        value is Array array ? string.Join(" ", array.Cast<object?>().Select(Show)) : RowTable.Show(value);
}
