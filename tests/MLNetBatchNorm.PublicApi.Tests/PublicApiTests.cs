using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Clustering;
using MLNetBatchNorm.Reporting;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>
/// What public types and members may look like. Which there are stands in
/// <c>PublicAPI.Unshipped.txt</c> of each package, and its build compares.
/// </summary>
[TestClass]
public sealed partial class PublicApiTests
{
    private static readonly Type[] s_types =
    [
        .. new[]
        {
            typeof(BatchNormNetworkOptions), typeof(BatchNormNetworkOnnxOptions), typeof(TrainingReport), typeof(TrainingCluster),
        }.SelectMany(type => type.Assembly.GetExportedTypes()),
    ];

    /// <summary>What is there to be derived from: a runner of one's own trains on machines of one's own.</summary>
    private static readonly Type[] s_seams = [typeof(TrainingRunner)];

    /// <summary>
    /// All other types are sealed, static, or closed to outsiders by their constructors: nobody can depend on overriding them.
    /// </summary>
    [TestMethod]
    public void PublicTypes_CannotBeDerivedFrom()
    {
        string[] open =
        [
            .. s_types
                .Where(type => type.IsClass && !type.IsSealed && !s_seams.Contains(type))
                .Where(type => type.GetConstructors(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).Any(
                    constructor => constructor.IsPublic || constructor.IsFamily))
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
            .. s_types.SelectMany(
                type => type.GetMembers(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly))
                .SelectMany(member => TypesOf(member).Where(type => !type.IsVisible).Select(
                    type => $"{member.DeclaringType}.{member.Name}: {type}")),
        ];

        Assert.IsEmpty(hidden, string.Join("\n", hidden));
    }

    /// <summary>Links of the documentation that are not checked by the compiler lead to members that exist.</summary>
    [TestMethod]
    public void Documentation_CrossReferences_NameOurMembersAsTheyAre()
    {
        XElement[] documents = [.. s_types.Select(type => type.Assembly).Distinct().Select(
            assembly => XDocument.Load(Path.ChangeExtension(assembly.Location, ".xml")).Root!)];
        HashSet<string> members = [.. documents.SelectMany(root => root.Descendants("member")).Select(
            member => member.Attribute("name")!.Value[2..])];

        string[] broken = [.. documents.SelectMany(root => BrokenReferences(root.ToString(), members)).Distinct()];

        Assert.IsEmpty(broken, string.Join("\n", broken));
        CollectionAssert.AreEqual(
            new[] { "MLNetBatchNorm.Absent", "Microsoft.ML.BatchNormNetworkCatalog.Absent(System.Double)" },
            BrokenReferences(
                $"<xref:MLNetBatchNorm.Absent> [a](xref:Microsoft.ML.BatchNormNetworkCatalog.Absent(System.Double)) <xref:System.Single> "
                + $"<xref:{typeof(BatchNormNetwork).FullName}>",
                members).ToArray());
    }

    private static IEnumerable<string> BrokenReferences(string text, HashSet<string> members) => CrossReference().Matches(
        text.Replace("&lt;", "<", StringComparison.Ordinal).Replace("&gt;", ">", StringComparison.Ordinal))
        .Select(match => match.Groups["uid"].Value).Where(uid => !members.Contains(uid));

    /// <summary>A member of ours; its parentheses, if any, close before the link does.</summary>
    [GeneratedRegex(@"xref:(?<uid>(MLNetBatchNorm|Microsoft\.ML\.BatchNorm)[\w.`{}]*(\([^()]*\))?)")]
    private static partial Regex CrossReference();

    /// <summary>A record with a list of parameters cannot get another without breaking who makes or takes apart one.</summary>
    [TestMethod]
    public void PublicRecords_HaveNoParameters()
    {
        string[] positional = [.. s_types.Where(type => type.GetMethod("Deconstruct") is not null).Select(type => type.FullName!)];

        Assert.IsEmpty(positional, string.Join("\n", positional));
        Assert.IsNotNull(typeof(Positional).GetMethod("Deconstruct"));
    }

    private sealed record Positional(int First, int Second);

    [TestMethod]
    public void Momentum_IsNeverABareName()
    {
        Assert.IsEmpty(s_types.SelectMany(type => type.GetMembers()).Where(member => member.Name == "Momentum").ToArray());
    }

    private static IEnumerable<Type> TypesOf(MemberInfo member) => member switch
    {
        MethodInfo method => [method.ReturnType, .. method.GetParameters().Select(parameter => parameter.ParameterType)],
        ConstructorInfo constructor => constructor.GetParameters().Select(parameter => parameter.ParameterType),
        PropertyInfo property => [property.PropertyType],
        FieldInfo field => [field.FieldType],
        _ => [],
    };
}
