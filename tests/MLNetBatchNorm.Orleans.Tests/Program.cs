using Microsoft.Testing.Platform.Builder;
using MLNetBatchNorm.Clustering.Tests;

if (ProcessRole.IsOne(args))
    return await ProcessRole.Run(args);

if (args is [Measurement.Switch, ..])
{
    await Measurement.Run(args[1..]);
    return 0;
}

ITestApplicationBuilder builder = await TestApplication.CreateBuilderAsync(args);
SelfRegisteredExtensions.AddSelfRegisteredExtensions(builder, args);
using ITestApplication application = await builder.BuildAsync();
return await application.RunAsync();
