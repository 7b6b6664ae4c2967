using MLNetBatchNorm.Data;
using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Encoding;

/// <summary>
/// One way of turning raw slots into columns that the first layer reads. Everything about it is in one class: what it has
/// learned, how it encodes, its bytes, its graph.
/// </summary>
/// <remarks>
/// <para>
/// An <see cref="InputEncoder"/> is a list of parts whose columns stand one behind the other; a part is told where its own begin.
/// </para>
/// <para>
/// A column has the same bits for a row wherever and in whatever company it is encoded: alone, in panels, or
/// sparse, where a column that is 0 may be left out.
/// </para>
/// <para>How a part is learned belongs to its file as well, as a <see cref="PartLearner"/>.</para>
/// </remarks>
internal abstract class EncodingPart
{
    /// <summary>Number of its columns.</summary>
    public abstract int Columns { get; }

    /// <summary>Whether a slot that is 0 gives nothing but zeros, so that sparse rows stay sparse.</summary>
    public abstract bool KeepsZero { get; }

    /// <summary>Whether its columns are never written out where a first layer can read entries: a row has few of many.</summary>
    public virtual bool IsEntries => false;

    /// <summary>
    /// Numbers that a network projects its columns to in front of the first layer; 0: they enter it as they are. Such parts are last.
    /// </summary>
    public virtual int Units => 0;

    /// <summary>Whether entries are left out at random in training: where a row has many of them that say much the same.</summary>
    public virtual bool DropsEntries => false;

    /// <summary>Encodes one row.</summary>
    /// <param name="raw">All slots, categories as numbers (<see cref="CategoryRanges"/>).</param>
    /// <param name="encoded">The part's own columns, at least; what is behind them is left alone.</param>
    public abstract void Encode(ReadOnlySpan<float> raw, Span<float> encoded);

    /// <summary>Encodes one row into a mini-batch in panels.</summary>
    /// <param name="paddedRaw">All slots, padded with zeros to whole lines of 16.</param>
    /// <param name="panels">The matrix of all encoded columns.</param>
    /// <param name="rowCapacity">Its stride between panels, in rows.</param>
    /// <param name="row">Row to write.</param>
    /// <param name="firstColumn">The part's first column.</param>
    public abstract void EncodeToPanels(ReadOnlySpan<float> paddedRaw, Span<float> panels, int rowCapacity, int row, int firstColumn);

    /// <summary>Adds the entries of one sparse row to the last row of a batch, columns rising.</summary>
    /// <param name="indices">Slots, rising; all others are 0.</param>
    /// <param name="values">Their values.</param>
    /// <param name="batch">The batch.</param>
    /// <param name="firstColumn">The part's first column.</param>
    public abstract void EncodeSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, SparseBatch batch, int firstColumn);

    /// <summary>The same of a row that is written out, where the part knows its slots; the same entries.</summary>
    /// <param name="raw">All slots.</param>
    /// <param name="batch">The batch.</param>
    /// <param name="firstColumn">The part's first column.</param>
    /// <returns>False, with nothing added: the part has to be given what is not 0.</returns>
    public virtual bool TryEncodeFilled(ReadOnlySpan<float> raw, SparseBatch batch, int firstColumn) => false;

    /// <summary>Adds what the part does to an ONNX graph.</summary>
    /// <returns>Name of its columns, [rows, columns].</returns>
    public abstract string AddTo(OnnxGraph graph, OnnxSlots slots);

    /// <summary>What each column is, in order.</summary>
    public abstract IEnumerable<EncodedColumn> Describe();

    /// <summary>Name of its section in a saved model, four letters; <see cref="EncoderFormat"/> knows who reads it.</summary>
    public abstract string Tag { get; }

    /// <summary>Writes what it has learned; its class reads that again.</summary>
    public abstract void Write(BinaryWriter writer);
}
