using System.Text.RegularExpressions;
using Mono.Cecil;
using Mono.Cecil.Cil;

namespace MLNetBatchNorm.Tests.Rules;

/// <summary>Who may use whom. Each layer is a folder of sources and, but for public types, a namespace of the same name.</summary>
internal sealed partial class DependencyRule
{
    /// <summary>For each layer, the layers it may use besides itself.</summary>
    public static readonly IReadOnlyDictionary<string, string[]> Allowed = new Dictionary<string, string[]>
    {
        ["Kernels"] = [],
        ["Formats"] = [],
        ["Data"] = ["Kernels"],
        ["Objectives"] = ["Formats", "Kernels"],
        ["Encoding"] = ["Data", "Formats", "Kernels"],
        ["Network"] = ["Encoding", "Data", "Formats", "Objectives", "Kernels"],
        ["Training"] = ["Network", "Encoding", "Data", "Objectives", "Kernels"],
        ["Export"] = ["Training", "Network", "Encoding", "Objectives", "Formats"],
        ["Persistence"] = ["Training", "Network", "Encoding", "Formats", "Objectives", "Kernels"],
        ["Distribution"] = ["Persistence", "Training", "Network", "Encoding", "Data", "Formats", "Objectives", "Kernels"],
        ["MLNet"] =
            ["Distribution", "Persistence", "Export", "Training", "Network", "Encoding", "Data", "Formats", "Objectives", "Kernels"],
    };

    /// <summary>The only layer that may refer to assemblies other than .NET's own.</summary>
    private const string TopLayer = "MLNet";

    private readonly string _rootNamespace;
    private readonly IReadOnlyDictionary<string, string> _layersByTypeName;
    private readonly SortedSet<string> _violations = new(StringComparer.Ordinal);

    private DependencyRule(string rootNamespace, IReadOnlyDictionary<string, string> layersByTypeName)
    {
        _rootNamespace = rootNamespace;
        _layersByTypeName = layersByTypeName;
    }

    /// <summary>Every use in a compiled module that the rule forbids, and every type that belongs to no layer.</summary>
    /// <param name="module">The module.</param>
    /// <param name="rootNamespace">The namespace above the layers.</param>
    /// <param name="layersByTypeName">The layers of the types that stand in the root namespace itself or elsewhere, by full name.</param>
    public static IReadOnlyCollection<string> Violations(
        ModuleDefinition module, string rootNamespace, IReadOnlyDictionary<string, string> layersByTypeName)
    {
        var rule = new DependencyRule(rootNamespace, layersByTypeName);
        foreach (TypeDefinition type in module.GetTypes())
            rule.Check(type);
        return rule._violations;
    }

    /// <summary>The layer of every type declared in a folder of sources, by full name, taken from the folder its file is in.</summary>
    public static IReadOnlyDictionary<string, string> LayersOfSources(string folder)
    {
        var layers = new Dictionary<string, string>();
        foreach (string path in Repository.SourceFiles(folder))
        {
            string layer = Path.GetRelativePath(folder, path).Split(Path.DirectorySeparatorChar)[0];
            string text = File.ReadAllText(path);
            string name = NamespaceDeclaration().Match(text).Groups["name"].Value;
            foreach (Match type in TypeDeclaration().Matches(text))
            {
                string generic = type.Groups["parameters"].Success ? "`" + type.Groups["parameters"].Value.Split(',').Length : "";
                layers.TryAdd($"{name}.{type.Groups["name"].Value}{generic}", layer);
            }
        }

        return layers;
    }

    /// <summary>Every <c>using</c> line of a folder of sources that the rule forbids.</summary>
    public static IReadOnlyCollection<string> UsingViolations(string folder, string rootNamespace)
    {
        var violations = new SortedSet<string>(StringComparer.Ordinal);
        foreach (string path in Repository.SourceFiles(folder))
        {
            string relative = Path.GetRelativePath(folder, path);
            string layer = relative.Split(Path.DirectorySeparatorChar)[0];
            foreach (Match line in UsingLine().Matches(File.ReadAllText(path)))
            {
                string used = line.Groups["name"].Value;
                if (LayerOfNamespace(used, rootNamespace) is { } usedLayer
                    ? !MayUse(layer, usedLayer)
                    : layer != TopLayer && !IsOfDotNet(used) && !used.StartsWith(rootNamespace, StringComparison.Ordinal))
                {
                    violations.Add($"{relative}: using {used}");
                }
            }
        }

        return violations;
    }

    [GeneratedRegex(@"^namespace\s+(?<name>[\w.]+)", RegexOptions.Multiline)]
    private static partial Regex NamespaceDeclaration();

    [GeneratedRegex(
        @"^(?:(?:public|internal|static|sealed|abstract|partial|readonly|ref|unsafe|file)\s+)*"
        + @"(?:class|struct|enum|interface|record(?:\s+struct|\s+class)?|delegate\s+[\w<>\[\],.?]+)\s+"
        + @"(?<name>\w+)(?:<(?<parameters>[^>]+)>)?", RegexOptions.Multiline)]
    private static partial Regex TypeDeclaration();

    [GeneratedRegex(@"^(?:global\s+)?using\s+(?:static\s+)?(?:\w+\s*=\s*)?(?<name>[\w.]+)", RegexOptions.Multiline)]
    private static partial Regex UsingLine();

    private static bool MayUse(string layer, string used)
        => layer == used || (Allowed.TryGetValue(layer, out string[]? allowed) && allowed.Contains(used));

    private static bool IsOfDotNet(string name) => name == "System" || name.StartsWith("System.", StringComparison.Ordinal);

    private static string? LayerOfNamespace(string name, string rootNamespace)
        => name.StartsWith(rootNamespace + ".", StringComparison.Ordinal)
            && Allowed.ContainsKey(name[(rootNamespace.Length + 1)..].Split('.')[0])
            ? name[(rootNamespace.Length + 1)..].Split('.')[0]
            : null;

    private void Check(TypeDefinition type)
    {
        string? layer = LayerOf(type);
        if (layer == null)
        {
            if (!IsWrittenByTheCompiler(type) && BelongsToRoot(type))
                _violations.Add($"{Outermost(type).FullName} is in no known layer: put it below one of {string.Join(", ", Allowed.Keys)}");
            return;
        }

        foreach (TypeReference used in UsedBy(type).SelectMany(Parts))
        {
            if (used.Scope is AssemblyNameReference assembly)
            {
                if (layer != TopLayer && !IsOfDotNet(assembly.Name))
                    _violations.Add($"{layer}: {Outermost(type).FullName} uses {used.FullName} of {assembly.Name}");
            }
            else if (used.Resolve() is { } definition && LayerOf(definition) is { } usedLayer && !MayUse(layer, usedLayer))
            {
                _violations.Add($"{layer}: {Outermost(type).FullName} uses {Outermost(definition).FullName} of {usedLayer}");
            }
        }
    }

    /// <summary>Null for what belongs to no layer, such as types that the compiler adds.</summary>
    private string? LayerOf(TypeDefinition type)
    {
        TypeDefinition outermost = Outermost(type);
        return LayerOfNamespace(outermost.Namespace, _rootNamespace) ?? _layersByTypeName.GetValueOrDefault(outermost.FullName);
    }

    private bool BelongsToRoot(TypeDefinition type)
    {
        string name = Outermost(type).Namespace;
        return name == _rootNamespace || name.StartsWith(_rootNamespace + ".", StringComparison.Ordinal);
    }

    private static bool IsWrittenByTheCompiler(TypeDefinition type) => Outermost(type).Name.StartsWith('<');

    private static TypeDefinition Outermost(TypeDefinition type)
    {
        while (type.DeclaringType != null)
            type = type.DeclaringType;
        return type;
    }

    private static IEnumerable<TypeReference> UsedBy(TypeDefinition type)
    {
        IEnumerable<TypeReference?> used = type.Interfaces.Select(i => i.InterfaceType)
            .Append(type.BaseType)
            .Concat(type.GenericParameters.SelectMany(Constraints))
            .Concat(Attributes(type))
            .Concat(type.Fields.SelectMany(f => Attributes(f).Append(f.FieldType)))
            .Concat(type.Properties.SelectMany(p => Attributes(p).Append(p.PropertyType)))
            .Concat(type.Methods.SelectMany(UsedBy));
        return used.Where(t => t != null)!;
    }

    private static IEnumerable<TypeReference?> UsedBy(MethodDefinition method)
    {
        IEnumerable<TypeReference?> signature = method.Parameters.SelectMany(p => Attributes(p).Append(p.ParameterType))
            .Append(method.ReturnType)
            .Concat(method.GenericParameters.SelectMany(Constraints))
            .Concat(Attributes(method));
        if (!method.HasBody)
            return signature;
        return signature
            .Concat(method.Body.Variables.Select(v => v.VariableType))
            .Concat(method.Body.ExceptionHandlers.Select(h => h.CatchType))
            .Concat(method.Body.Instructions.SelectMany(UsedBy));
    }

    private static IEnumerable<TypeReference?> UsedBy(Instruction instruction) => instruction.Operand switch
    {
        TypeReference type => [type],
        FieldReference field => [field.DeclaringType, field.FieldType],
        GenericInstanceMethod method =>
            [.. method.GenericArguments, method.DeclaringType, method.ReturnType, .. method.Parameters.Select(p => p.ParameterType)],
        MethodReference method => [method.DeclaringType, method.ReturnType, .. method.Parameters.Select(p => p.ParameterType)],
        _ => [],
    };

    private static IEnumerable<TypeReference> Constraints(GenericParameter parameter)
        => parameter.Constraints.Select(c => c.ConstraintType);

    private static IEnumerable<TypeReference> Attributes(ICustomAttributeProvider provider)
        => provider.CustomAttributes.SelectMany(
            a => a.ConstructorArguments.Select(c => c.Value).OfType<TypeReference>().Append(a.AttributeType));

    /// <summary>A type taken apart into the plain types it is made of.</summary>
    private static IEnumerable<TypeReference> Parts(TypeReference type) => type switch
    {
        GenericParameter => [],
        GenericInstanceType generic => generic.GenericArguments.SelectMany(Parts).Concat(Parts(generic.ElementType)),
        RequiredModifierType modified => Parts(modified.ElementType).Concat(Parts(modified.ModifierType)),
        OptionalModifierType modified => Parts(modified.ElementType).Concat(Parts(modified.ModifierType)),
        FunctionPointerType pointer => Parts(pointer.ReturnType).Concat(pointer.Parameters.SelectMany(p => Parts(p.ParameterType))),
        TypeSpecification specification => Parts(specification.ElementType),
        _ => [type],
    };
}
