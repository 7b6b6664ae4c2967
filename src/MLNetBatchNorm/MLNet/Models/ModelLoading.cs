using Microsoft.ML;
using Microsoft.ML.Model;
using Microsoft.ML.Runtime;

namespace MLNetBatchNorm;

/// <summary>What loading has in common for every saved type of this package.</summary>
internal static class ModelLoading
{
    /// <summary>
    /// Checks the header and loads. A stream that ends inside the fields that ML.NET's own base reads would surface as an exception without
    /// ML.NET's mark, which <c>Model.Load</c> passes on as a bare <see cref="System.Reflection.TargetInvocationException"/>; here it
    /// becomes a marked <see cref="FormatException"/>.
    /// </summary>
    public static T Guard<T>(IExceptionContext context, ModelLoadContext ctx, VersionInfo version, Func<T> load)
    {
        ctx.CheckAtModel(version);
        try
        {
            return load();
        }
        catch (EndOfStreamException)
        {
            throw context.ExceptDecode("The data of the model ends too early.");
        }
    }
}
