using System.Xml.Linq;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Reporting.Tests;

/// <summary>Whatever a name holds, one sees what it is, and a document can hold it.</summary>
[TestClass]
public sealed class NamesTests
{
    [TestMethod]
    [DataRow("good", "good")]
    [DataRow("bad\0", "bad\\u0000")]
    [DataRow("a\tb\nc\r", "a\\u0009b\\u000Ac\\u000D")]
    [DataRow("\u0085\u009f", "\\u0085\\u009F")]
    [DataRow("<b> & \"q\"", "<b> & \"q\"")]
    [DataRow("", "\"\"")]
    [DataRow(" ", "\" \"")]
    [DataRow("a ", "\"a \"")]
    [DataRow("two words", "two words")]
    [DataRow("\ud83d\udc1f", "\ud83d\udc1f")]
    [DataRow("\ufffe\uffff\ufdd0", "\\uFFFE\\uFFFF\\uFDD0")]
    [DataRow("\u202eabc\u2028", "\\u202Eabc\\u2028")]
    [DataRow("שלום", "שלום")]
    public void Readable_ShowsWhatCannotBeSeen(string name, string expected)
    {
        string shown = Names.Readable(name);

        Assert.AreEqual(expected, shown);
        Assert.AreEqual(
            shown, XElement.Parse(new XElement("p", new XAttribute("a", shown), shown).ToString(SaveOptions.DisableFormatting)).Value);
    }

    /// <summary>Halves of characters, which the names of tests cannot have either.</summary>
    [TestMethod]
    public void Readable_ShowsHalfCharacters()
    {
        Assert.AreEqual("\\uD83D", Names.Readable("\ud83d"));
        Assert.AreEqual("\\uDC1F\\uD83D", Names.Readable("\udc1f\ud83d"));
        Assert.AreEqual("a\\uD83Db\ud83d\udc1f", Names.Readable("a\ud83db\ud83d\udc1f"));
    }

    [TestMethod]
    public void Text_KeepsLines() => Assert.AreEqual("one\r\n\ttwo\\u0000", Names.Text("one\r\n\ttwo\0"));

    [TestMethod]
    public void Distinct_TellsEqualLooksApart()
    {
        CollectionAssert.AreEqual(
            new[] { "a (slot 0)", "b", "a (slot 2)", "\\u0000 (slot 3)", "\\u0000 (slot 4)", "\"\"" },
            Names.Distinct(["a", "b", "a", "\0", "\\u0000", ""], i => $"slot {i}").ToArray());
    }

    [TestMethod]
    public void Short_CutsBetweenCharacters()
    {
        string fish = string.Concat(Enumerable.Repeat("\ud83d\udc1f", 30));

        Assert.AreEqual("123456789012345678901234", Names.Short("123456789012345678901234"));
        Assert.AreEqual("12345678901234567890123…", Names.Short("1234567890123456789012345"));
        Assert.AreEqual(fish[..46] + "…", Names.Short(fish));
        Assert.AreEqual(fish[..48], Names.Short(fish[..48]));
    }

    [TestMethod]
    [DataRow("age", "age")]
    [DataRow("גיל", "\u2068גיל\u2069")]
    [DataRow("العمر 2", "\u2068العمر 2\u2069")]
    [DataRow("年齢", "年齢")]
    public void InSentence_IsolatesWhatRunsToTheLeft(string name, string expected) => Assert.AreEqual(expected, Names.InSentence(name));
}
