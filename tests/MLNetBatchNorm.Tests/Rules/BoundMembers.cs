using Mono.Cecil;

namespace MLNetBatchNorm.Tests.Rules;

/// <summary>
/// Which non-public types and members of ML.NET a compiled library is bound to: what a new
/// release of ML.NET could take away without a word.
/// </summary>
/// <remarks>Constants of ML.NET are copied into the library when it is compiled and are not bound.</remarks>
internal static class BoundMembers
{
    private const string Foreign = "Microsoft.ML";

    /// <summary>One line for each, sorted: assembly, type, then the member with its access, or what an override overrides.</summary>
    /// <param name="path">The library. ML.NET's assemblies are found beside it.</param>
    /// <param name="unresolved">
    /// References to types or members that ML.NET's assemblies do not have; none, if the library can run with them.
    /// </param>
    public static IReadOnlyList<string> Find(string path, out IReadOnlyList<string> unresolved)
    {
        using var resolver = new DefaultAssemblyResolver();
        resolver.AddSearchDirectory(Path.GetDirectoryName(path));
        resolver.AddSearchDirectory(Path.GetDirectoryName(typeof(object).Assembly.Location));
        using ModuleDefinition module = ModuleDefinition.ReadModule(path, new ReaderParameters { AssemblyResolver = resolver });

        var found = new SortedSet<string>(StringComparer.Ordinal);
        var missing = new SortedSet<string>(StringComparer.Ordinal);
        foreach (TypeReference reference in module.GetTypeReferences().Where(IsForeign))
            AddType(reference, found, missing);
        foreach (MemberReference reference in module.GetMemberReferences().Where(
            r => r.DeclaringType != null && IsForeign(r.DeclaringType.GetElementType())))
        {
            AddMember(reference, found, missing);
        }
        foreach (TypeDefinition type in module.GetTypes())
        {
            foreach (InterfaceImplementation implementation in type.Interfaces)
                AddInterface(implementation.InterfaceType, found);
            foreach (MethodDefinition method in type.Methods)
                AddOverrides(method, found);
        }

        unresolved = [.. missing];
        return [.. found];
    }

    private static bool IsForeign(TypeReference type) => type.Scope.Name.StartsWith(Foreign, StringComparison.Ordinal);

    private static void AddType(TypeReference reference, SortedSet<string> found, SortedSet<string> missing)
    {
        TypeDefinition? type = reference.Resolve();
        if (type == null)
            missing.Add($"type {reference.FullName}");
        else if (!IsVisible(type))
            found.Add(Line(type, $"(the type itself) {AccessOf(type)}"));
    }

    private static void AddMember(MemberReference reference, SortedSet<string> found, SortedSet<string> missing)
    {
        IMemberDefinition? member = reference.Resolve();
        switch (member)
        {
            case null:
                missing.Add($"member {reference.FullName}");
                break;
            case MethodDefinition method when !IsVisible(method.DeclaringType) || !IsOpen(method):
                found.Add(Line(method.DeclaringType, $"{Show(method)} {AccessOf(method)}"));
                break;
            case FieldDefinition field when !IsVisible(field.DeclaringType)
                || !(field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly):
                found.Add(Line(field.DeclaringType, $"{field.Name} {AccessOf(field)}"));
                break;
        }
    }

    /// <summary>All of a closed interface: a member that a new release adds to it would be missing here.</summary>
    private static void AddInterface(TypeReference reference, SortedSet<string> found)
    {
        if (!IsForeign(reference.GetElementType()) || reference.Resolve() is not { } type || IsVisible(type))
            return;
        foreach (MethodDefinition method in type.Methods)
            found.Add(Line(type, $"{Show(method)} implemented"));
    }

    private static void AddOverrides(MethodDefinition method, SortedSet<string> found)
    {
        if (!method.IsVirtual || method.IsNewSlot)
            return;
        for (TypeDefinition? type = method.DeclaringType.BaseType?.Resolve(); type != null; type = type.BaseType?.Resolve())
        {
            MethodDefinition? overridden = type.Methods.FirstOrDefault(
                m => m.IsVirtual && m.IsNewSlot && m.Name == method.Name && m.Parameters.Count == method.Parameters.Count);
            if (overridden == null)
                continue;
            if (IsForeign(type) && !IsOpen(overridden))
                found.Add(Line(type, $"{Show(overridden)} {AccessOf(overridden)} overridden"));
            return;
        }
    }

    private static bool IsVisible(TypeDefinition type)
        => type.IsNested ? type.IsNestedPublic && IsVisible(type.DeclaringType) : type.IsPublic;

    /// <summary>Public, or open to derived types: what C# would allow without help, if the type is visible.</summary>
    private static bool IsOpen(MethodDefinition method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static string Line(TypeDefinition type, string what) => $"{type.Module.Assembly.Name.Name} {type.FullName} {what}";

    private static string Show(MethodDefinition method)
        => $"{method.Name}({string.Join(", ", method.Parameters.Select(p => Show(p.ParameterType)))})";

    private static string Show(TypeReference type)
        => type is GenericInstanceType generic
            ? $"{generic.Name.Split('`')[0]}<{string.Join(", ", generic.GenericArguments.Select(Show))}>"
            : type.Name;

    private static string AccessOf(TypeDefinition type)
        => type.IsNestedPrivate
            ? "private"
            : type.IsNestedFamily ? "protected" : type.IsNestedPublic ? "public in a closed type" : "internal";

    private static string AccessOf(MethodDefinition method)
        => method.IsPublic ? "public" : method.IsFamily ? "protected" : method.IsFamilyOrAssembly ? "protected internal"
            : method.IsFamilyAndAssembly ? "private protected" : method.IsAssembly ? "internal" : "private";

    private static string AccessOf(FieldDefinition field)
        => field.IsPublic ? "public" : field.IsFamily ? "protected" : field.IsFamilyOrAssembly ? "protected internal"
            : field.IsFamilyAndAssembly ? "private protected" : field.IsAssembly ? "internal" : "private";
}
