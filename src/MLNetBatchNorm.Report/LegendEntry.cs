namespace MLNetBatchNorm.Reporting;

/// <summary>One line of a legend.</summary>
/// <param name="Name">What is meant.</param>
/// <param name="Color">Its colour, as the page's style has it.</param>
/// <param name="Mark">Its mark: line, dashed or dot.</param>
internal sealed record LegendEntry(string Name, string Color, string Mark);
