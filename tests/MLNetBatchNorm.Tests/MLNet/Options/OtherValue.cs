using System.Reflection;
using System.Text.Json.Serialization;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Values that are not the default, for tests that set every option there is.</summary>
internal static class OtherValue
{
    /// <summary>Another legal value of the option than <paramref name="value"/>.</summary>
    public static object Than(object? value, Type type, OptionRangeAttribute? range)
    {
        object other = type switch
        {
            _ when type == typeof(bool) => !(bool)(value ?? false),
            _ when type == typeof(int) => Number(value, range, 7),
            _ when type == typeof(double) => (double)Number(value, range, 7) - 0.25 + (range is { Maximum: <= 1 } ? -0.125 : 0),
            _ when type == typeof(long) => (long)(value ?? 1L) + 3,
            _ when type == typeof(string) => $"another {value}",
            _ when type == typeof(int[]) => new[] { 5, 3 },
            _ when type == typeof(double[]) => new[] { 0.25, 4, 1 },
            _ when type == typeof(ActivationFunction[]) => new[] { ActivationFunction.Mish, ActivationFunction.Tanh },
            _ when type == typeof(BatchNormalizationPlacement[]) => new[] { BatchNormalizationPlacement.LayerInput },
            _ when type == typeof(IReadOnlyList<long>) => new long[] { 2, 30 },
            _ when type == typeof(ImageShape) => new ImageShape(2, 3, 4) { Order = PixelOrder.Interleaved },
            _ when type == typeof(ConvolutionLayer[]) => new[] { (ConvolutionLayer)Fill(new ConvolutionLayer(16, 2)) },
            { IsEnum: true } => Enum.GetValues(type).Cast<object>().First(member => !member.Equals(value)),
            { IsAbstract: true } => Filled(Derived(type).First(derived => derived != value?.GetType())),
            _ => throw new NotSupportedException($"Say here what another {type.Name} is."),
        };
        return other.Equals(value) ? throw new NotSupportedException($"Another value than {value} is needed.") : other;
    }

    /// <summary>The classes that stand for an abstract one in JSON.</summary>
    public static IEnumerable<Type> Derived(Type type) =>
        type.GetCustomAttributes<JsonDerivedTypeAttribute>(inherit: false).Select(attribute => attribute.DerivedType);

    /// <summary>An object of which no property has its default.</summary>
    public static object Filled(Type type)
    {
        return Fill(Activator.CreateInstance(type)!);
    }

    private static object Fill(object filled)
    {
        foreach (PropertyInfo property in filled.GetType().GetProperties().Where(property => property.CanWrite))
        {
            property.SetValue(
                filled, Than(property.GetValue(filled), Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType, null));
        }
        return filled;
    }

    private static int Number(object? value, OptionRangeAttribute? range, int usual)
    {
        int number = range is { Maximum: <= 1 } ? 1 : Math.Max(usual, (int)(range?.Minimum ?? 0) + 1);
        return number == Convert.ToDouble(value ?? 0) ? number + 1 : number;
    }
}
