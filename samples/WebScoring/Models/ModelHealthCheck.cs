using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace WebScoring.Models;

/// <summary>Healthy: the file on disk answers. Degraded: an older model does. Unhealthy: none does.</summary>
internal sealed class ModelHealthCheck(ModelStore store) : IHealthCheck
{
    /// <summary>The name under which the check is registered.</summary>
    public const string Name = "model";

    /// <summary>The key of the moment that was judged, among the result's data.</summary>
    public const string StateKey = "state";

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        ModelState state = store.State;
        var data = new Dictionary<string, object> { [StateKey] = state };
        return Task.FromResult(state switch
        {
            { Model: null, Fault: { } fault } => HealthCheckResult.Unhealthy($"There is no model. {fault.Reason}", data: data),
            { Model: null } => HealthCheckResult.Unhealthy(state.Activity, data: data),
            { Fault: { } fault } => HealthCheckResult.Degraded($"The model loaded before goes on answering. {fault.Reason}", data: data),
            _ => HealthCheckResult.Healthy("The model on disk answers.", data),
        });
    }
}
