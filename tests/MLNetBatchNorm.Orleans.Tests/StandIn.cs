using System.Reflection;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>
/// Stands for a grain, and calls the methods of an object that have the names of the grain's: Orleans takes a class that is a grain for
/// one, also where it is a fake. It cannot be sealed.
/// </summary>
internal class StandIn : DispatchProxy
{
    private object _object = null!;

    /// <summary>A grain that does what an object does.</summary>
    public static T Of<T>(object fake)
        where T : class
    {
        T standIn = Create<T, StandIn>();
        ((StandIn)(object)standIn)._object = fake;
        return standIn;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        MethodInfo method = _object.GetType().GetMethod(targetMethod!.Name)
            ?? throw new NotSupportedException($"{_object.GetType().Name} has no {targetMethod.Name}.");
        return method.Invoke(_object, BindingFlags.DoNotWrapExceptions, binder: null, args, culture: null);
    }
}
