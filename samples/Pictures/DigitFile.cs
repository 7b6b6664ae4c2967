namespace Pictures;

/// <summary>A file that shows a digit.</summary>
internal sealed class DigitFile
{
    /// <summary>Its name in the folder of all.</summary>
    public string Path { get; set; } = "";

    /// <summary>What it shows.</summary>
    public int Digit { get; set; }
}
