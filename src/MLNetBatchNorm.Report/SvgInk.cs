using System.Globalization;
using System.Xml.Linq;

namespace MLNetBatchNorm.Reporting;

/// <summary>
/// Makes a drawn picture part of a page: it scales, takes the page's colour and font, speaks, and shares no identifier with other pictures.
/// </summary>
internal static class SvgInk
{
    /// <summary>How <see cref="Figure.Ink"/> is written.</summary>
    private const string DrawnInk = "#010203";

    private const string PageInk = "currentColor";

    // Widths of letters are not known here; a digit's is a good guess for what stands on an axis.
    private const double LetterWidth = 0.55;

    public static XElement Adapt(
        XElement svg, int width, int height, string id, string description, IReadOnlyDictionary<string, string> replacements)
    {
        XNamespace names = svg.Name.Namespace;
        svg.Attributes().Where(a => a.IsNamespaceDeclaration && a.Value != names.NamespaceName).Remove();
        svg.SetAttributeValue("width", null);
        svg.SetAttributeValue("height", null);
        svg.SetAttributeValue("viewBox", string.Create(CultureInfo.InvariantCulture, $"0 0 {width} {height}"));
        svg.SetAttributeValue("role", "img");
        svg.SetAttributeValue("aria-labelledby", id);
        svg.SetAttributeValue("fill", PageInk);         // what is drawn in black has no colour of its own written to it
        // The drawing library counts identifiers through the whole process; counted anew, the same picture is the same text.
        Dictionary<string, string> identifiers = svg.Descendants().Attributes("id").Select((drawn, i) => (drawn.Value, Number: i + 1))
            .ToDictionary(pair => pair.Value, pair => $"{id}-{pair.Number}");
        foreach (XElement element in svg.Descendants())
        {
            foreach (XAttribute attribute in element.Attributes().ToArray())
                Adapt(attribute, identifiers);
            if (element.Name != names + "text")
                continue;
            Anchor(element);
            element.Value = replacements.GetValueOrDefault(element.Value, element.Value);
        }

        svg.AddFirst(new XElement(names + "title", new XAttribute("id", id), description));
        return svg;
    }

    private static void Adapt(XAttribute attribute, Dictionary<string, string> identifiers)
    {
        if (attribute.Value.Equals(DrawnInk, StringComparison.OrdinalIgnoreCase))
            attribute.Value = PageInk;
        else if (attribute.Name == "id")
            attribute.Value = identifiers[attribute.Value];
        else if (attribute.Value.StartsWith("url(#", StringComparison.Ordinal))
            attribute.Value = $"url(#{identifiers[attribute.Value[5..^1]]})";
        else if (attribute.Name == "font-family")
            attribute.Remove();
    }

    /// <summary>
    /// Every letter was placed by the widths of the font that it was drawn with; the reader's is
    /// another one, so the text is placed as a whole.
    /// </summary>
    private static void Anchor(XElement text)
    {
        double[] xs = Positions(text.Attribute("x"));
        double[] ys = Positions(text.Attribute("y"));
        text.Value = text.Value.Trim();
        if (xs.Length == 0)
            return;
        double size = double.Parse(text.Attribute("font-size")!.Value, CultureInfo.InvariantCulture);
        double width = xs[^1] - xs[0] + LetterWidth * size;
        double before = -xs[0] / width;                 // the part of the text that stands left of its point
        (string anchor, double x) = before < 0.25 ? ("start", xs[0]) : before < 0.75 ? ("middle", 0) : ("end", 0);
        text.SetAttributeValue("text-anchor", anchor);
        text.SetAttributeValue("x", x.ToString(CultureInfo.InvariantCulture));
        text.SetAttributeValue("y", ys.Length > 0 ? ys[0].ToString(CultureInfo.InvariantCulture) : null);
    }

    private static double[] Positions(XAttribute? list) => list is null
        ? []
        : [.. list.Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(x => double.Parse(x, CultureInfo.InvariantCulture))];
}
