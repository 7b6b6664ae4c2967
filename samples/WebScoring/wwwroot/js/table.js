// The lower half of the page: a pasted table goes out in batches and comes back scored.
import { Problem, scoreRows } from './api.js';
import { featureColumns, parseCsv, valueOf, writeCsv } from './csv.js';

const SHOWN_ROWS = 100;
// Left free in a request for its brackets and names.
const SPARE_BYTES = 1024;

export class TableScorer {
  #byId;
  #model = null;
  #download = null;

  constructor(byId) {
    this.#byId = byId;
    byId('score').addEventListener('click', () => this.#score());
    byId('example').addEventListener('click', () => this.#insertExample());
    byId('file').addEventListener('change', event => this.#open(event.target));
    byId('csv').addEventListener('keydown', event => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.#score();
    });
  }

  useModel(model) {
    this.#model = model;
    this.#byId('feature-count').textContent = model.featureCount;
  }

  async #insertExample() {
    const text = this.#byId('csv');
    text.value = await (await fetch('example.csv')).text();
    text.focus();
    text.setSelectionRange(0, 0);
    text.scrollTop = text.scrollLeft = 0;
  }

  async #open(input) {
    const [file] = input.files;
    if (!file) return;
    this.#byId('csv').value = await file.text();
    input.value = '';
    this.#score();
  }

  async #score() {
    this.#byId('table-problem').hidden = this.#byId('table-result').hidden = true;
    const button = this.#byId('score');
    button.disabled = true;
    try {
      const table = this.#read();
      this.#show(table, await this.#scoreAll(table));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#showProblem(problem);
    } finally {
      button.disabled = false;
    }
  }

  /** The pasted table, with the values to be sent. */
  #read() {
    if (!this.#model) throw new Problem(503, { title: 'There is no model yet', detail: 'Wait until the state above is healthy.' });
    const table = parseCsv(this.#byId('csv').value);
    if (table.rows.length === 0) throw new Problem(400, { title: 'There are no rows', detail: 'Paste rows, or insert the example.' });
    const { featureNames, featureCount } = this.#model;
    table.columns = featureColumns(table.header, featureNames, featureCount);
    table.values = table.rows.map(({ line, cells }) => {
      if (cells.length <= Math.max(...table.columns)) {
        throw new Problem(400, { title: 'A row is too short', detail: `Line ${line} has ${cells.length} values, the model needs ${featureCount}.` });
      }
      return table.columns.map(column => valueOf(cells[column]));
    });
    return table;
  }

  /** One answer a row: { prediction, probabilities, version }. Large tables go in several requests. */
  async #scoreAll(table) {
    const answers = [];
    let classes = [];
    while (answers.length < table.values.length) {
      const first = answers.length;
      const batch = this.#batchFrom(table.values, first);
      try {
        const answer = await scoreRows(batch);
        classes = answer.classes;
        answers.push(...answer.rows.map(row => ({ ...row, version: answer.modelVersion })));
      } catch (problem) {
        throw problem instanceof Problem ? inTermsOf(table, first, problem) : problem;
      }
    }
    return { classes, answers };
  }

  /** As many rows as one request may have. */
  #batchFrom(values, first) {
    const { maximumRows, maximumBodyBytes } = this.#model;
    let bytes = SPARE_BYTES;
    let end = first;
    while (end < values.length && end - first < maximumRows) {
      // A value's own characters and its comma; text beyond ASCII is refused anyway.
      bytes += values[end].reduce((sum, value) => sum + JSON.stringify(value).length + 1, 2);
      if (bytes > maximumBodyBytes && end > first) break;
      end++;
    }
    return values.slice(first, end);
  }

  #show(table, { classes, answers }) {
    const taken = new Set(table.columns);
    const width = Math.max(...table.rows.map(row => row.cells.length));
    const names = table.header ?? Array.from({ length: width }, (_, i) => `column${i + 1}`);
    const kept = names.map((_, i) => i).filter(i => !taken.has(i));
    const truth = kept.find(i => table.rows.every(row => classes.includes((row.cells[i] ?? '').trim())));
    this.#summarize(table, answers, truth === undefined ? null : { name: names[truth], column: truth });
    this.#fillTable(table, answers, kept, names, truth);

    const header = [...names, 'prediction', 'probability', ...classes.map(name => `p_${name}`), 'model_version'];
    const rows = answers.map(({ prediction, probabilities, version }, i) => [
      ...names.map((_, column) => table.rows[i].cells[column]), prediction, Math.max(...probabilities), ...probabilities, version,
    ]);
    URL.revokeObjectURL(this.#download);
    this.#download = URL.createObjectURL(new Blob([writeCsv([header, ...rows], table.delimiter)], { type: 'text/csv' }));
    this.#byId('download').href = this.#download;
    this.#byId('table-result').hidden = false;
  }

  #summarize(table, answers, truth) {
    const versions = [...new Set(answers.map(answer => answer.version.slice(0, 8)))];
    let text = `${answers.length} ${answers.length === 1 ? 'row' : 'rows'} scored by model ${versions.join(', then ')}.`;
    if (truth) {
      const agreeing = answers.filter((answer, i) => answer.prediction === table.rows[i].cells[truth.column].trim()).length;
      text += ` ${agreeing} of ${answers.length} agree with column ${truth.name}.`;
    }
    if (answers.length > SHOWN_ROWS) text += ` The first ${SHOWN_ROWS} are shown; the file has all.`;
    this.#byId('table-summary').textContent = text;
  }

  #fillTable(table, answers, kept, names, truth) {
    const cell = (text, className = '') => Object.assign(document.createElement('td'), { textContent: text, className });
    const head = text => Object.assign(document.createElement('th'), { textContent: text, scope: 'col' });
    this.#byId('result-columns').replaceChildren(...['line', 'prediction', 'probability', ...kept.map(i => names[i])].map(head));
    this.#byId('result-rows').replaceChildren(...answers.slice(0, SHOWN_ROWS).map(({ prediction, probabilities }, i) => {
      const { line, cells } = table.rows[i];
      const differs = truth !== undefined && cells[truth].trim() !== prediction;
      const row = document.createElement('tr');
      row.append(
        cell(line), cell(prediction, 'prediction'), cell(`${(100 * Math.max(...probabilities)).toFixed(1)} %`),
        ...kept.map(column => cell(cells[column] ?? '', differs && column === truth ? 'differs' : '')));
      return row;
    }));
  }

  #showProblem(problem) {
    const box = this.#byId('table-problem');
    const title = Object.assign(document.createElement('strong'), { textContent: problem.title });
    const list = document.createElement('ul');
    list.append(...problem.errors.map(error => Object.assign(document.createElement('li'), { textContent: error.detail })));
    box.replaceChildren(title, problem.errors.length > 0 ? list : document.createTextNode(`. ${problem.message}`));
    box.hidden = false;
  }
}

/** The service speaks of #/rows/3/5 of one request; the person sees lines and columns of the pasted text. */
function inTermsOf(table, first, problem) {
  const errors = problem.errors.map(({ pointer, detail }) => {
    const [, row, value] = /^#\/rows\/(\d+)(?:\/(\d+))?$/.exec(pointer) ?? [];
    if (row === undefined) return { detail };
    const column = value === undefined ? undefined : table.columns[value];
    const place = column === undefined ? '' : `, column ${table.header?.[column] ?? column + 1}`;
    return { detail: `Line ${table.rows[first + Number(row)].line}${place}: ${detail}` };
  });
  return new Problem(problem.status, { title: problem.title, detail: problem.message, errors });
}
