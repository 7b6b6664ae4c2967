using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>The public surface: listed in a file, so that no change of it goes unnoticed, and made of types that outsiders can see.</summary>
[TestClass]
public sealed class PublicApiTests
{
    private const string RenewVariable = "BATCHNORM_RENEW_PUBLIC_API";
    private const string FileName = "public-api.txt";

    private static readonly Assembly s_library = typeof(BatchNormNetworkOptions).Assembly;

    [TestMethod]
    public void PublicMembers_AreTheListedOnes()
    {
        string[] found = [.. Describe().Order(StringComparer.Ordinal)];
        if (Environment.GetEnvironmentVariable(RenewVariable) == "1")
        {
            File.WriteAllLines(Path.Combine(SourceFolder(), FileName), found);
            Assert.Inconclusive($"{FileName} was written anew; run again without {RenewVariable}.");
        }

        string[] listed = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, FileName));
        string[] differences = [.. found.Except(listed).Select(line => "+ " + line), .. listed.Except(found).Select(line => "- " + line)];
        Assert.IsEmpty(differences, $"The public surface has changed. If that is meant, run once with {RenewVariable}=1.\n{string.Join('\n', differences)}");
    }

    /// <summary>Types are sealed, static, or closed to outsiders by their constructors: nobody can depend on overriding them.</summary>
    [TestMethod]
    public void PublicTypes_CannotBeDerivedFrom()
    {
        string[] open =
        [
            .. s_library.GetExportedTypes()
                .Where(type => type.IsClass && !type.IsSealed)
                .Where(type => type.GetConstructors(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).Any(constructor => constructor.IsPublic || constructor.IsFamily))
                .Select(type => type.FullName!),
        ];

        Assert.IsEmpty(open, string.Join("\n", open));
    }

    /// <summary>No public signature names a type of ML.NET that is closed to others, though the library itself can see it.</summary>
    [TestMethod]
    public void PublicSignatures_NameVisibleTypesOnly()
    {
        string[] hidden =
        [
            .. s_library.GetExportedTypes().SelectMany(type => type.GetMembers(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly))
                .SelectMany(member => TypesOf(member).Where(type => !type.IsVisible).Select(type => $"{member.DeclaringType}.{member.Name}: {type}")),
        ];

        Assert.IsEmpty(hidden, string.Join("\n", hidden));
    }

    [TestMethod]
    public void Momentum_IsNeverABareName()
    {
        Assert.IsEmpty(s_library.GetExportedTypes().SelectMany(type => type.GetMembers()).Where(member => member.Name == "Momentum").ToArray());
    }

    private static IEnumerable<Type> TypesOf(MemberInfo member) => member switch
    {
        MethodInfo method => [method.ReturnType, .. method.GetParameters().Select(parameter => parameter.ParameterType)],
        ConstructorInfo constructor => constructor.GetParameters().Select(parameter => parameter.ParameterType),
        PropertyInfo property => [property.PropertyType],
        FieldInfo field => [field.FieldType],
        _ => [],
    };

    private static IEnumerable<string> Describe()
    {
        foreach (Type type in s_library.GetExportedTypes())
        {
            string kind = type.IsEnum ? "enum" : type.IsInterface ? "interface" : type.IsValueType ? "struct" : type.IsAbstract && type.IsSealed ? "static class" : type.IsSealed ? "sealed class" : "class";
            yield return $"{Name(type)} ({kind} : {(type.BaseType is null ? "" : Name(type.BaseType))})";
            foreach (MemberInfo member in type.GetMembers(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly))
            {
                // Accessors are listed with their property; what the compiler generates is not a promise of ours.
                if (member is MethodInfo { IsSpecialName: true } or FieldInfo { IsSpecialName: true } or Type || member.GetCustomAttribute<CompilerGeneratedAttribute>() is not null)
                    continue;
                yield return $"{Name(type)}.{Signature(member)}";
            }
        }
    }

    private static string Signature(MemberInfo member) => member switch
    {
        MethodInfo method => $"{method.Name}({Parameters(method)}) : {Name(method.ReturnType)}",
        ConstructorInfo constructor => $"new({Parameters(constructor)})",
        PropertyInfo property =>
            $"{property.Name}{(property.GetIndexParameters() is { Length: > 0 } indices ? $"[{string.Join(", ", indices.Select(Parameter))}]" : "")} : {Name(property.PropertyType)}"
            + $" {{{(property.GetMethod is { IsPublic: true } ? " get;" : "")}{(property.SetMethod is { IsPublic: true } setter ? IsInitOnly(setter) ? " init;" : " set;" : "")} }}",
        FieldInfo { IsLiteral: true } constant => $"{constant.Name} = {Convert.ToString(constant.GetRawConstantValue(), System.Globalization.CultureInfo.InvariantCulture)}",
        FieldInfo field => $"{field.Name} : {Name(field.FieldType)}",
        _ => member.ToString()!,
    };

    private static bool IsInitOnly(MethodInfo setter) => setter.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit));

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(Parameter));

    private static string Parameter(ParameterInfo parameter) => $"{Name(parameter.ParameterType)} {parameter.Name}{(parameter.HasDefaultValue ? $" = {Default(parameter)}" : "")}";

    private static string Default(ParameterInfo parameter) =>
        parameter.RawDefaultValue is { } value ? Convert.ToString(value, System.Globalization.CultureInfo.InvariantCulture)! : "null";

    private static string Name(Type type)
    {
        if (type.IsArray)
            return Name(type.GetElementType()!) + "[]";
        if (type.IsByRef)
            return "ref " + Name(type.GetElementType()!);
        string own = type.IsNested && !type.IsGenericParameter ? $"{Name(type.DeclaringType!)}.{type.Name}" : type.Name;
        if (!type.IsGenericType)
            return own;
        return $"{own.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>";
    }

    private static string SourceFolder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
