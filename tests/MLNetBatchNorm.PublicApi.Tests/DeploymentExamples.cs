using System.Reflection;
using System.Runtime.Loader;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>The C# of docs/deployment.md; see <see cref="ReadmeTests"/>.</summary>
[TestClass]
public sealed class DeploymentExamples
{
    /// <summary>
    /// This program references the library, so that a model loads without the plug-in too: what is loaded tells which of the two copies was
    /// found. That nothing is found without it is shown where the library is not referenced, in a process of its own.
    /// </summary>
    [TestMethod]
    public void PluginLoad_FindsThePluginsLibrary()
    {
        var mlContext = new MLContext(seed: 1);
        IDataView rows = SampleTables.Tumours(mlContext);
        string pathOfMLNetBatchNorm = typeof(BatchNormNetworkOptions).Assembly.Location;
        try
        {
            mlContext.Model.Save(mlContext.Transforms.BatchNormalize("Features").Fit(rows), rows.Schema, "tumours.zip");

            #region PluginLoad
            var plugin = new AssemblyLoadContext("plugin");
            Assembly library = plugin.LoadFromAssemblyPath(pathOfMLNetBatchNorm);

            ITransformer model;
            using (AssemblyLoadContext.EnterContextualReflection(library))
                model = mlContext.Model.Load("tumours.zip", out _);
            #endregion

            Assert.AreSame(library, model.GetType().Assembly);
            Assert.AreNotSame(typeof(BatchNormNetworkOptions).Assembly, library);
        }
        finally
        {
            File.Delete("tumours.zip");
        }
    }
}
