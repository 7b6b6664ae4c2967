// Scores rows over HTTP with a model zip, and picks up the file when it is replaced. The parts: Models (loading, pooling, swapping),
// Requests (reading and refusing input), Endpoints (the routes), wwwroot (the page).
using WebScoring;
using WebScoring.Endpoints;
using WebScoring.Models;
using WebScoring.Requests;

WebApplicationBuilder builder = WebApplication.CreateBuilder(
    new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });

builder.Services.AddOptions<ScoringOptions>().BindConfiguration("Scoring").ValidateDataAnnotations().ValidateOnStart();
builder.Services.AddSingleton<ModelStore>();
builder.Services.AddHostedService<ModelWatcher>();
builder.Services.AddHealthChecks().AddCheck<ModelHealthCheck>(ModelHealthCheck.Name);
builder.Services.AddProblemDetails();
builder.Services.AddExceptionHandler<BadRequestHandler>();
builder.Services.ConfigureHttpJsonOptions(json => json.SerializerOptions.TypeInfoResolverChain.Insert(0, ResponseJson.Default));
builder.WebHost.ConfigureKestrel((context, kestrel) =>
{
    kestrel.AddServerHeader = false;
    kestrel.Limits.MaxRequestBodySize = context.Configuration.GetValue("Scoring:MaximumBodyBytes", new ScoringOptions().MaximumBodyBytes);
});

WebApplication app = builder.Build();
app.UseExceptionHandler();
app.UseStatusCodePages();
app.UsePageHeaders();
app.UseDefaultFiles();
app.UseStaticFiles();
app.MapStatus();
app.MapScoring();
app.Run();
