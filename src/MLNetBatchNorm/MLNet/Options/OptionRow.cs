using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>
/// One option of a trainer in the table of all of them, which is made from the options' properties: an option stands in one place, its
/// property.
/// </summary>
/// <remarks>
/// What is no value, and so can be neither checked nor saved (token, progress, views), carries <see cref="JsonIgnoreAttribute"/> and is not
/// in the table.
/// </remarks>
internal sealed class OptionRow
{
    private readonly PropertyInfo? _group;

    private OptionRow(PropertyInfo? group, PropertyInfo property)
    {
        _group = group;
        Property = property;
        Range = property.GetCustomAttribute<OptionRangeAttribute>();
    }

    /// <summary>Name of the option, with that of its group in front: <c>Checkpoint.Path</c>.</summary>
    public string Name => _group is null ? Property.Name : $"{_group.Name}.{Property.Name}";

    /// <summary>The option itself.</summary>
    public PropertyInfo Property { get; }

    /// <summary>The numbers it may take; null where it is no number, or any number.</summary>
    public OptionRangeAttribute? Range { get; }

    /// <summary>The type of the group it is in; null: none.</summary>
    public Type? Owner => _group?.PropertyType;

    /// <summary>The type of its values, without "or null".</summary>
    public Type Type => Nullable.GetUnderlyingType(Property.PropertyType) ?? Property.PropertyType;

    /// <summary>The options of an object of options, each once.</summary>
    public static IReadOnlyList<OptionRow> Of(BatchNormNetworkOptions options) => Of(options.GetType());

    /// <summary>The options of a type of options, each once.</summary>
    public static IReadOnlyList<OptionRow> Of([DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] Type options) =>
    [
        .. PropertiesOf(options).SelectMany(property => IsGroup(property.PropertyType)
            ? InnerOf(property.PropertyType).Select(inner => new OptionRow(property, inner))
            : [new OptionRow(null, property)]),
    ];

    /// <summary>The option's value; null where it is not set, or its group is not.</summary>
    public object? Read(BatchNormNetworkOptions options)
    {
        object? owner = _group is null ? options : _group.GetValue(options);
        return owner is null ? null : Property.GetValue(owner);
    }

    private static bool IsGroup(Type type) => type == typeof(CheckpointOptions) || type == typeof(SearchSpace);

    // Named one by one, so that trimming keeps their properties.
    private static IEnumerable<PropertyInfo> InnerOf(Type group) =>
        group == typeof(SearchSpace) ? PropertiesOf(typeof(SearchSpace)) : PropertiesOf(typeof(CheckpointOptions));

    private static IEnumerable<PropertyInfo> PropertiesOf(
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] Type type) =>
        type.GetProperties(BindingFlags.Instance | BindingFlags.Public)
            .Where(property => property.GetCustomAttribute<JsonIgnoreAttribute>() is null);
}
