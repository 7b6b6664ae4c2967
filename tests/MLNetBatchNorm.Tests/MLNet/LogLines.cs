using System.Collections;
using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>What a context logs, as raw messages; trainings log from threads of their own.</summary>
internal sealed class LogLines : IReadOnlyList<string>
{
    private readonly List<string> _lines = [];

    /// <summary>Listens from now on.</summary>
    /// <param name="context">Whose log.</param>
    /// <param name="least">Messages of lesser kinds are left out.</param>
    public LogLines(MLContext context, ChannelMessageKind least = ChannelMessageKind.Trace) => context.Log += (_, e) =>
    {
        lock (_lines)
        {
            if (e.Kind >= least)
                _lines.Add(e.RawMessage);
        }
    };

    public int Count => Now().Length;

    public string this[int index] => Now()[index];

    public IEnumerator<string> GetEnumerator() => ((IEnumerable<string>)Now()).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private string[] Now()
    {
        lock (_lines)
            return [.. _lines];
    }
}
