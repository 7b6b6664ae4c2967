using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;

namespace MLNetBatchNorm.Tests.Encoding;

/// <summary>Which names of slots a model keeps.</summary>
[TestClass]
public sealed class SlotNamesTests
{
    [TestMethod]
    public void Create_Names_AreKeptAsTheyAre()
    {
        SlotNames names = Create(["Age", "", "Deck.A", "Age", "\u0002|ä|\U0001F600"])!;

        Assert.AreEqual(5, names.Slots);
        Assert.AreEqual(("Age", null, "Deck.A", "Age", "\u0002|ä|\U0001F600"), (names[0], names[1], names[2], names[3], names[4]));
        Assert.AreEqual(
            (0, 2, null, null, null), (names.Find("Age"), names.Find("Deck.A"), names.Find("age"), names.Find(""), names.Find("Deck")));
    }

    [TestMethod]
    public void Create_HalfACharacter_BecomesTheSignForThat() => Assert.AreEqual("a\uFFFD", Create(["a\uD83D"])![0]);

    [TestMethod]
    public void Create_NoNames_GivesNone()
    {
        Assert.IsNull(Create(["", "", ""]));
        Assert.IsNull(Create([new string('x', SlotNames.LongestName + 1)]));
    }

    [TestMethod]
    public void Create_ANameThatIsTooLong_IsLeftOut()
    {
        SlotNames names = Create([new string('x', SlotNames.LongestName + 1), "b", new string('y', SlotNames.LongestName)])!;

        Assert.IsNull(names[0]);
        Assert.AreEqual("b", names[1]);
        Assert.AreEqual(SlotNames.LongestName, names[2]!.Length);
    }

    /// <summary>All or none: names of some slots only would look like a fault of the data.</summary>
    [TestMethod]
    public void Create_MoreThanAModelKeeps_KeepsNone()
    {
        const int slots = 1 << 18, length = SlotNames.MaximumBytes / slots - sizeof(ushort);
        string[] most = [.. Enumerable.Repeat(new string('x', length), slots)];
        Assert.IsNotNull(SlotNames.Create(slots, most.Select(name => name.AsMemory()), out long bytes));
        Assert.AreEqual(SlotNames.MaximumBytes, bytes);
        most[7] += "x";
        Assert.IsNull(SlotNames.Create(slots, most.Select(name => name.AsMemory()), out bytes));
        Assert.AreEqual(SlotNames.MaximumBytes + 1, bytes);
    }

    private static SlotNames? Create(string[] names) => SlotNames.Create(names.Length, names.Select(name => name.AsMemory()), out _);
}
