using System.Xml.Linq;

namespace MLNetBatchNorm.Reporting;

/// <summary>The HTML page. It is built as XML, so that nothing in it can be left open or unescaped.</summary>
internal sealed class Page
{
    private readonly string _title;
    private readonly List<XElement> _sections = [];
    private int _figures;

    public Page(string title) => _title = Names.Text(title);

    /// <summary>Begins a section; figures and tables that follow belong to it.</summary>
    /// <param name="title">The heading.</param>
    /// <param name="text">What there is to know about it in a sentence or two.</param>
    /// <param name="small">Whether its figures are small, four beside each other on a wide screen.</param>
    public void Section(string title, string text, bool small = false)
        => _sections.Add(new XElement(
            "section", new XElement("h2", title), new XElement("p", text),
            new XElement("div", new XAttribute("class", small ? "figures small" : "figures"))));

    /// <summary>Adds the few numbers that say most.</summary>
    public void Tiles(IEnumerable<(string Name, string Value)> tiles)
        => _sections[^1].Elements("p").Last().AddAfterSelf(new XElement(
            "dl", tiles.Select(tile => new XElement("div", new XElement("dt", tile.Name), new XElement("dd", tile.Value)))));

    /// <summary>Adds a picture with the numbers behind it.</summary>
    /// <param name="title">What it shows.</param>
    /// <param name="figure">The picture.</param>
    /// <param name="description">What is to be seen on it, in words: a sentence with the numbers that matter.</param>
    /// <param name="header">The columns of the table.</param>
    /// <param name="rows">Its rows.</param>
    public void Figure(
        string title, Figure figure, string description, IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows)
        => _sections[^1].Element("div")!.Add(new XElement(
            "figure",
            new XElement("figcaption", title),
            Legend(figure.Legend),
            figure.ToSvg($"figure{++_figures}", $"{title}. {description}"),
            new XElement("p", description),
            new XElement("details", new XElement("summary", "numbers"), Scrolling(Table(header, rows)))));

    /// <summary>Adds a picture that is drawn by hand.</summary>
    /// <param name="title">What it shows.</param>
    /// <param name="draw">Draws it; its title, whose identifier is given, is added here.</param>
    /// <param name="description">What is to be seen on it.</param>
    /// <param name="header">The columns of the table behind it.</param>
    /// <param name="rows">Its rows.</param>
    public void Drawing(
        string title, Func<string, XElement> draw, string description, IReadOnlyList<string> header,
        IEnumerable<IReadOnlyList<string>> rows)
    {
        string id = $"figure{++_figures}";
        XElement drawing = draw(id);
        drawing.AddFirst(new XElement(drawing.Name.Namespace + "title", new XAttribute("id", id), $"{title}. {description}"));
        _sections[^1].Element("div")!.Add(new XElement(
            "figure", new XElement("figcaption", title), drawing, new XElement("p", description),
            new XElement("details", new XElement("summary", "numbers"), Scrolling(Table(header, rows)))));
    }

    /// <summary>Adds a table that is itself the picture.</summary>
    public void Figure(string title, XElement table, string description) => _sections[^1].Element("div")!.Add(new XElement(
        "figure", new XElement("figcaption", title), Scrolling(table), new XElement("p", description)));

    public static XElement Table(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows) => new(
        "table",
        new XElement("thead", new XElement("tr", header.Select(cell => new XElement("th", new XAttribute("scope", "col"), cell)))),
        new XElement("tbody", rows.Select(row => new XElement("tr", row.Select(
            (cell, i) => i == 0
                ? new XElement("th", new XAttribute("scope", "row"), new XAttribute("dir", "auto"), cell)
                : new XElement("td", cell))))));

    public string ToHtml()
    {
        var html = new XElement(
            "html",
            new XAttribute("lang", "en"),
            new XElement(
                "head",
                new XElement("meta", new XAttribute("charset", "utf-8")),
                new XElement("meta", new XAttribute("name", "viewport"), new XAttribute("content", "width=device-width, initial-scale=1")),
                new XElement("meta", new XAttribute("name", "color-scheme"), new XAttribute("content", "light dark")),
                new XElement("title", _title),
                new XElement("style", ReadStyle())),
            new XElement("body", new XElement("main", new XElement("h1", _title), _sections)));
        return "<!DOCTYPE html>\n" + html.ToString(SaveOptions.DisableFormatting) + "\n";
    }

    private static XElement? Legend(IReadOnlyList<LegendEntry> entries) => entries.Count == 0 ? null : new XElement(
        "ul",
        new XAttribute("class", "legend"),
        entries.Select(entry => new XElement(
            "li", new XAttribute("class", entry.Mark), new XAttribute("style", $"--mark: {entry.Color}"), entry.Name)));

    private static XElement Scrolling(XElement table)
        => new("div", new XAttribute("class", "scroll"), new XAttribute("tabindex", "0"), table);

    private static string ReadStyle()
    {
        using Stream stream = typeof(Page).Assembly.GetManifestResourceStream("report.css")!;
        string style = new StreamReader(stream).ReadToEnd();
        // A browser reads a style as it is; XML would write these as entities.
        return style.AsSpan().IndexOfAny('<', '>', '&') < 0
            ? style
            : throw new InvalidOperationException("The style has a character that XML escapes.");
    }
}
