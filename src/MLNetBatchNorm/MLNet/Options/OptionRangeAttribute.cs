using System.ComponentModel.DataAnnotations;
using System.Globalization;

namespace MLNetBatchNorm;

/// <summary>
/// The numbers that an option may take, and what to tell somebody who gave another. On an array it speaks of each element.
/// </summary>
/// <remarks>
/// It stands with the option's default and documentation, and is all there is: the trainers' validator, the tests of the documentation, of
/// README.md and of bad input read it. As an attribute for validation it also serves whoever binds options to configuration with
/// <c>ValidateDataAnnotations</c>.
/// </remarks>
/// <param name="minimum">Lower end.</param>
/// <param name="maximum">Upper end.</param>
/// <param name="advice">What to do instead: a sentence.</param>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class OptionRangeAttribute(double minimum, double maximum, string advice) : ValidationAttribute
{
    /// <summary>Lower end.</summary>
    public double Minimum => minimum;

    /// <summary>Upper end.</summary>
    public double Maximum => maximum;

    /// <summary>What to do instead of giving another number: a sentence.</summary>
    public string Advice => advice;

    /// <summary>Whether the lower end itself is refused.</summary>
    public bool ExcludesMinimum { get; init; }

    /// <summary>Whether the upper end itself is refused.</summary>
    public bool ExcludesMaximum { get; init; }

    /// <summary>The range in interval notation: <c>(0, 1]</c> excludes 0 and includes 1.</summary>
    public string Text => string.Create(
        CultureInfo.InvariantCulture, $"{(ExcludesMinimum ? '(' : '[')}{Minimum}, {Maximum}{(ExcludesMaximum ? ')' : ']')}");

    /// <summary>Whether <paramref name="value"/> is allowed; NaN never is.</summary>
    public bool Contains(double value) =>
        (ExcludesMinimum ? value > Minimum : value >= Minimum) && (ExcludesMaximum ? value < Maximum : value <= Maximum);

    /// <summary>What is wrong with an option's value, or null.</summary>
    /// <param name="option">The option's name.</param>
    /// <param name="value">A number, an array of them, or null, which is always allowed.</param>
    public string? Complaint(string option, object? value)
    {
        if (value is not Array elements)
            return value is null ? null : ComplaintAboutNumber(option, value);
        for (int i = 0; i < elements.Length; i++)
        {
            if (ComplaintAboutNumber($"{option}[{i}]", elements.GetValue(i)!) is { } complaint)
                return complaint;
        }

        return null;
    }

    /// <inheritdoc/>
    protected override ValidationResult? IsValid(object? value, ValidationContext validationContext) =>
        Complaint(validationContext.MemberName ?? validationContext.DisplayName, value) is { } complaint
            ? new ValidationResult(complaint, validationContext.MemberName is { } name ? [name] : null)
            : ValidationResult.Success;

    private string? ComplaintAboutNumber(string option, object value) => Contains(Convert.ToDouble(value, CultureInfo.InvariantCulture))
        ? null
        : string.Create(CultureInfo.InvariantCulture, $"{option} is {value}; it must be in {Text}. {Advice}");
}
