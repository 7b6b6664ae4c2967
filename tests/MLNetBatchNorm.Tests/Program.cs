using Microsoft.Testing.Platform.Builder;
using MLNetBatchNorm.Tests;

// Nothing here may touch the library under test: a fresh process is to find it as an application would, not already loaded.
if (FreshProcess.IsTask(args))
    return FreshProcess.RunTask(args);

ITestApplicationBuilder builder = await TestApplication.CreateBuilderAsync(args);
SelfRegisteredExtensions.AddSelfRegisteredExtensions(builder, args);
using ITestApplication application = await builder.BuildAsync();
return await application.RunAsync();
