using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Network;

/// <summary>Rows of numbers as pictures in an ONNX graph.</summary>
internal static class PictureGraph
{
    /// <summary>
    /// Adds what makes pictures, [rows, channels, height, width], of rows, where a network's first layers are convolutions.
    /// </summary>
    /// <returns>Name of the pictures, or of the rows where they are none.</returns>
    public static string Add(OnnxGraph graph, NetworkDefinition definition, string rows, string prefix)
    {
        if (definition.Picture is not { } picture)
            return rows;
        // 0 leaves the number of rows as it is.
        bool planar = definition.PixelOrder == PixelOrder.Planar;
        string shape = graph.Integers(
            $"{prefix}pictures.shape",
            planar ? [0, picture.Channels, picture.Height, picture.Width] : [0, picture.Height, picture.Width, picture.Channels]);
        string pictures = graph.Node("Reshape", $"{prefix}pictures", [rows, shape]);
        return planar
            ? pictures
            : graph.Node("Transpose", $"{prefix}pictures.planar", [pictures], new OnnxAttribute("perm", [0, 3, 1, 2]));
    }
}
