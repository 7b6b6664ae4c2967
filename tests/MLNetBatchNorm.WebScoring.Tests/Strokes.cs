namespace MLNetBatchNorm.WebScoring.Tests;

/// <summary>Digits as a hand draws them: strokes of points, x to the right and y downwards, in parts of the drawing area's side.</summary>
internal static class Strokes
{
    public static (double X, double Y)[][] Of(int digit) => digit switch
    {
        0 => [Arc(0.5, 0.5, 0.22, 0.36, -90, 270)],
        1 => [[(0.38, 0.3), (0.52, 0.12), (0.52, 0.88)]],
        2 => [[.. Arc(0.5, 0.33, 0.22, 0.2, -170, 20), (0.3, 0.86), (0.74, 0.86)]],
        3 => [[.. Arc(0.48, 0.31, 0.2, 0.18, -150, 80), .. Arc(0.48, 0.68, 0.23, 0.19, -80, 150)]],
        4 => [[(0.58, 0.12), (0.27, 0.58), (0.78, 0.58)], [(0.6, 0.35), (0.58, 0.9)]],
        5 => [[(0.7, 0.14), (0.35, 0.14), (0.33, 0.45), .. Arc(0.48, 0.65, 0.22, 0.22, -120, 150)]],
        6 => [[(0.6, 0.12), (0.4, 0.36), (0.31, 0.6), .. Arc(0.5, 0.68, 0.2, 0.19, 180, -170)]],
        7 => [[(0.27, 0.15), (0.74, 0.15), (0.43, 0.88)]],
        8 => [[.. Arc(0.5, 0.31, 0.18, 0.18, 90, 450), .. Arc(0.5, 0.69, 0.22, 0.19, -90, 270)]],
        9 => [[.. Arc(0.5, 0.33, 0.19, 0.19, 0, 360), (0.69, 0.6), (0.6, 0.88)]],
        _ => throw new ArgumentOutOfRangeException(nameof(digit), digit, "A digit is 0 to 9."),
    };

    /// <summary>Part of an ellipse; degrees run clockwise from the right, because y runs downwards.</summary>
    private static (double X, double Y)[] Arc(double x, double y, double width, double height, double from, double to)
    {
        const int Steps = 16;
        return [.. Enumerable.Range(0, Steps + 1).Select(i =>
        {
            double angle = (from + (to - from) * i / Steps) * Math.PI / 180;
            return (x + width * Math.Cos(angle), y + height * Math.Sin(angle));
        })];
    }
}
