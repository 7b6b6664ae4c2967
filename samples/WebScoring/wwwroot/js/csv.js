// Reads and writes tables of text: comma, semicolon or tab, quoted fields (RFC 4180), with or without a header.

/** The table of a text: { delimiter, header: string[] or null, rows: [{ line, cells }] }, empty lines left out. */
export function parseCsv(text) {
  const delimiter = delimiterOf(text);
  const records = recordsOf(text.replace(/^\ufeff/, ''), delimiter).filter(record => record.cells.some(cell => cell.trim() !== ''));
  const header = records.length > 0 && isHeader(records[0].cells) ? records.shift().cells.map(cell => cell.trim()) : null;
  return { delimiter, header, rows: records };
}

/** Which column holds which feature, by the header's names if it has all of them, otherwise the first ones. */
export function featureColumns(header, names, count) {
  if (header && names.length === count) {
    const places = new Map(header.map((name, i) => [name.toLowerCase(), i]));
    const found = names.map(name => places.get(name.toLowerCase()));
    if (found.every(place => place !== undefined)) return found;
  }
  return Array.from({ length: count }, (_, i) => i);
}

/** What the service is sent for a cell: a number, null for a missing value, or the text, which the service will refuse by name. */
export function valueOf(cell) {
  const text = (cell ?? '').trim();
  if (text === '' || /^(na|nan|null|\?)$/i.test(text)) return null;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** Rows of cells as text, quoted where needed. */
export function writeCsv(rows, delimiter) {
  const quoted = cell => {
    const text = String(cell ?? '');
    return text.includes(delimiter) || /["\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map(row => row.map(quoted).join(delimiter) + '\n').join('');
}

/** The separator that the first line has most of. */
function delimiterOf(text) {
  const line = text.split(/\r?\n/).find(candidate => candidate.trim() !== '') ?? '';
  const count = mark => line.split(mark).length;
  return [',', ';', '\t'].reduce((best, mark) => (count(mark) > count(best) ? mark : best));
}

/** A header is made of names: more of its cells are text than not. A row may have text as well, in a column of its own. */
const isHeader = cells => 2 * cells.filter(cell => typeof valueOf(cell) === 'string').length > cells.length;

function recordsOf(text, delimiter) {
  const records = [];
  let line = 1;
  let record = { line, cells: [] };
  let cell = '';
  let quoted = false;
  const endCell = () => {
    record.cells.push(cell);
    cell = '';
  };
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '\n') line++;
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[i + 1] === '"') cell += text[++i];
      else quoted = false;
    } else if (character === '"' && cell.trim() === '') {
      quoted = true;
      cell = '';
    } else if (character === delimiter) {
      endCell();
    } else if (character === '\n') {
      endCell();
      records.push(record);
      record = { line, cells: [] };
    } else if (character !== '\r') {
      cell += character;
    }
  }
  endCell();
  records.push(record);
  return records;
}
