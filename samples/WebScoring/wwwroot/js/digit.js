// The upper half of the page: scores what is drawn while it is drawn.
import { scoreRow } from './api.js';
import { Pad } from './pad.js';
import { countsOf } from './raster.js';

const SURE = 0.5;

export class DigitReader {
  #byId;
  #pad;
  #running = null;
  #again = null;

  constructor(byId) {
    this.#byId = byId;
    this.#pad = new Pad(byId('pad'), finished => this.#changed(finished));
    byId('undo').addEventListener('click', () => this.#pad.undo());
    byId('clear').addEventListener('click', () => this.#pad.clear());
    this.#showSeen(null);
  }

  /** Shows a line for each class. */
  showClasses(classes) {
    this.#byId('bars').replaceChildren(...classes.map(name => {
      const line = document.createElement('li');
      line.append(element('span', 'class', name), element('span', 'track'), element('span', 'percent', '0.0 %'));
      line.querySelector('.track').setAttribute('aria-hidden', 'true');
      line.querySelector('.track').append(element('div', 'fill'));
      return line;
    }));
    if (this.#pad.strokes.length > 0) this.#changed(true);
  }

  #changed(finished) {
    const empty = this.#pad.strokes.length === 0;
    this.#byId('pad-hint').hidden = !empty;
    this.#byId('undo').disabled = this.#byId('clear').disabled = empty;
    if (!finished) this.#byId('draw-status').textContent = '';
    const counts = countsOf(this.#pad.strokes);
    this.#showSeen(counts);
    // One request at a time; of what is drawn meanwhile only the newest is asked next.
    this.#again = { counts, finished };
    this.#byId('bars').setAttribute('aria-busy', 'true');
    this.#running ??= this.#ask().finally(() => { this.#running = null; });
  }

  async #ask() {
    while (this.#again) {
      const { counts, finished } = this.#again;
      this.#again = null;
      if (!counts) {
        this.#showNothing();
        continue;
      }
      try {
        const answer = await scoreRow(counts);
        if (this.#pad.strokes.length > 0) this.#show(answer, finished);
      } catch (problem) {
        this.#byId('draw-status').textContent = problem.message;
      }
    }
    this.#byId('bars').setAttribute('aria-busy', 'false');
  }

  #show({ classes, prediction, probabilities, modelVersion }, finished) {
    const lines = this.#byId('bars').children;
    if (lines.length !== classes.length) this.showClasses(classes);
    const best = classes.indexOf(prediction);
    probabilities.forEach((probability, i) => showBar(this.#byId('bars').children[i], probability, i === best));
    this.#byId('digit').textContent = prediction;
    this.#byId('digit').dataset.sure = probabilities[best] >= SURE ? 'yes' : 'no';
    // Read out when a stroke ends, not at every movement.
    if (finished && !this.#again) {
      this.#byId('draw-status').textContent = `${prediction} with ${percent(probabilities[best])}, says model ${modelVersion.slice(0, 8)}.`;
    }
  }

  #showNothing() {
    for (const line of this.#byId('bars').children) showBar(line, 0, false);
    this.#byId('digit').textContent = '?';
    this.#byId('digit').dataset.sure = 'no';
    this.#byId('draw-status').textContent = 'Nothing drawn yet.';
  }

  /** The 64 counts as shades, on paper and in ink of the colour scheme. */
  #showSeen(counts) {
    const canvas = this.#byId('seen');
    const context = canvas.getContext('2d');
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = getComputedStyle(canvas).color;
    (counts ?? []).forEach((count, i) => {
      context.globalAlpha = count / 16;
      context.fillRect(i % 8, Math.floor(i / 8), 1, 1);
    });
    context.globalAlpha = 1;
  }
}

const percent = value => `${(100 * value).toFixed(1)} %`;

function showBar(line, probability, best) {
  line.classList.toggle('best', best);
  line.querySelector('.fill').style.width = `${100 * probability}%`;
  line.querySelector('.percent').textContent = percent(probability);
}

function element(name, className, text = '') {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}
