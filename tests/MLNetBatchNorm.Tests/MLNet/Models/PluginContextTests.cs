using System.Reflection;
using System.Runtime.Loader;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// The library in a load context of a plug-in's own, in a program that does not reference it. A model names its loader by assembly, and the
/// runtime looks for assemblies in the default context, unless the calling code has entered another one.
/// </summary>
[TestClass]
public sealed class PluginContextTests
{
    private readonly MLContext _context = new(seed: 1);

    private string _folder = "";

    [TestInitialize]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DataRow((int)NetworkKind.Binary)]
    [DataRow((int)NetworkKind.Multiclass)]
    [DataRow((int)NetworkKind.Regression)]
    public void Load_InTheEnteredContext_GivesTheSameScores(int kind)
    {
        (string model, string rows, string scores) = Save((NetworkKind)kind);

        Assert.AreEqual(scores, FreshProcess.RunWithoutLibrary<LoadEntered>(model, rows));
    }

    /// <summary>Shows that the test can fail, and what one sees who does not know: to register the assembly is not enough.</summary>
    [TestMethod]
    public void Load_OutsideOfTheContext_DoesNotFindTheLibrary()
    {
        (string model, string rows, _) = Save(NetworkKind.Binary);

        StringAssert.StartsWith(
            FreshProcess.RunWithoutLibrary<LoadRegistered>(model, rows),
            "FileNotFoundException: Could not load file or assembly 'MLNetBatchNorm, Version=1.0.0.0");
    }

    /// <summary>For a host that cannot know where models are loaded.</summary>
    [TestMethod]
    public void Load_WithADefaultContextThatAsksThePlugin_GivesTheSameScores()
    {
        (string model, string rows, string scores) = Save(NetworkKind.Multiclass);

        Assert.AreEqual(scores, FreshProcess.RunWithoutLibrary<LoadResolved>(model, rows));
    }

    [TestMethod]
    public void Load_InACollectibleContext_GivesTheSameScores()
    {
        (string model, string rows, string scores) = Save(NetworkKind.Binary);

        Assert.AreEqual(scores, FreshProcess.RunWithoutLibrary<LoadCollectible>(model, rows));
    }

    private (string Model, string Rows, string Scores) Save(NetworkKind kind)
    {
        string model = Path.Combine(_folder, "model.zip"), rows = Path.Combine(_folder, "rows.idv");
        IDataView data = NetworkExamples.View(_context, kind, NetworkExamples.Rows(80));
        // A transformer of the library's own as well: another kind of loader.
        ITransformer trained = _context.Transforms.BatchNormalize("Features")
            .Append(NetworkExamples.Quick(_context, kind, options => options.NumberOfEnsembleMembers = 1)).Fit(data);
        _context.Model.Save(trained, data.Schema, model);
        using (FileStream file = File.Create(rows))
            _context.Data.SaveAsBinary(data, file);
        return (model, rows, Scores(_context, trained, rows));
    }

    private static string Scores(MLContext context, ITransformer model, string rows)
    {
        IDataView scored = model.Transform(context.Data.LoadFromBinary(rows));
        return string.Join(' ', scored.Schema["Score"].Type is VectorDataViewType
            ? scored.GetColumn<float[]>("Score").SelectMany(row => row).Select(BitConverter.SingleToUInt32Bits)
            : scored.GetColumn<float>("Score").Select(BitConverter.SingleToUInt32Bits));
    }

    internal sealed class LoadEntered : IFreshProcessTask
    {
        public static void Run(string[] arguments, TextWriter output) => Run(new AssemblyLoadContext("plugin"), arguments, output);

        public static void Run(AssemblyLoadContext plugin, string[] arguments, TextWriter output)
        {
            Assembly library = plugin.LoadFromAssemblyPath(arguments[0]);
            var mlContext = new MLContext();
            ITransformer model;
            using (AssemblyLoadContext.EnterContextualReflection(library))
                model = mlContext.Model.Load(arguments[1], out _);
            output.Write(Scores(mlContext, model, arguments[2]));
        }
    }

    internal sealed class LoadRegistered : IFreshProcessTask
    {
        public static void Run(string[] arguments, TextWriter output)
        {
            Assembly library = new AssemblyLoadContext("plugin").LoadFromAssemblyPath(arguments[0]);
            var mlContext = new MLContext();
            mlContext.ComponentCatalog.RegisterAssembly(library);
            Exception error = Assert.Throws<Exception>(() => mlContext.Model.Load(arguments[1], out _));
            output.Write($"{error.GetBaseException().GetType().Name}: {error.GetBaseException().Message}");
        }
    }

    internal sealed class LoadResolved : IFreshProcessTask
    {
        public static void Run(string[] arguments, TextWriter output)
        {
            Assembly library = new AssemblyLoadContext("plugin").LoadFromAssemblyPath(arguments[0]);
            AssemblyLoadContext.Default.Resolving += (_, name) => name.Name == library.GetName().Name ? library : null;
            var mlContext = new MLContext();
            output.Write(Scores(mlContext, mlContext.Model.Load(arguments[1], out _), arguments[2]));
        }
    }

    internal sealed class LoadCollectible : IFreshProcessTask
    {
        public static void Run(string[] arguments, TextWriter output) =>
            LoadEntered.Run(new AssemblyLoadContext("plugin", isCollectible: true), arguments, output);
    }
}
